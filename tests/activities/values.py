"""One value for each step, all of one onboarding that the parent pays for."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.keys import account_id, line_name, step_key
from domain.mails import MailKind, MailOrder
from domain.numbers import Reservation
from domain.onboarding import Entry, Progress, State, Step
from domain.payments import MeansKind, PaymentMeans, PaymentOrder
from domain.steps import Amendment, GoLive, LedgerPayment, Opening, PaymentRelease, ReservationOrder, Undo
from domain.voice import Line, LineRemoval
from tests.builders import an_onboarding, paid_by_parent

ONBOARDING = an_onboarding(paid_by_parent(), id="5f0c5f0e-0000-4000-8000-0000000000aa")
ID, ACCOUNT, NOW = ONBOARDING.id, account_id(ONBOARDING.id), datetime(2026, 3, 1, tzinfo=UTC)


def progress(event: str = "something_happened", version: int = 1) -> Progress:
    entry = Entry(key=f"{version}:{event}", at=NOW, event=event)
    return Progress(onboarding_id=ID, version=version, state=State.PROVISIONING, entries=(entry,))


def payment(kind: MeansKind = MeansKind.PARENT_ACCOUNT) -> PaymentOrder:
    return PaymentOrder(
        key=step_key(ID, Step.AUTHORISE_PAYMENT),
        onboarding_id=ID,
        amount=ONBOARDING.quote.total,
        means=PaymentMeans(kind=kind, reference="pm_1" if kind is MeansKind.CARD else ONBOARDING.tenant_id),
    )


def undo(step: Step) -> Undo:
    return Undo(key=step_key(ID, step), onboarding_id=ID, account_id=ACCOUNT)


_LINE = {
    "key": step_key(ID, f"{Step.PROVISION_LINE}:0"),
    "onboarding_id": ID,
    "username": line_name(ID, 0),
    "domain": ONBOARDING.sip_domain,
}
OPENING = Opening(key=step_key(ID, Step.OPEN_ACCOUNT), account_id=ACCOUNT, onboarding=ONBOARDING, progress=progress())
RESERVATION = ReservationOrder(
    key=step_key(ID, Step.RESERVE_NUMBERS),
    onboarding_id=ID,
    tenant_id=ONBOARDING.tenant_id,
    selections=tuple(service.numbers for service in ONBOARDING.order.services),
    until=NOW + timedelta(days=1),
    progress=progress(),
)
LETTER = MailOrder(key=step_key(ID, f"{Step.SEND_MAIL}:welcome"), kind=MailKind.WELCOME, onboarding_id=ID)

VALUES: dict[str, Any] = {
    "open_account": OPENING,
    "register_onboarding": OPENING,
    "close_account": undo(Step.OPEN_ACCOUNT),
    "record_progress": progress(),
    "amend_onboarding": Amendment(onboarding_id=ID, email="new@example.com", progress=progress()),
    "go_live": GoLive(
        key=step_key(ID, Step.GO_LIVE),
        account_id=ACCOUNT,
        payment=payment(),
        gateway_reference=None,
        reservation_key=RESERVATION.key,
        reservation=Reservation(),
        terms=ONBOARDING.terms,
        progress=progress(),
    ),
    "withdraw": undo(Step.GO_LIVE),
    "reserve_numbers": RESERVATION,
    "release_numbers": undo(Step.RESERVE_NUMBERS),
    "hold_on_ledger": LedgerPayment(payment=payment(), progress=progress()),
    "take_from_ledger": LedgerPayment(payment=payment(), progress=progress()),
    "release_on_ledger": PaymentRelease(payment=payment()),
    "authorise_payment": payment(MeansKind.CARD),
    "capture_payment": payment(MeansKind.CARD),
    "release_payment": PaymentRelease(payment=payment(MeansKind.CARD)),
    "provision_line": Line(**_LINE),
    "remove_line": LineRemoval(**_LINE),
    "send_mail": LETTER,
}
