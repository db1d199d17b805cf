"""Keys and tombstones: whichever comes first, and at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from adapters.database import Database
from domain.books import Books
from domain.errors import KeyClosed
from domain.onboarding import Step
from domain.orders import Order
from tests.adapters.database.conftest import TENANT
from tests.adapters.database.steps import DRAMA, Case
from tests.builders import an_order, paid_by_parent


@dataclass(frozen=True)
class Pair:
    """A step, its undo, and how to see in the books that something of it is left."""

    step: Callable[[Database, Case], Awaitable[object]]
    undo: Callable[[Database, Case], Awaitable[object]]
    left: Callable[[Books, Case], object]


async def _open(database: Database, case: Case) -> None:
    await database.records.open_account(case.opening())


def _open_account_of(books: Books, case: Case) -> list[str]:
    return [order.id for order in books.orders if order.id == case.id and order.account_status in {"pending", "active"}]


async def _go_live(database: Database, case: Case) -> None:
    await database.records.go_live(case.going_live(await database.numbers.reserve(case.reservation())))


PAIRS = {
    "open_account": Pair(
        _open, lambda database, case: database.records.close_account(case.undo(Step.OPEN_ACCOUNT)), _open_account_of
    ),
    "reserve_numbers": Pair(
        lambda database, case: database.numbers.reserve(case.reservation()),
        lambda database, case: database.numbers.release(case.undo(Step.RESERVE_NUMBERS)),
        lambda books, _case: books.numbers,
    ),
    "hold": Pair(
        lambda database, case: database.ledger.hold(case.on_ledger()),
        lambda database, case: database.ledger.release(case.payment()),
        lambda books, _case: [account for account in books.accounts if account.held_minor],
    ),
    "take": Pair(
        lambda database, case: database.ledger.take(case.on_ledger()),
        lambda database, case: database.ledger.release(case.payment()),
        lambda books, _case: [hold for hold in books.holds if hold.state in {"held", "taken"}],
    ),
    "go_live": Pair(
        _go_live,
        lambda database, case: database.records.withdraw(case.undo(Step.GO_LIVE)),
        lambda books, _case: [
            *(number for number in books.numbers if number.state == "assigned"),
            *(entry for entry in books.entries if entry.amount_minor),
        ],
    ),
}


async def _until(database: Database, case: Case, name: str) -> None:
    """Everything that comes before the step of this name."""
    await database.admin.import_numbers(TENANT.id, DRAMA[:50])
    if name != "open_account":
        await _open(database, case)
    if name in {"take", "go_live"}:
        await database.ledger.hold(case.on_ledger())
    if name == "go_live":
        await database.numbers.reserve(case.reservation())
        await database.ledger.take(case.on_ledger())


@pytest.mark.parametrize("name", PAIRS)
async def test_undoing_what_never_happened_succeeds_and_the_step_that_comes_later_is_refused(
    database: Database, name: str
) -> None:
    case, pair = Case(), PAIRS[name]
    await _until(database, case, name)
    for _ in range(2):
        await pair.undo(database, case)
    for _ in range(2):
        with pytest.raises(KeyClosed):
            await pair.step(database, case)
    assert not pair.left(await database.books.read(), case)


@pytest.mark.parametrize("name", PAIRS)
async def test_a_step_that_was_undone_does_not_come_back(database: Database, name: str) -> None:
    case, pair = Case(), PAIRS[name]
    await _until(database, case, name)
    await pair.step(database, case)
    assert pair.left(await database.books.read(), case)
    for _ in range(2):
        await pair.undo(database, case)
        assert not pair.left(await database.books.read(), case)
        with pytest.raises(KeyClosed):
            await pair.step(database, case)
    assert not pair.left(await database.books.read(), case)


@pytest.mark.parametrize("name", PAIRS)
async def test_a_step_and_its_undo_at_the_same_time_leave_nothing(database: Database, name: str) -> None:
    pair = PAIRS[name]
    cases = [Case(an_order_of(number)) for number in range(12)]
    for case in cases:
        await _until(database, case, name)
    # Three attempts of the step around two of its undo, for every case, all at once.
    calls = [call(database, case) for case in cases for call in (pair.step, pair.undo, pair.step, pair.undo, pair.step)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers if isinstance(answer, BaseException)} <= {KeyClosed}
    books = await database.books.read()
    for case in cases:
        assert not pair.left(books, case)


def an_order_of(number: int) -> Order:
    return paid_by_parent(name=f"Customer {number}")


@pytest.mark.parametrize("name", PAIRS)
async def test_many_attempts_of_one_step_are_one_step(database: Database, name: str) -> None:
    case, pair = Case(), PAIRS[name]
    await _until(database, case, name)
    await asyncio.gather(*(pair.step(database, case) for _ in range(16)))
    books, total = await database.books.read(), case.input.quote.total_minor
    tenant = next(account for account in books.accounts if account.id == TENANT.id)
    expected = {"hold": (50_000, total), "take": (50_000, total), "go_live": (50_000 - total, 0)}
    assert (tenant.balance_minor, tenant.held_minor) == expected.get(name, (50_000, 0))
    assert len(books.numbers) == (1 if name in {"reserve_numbers", "go_live"} else 0)


async def test_the_fence_lets_attempts_through_until_the_undo_closes_it(database: Database) -> None:
    await database.fence.enter("order:voice:1")
    assert await database.fence.leave("order:voice:1") is False
    await database.fence.enter("order:voice:1")
    began = await database.fence.close("order:voice:1")
    assert began is not None
    assert abs((datetime.now(UTC) - began).total_seconds()) < 60
    assert await database.fence.leave("order:voice:1") is True
    assert await database.fence.close("order:voice:1") is None
    with pytest.raises(KeyClosed):
        await database.fence.enter("order:voice:1")


async def test_closing_a_fence_that_nobody_entered_says_so_and_holds(database: Database) -> None:
    assert await database.fence.close("order:voice:2") is None
    with pytest.raises(KeyClosed):
        await database.fence.enter("order:voice:2")
    assert await database.fence.leave("order:voice:2") is True
    assert await database.fence.leave("never heard of") is False


async def test_of_overlapping_attempts_the_latest_start_is_remembered_until_all_have_ended(database: Database) -> None:
    await database.fence.enter("key")
    between = datetime.now(UTC)
    await database.fence.enter("key")
    assert await database.fence.leave("key") is False
    began = await database.fence.close("key")
    assert began is not None
    assert began >= between
    assert await database.fence.leave("key") is True
    assert await database.fence.close("key") is None


async def test_an_attempt_and_a_closing_at_once_always_see_each_other(database: Database) -> None:
    async def attempt(key: str) -> str:
        try:
            await database.fence.enter(key)
        except KeyClosed:
            return "refused"
        return "warned" if await database.fence.leave(key) else "done before"

    for turn in range(20):
        outcome, began = await asyncio.gather(attempt(f"key {turn}"), database.fence.close(f"key {turn}"))
        # The undo may miss an attempt that had ended; one still under way is seen by it, and told to undo itself.
        assert (outcome == "warned") == (began is not None)


async def test_an_account_that_went_live_is_not_closed_by_a_stray_undo(database: Database) -> None:
    case = Case(an_order(services=()))
    await _open(database, case)
    await database.records.go_live(case.going_live(await database.numbers.reserve(case.reservation())))
    await database.records.close_account(case.undo(Step.OPEN_ACCOUNT))
    assert [order.account_status for order in (await database.books.read()).orders] == ["active"]
