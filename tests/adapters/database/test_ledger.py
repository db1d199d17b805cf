"""The ledger: what an account can bear, and that its figures always add up."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.database import Database
from domain.books import Books
from domain.errors import PaymentDeclined, Refused
from domain.money import CurrencyMismatch, Money
from domain.onboarding import Step
from domain.orders import AccountType, Administration
from domain.payments import MeansKind, PaymentState
from domain.steps import LedgerPayment
from tests.adapters.database.conftest import TENANT
from tests.adapters.database.steps import Case
from tests.builders import a_tenant, an_order, paid_by_parent

HEADROOM = 150_000  # what the white label of these tests has: 50,000 paid in, 100,000 credit
POOR = a_tenant(id="poor", slug="poor")


async def opened(database: Database, name: str = "Ada's Bakery", **changes: object) -> Case:
    case = Case(paid_by_parent(name=name, services=(), **changes))
    await database.records.open_account(case.opening())
    return case


def figures(books: Books, account_id: str) -> tuple[int, int]:
    """Balance and holds of an account, after checking that both are the sums that they stand for."""
    account = next(account for account in books.accounts if account.id == account_id)
    holds = [hold for hold in books.holds if hold.account_id == account_id and hold.state in {"held", "taken"}]
    assert account.balance_minor == account.entries_minor
    assert account.held_minor == sum(hold.amount_minor for hold in holds)
    return account.balance_minor, account.held_minor


async def test_an_account_bears_exactly_its_headroom(database: Database) -> None:
    first, second = await opened(database, "First"), await opened(database, "Second")
    with pytest.raises(PaymentDeclined) as declined:
        await database.ledger.hold(first.on_ledger(HEADROOM + 1))
    assert declined.value.code == "insufficient_headroom"
    payment = await database.ledger.hold(first.on_ledger(HEADROOM))
    assert (payment.state, payment.amount) == (PaymentState.AUTHORISED, Money(minor=HEADROOM, currency="GBP"))
    with pytest.raises(PaymentDeclined):
        await database.ledger.hold(second.on_ledger(1))
    await database.ledger.hold(second.on_ledger(0))
    assert figures(await database.books.read(), TENANT.id) == (50_000, HEADROOM)


async def test_nothing_to_pay_always_passes_even_over_the_limit(database: Database) -> None:
    await database.admin.put_tenant(POOR, credit_limit_minor=0, opening_balance_minor=-500)
    case = Case(paid_by_parent(services=()), {"tenant": POOR})
    await database.records.open_account(case.opening())
    await database.ledger.hold(case.on_ledger(0))
    other = Case(paid_by_parent(services=(), name="Other"), {"tenant": POOR})
    await database.records.open_account(other.opening())
    with pytest.raises(PaymentDeclined):
        await database.ledger.hold(other.on_ledger(1))


async def test_orders_in_parallel_cannot_overspend(database: Database) -> None:
    cases = [await opened(database, f"Customer {number}") for number in range(40)]
    answers = await asyncio.gather(
        *(database.ledger.hold(case.on_ledger(HEADROOM // 7)) for case in cases), return_exceptions=True
    )
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 7
    assert {type(answer) for answer in answers if isinstance(answer, BaseException)} == {PaymentDeclined}
    assert figures(await database.books.read(), TENANT.id) == (50_000, HEADROOM // 7 * 7)


async def test_a_childs_credit_limit_caps_what_its_order_may_cost_the_parent(database: Database) -> None:
    case = await opened(database, credit_limit_minor=5_000)
    with pytest.raises(PaymentDeclined) as declined:
        await database.ledger.hold(case.on_ledger(5_001))
    assert declined.value.code == "over_credit_limit"
    await database.ledger.hold(case.on_ledger(5_000))


async def test_a_customers_own_postpaid_account_bears_its_credit_limit(database: Database) -> None:
    order = an_order(
        administration=Administration.OPERATOR, account_type=AccountType.POSTPAID, credit_limit_minor=4_000, services=()
    )
    case = Case(order)
    await database.records.open_account(case.opening())
    assert case.payment().means.kind is MeansKind.OWN_ACCOUNT
    with pytest.raises(PaymentDeclined):
        await database.ledger.hold(case.on_ledger(4_001))
    await database.ledger.hold(case.on_ledger(4_000))
    await database.ledger.take(case.on_ledger(4_000))
    await database.records.go_live(case.going_live(await database.numbers.reserve(case.reservation()), 4_000))
    assert figures(await database.books.read(), case.account) == (-4_000, 0)
    assert figures(await database.books.read(), TENANT.id) == (50_000, 0)


async def test_a_prepaid_accounts_credit_limit_does_not_count(database: Database) -> None:
    case = Case(an_order(administration=Administration.OPERATOR, credit_limit_minor=4_000, services=()))
    await database.records.open_account(case.opening())
    with pytest.raises(PaymentDeclined):
        await database.ledger.hold(case.on_ledger(1, MeansKind.OWN_ACCOUNT))


async def test_a_closed_account_pays_nothing(database: Database) -> None:
    case = Case(an_order(administration=Administration.OPERATOR, account_type=AccountType.POSTPAID, services=()))
    await database.records.open_account(case.opening())
    await database.records.close_account(case.undo(Step.OPEN_ACCOUNT))
    with pytest.raises(PaymentDeclined) as declined:
        await database.ledger.hold(case.on_ledger(1, MeansKind.OWN_ACCOUNT))
    assert declined.value.code == "account_closed"


async def test_another_currency_is_a_bug_and_not_a_refusal(database: Database) -> None:
    case = await opened(database)
    order = case.on_ledger(10)
    euros = order.payment.model_copy(update={"amount": Money(minor=10, currency="EUR")})
    with pytest.raises(CurrencyMismatch):
        await database.ledger.hold(LedgerPayment(payment=euros, progress=order.progress))
    with pytest.raises(ValueError, match="less than nothing"):
        await database.ledger.hold(case.on_ledger(-1))


async def test_only_what_is_held_can_be_taken(database: Database) -> None:
    case = await opened(database)
    with pytest.raises(Refused) as refused:
        await database.ledger.take(case.on_ledger(10))
    assert refused.value.code == "not_held"
    await database.ledger.hold(case.on_ledger(10))
    assert (await database.ledger.take(case.on_ledger(10))).state is PaymentState.CAPTURED


async def test_releasing_a_hold_voids_it_and_releasing_a_charge_refunds_it_once(database: Database) -> None:
    held, charged, unknown = [await opened(database, name) for name in ("Held", "Charged", "Unknown")]
    await database.ledger.hold(held.on_ledger(100))
    await database.ledger.hold(charged.on_ledger(250))
    await database.ledger.take(charged.on_ledger(250))
    await database.records.go_live(charged.going_live(await database.numbers.reserve(charged.reservation()), 250))
    assert figures(await database.books.read(), TENANT.id) == (49_750, 100)
    for _ in range(2):
        voided = await database.ledger.release(held.payment(100))
        refunded = await database.ledger.release(charged.payment(250))
        assert voided is not None
        assert refunded is not None
        assert (voided.state, refunded.state) == (PaymentState.VOIDED, PaymentState.REFUNDED)
        assert await database.ledger.release(unknown.payment(10)) is None
    assert figures(await database.books.read(), TENANT.id) == (50_000, 0)
    view = await database.reader.get(charged.id)
    assert (view.charged_minor, view.refunded_minor) == (250, 250)


DOINGS = ("hold", "take", "go_live", "withdraw", "release")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    amounts=st.lists(st.integers(0, 90_000), min_size=3, max_size=3),
    kinds=st.lists(st.sampled_from(["parent", "own", "card"]), min_size=3, max_size=3),
    doings=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(DOINGS)), max_size=25),
)
async def test_after_whatever_sequence_the_books_add_up(
    database: Database, amounts: list[int], kinds: list[str], doings: list[tuple[int, str]]
) -> None:
    tenant = a_tenant(id=f"t{id(doings)}-{len((await database.books.read()).accounts)}")
    tenant = tenant.model_copy(update={"slug": tenant.id})
    await database.admin.put_tenant(tenant, credit_limit_minor=20_000, opening_balance_minor=100_000)
    orders = {
        "parent": paid_by_parent(services=()),
        "own": an_order(
            administration=Administration.OPERATOR,
            account_type=AccountType.POSTPAID,
            credit_limit_minor=60_000,
            services=(),
        ),
        "card": an_order(services=()),
    }
    cases = []
    for number, kind in enumerate(kinds):
        named = orders[kind].customer.model_copy(update={"name": f"{tenant.id} {number}"})
        case = Case(orders[kind].model_copy(update={"customer": named}), {"tenant": tenant})
        await database.records.open_account(case.opening())
        cases.append(case)
    for at, doing in doings:
        await _do(database, cases[at], doing, amounts[at])
        books = await database.books.read()
        for account in books.accounts:
            figures(books, account.id)
        tenant_account = next(account for account in books.accounts if account.id == tenant.id)
        assert tenant_account.balance_minor - tenant_account.held_minor + 20_000 >= 0
    # Whatever happened, the undos give every penny back.
    for case, amount in zip(cases, amounts, strict=True):
        await database.records.withdraw(case.undo(Step.GO_LIVE))
        if case.payment().means.kind.is_ledger:
            await database.ledger.release(case.payment(amount))
    books = await database.books.read()
    assert figures(books, tenant.id) == (100_000, 0)
    for case in cases:
        assert figures(books, case.account) == (0, 0)
        view = await database.reader.get(case.id)
        assert view.charged_minor == view.refunded_minor
    for case in cases:
        await database.records.close_account(case.undo(Step.OPEN_ACCOUNT))


async def _do(database: Database, case: Case, doing: str, amount: int) -> None:
    ledger = case.payment().means.kind.is_ledger
    try:
        if doing == "go_live":
            reservation = await database.numbers.reserve(case.reservation())
            await database.records.go_live(case.going_live(reservation, amount))
        elif doing == "withdraw":
            await database.records.withdraw(case.undo(Step.GO_LIVE))
        elif ledger and doing == "release":
            await database.ledger.release(case.payment(amount))
        elif ledger:
            await getattr(database.ledger, doing)(case.on_ledger(amount))
    except Refused:
        pass
