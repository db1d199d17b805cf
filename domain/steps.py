"""What each step and each undo takes: one value in."""

from datetime import datetime

from domain.base import Value
from domain.calling import Calling
from domain.credentials import Credentials
from domain.numbers import NumberSelection, Reservation
from domain.onboarding import OnboardingInput, Progress
from domain.orders import Administration, Payer, TermsAcceptance
from domain.payments import PaymentMeans, PaymentOrder


class Opening(Value):
    """Record the onboarding and open its customer account, not yet active."""

    key: str
    account_id: str
    onboarding: OnboardingInput
    progress: Progress


class ReservationOrder(Value):
    """Hold the numbers of every service of an order, all or none, until ``until`` (UTC).

    ``account_id`` is the customer's account: numbers of its pool may be taken. Named numbers may lie in ``basket``.
    """

    key: str
    onboarding_id: str
    tenant_id: str
    selections: tuple[NumberSelection, ...]
    until: datetime
    progress: Progress
    account_id: str | None = None
    basket: str | None = None
    substitute: bool = False
    """Whether a named number that cannot be had may be replaced by one of its grade, from the same place."""


class LedgerPayment(Value):
    """Authorise or capture on a ledger of ours, with the progress to record in the same transaction."""

    payment: PaymentOrder
    progress: Progress


class GoLive(Value):
    """The point of no return, one transaction: account active, numbers assigned, ledger posted."""

    key: str
    account_id: str
    payment: PaymentOrder
    gateway_reference: str | None
    reservation_key: str
    reservation: Reservation
    terms: TermsAcceptance | None
    progress: Progress
    calling: Calling | None = None
    credentials: Credentials = Credentials()
    adds: bool = False
    """Whether it adds to an account that was active before, which is then neither activated nor handed over (S3-03)."""


class Undo(Value):
    """Undo the step of this key, and close the key: a step that arrives later is refused. Never heard of it is success."""

    key: str
    onboarding_id: str
    account_id: str | None = None


class PaymentRelease(Value):
    """Undo a payment, whatever became of it: void a hold, refund a capture, ignore the unknown."""

    payment: PaymentOrder


class Amendment(Value):
    """Change what is recorded of an order after a person's decision; unset fields stay."""

    onboarding_id: str
    email: str | None = None
    means: PaymentMeans | None = None
    administration: Administration | None = None
    payer: Payer | None = None
    progress: Progress
