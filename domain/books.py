"""The ledgers of truth as they stand, side by side: our rows, the gateway's objects, the switch's lines, the letters.

Filled by an adapter that reads each ledger where it is kept, compared by ``starter.audit``. Reading changes nothing.
"""

from datetime import datetime

from pydantic import Field

from domain.base import Value
from domain.calling import CallingRights
from domain.mails import MailKind
from domain.numbers import NumberState
from domain.onboarding import State
from domain.orders import Administration
from domain.payments import MeansKind


class OrderBook(Value):
    """What our records say of one onboarding."""

    id: str
    tenant_id: str
    account_id: str
    account_status: str | None
    state: State
    administration: Administration
    means: MeansKind
    total_minor: int
    currency: str
    number_count: int
    """How many it has once it is active: as many as were ordered, but for those that were given back."""
    lines: tuple[str, ...]
    """SIP user name of each service, in order: what the switch must hold once it is active."""
    activated: bool
    updated_at: datetime
    welcomed: bool = True
    """Whether the customer is to be written to once it is active."""
    adds: bool = False
    """Whether it adds to an account that another order opened, and which outlives this one."""


class NumberBook(Value):
    """A number that somebody holds."""

    e164: str
    state: NumberState
    held_by: str | None
    onboarding_id: str | None
    service: int | None


class HoldBook(Value):
    """Money set aside on an account of ours, and what became of it."""

    key: str
    account_id: str
    onboarding_id: str
    amount_minor: int
    state: str


class AccountBook(Value):
    """An account of ours: what it says it has, and what its entries add up to."""

    id: str
    balance_minor: int
    held_minor: int
    entries_minor: int


class EntryBook(Value):
    """What the ledger posted for one onboarding to one account, all entries added up."""

    account_id: str
    onboarding_id: str
    amount_minor: int


class ChargeBook(Value):
    """One payment at the card gateway, as the gateway tells it. ``onboarding_id`` is what we wrote on it."""

    reference: str
    onboarding_id: str | None
    currency: str
    authorised_minor: int
    """What the gateway still holds on the card and has not taken."""
    captured_minor: int
    refunded_minor: int
    merchant: str | None = None
    """The connected account that holds it; the installation's own if unset (S1-12)."""


class LineBook(Value):
    """A line on the switch, with the numbers that ring it, each in E.164."""

    username: str
    domain: str
    registrable: bool
    """Whether a device can register: the switch has credentials for it."""
    numbers: tuple[str, ...] = ()
    forwards: tuple[str, ...] = ()
    """Those numbers whose calls the switch would send on for this line."""
    shows: tuple[str, ...] = ()
    """The number that its calls show; one at most, if all is well."""


class CallingBook(Value):
    """An active account's right to call, as our records have it: what the switch must hold."""

    rights: CallingRights


class LetterBook(Value):
    """A letter that our records say was handed to the relay."""

    key: str
    onboarding_id: str
    kind: MailKind


class DeliveredBook(Value):
    """A letter that lies in the mailbox. ``onboarding_id`` and ``kind`` are read from the letter itself."""

    message_id: str
    onboarding_id: str | None
    kind: str = ""


class Books(Value):
    """Everything, read at about the same time. A ledger that this installation does not have is ``None``."""

    read_at: datetime
    orders: tuple[OrderBook, ...] = ()
    numbers: tuple[NumberBook, ...] = ()
    accounts: tuple[AccountBook, ...] = ()
    holds: tuple[HoldBook, ...] = ()
    entries: tuple[EntryBook, ...] = ()
    letters: tuple[LetterBook, ...] = ()
    lines: tuple[LineBook, ...] = ()
    callings: tuple[CallingBook, ...] = ()
    switch_rights: tuple[CallingRights, ...] = ()
    """What the switch holds of every account."""
    charges: tuple[ChargeBook, ...] | None = None
    merchants: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """By white label: the accounts of its own at the gateway, today's and former ones."""
    mailbox: tuple[DeliveredBook, ...] | None = None
    runs: tuple[str, ...] | None = None
    """The onboardings that Temporal says are running."""
