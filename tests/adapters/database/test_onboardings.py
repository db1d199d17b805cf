"""The path of one onboarding through our own records, and back."""

import asyncio

import pytest

from adapters.database import Database
from domain.errors import KeyClosed, NameTaken, NotFound, NumberUnavailable, Refused
from domain.onboarding import Entry, Progress, State, Step
from domain.orders import AccountType, Administration
from domain.steps import Amendment
from tests.adapters.database.conftest import TENANT
from tests.adapters.database.steps import DRAMA, Case
from tests.builders import a_card, an_order, paid_by_parent


async def live(database: Database, case: Case) -> Case:
    await database.records.open_account(case.opening())
    reservation = await database.numbers.reserve(case.reservation())
    if case.payment().means.kind.is_ledger:
        await database.ledger.hold(case.on_ledger())
        await database.ledger.take(case.on_ledger())
    await database.records.go_live(case.going_live(reservation))
    return case


async def status_of(database: Database, case: Case) -> str | None:
    return next(order.account_status for order in (await database.books.read()).orders if order.id == case.id)


async def account(database: Database, account_id: str) -> tuple[int, int]:
    book = next(book for book in (await database.books.read()).accounts if book.id == account_id)
    assert book.balance_minor == book.entries_minor
    return book.balance_minor, book.held_minor


async def test_going_live_activates_the_account_assigns_the_numbers_and_charges_the_parent(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:5])
    case = await live(database, Case())
    total = case.input.quote.total_minor
    view = await database.reader.get(case.id)
    assert view.state is State.ACTIVE
    assert view.numbers == (DRAMA[1],)  # the first one, ending in 0000, is no standard number
    assert (view.charged_minor, view.refunded_minor) == (total, 0)
    assert view.terms is not None
    assert await status_of(database, case) == "active"
    assert await account(database, TENANT.id) == (50_000 - total, 0)


async def test_a_card_payment_is_charge_and_payment_on_the_customers_own_account(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:5])
    case = await live(database, Case(an_order()))
    view = await database.reader.get(case.id)
    assert (view.charged_minor, view.refunded_minor) == (case.input.quote.total_minor, 0)
    assert await account(database, case.account) == (0, 0)
    assert await account(database, TENANT.id) == (50_000, 0)


@pytest.mark.parametrize("order", [paid_by_parent(), an_order()], ids=["parent", "card"])
async def test_withdrawing_puts_everything_back_as_it_was_before_going_live(database: Database, order: object) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:5])
    case = await live(database, Case(order))
    total = case.input.quote.total_minor
    for _ in range(2):
        await database.records.withdraw(case.undo(Step.GO_LIVE))
    view = await database.reader.get(case.id)
    assert (view.charged_minor, view.refunded_minor) == (total, total)
    assert await status_of(database, case) == "pending"
    assert [(number.state, number.held_by) for number in (await database.books.read()).numbers] == [
        ("held", case.key(Step.RESERVE_NUMBERS))
    ]
    held = total if case.payment().means.kind.is_ledger else 0
    assert await account(database, TENANT.id) == (50_000, held)
    with pytest.raises(KeyClosed):
        await database.records.go_live(case.going_live(await database.numbers.reserve(case.reservation())))

    await database.ledger.release(case.payment())
    await database.numbers.release(case.undo(Step.RESERVE_NUMBERS))
    await database.records.close_account(case.undo(Step.OPEN_ACCOUNT))
    assert await account(database, TENANT.id) == (50_000, 0)
    assert (await database.books.read()).numbers == ()
    assert await status_of(database, case) == "closed"


async def test_every_step_repeated_changes_nothing(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:5])
    case = Case()
    opening, reserving, holding, taking = case.opening(), case.reservation(), case.on_ledger(), case.on_ledger()
    for _ in range(3):
        await database.records.open_account(opening)
    first = await database.numbers.reserve(reserving)
    assert await database.numbers.reserve(reserving) == first
    held = await database.ledger.hold(holding)
    assert await database.ledger.hold(holding) == held
    taken = await database.ledger.take(taking)
    assert await database.ledger.take(taking) == taken
    going_live = case.going_live(first)
    await database.records.go_live(going_live)
    before, seen = await database.books.read(), await database.reader.timeline(case.id)
    await database.records.open_account(opening)
    await database.numbers.reserve(reserving)
    await database.ledger.hold(holding)
    await database.ledger.take(taking)
    await database.records.go_live(going_live)
    after = await database.books.read()
    for ledger in ("accounts", "holds", "numbers", "entries"):
        assert getattr(before, ledger) == getattr(after, ledger)
    assert await database.reader.timeline(case.id) == seen
    assert (await database.reader.get(case.id)).state is State.ACTIVE


async def test_an_order_whose_numbers_were_given_back_cannot_go_live_and_nothing_is_charged(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:5])
    case = Case()
    await database.records.open_account(case.opening())
    reservation = await database.numbers.reserve(case.reservation())
    await database.ledger.hold(case.on_ledger())
    await database.ledger.take(case.on_ledger())
    await database.numbers.release(case.undo(Step.RESERVE_NUMBERS))
    with pytest.raises(NumberUnavailable):
        await database.records.go_live(case.going_live(reservation))
    assert await status_of(database, case) == "pending"
    assert await account(database, TENANT.id) == (50_000, case.input.quote.total_minor)


async def test_an_order_whose_payment_was_released_cannot_go_live(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:5])
    case = Case()
    await database.records.open_account(case.opening())
    reservation = await database.numbers.reserve(case.reservation())
    await database.ledger.hold(case.on_ledger())
    await database.ledger.release(case.payment())
    with pytest.raises(Refused, match="not captured or was released"):
        await database.records.go_live(case.going_live(reservation))
    assert await account(database, TENANT.id) == (50_000, 0)


async def test_a_closed_account_cannot_go_live(database: Database) -> None:
    case = Case(an_order(services=()))
    await database.records.open_account(case.opening())
    await database.records.close_account(case.undo(Step.OPEN_ACCOUNT))
    with pytest.raises(Refused, match="not waiting to be activated"):
        await database.records.go_live(case.going_live(await database.numbers.reserve(case.reservation())))
    assert (await database.books.read()).entries == ()


async def test_a_taken_name_is_refused_and_the_row_is_kept_so_that_its_end_can_be_shown(database: Database) -> None:
    first, second = Case(an_order(name="Ada's Bakery")), Case(an_order(name="  ADA'S  bakery "))
    await database.records.open_account(first.opening())
    opening = second.opening()
    for _ in range(2):
        with pytest.raises(NameTaken):
            await database.records.open_account(opening)
    await database.records.record(second.progress(State.REJECTED, "rejected"))
    assert (await database.reader.get(second.id)).state is State.REJECTED
    assert [event.event for event in await database.reader.timeline(second.id)] == ["rejected"]
    assert await status_of(database, second) is None


async def test_closing_an_account_frees_its_name(database: Database) -> None:
    first, second = Case(an_order()), Case(an_order())
    await database.records.open_account(first.opening())
    await database.records.close_account(first.undo(Step.OPEN_ACCOUNT))
    await database.records.open_account(second.opening())
    assert await status_of(database, second) == "pending"


async def test_of_many_orders_for_one_name_one_wins(database: Database) -> None:
    cases = [Case(an_order(name="Same & Co")) for _ in range(32)]
    answers = await asyncio.gather(*(database.records.open_account(case.opening()) for case in cases), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["NameTaken"] * 31 + ["NoneType"]


async def test_a_name_whose_refused_order_is_undone_stays_with_the_account_that_has_it(database: Database) -> None:
    first, second, third = (Case(an_order()) for _ in range(3))
    await database.records.open_account(first.opening())
    with pytest.raises(NameTaken):
        await database.records.open_account(second.opening())
    await database.records.close_account(second.undo(Step.OPEN_ACCOUNT))
    with pytest.raises(NameTaken):
        await database.records.open_account(third.opening())


async def test_an_onboarding_that_ends_before_its_account_is_opened_is_registered_and_shown(database: Database) -> None:
    case = Case()
    await database.records.close_account(case.undo(Step.OPEN_ACCOUNT))
    await database.records.register(case.opening())
    await database.records.record(case.progress(State.CANCELLED, "cancelled"))
    assert (await database.reader.get(case.id)).state is State.CANCELLED
    with pytest.raises(KeyClosed):
        await database.records.open_account(case.opening())
    assert await status_of(database, case) is None


async def test_a_late_write_never_overwrites_a_newer_state_but_its_entries_are_kept(database: Database) -> None:
    case = Case()
    await database.records.open_account(case.opening())
    late = case.progress(State.AWAITING_APPROVAL, "approval_requested")
    await database.records.record(case.progress(State.CANCELLED, "cancelled"))
    await database.records.record(late)
    assert (await database.reader.get(case.id)).state is State.CANCELLED
    assert {event.event for event in await database.reader.timeline(case.id)} == {
        "account_opened",
        "cancelled",
        "approval_requested",
    }


async def test_progress_of_an_onboarding_that_was_never_opened_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound):
        await database.records.record(Progress(onboarding_id="nobody", version=1, state=State.CANCELLED))


async def test_a_corrected_address_is_the_one_that_is_written_to(database: Database) -> None:
    case = Case(an_order(email="wrong@example.com"))
    await database.records.open_account(case.opening())
    await database.records.amend(
        Amendment(
            onboarding_id=case.id,
            email="right@example.com",
            means=a_card().means,
            progress=case.progress(State.AWAITING_ACTIVATION, "corrected"),
        )
    )
    view = await database.reader.get(case.id)
    assert view.order.customer.contact.email == "right@example.com"
    assert view.order.customer.contact.full_name == case.order.customer.contact.full_name
    assert [event.event for event in await database.reader.timeline(case.id)] == ["account_opened", "corrected"]
    with pytest.raises(NotFound):
        await database.records.amend(
            Amendment(onboarding_id="nobody", progress=Progress(onboarding_id="nobody", version=1, state=State.HELD))
        )


async def test_what_was_ordered_comes_back_as_it_was_written(database: Database) -> None:
    case = Case(paid_by_parent(name="Ærøskøbing 電話 & Søn"))
    await database.records.open_account(case.opening())
    view = await database.reader.get(case.id)
    assert view.order == case.order
    assert view.quote == case.input.quote
    assert view.terms == case.input.terms
    assert view.created_at == case.input.submitted_at
    assert (view.account_id, view.fingerprint, view.requested_by) == (case.account, "f" * 64, "key:requester")
    assert view.order.administration is Administration.OPERATOR
    assert view.order.account_type is AccountType.POSTPAID


async def test_the_timelines_sequence_grows_over_all_onboardings_and_can_be_resumed(database: Database) -> None:
    cases = [Case(an_order(name=f"Customer {number}")) for number in range(4)]
    await asyncio.gather(*(database.records.open_account(case.opening()) for case in cases))
    await asyncio.gather(
        *(database.records.record(case.progress(State.RESERVING, f"event_{turn}")) for case in cases for turn in range(5))
    )
    every = [event for case in cases for event in await database.reader.timeline(case.id)]
    assert len({event.sequence for event in every}) == len(every) == 24
    one = await database.reader.timeline(cases[0].id)
    assert [event.sequence for event in one] == sorted(event.sequence for event in one)
    assert await database.reader.timeline(cases[0].id, after=one[2].sequence) == one[3:]
    assert one[0].detail == {"n": "1"}


async def test_the_same_entry_is_written_once(database: Database) -> None:
    case = Case()
    await database.records.open_account(case.opening())
    entry = Entry(key="1:reminder", at=case.input.submitted_at, event="reminder")
    for version in (5, 6):
        await database.records.record(
            Progress(onboarding_id=case.id, version=version, state=State.AWAITING_APPROVAL, entries=(entry, entry))
        )
    assert [event.event for event in await database.reader.timeline(case.id)] == ["account_opened", "reminder"]
