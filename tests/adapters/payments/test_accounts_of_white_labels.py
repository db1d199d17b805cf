"""Two white labels with accounts of their own at one gateway: each one's money lies in its account and nowhere else."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import stripe

from adapters.payments.card_page import StripeCardPage
from adapters.payments.stripe import StripeGateway
from adapters.payments.stripe_api import StripeApi, on_account
from domain.errors import KeyClosed, PaymentDeclined, Refused, Unavailable
from domain.payments import Payment, PaymentMeans, PaymentOrder, PaymentState
from starter.local.stripe_edge import RunningGateway, start_gateway
from tests.adapters.payments.conftest import API_KEY
from tests.stripe import CANCEL_URL, RETURN_URL, SDK_WARNING, card_in, left_card, order_with, session_in

pytestmark = pytest.mark.filterwarnings(SDK_WARNING)

NORTH, SOUTH = "acct_1North", "acct_1South"
STRANGERS = (SOUTH, None)
"""Who must see nothing of what is North's: another white label, and the platform itself."""


@pytest.fixture
async def sdk(embedded: RunningGateway) -> AsyncIterator[stripe.StripeClient]:
    api = StripeApi(API_KEY, embedded.url, timeout=5)
    yield api.client
    await api.close()


async def accounts_holding(embedded: RunningGateway, payment: PaymentOrder) -> list[str | None]:
    """The account of each payment under the key, in the gateway's own books."""
    books = (await embedded.objects())["payment_intents"]
    return [intent["account"] for intent in books if intent["metadata"].get("dialtone_key") == payment.key]


def moved(payment: PaymentOrder, merchant: str | None) -> PaymentOrder:
    """The same intent to pay, said to be on another account."""
    return payment.model_copy(update={"means": payment.means.model_copy(update={"merchant": merchant})})


async def test_the_money_of_each_white_label_lies_in_its_own_account(gateway, page, embedded):
    for merchant in (NORTH, SOUTH, None):
        means = await left_card(page, embedded.url, merchant=merchant)
        assert means.merchant == merchant
        payment = order_with(means)
        await gateway.authorise(payment)
        taken = await gateway.capture(payment)
        assert (taken.state, await gateway.find(payment)) == (PaymentState.CAPTURED, taken)
        assert await accounts_holding(embedded, payment) == [merchant]


async def test_every_verb_works_on_an_account_of_a_white_label(gateway, page, embedded):
    means = await left_card(page, embedded.url, merchant=NORTH)
    first, second = order_with(means), order_with(means)
    assert await gateway.find(first) is None
    done = await gateway.authorise(first)
    assert await gateway.authorise(first) == done, "the same key is the same payment"
    assert (await gateway.void(first)).state is PaymentState.VOIDED
    with pytest.raises(KeyClosed):
        await gateway.authorise(first)
    await gateway.authorise(second)
    await gateway.capture(second)
    assert (await gateway.refund(second)).state is PaymentState.REFUNDED
    found = await gateway.find(second)
    assert found is not None
    assert found.state is PaymentState.REFUNDED
    for payment in (first, second):
        assert await accounts_holding(embedded, payment) == [NORTH]


async def test_a_payment_on_an_account_is_found_when_the_gateway_has_forgotten_the_key(gateway, page, embedded):
    payment = order_with(await left_card(page, embedded.url, merchant=NORTH))
    done = await gateway.authorise(payment)
    await embedded.forget_idempotency_keys()
    assert await gateway.authorise(payment) == done
    assert await accounts_holding(embedded, payment) == [NORTH]


@pytest.mark.parametrize("other", STRANGERS, ids=["another", "platform"])
async def test_a_card_of_one_account_cannot_be_charged_on_another(gateway, page, embedded, other):
    payment = order_with(await left_card(page, embedded.url, merchant=NORTH))
    with pytest.raises(Unavailable) as raised:
        await gateway.authorise(moved(payment, other))
    assert raised.value.code == "gateway_misconfigured"
    theirs = await left_card(page, embedded.url, merchant=other)
    borrowed: PaymentMeans = theirs.model_copy(update={"reference": payment.means.reference})
    with pytest.raises(PaymentDeclined) as declined:
        await gateway.authorise(order_with(borrowed))
    assert declined.value.code == "card_missing"
    assert await accounts_holding(embedded, payment) == []


@pytest.mark.parametrize("other", STRANGERS, ids=["another", "platform"])
async def test_a_payment_of_one_account_is_not_there_for_another(gateway, page, sdk, embedded, other):
    payment = order_with(await left_card(page, embedded.url, merchant=NORTH))
    held: Payment = await gateway.authorise(payment)
    for verb in (gateway.find, gateway.capture, gateway.void, gateway.refund):
        with pytest.raises((Unavailable, Refused)):
            await verb(moved(payment, other))
    intents, where = sdk.v1.payment_intents, on_account(other)
    customer = str(payment.means.customer)
    for call in (
        intents.retrieve_async(held.reference, options=where),
        intents.capture_async(held.reference, options=where),
        intents.cancel_async(held.reference, options=where),
        intents.list_async({"customer": customer}, options=where),
        sdk.v1.refunds.create_async({"payment_intent": held.reference}, options=where),
        sdk.v1.customers.retrieve_async(customer, options=where),
        sdk.v1.payment_methods.retrieve_async(payment.means.reference, options=where),
    ):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            await call
        assert (raised.value.http_status, raised.value.code) == (404, "resource_missing")
    assert await gateway.find(payment) == held, "nothing of it was touched"


async def test_a_visit_counts_only_on_the_account_that_it_was_begun_on(page, embedded):
    onboarding = str(uuid.uuid4())
    url = await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL, NORTH)
    assert await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL, NORTH) == url
    # After a change of the white label's account: same order, same attempt, another visit.
    assert await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL, SOUTH) != url
    session = session_in(await card_in(embedded.url, url, "4242424242424242"))
    assert [await page.finished(session, onboarding, other) for other in STRANGERS] == [None, None]
    means = await page.finished(session, onboarding, NORTH)
    assert means is not None
    assert means.merchant == NORTH
    [visit] = [one for one in (await embedded.objects())["sessions"] if one["id"] == session]
    assert visit["account"] == NORTH


async def test_one_idempotency_key_is_another_on_each_account(sdk, embedded):
    key = str(uuid.uuid4())
    made = [(await sdk.v1.customers.create_async({}, options=on_account(whose, key))).id for whose in (NORTH, SOUTH, None)]
    again = [(await sdk.v1.customers.create_async({}, options=on_account(whose, key))).id for whose in (NORTH, SOUTH, None)]
    assert again == made
    assert len(set(made)) == 3


async def test_a_name_that_is_no_account_is_refused_as_by_stripe(sdk):
    with pytest.raises(stripe.PermissionError):
        await sdk.v1.customers.create_async({}, options={"stripe_account": "northway"})


async def test_whose_a_payment_is_survives_a_restart(tmp_path: Path):
    running = await start_gateway(tmp_path)
    page, gateway = StripeCardPage.connect(API_KEY, running.url), StripeGateway.connect(API_KEY, running.url)
    try:
        payment = order_with(await left_card(page, running.url, merchant=NORTH))
        held = await gateway.authorise(payment)
        port = int(running.url.rpartition(":")[2])
        await running.stop()
        running = await start_gateway(tmp_path, port=port)
        assert await gateway.find(payment) == held
        with pytest.raises(Unavailable):
            await gateway.find(moved(payment, None))
    finally:
        await page.close()
        await gateway.close()
        await running.stop()
