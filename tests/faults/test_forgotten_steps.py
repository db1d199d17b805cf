"""Local steps that ran and were forgotten: the worker dies before the server knows of them, and meanwhile the order is cancelled.

The history of such a run does not hold the steps, but their effects are in our database: only an undo by key finds them.
"""

import asyncio
from collections.abc import Callable

import pytest

from domain.books import Books
from domain.mails import MailKind
from domain.onboarding import State, TakeOver
from domain.orders import Administration, Payer, Service
from tests.builders import accepted, activation, by
from tests.faults.conftest import GroundMaker, both
from tests.faults.ground import Ground, Handle, an_order, together


def account_opened(books: Books) -> bool:
    return books.orders[0].account_status == "pending"


def numbers_held(books: Books) -> bool:
    return [number.state for number in books.numbers] == ["held"]


def money_held(books: Books) -> bool:
    return [hold.state for hold in books.holds] == ["held"]


def money_taken(books: Books) -> bool:
    return [hold.state for hold in books.holds] == ["taken"]


def live(books: Books) -> bool:
    return books.orders[0].state is State.ACTIVE and books.orders[0].account_status == "active"


# After which the worker dies, and what shows that the step has happened.
FIRST_STRETCH = {"records.open_account": account_opened, "numbers.reserve": numbers_held, "ledger.hold": money_held}
LAST_STRETCH = {"ledger.take": money_taken, "records.go_live": live}
TAKEN_OVER = TakeOver(actor="key:operator", consent="Agreed on the telephone", terms=accepted(capacity="on_behalf"))
# Without a line there is no step outside our database, so that all of them are one stretch.
LINELESS: dict[str, tuple[Service, ...]] = {"services": ()}


async def cancelled(handle: Handle, way: str) -> None:
    """While there is no worker to answer: an update would find nobody."""
    if way == "signal":
        await handle.signal("cancel", by(reason="changed my mind"))
    else:
        await handle.cancel()


async def forgotten(ground: Ground, step: str, happened: Callable[[Books], bool], way: str, *, lineless: bool) -> None:
    begun = an_order("Ada's Bakery", order=LINELESS if lineless else {})
    cue = ground.director.cue(step, "after", "kill")
    async with ground.worker() as worker:
        handle = await ground.order(begun)
        await worker.ended()
    assert cue.fired == 1
    assert happened(await ground.books()), "the step must have happened, or this test is about nothing"
    await cancelled(handle, way)
    async with ground.worker():
        assert await ground.over(begun.id) is State.CANCELLED
    await ground.sound()


@pytest.mark.parametrize("way", ["signal", "temporal"])
@pytest.mark.parametrize("lineless", [False, True], ids=["", "lineless"])
async def test_steps_that_history_has_forgotten_are_undone(new_ground: GroundMaker, way: str, lineless: bool) -> None:
    steps = {**FIRST_STRETCH, **LAST_STRETCH}
    if lineless:
        steps.pop("numbers.reserve")
    cases = [(step, forgotten(await new_ground(), step, steps[step], way, lineless=lineless)) for step in steps]
    await together(*cases)


@both
async def test_forgotten_steps_that_nobody_cancels_are_not_done_twice(new_ground: GroundMaker) -> None:
    """Two deaths in each stretch: whatever ran before is found by its key."""
    ground = await new_ground()
    begun = an_order("Ada's Bakery")
    cues = [ground.director.cue(step, "after", "kill", times=2) for step in ("ledger.hold", "records.go_live")]
    async with ground.kept_worker():
        await ground.order(begun)
        assert await ground.over(begun.id) is State.ACTIVE
    assert [cue.fired for cue in cues] == [2, 2]
    assert ground.director.times("records.open_account", "before") == 3
    await ground.sound()


@pytest.mark.parametrize("way", ["cancel", "temporal", "activate"])
async def test_money_set_aside_in_a_take_over_is_never_forgotten(new_ground: GroundMaker, way: str) -> None:
    """The worker dies right after the white label's money was set aside; then the order is cancelled, or its customer activates it."""
    ground = await new_ground()
    begun = an_order("Ada's Bakery", card=True)
    cue = ground.director.cue("ledger.hold", "after", "kill")
    async with ground.worker() as worker:
        handle = await ground.order(begun)
        await ground.reaches(begun.id, State.AWAITING_ACTIVATION)

        async def link_sent() -> bool:
            return await ground.has_sent(begun.id, MailKind.ACTIVATION)

        await ground.until(link_sent, "the link")
        await handle.query("state")
        taking_over = asyncio.create_task(handle.execute_update("take_over", TAKEN_OVER))
        await worker.ended()
    assert cue.fired == 1
    assert money_held(await ground.books()), "the step must have happened, or this test is about nothing"
    if way == "activate":
        await handle.signal("activate", activation())
    else:
        await cancelled(handle, "signal" if way == "cancel" else way)
    async with ground.worker():
        end = await ground.over(begun.id)
        await asyncio.gather(taking_over, return_exceptions=True)
    assert end is (State.ACTIVE if way == "activate" else State.CANCELLED)
    books = await ground.books()
    assert [hold.state for hold in books.holds] == ["posted" if way == "activate" else "released"]
    order = (await ground.database.reader.get(begun.id)).order
    assert (order.administration, order.payer) == (Administration.OPERATOR, Payer.PARENT)
    await ground.sound()
