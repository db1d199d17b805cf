"""The card gateway on bad days: done and not answered, hanging, failing, declining. Nobody pays twice, nobody is kept waiting for ever."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.onboarding import State
from tests.faults.ground import Ground, an_order
from tests.stripe import DECLINES_AT_CHARGE

BAD_ANSWERS = ("error500", "unavailable", "hang")


@pytest.fixture(autouse=True)
async def a_good_day_tomorrow(ground: Ground) -> AsyncIterator[None]:
    yield
    await ground.gateway.clear_faults()


async def ordered(ground: Ground) -> str:
    begun = an_order("Ada's Bakery", card=True)
    await ground.order(begun)
    await ground.activated(begun.id)
    return begun.id


async def payments(ground: Ground, onboarding: str) -> list[dict[str, Any]]:
    """What the gateway itself has on its books for this order."""
    intents = (await ground.gateway.objects())["payment_intents"]
    return [intent for intent in intents if intent["metadata"].get("onboarding_id") == onboarding]


async def test_a_payment_that_was_made_but_reported_as_timed_out_is_found_and_not_made_again(ground: Ground) -> None:
    async with ground.kept_worker():
        onboarding = await ordered(ground)
        for verb in ("authorise", "capture"):
            await ground.gateway.add_fault(verb, "done_then_timeout")
        await ground.paid(onboarding)
        assert await ground.over(onboarding) is State.ACTIVE
    assert ground.director.times("gateway.authorise", "before") == ground.director.times("gateway.capture", "before") == 2
    (payment,) = await payments(ground, onboarding)
    assert (payment["status"], payment["amount_refunded"]) == ("succeeded", 0)
    await ground.sound()


async def test_a_payment_is_found_even_when_the_gateway_has_forgotten_our_idempotency_keys(ground: Ground) -> None:
    """A retry after an outage of a day: the key is a new one to the gateway then."""
    async with ground.kept_worker():
        onboarding = await ordered(ground)
        done = [ground.director.cue(f"gateway.{verb}", "after", "fail") for verb in ("authorise", "capture")]
        again = [ground.director.cue(f"gateway.{verb}", "before", "go") for verb in ("authorise", "capture")]
        again += [ground.director.cue(cue.call, "before", "hold") for cue in again]
        await ground.paid(onboarding)
        for cue in again[2:]:
            await ground.sees(cue)
            await ground.gateway.forget_idempotency_keys()
            cue.released.set()
        assert await ground.over(onboarding) is State.ACTIVE
    assert [cue.fired for cue in done] == [1, 1]
    assert len(await payments(ground, onboarding)) == 1
    await ground.sound()


async def test_a_gateway_that_hangs_fails_and_is_out_of_service_is_asked_until_it_recovers(ground: Ground) -> None:
    async with ground.kept_worker():
        onboarding = await ordered(ground)
        for kind in BAD_ANSWERS:
            await ground.gateway.add_fault("authorise", kind)
            await ground.gateway.add_fault("capture", kind)
        await ground.paid(onboarding)
        assert await ground.over(onboarding) is State.ACTIVE
    assert ground.director.times("gateway.authorise", "before") == ground.director.times("gateway.capture", "before") == 4
    await ground.sound()


@pytest.mark.parametrize(("verb", "refused"), [("void", "gateway.capture"), ("refund", "records.go_live")])
async def test_money_comes_back_once_however_the_gateway_answers(ground: Ground, verb: str, refused: str) -> None:
    async with ground.kept_worker():
        onboarding = await ordered(ground)
        ground.director.cue(refused, "before", "refuse")
        for kind in ("error500", "done_then_timeout"):
            await ground.gateway.add_fault(verb, kind)
        await ground.paid(onboarding)
        assert await ground.over(onboarding) is State.REJECTED
    (payment,) = await payments(ground, onboarding)
    if verb == "void":
        assert payment["status"] == "canceled"
    else:
        assert (payment["status"], payment["amount_refunded"]) == ("succeeded", payment["amount"])
        assert len(payment["refunds"]) == 1
    await ground.sound()


async def test_a_declined_card_is_followed_by_a_good_one_and_only_that_is_charged(ground: Ground) -> None:
    async with ground.kept_worker():
        onboarding = await ordered(ground)
        await ground.paid(onboarding, DECLINES_AT_CHARGE)
        await ground.until(lambda: asked_again(ground, onboarding), "another card to be asked for")
        await ground.paid(onboarding)
        assert await ground.over(onboarding) is State.ACTIVE
    assert sorted(payment["amount_received"] > 0 for payment in await payments(ground, onboarding)) == [False, True]
    await ground.sound()


async def asked_again(ground: Ground, onboarding: str) -> bool:
    return any(event.event == "payment_declined" for event in await ground.database.reader.timeline(onboarding))


async def test_cards_that_are_declined_one_after_the_other_end_the_order_and_release_everything(ground: Ground) -> None:
    async with ground.kept_worker():
        onboarding = await ordered(ground)
        attempts = ground.orders[onboarding].schedule.payment_attempts
        await ground.gateway.add_fault("authorise", "decline", attempts)
        for attempt in range(1, attempts + 1):
            await ground.paid(onboarding)
            asked = ground.director.cue("gateway.authorise", "refused", "go")
            if attempt < attempts:
                await ground.sees(asked)
        assert await ground.over(onboarding) is State.DECLINED
    assert all(payment["amount_received"] == 0 for payment in await payments(ground, onboarding))
    await ground.sound()
