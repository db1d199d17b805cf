"""One onboarding's steps, so that a test names only what it is about."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update

from adapters.database import Database
from adapters.database.tables import accounts
from domain import keys
from domain.money import Money
from domain.numbers import NumberCriteria, NumberSelection, Reservation
from domain.onboarding import Entry, OnboardingInput, Outcome, Progress, State, Step
from domain.orders import Order
from domain.payments import MeansKind, PaymentMeans, PaymentOrder
from domain.rules import means_kind
from domain.steps import GoLive, LedgerPayment, Opening, ReservationOrder, Undo
from tests.builders import accepted, an_onboarding, paid_by_parent

DRAMA = [f"+44121496{number:04d}" for number in range(1000)]


@dataclass
class Case:
    """An onboarding with its journal: every step gets the next version, as in the workflow."""

    order: Order = field(default_factory=paid_by_parent)
    changes: dict[str, Any] = field(default_factory=dict)
    version: int = 0

    def __post_init__(self) -> None:
        self.input: OnboardingInput = an_onboarding(self.order, **self.changes)
        self.id = self.input.id
        self.account = keys.account_id(self.id)

    def key(self, step: Step, generation: int = 1) -> str:
        return keys.step_key(self.id, step, generation)

    def progress(self, state: State = State.OPENING, event: str = "stepped", **changes: Any) -> Progress:
        self.version += 1
        entry = Entry(key=f"{self.version}:{event}", at=datetime.now(UTC), event=event, detail={"n": str(self.version)})
        return Progress(onboarding_id=self.id, version=self.version, state=state, entries=(entry,), **changes)

    def opening(self) -> Opening:
        return Opening(
            key=self.key(Step.OPEN_ACCOUNT),
            account_id=self.account,
            onboarding=self.input,
            progress=self.progress(event="account_opened"),
        )

    def reservation(self, *selections: NumberSelection) -> ReservationOrder:
        return ReservationOrder(
            key=self.key(Step.RESERVE_NUMBERS),
            onboarding_id=self.id,
            tenant_id=self.input.tenant_id,
            selections=selections or tuple(service.numbers for service in self.order.services),
            until=datetime.now(UTC) + timedelta(days=1),
            progress=self.progress(State.RESERVING, "numbers_held"),
        )

    def payment(self, minor: int | None = None, kind: MeansKind | None = None) -> PaymentOrder:
        kind = kind or means_kind(self.order)
        reference = {MeansKind.PARENT_ACCOUNT: self.input.tenant_id, MeansKind.OWN_ACCOUNT: self.account}.get(kind, "pm_1")
        return PaymentOrder(
            key=self.key(Step.AUTHORISE_PAYMENT),
            onboarding_id=self.id,
            amount=self.input.quote.total if minor is None else Money(minor=minor, currency="GBP"),
            means=PaymentMeans(kind=kind, reference=reference),
        )

    def on_ledger(self, minor: int | None = None, kind: MeansKind | None = None) -> LedgerPayment:
        return LedgerPayment(payment=self.payment(minor, kind), progress=self.progress(State.PROVISIONING, "payment"))

    def going_live(self, reservation: Reservation, minor: int | None = None) -> GoLive:
        payment = self.payment(minor)
        return GoLive(
            key=self.key(Step.GO_LIVE),
            account_id=self.account,
            payment=payment,
            gateway_reference=None if payment.means.kind.is_ledger else "pi_1",
            reservation_key=self.key(Step.RESERVE_NUMBERS),
            reservation=reservation,
            terms=accepted(),
            progress=self.progress(State.ACTIVE, "active", outcome=Outcome(state=State.ACTIVE)),
        )

    def undo(self, step: Step) -> Undo:
        return Undo(key=self.key(step), onboarding_id=self.id, account_id=self.account)


def named(*e164s: str) -> NumberSelection:
    return NumberSelection(explicit=e164s)


def described(count: int = 1, prefix: str = "+44121", **changes: Any) -> NumberSelection:
    return NumberSelection(criteria=NumberCriteria(count=count, prefix=prefix, **changes))


async def activated(database: Database, case: Case) -> Case:
    """An account that is active without the steps that lead there: for tests that are about what comes after."""
    await database.records.open_account(case.opening())
    query = update(accounts).where(accounts.c.id == case.account).values(status="active")
    await database._transactions.write(lambda connection: connection.execute(query))
    return case
