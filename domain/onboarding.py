"""The onboarding itself: its states, its moves, what it takes and what comes of it."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from domain.base import Value
from domain.billing import AccountNumbers
from domain.calling import Calling
from domain.catalogue import Schedule
from domain.credentials import Credentials
from domain.numbers import Substitute
from domain.orders import Order, TermsAcceptance
from domain.payments import PaymentMeans
from domain.quotes import Quote


class State(StrEnum):
    """Where an onboarding stands. ``tm_forum`` gives the TMF622 product order state."""

    OPENING = "opening"
    RESERVING = "reserving"
    AWAITING_APPROVAL = "awaiting_approval"
    AWAITING_ACTIVATION = "awaiting_activation"
    AWAITING_PAYMENT = "awaiting_payment"
    PROVISIONING = "provisioning"
    HELD = "held"
    COMPENSATING = "compensating"
    ACTIVE = "active"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return not TRANSITIONS[self]

    @property
    def tm_forum(self) -> str:
        return _TM_FORUM[self]


_S = State
_ENDS = frozenset({_S.REJECTED, _S.EXPIRED, _S.DECLINED, _S.CANCELLED, _S.FAILED})

# The one table of moves: the workflow asserts it, the documentation and the tests are generated from it.
TRANSITIONS: dict[State, frozenset[State]] = {
    _S.OPENING: frozenset({_S.RESERVING, _S.COMPENSATING}),
    _S.RESERVING: frozenset(
        {_S.AWAITING_APPROVAL, _S.AWAITING_ACTIVATION, _S.AWAITING_PAYMENT, _S.PROVISIONING, _S.COMPENSATING}
    ),
    _S.AWAITING_APPROVAL: frozenset({_S.AWAITING_ACTIVATION, _S.AWAITING_PAYMENT, _S.PROVISIONING, _S.COMPENSATING}),
    _S.AWAITING_ACTIVATION: frozenset({_S.AWAITING_PAYMENT, _S.PROVISIONING, _S.COMPENSATING, _S.HELD}),
    _S.AWAITING_PAYMENT: frozenset({_S.PROVISIONING, _S.COMPENSATING}),
    _S.PROVISIONING: frozenset({_S.ACTIVE, _S.HELD, _S.COMPENSATING}),
    _S.HELD: frozenset({_S.PROVISIONING, _S.AWAITING_ACTIVATION, _S.COMPENSATING}),
    _S.COMPENSATING: _ENDS,
    _S.ACTIVE: frozenset(),
    **{end: frozenset() for end in _ENDS},
}

_TM_FORUM = {
    _S.OPENING: "acknowledged",
    _S.RESERVING: "inProgress",
    _S.AWAITING_APPROVAL: "pending",
    _S.AWAITING_ACTIVATION: "pending",
    _S.AWAITING_PAYMENT: "pending",
    _S.PROVISIONING: "inProgress",
    _S.HELD: "held",
    _S.COMPENSATING: "pendingCancellation",
    _S.ACTIVE: "completed",
    _S.REJECTED: "rejected",
    _S.EXPIRED: "cancelled",
    _S.DECLINED: "cancelled",
    _S.CANCELLED: "cancelled",
    _S.FAILED: "failed",
}


class Step(StrEnum):
    """The steps, in order. Each has a key (``domain.keys.step_key``) and, up to going live, an undo."""

    OPEN_ACCOUNT = "open_account"
    RESERVE_NUMBERS = "reserve_numbers"
    AUTHORISE_PAYMENT = "authorise_payment"
    PROVISION_LINE = "provision_line"
    CAPTURE_PAYMENT = "capture_payment"
    GO_LIVE = "go_live"
    SEND_MAIL = "send_mail"


class OnboardingInput(Value):
    """Everything the workflow needs, decided before it starts: the order, its price, its deadlines.

    ``fingerprint`` is a digest of the request body: a repeated ``Idempotency-Key`` with another body is recognised by it.
    ``requested_by`` is the principal's id, for the record; ``requested_person`` is whose key that is.
    """

    id: str
    tenant_id: str
    sip_domain: str
    requested_by: str
    submitted_at: datetime
    fingerprint: str
    order: Order
    quote: Quote
    approval_reasons: tuple[str, ...] = ()
    terms: TermsAcceptance | None = None
    schedule: Schedule = Schedule()
    requested_person: str | None = None
    account_numbers: AccountNumbers = AccountNumbers()
    calling: Calling | None = None
    """The account's right to call, as it begins; ``None`` in orders from before it was decided at the door."""
    credentials: Credentials = Credentials()


class Outcome(Value):
    """How an onboarding ended. ``code`` says why, for every end but ``active``."""

    state: State
    code: str | None = None
    reason: str | None = None


class Entry(Value):
    """One line of the timeline: what happened, when (UTC), who did it. Carries no personal data.

    ``key`` makes a repeated write harmless; ``detail`` holds short facts such as a count, a code, a reason.
    """

    key: str
    at: datetime
    event: str
    actor: str = "system"
    detail: dict[str, str] = Field(default_factory=dict)


class Progress(Value):
    """What a step writes beside its own effect, in the same transaction: the state as people see it, and new entries.

    ``version`` grows with every change; a write that arrives late never overwrites a newer one. ``waits_for`` names the
    person or thing that must move next; ``deadline`` is when the waiting ends by itself (UTC).
    """

    onboarding_id: str
    version: int
    state: State
    waits_for: str | None = None
    deadline: datetime | None = None
    generation: int = 1
    needs_attention: str | None = None
    outcome: Outcome | None = None
    entries: tuple[Entry, ...] = ()


class OnboardingStatus(Value):
    """The answer to the workflow's ``state`` query, and what is shown of the answer to every accepted update."""

    id: str
    state: State
    waits_for: str | None = None
    deadline: datetime | None = None
    generation: int = 1
    payment_attempt: int = 1
    numbers: tuple[str, ...] = ()
    needs_attention: str | None = None
    stuck_undos: tuple[str, ...] = ()
    substitutes: tuple[Substitute, ...] = ()
    outcome: Outcome | None = None


class Answer(OnboardingStatus):
    """The answer to an accepted update. ``fingerprint`` is of the request that it was, if that may be repeated: Temporal answers
    a repetition by its id alone."""

    fingerprint: str | None = None


class Decision(Value):
    """Somebody decides: approve, reject, cancel, retry, give up, resend. ``actor`` is the authenticated principal, ``person``
    whose key that is."""

    actor: str
    reason: str | None = None
    person: str | None = None
    fingerprint: str | None = None


class SubstituteAnswer(Value):
    """The orderer takes the numbers that are held in place of lost ones, or does not: then the order ends."""

    actor: str
    accept: bool
    reason: str | None = None
    person: str | None = None
    fingerprint: str | None = None


class Activation(Value):
    """The customer pressed the button behind the link of this ``generation`` and accepted the terms."""

    generation: int
    terms: TermsAcceptance


class CardPresented(Value):
    """The gateway's hosted page has a card for this onboarding. ``session`` identifies the visit, so a repeat is the same card."""

    session: str
    means: PaymentMeans


class Correction(Value):
    """An operator corrects what an onboarding is held for; unset fields stay."""

    actor: str
    reason: str | None = None
    email: str | None = None
    fingerprint: str | None = None


class TakeOver(Value):
    """An operator administers what its customer was to activate, and the white label pays for it.

    ``terms`` were accepted on the customer's behalf; ``consent`` says how the customer agreed to that.
    """

    actor: str
    consent: str
    terms: TermsAcceptance
    person: str | None = None
    fingerprint: str | None = None


class UndoResolution(Value):
    """An operator has dealt with a stuck undo by hand, or wants it tried again now."""

    actor: str
    undo: str
    resolved: bool
    reason: str
    fingerprint: str | None = None
