"""The contract of the payment gateway port. Effects are read in the gateway's own books."""

import asyncio
import time
from typing import Any

import pytest

from adapters.payments.card_page import StripeCardPage
from adapters.payments.stripe import StripeGateway
from domain.errors import KeyClosed, PaymentDeclined, Refused, Unavailable
from domain.payments import MeansKind, Payment, PaymentMeans, PaymentOrder, PaymentState
from starter.local.stripe_edge import RunningGateway
from tests.adapters.payments.conftest import API_KEY, TIMEOUT
from tests.stripe import ASKS_AT_CHARGE, DECLINES_AT_CHARGE, SDK_WARNING, WORKS, left_card, order_with

pytestmark = pytest.mark.filterwarnings(SDK_WARNING)


@pytest.fixture
async def payment(page: StripeCardPage, embedded: RunningGateway) -> PaymentOrder:
    return order_with(await left_card(page, embedded.url))


async def booked(embedded: RunningGateway, payment: PaymentOrder) -> list[dict[str, Any]]:
    """What the gateway itself holds under our key."""
    books = (await embedded.objects())["payment_intents"]
    return [intent for intent in books if intent["metadata"].get("dialtone_key") == payment.key]


async def test_an_authorisation_holds_the_amount_and_takes_nothing(gateway, embedded, payment):
    done = await gateway.authorise(payment)
    assert (done.state, done.amount, done.key) == (PaymentState.AUTHORISED, payment.amount, payment.key)
    [intent] = await booked(embedded, payment)
    assert (intent["id"], intent["amount_capturable"], intent["amount_received"]) == (done.reference, 1999, 0)
    assert intent["metadata"] == {"dialtone_key": payment.key, "onboarding_id": payment.onboarding_id}


async def test_authorising_twice_under_one_key_is_one_authorisation(gateway, embedded, payment):
    assert await gateway.authorise(payment) == await gateway.authorise(payment)
    assert len(await booked(embedded, payment)) == 1


async def test_ten_at_once_under_one_key_are_one_authorisation(gateway, embedded, payment):
    answers = await asyncio.gather(*[gateway.authorise(payment) for _ in range(10)], return_exceptions=True)
    done = [answer for answer in answers if isinstance(answer, Payment)]
    assert done
    assert all(isinstance(answer, Payment | Unavailable) for answer in answers), answers
    assert len({answer.reference for answer in done}) == 1
    assert len(await booked(embedded, payment)) == 1


async def test_two_keys_are_two_payments(gateway, embedded, payment):
    other = order_with(payment.means, onboarding_id=payment.onboarding_id, generation=2)
    first, second = await gateway.authorise(payment), await gateway.authorise(other)
    assert first.reference != second.reference
    assert await gateway.find(other) == second


async def test_a_declined_card_is_an_answer_and_stays_one(gateway, page, embedded):
    payment = order_with(await left_card(page, embedded.url, DECLINES_AT_CHARGE))
    for _ in range(2):
        with pytest.raises(PaymentDeclined) as refused:
            await gateway.authorise(payment)
        assert refused.value.code == "card_declined"
    assert await gateway.find(payment) is None
    assert len(await booked(embedded, payment)) == 1


async def test_a_decline_is_remembered_when_the_gateway_has_forgotten_the_key(gateway, page, embedded):
    payment = order_with(await left_card(page, embedded.url, DECLINES_AT_CHARGE))
    with pytest.raises(PaymentDeclined):
        await gateway.authorise(payment)
    await embedded.forget_idempotency_keys()
    with pytest.raises(PaymentDeclined):
        await gateway.authorise(payment)
    assert len(await booked(embedded, payment)) == 1


async def test_a_card_whose_bank_wants_the_cardholder_is_declined_and_leaves_nothing_open(gateway, page, embedded):
    payment = order_with(await left_card(page, embedded.url, ASKS_AT_CHARGE))
    for _ in range(2):
        with pytest.raises(PaymentDeclined) as refused:
            await gateway.authorise(payment)
        assert refused.value.code == "authentication_required"
    [intent] = await booked(embedded, payment)
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", "abandoned")
    assert await gateway.find(payment) is None


async def test_a_card_that_the_gateway_no_longer_has_is_declined(gateway, payment):
    gone = payment.model_copy(update={"means": payment.means.model_copy(update={"reference": "pm_gone"})})
    with pytest.raises(PaymentDeclined) as refused:
        await gateway.authorise(gone)
    assert refused.value.code == "card_missing"


async def test_what_is_not_a_card_is_declined_without_asking(gateway, payment):
    ledger = PaymentMeans(kind=MeansKind.PARENT_ACCOUNT, reference="account")
    with pytest.raises(PaymentDeclined):
        await gateway.authorise(payment.model_copy(update={"means": ledger}))


async def test_capturing_takes_what_was_held_and_only_once(gateway, embedded, payment):
    await gateway.authorise(payment)
    for _ in range(2):
        assert (await gateway.capture(payment)).state is PaymentState.CAPTURED
    [intent] = await booked(embedded, payment)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 1999)


async def test_authorising_what_is_captured_answers_that_it_is(gateway, payment):
    await gateway.authorise(payment)
    await gateway.capture(payment)
    assert (await gateway.authorise(payment)).state is PaymentState.CAPTURED


async def test_voiding_lets_go_and_may_be_repeated(gateway, embedded, payment):
    await gateway.authorise(payment)
    for _ in range(2):
        assert (await gateway.void(payment)).state is PaymentState.VOIDED
    assert (await gateway.find(payment)).state is PaymentState.VOIDED
    [intent] = await booked(embedded, payment)
    assert (intent["status"], intent["amount_received"], intent["amount_capturable"]) == ("canceled", 0, 0)


async def test_a_voided_payment_is_not_captured(gateway, embedded, payment):
    await gateway.authorise(payment)
    await gateway.void(payment)
    with pytest.raises(Refused) as refused:
        await gateway.capture(payment)
    assert refused.value.code == "payment_voided"
    assert (await booked(embedded, payment))[0]["amount_received"] == 0


@pytest.mark.parametrize("forgotten", [False, True], ids=["key known", "key forgotten"])
async def test_a_voided_payment_is_not_made_again_under_its_key(gateway, embedded, payment, forgotten):
    await gateway.authorise(payment)
    await gateway.void(payment)
    if forgotten:
        await embedded.forget_idempotency_keys()
    with pytest.raises(KeyClosed):
        await gateway.authorise(payment)
    assert len(await booked(embedded, payment)) == 1


async def test_a_captured_payment_is_not_voided(gateway, payment):
    await gateway.authorise(payment)
    await gateway.capture(payment)
    with pytest.raises(Refused) as refused:
        await gateway.void(payment)
    assert refused.value.code == "payment_captured"


async def test_a_refund_pays_everything_back_once(gateway, embedded, payment):
    await gateway.authorise(payment)
    await gateway.capture(payment)
    assert (await gateway.refund(payment)).state is PaymentState.REFUNDED
    await embedded.forget_idempotency_keys()
    assert (await gateway.refund(payment)).state is PaymentState.REFUNDED
    assert (await gateway.capture(payment)).state is PaymentState.REFUNDED
    assert (await gateway.find(payment)).state is PaymentState.REFUNDED
    [intent] = await booked(embedded, payment)
    assert [refund["amount"] for refund in intent["refunds"]] == [1999]


async def test_refunds_at_once_pay_back_once(gateway, embedded, payment):
    await gateway.authorise(payment)
    await gateway.capture(payment)
    answers = await asyncio.gather(*[gateway.refund(payment) for _ in range(5)], return_exceptions=True)
    assert all(isinstance(answer, Payment | Unavailable) for answer in answers), answers
    assert (await booked(embedded, payment))[0]["amount_refunded"] == 1999


async def test_what_is_only_held_is_not_refunded(gateway, payment):
    await gateway.authorise(payment)
    with pytest.raises(Refused) as refused:
        await gateway.refund(payment)
    assert refused.value.code == "payment_not_captured"


@pytest.mark.parametrize("verb", ["capture", "void", "refund"])
async def test_nothing_is_done_about_a_key_that_was_never_heard_of(gateway, payment, verb):
    with pytest.raises(Refused) as refused:
        await getattr(gateway, verb)(payment)
    assert refused.value.code == "payment_unknown"
    assert await gateway.find(payment) is None


async def test_a_payment_is_found_among_many_long_after_its_key_was_forgotten(embedded, payment):
    gateway = StripeGateway.connect(API_KEY, embedded.url)
    done = await gateway.authorise(payment)
    # More than a page of Stripe's, and newest first: the one in question is on the last page.
    later = [order_with(payment.means, onboarding_id=payment.onboarding_id, generation=n) for n in range(2, 103)]
    for chunk in range(0, len(later), 10):
        await asyncio.gather(*[gateway._create(order) for order in later[chunk : chunk + 10]])
    await embedded.forget_idempotency_keys()
    assert await gateway.find(payment) == done
    assert await gateway.authorise(payment) == done
    assert len(await booked(embedded, payment)) == 1
    await gateway.close()


async def test_the_same_key_for_another_amount_stops_and_moves_no_money(gateway, embedded, payment):
    await gateway.authorise(payment)
    dearer = payment.model_copy(update={"amount": payment.amount + payment.amount})
    with pytest.raises(Unavailable) as stopped:
        await gateway.authorise(dearer)
    assert stopped.value.code == "gateway_misconfigured"
    assert [intent["amount"] for intent in await booked(embedded, payment)] == [1999]


# Faults


async def test_a_payment_that_was_made_but_reported_as_timed_out_is_found_and_not_made_again(
    gateway, hurried, embedded, payment
):
    await embedded.add_fault("authorise", "done_then_timeout")
    with pytest.raises(Unavailable):
        await hurried.authorise(payment)
    found = await gateway.find(payment)
    assert found is not None
    assert found.state is PaymentState.AUTHORISED
    assert await gateway.authorise(payment) == found
    assert len(await booked(embedded, payment)) == 1


@pytest.mark.parametrize(
    ("before", "verb", "state"),
    [
        (["authorise"], "capture", PaymentState.CAPTURED),
        (["authorise"], "void", PaymentState.VOIDED),
        (["authorise", "capture"], "refund", PaymentState.REFUNDED),
    ],
)
@pytest.mark.parametrize("kind", ["done_then_timeout", "hang", "error500", "unavailable"])
async def test_a_verb_without_an_answer_is_repeated_and_happens_once(
    gateway, hurried, embedded, payment, before, verb, state, kind
):
    for earlier in before:
        await getattr(gateway, earlier)(payment)
    await embedded.add_fault(verb, kind)
    with pytest.raises(Unavailable):
        await getattr(hurried, verb)(payment)
    assert (await getattr(gateway, verb)(payment)).state is state
    [intent] = await booked(embedded, payment)
    assert (intent["amount_received"], intent["amount_refunded"]) == {
        PaymentState.CAPTURED: (1999, 0),
        PaymentState.VOIDED: (0, 0),
        PaymentState.REFUNDED: (1999, 1999),
    }[state]


@pytest.mark.parametrize("verb", ["authorise", "find"])
async def test_a_gateway_that_hangs_is_given_up_within_the_timeout(hurried, embedded, payment, verb):
    await embedded.add_fault(verb, "hang")
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await getattr(hurried, verb)(payment)
    assert TIMEOUT <= time.monotonic() - began < 20, "the SDK itself would wait for 80 seconds"
    assert await booked(embedded, payment) == []


async def test_a_gateway_out_of_service_says_when_to_come_back(gateway, embedded, payment):
    await embedded.add_fault("authorise", "unavailable")
    with pytest.raises(Unavailable) as refused:
        await gateway.authorise(payment)
    assert refused.value.retry_after == 1.0
    assert (await gateway.authorise(payment)).state is PaymentState.AUTHORISED


async def test_a_decline_on_demand_is_replayed_until_the_key_is_forgotten(gateway, embedded, payment):
    await embedded.add_fault("authorise", "decline")
    for _ in range(2):
        with pytest.raises(PaymentDeclined):
            await gateway.authorise(payment)
    assert await booked(embedded, payment) == []


async def test_a_new_card_under_a_new_generation_pays_after_a_decline(gateway, page, embedded):
    refused = order_with(await left_card(page, embedded.url, DECLINES_AT_CHARGE))
    with pytest.raises(PaymentDeclined):
        await gateway.authorise(refused)
    means = await left_card(page, embedded.url, WORKS, refused.onboarding_id)
    second = order_with(means, onboarding_id=refused.onboarding_id, generation=2)
    assert (await gateway.authorise(second)).state is PaymentState.AUTHORISED
    assert await gateway.find(refused) is None
