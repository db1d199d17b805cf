"""What the process needs from the outside, as the process would say it. Adapters implement these; activities call them.

Every method raises ``domain.errors.Refused`` (or a kind of it) for an answer that is no, and ``Unavailable`` for no
answer. Every effect is idempotent by the key in its argument.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.baskets import Basket, NewBasket
from domain.calling import Calling, CallingChange, CallingWrite
from domain.catalogue import Tenant
from domain.mails import Mail, MailOrder
from domain.numbers import Assignment, Grade, GradedNumber, NumberSearch, Reservation
from domain.onboarding import Progress
from domain.payments import Payment, PaymentMeans, PaymentOrder
from domain.quarantine import Hold, Reclaim, Release, Swept
from domain.steps import Amendment, GoLive, LedgerPayment, Opening, ReservationOrder, Undo
from domain.voice import Line, LineRemoval, LineSetup, RoutedNumber


class OnboardingRecords(Protocol):
    """Our own records: accounts, the state of every onboarding, its timeline. Each call is one transaction."""

    async def open_account(self, opening: Opening) -> None:
        """Write the onboarding's row and its pending account. Raises ``NameTaken``; the row is kept even then."""

    async def register(self, opening: Opening) -> None:
        """Write the onboarding's row alone: for one that ends before its account was opened."""

    async def close_account(self, undo: Undo) -> None:
        """Close the pending account and free its name."""

    async def record(self, progress: Progress) -> None:
        """Write the state and the new timeline entries."""

    async def amend(self, amendment: Amendment) -> None:
        """Change contact data, and record who did it."""

    async def go_live(self, order: GoLive) -> None:
        """Account active, numbers assigned, ledger posted, state active: all in one transaction."""

    async def withdraw(self, undo: Undo) -> None:
        """Undo ``go_live``. Needed only for a going live that ran and was then forgotten by a failed workflow task."""


class NumberInventory(Protocol):
    """The telephone numbers of a tenant. A number has at most one holder."""

    async def reserve(self, order: ReservationOrder) -> Reservation:
        """Hold all the numbers of the order or none. Raises ``NumberUnavailable``. Same key, same numbers."""

    async def release(self, undo: Undo) -> None:
        """Give back whatever is held under the key."""


class Ledger(Protocol):
    """Accounts of ours that pay: the parent's, or the customer's own. Holds first, posts when going live."""

    async def hold(self, order: LedgerPayment) -> Payment:
        """Set the amount aside. Raises ``PaymentDeclined`` (``insufficient_headroom``) if the account cannot bear it."""

    async def take(self, order: LedgerPayment) -> Payment:
        """Turn the hold into a charge."""

    async def release(self, payment: PaymentOrder) -> Payment | None:
        """Drop the hold or pay back the charge; closes the key. ``None`` if it was never heard of."""


class PaymentGateway(Protocol):
    """A card gateway. The five verbs of every gateway; vendor words stop behind them.

    Gateways forget idempotency keys (Stripe: after 24 hours) but not payments, so every verb looks before it acts.
    """

    async def authorise(self, payment: PaymentOrder) -> Payment:
        """Reserve the amount on the card. Raises ``PaymentDeclined``."""

    async def capture(self, payment: PaymentOrder) -> Payment:
        """Take what was authorised under the key."""

    async def void(self, payment: PaymentOrder) -> Payment:
        """Let go of an authorisation that was not captured."""

    async def refund(self, payment: PaymentOrder) -> Payment:
        """Pay a capture back in full, once."""

    async def find(self, payment: PaymentOrder) -> Payment | None:
        """What the gateway holds under our key, or ``None``: the answer to "did it happen?"."""


class Fence(Protocol):
    """Guards steps whose effect is outside our database against landing after their undo.

    A step calls ``enter`` before its effect and ``leave`` after it; its undo calls ``close`` first.
    """

    async def enter(self, key: str) -> None:
        """Announce an attempt. Raises ``KeyClosed`` if the undo was here."""

    async def leave(self, key: str) -> bool:
        """The attempt has ended. True if the key was closed meanwhile: then the caller must undo its own effect."""

    async def close(self, key: str) -> datetime | None:
        """Close the key for good. Returns when the last attempt that has not ended began (UTC), or ``None``."""


class VoiceSwitch(Protocol):
    """The switch that telephones register with."""

    async def provision(self, line: Line) -> None:
        """Make the line work: a device can register and be called. Raises ``ProvisioningRefused``."""

    async def remove(self, removal: LineRemoval) -> None:
        """Remove the line and whatever device is registered on it; closes the key."""

    async def allow(self, write: CallingWrite) -> None:
        """Make the account's lines follow its right to call. A version that is older than the switch's changes nothing."""


class LineSetups(Protocol):
    """How lines that are on the switch behave."""

    async def configure(self, setup: LineSetup) -> None:
        """Make the line behave like this, unless the switch has a newer setup. Raises ``Refused`` (``line_missing``)."""


class CallUsage(Protocol):
    """What the switch has seen of an account."""

    async def first_call(self, account_id: str) -> datetime | None:
        """When its first call was let through (UTC), ``None`` before (S4-19). Raises ``Unavailable``."""


class CallingRecords(Protocol):
    """Our own records of which account may call. Each call is one transaction."""

    async def get(self, account_id: str, tenant_id: str | None = None) -> Calling:
        """As the row has it. Raises ``NotFound``, also if it is not ``tenant_id`` or below it, and ``Refused`` (``not_active``)."""

    async def change(self, change: CallingChange) -> CallingWrite:
        """Change it and tell the timeline, once per key. Raises ``Refused``: ``not_active``, and as ``domain.calling.changed``."""

    async def confirm(self, account_id: str, version: int) -> None:
        """Note that the switch holds this version, or a newer one."""


class Mailer(Protocol):
    """Renders a message and hands it to a mail relay."""

    async def send(self, mail: Mail) -> None:
        """Hand over one message. Raises ``RecipientRefused``. The Message-ID is made from the mail's key."""


class MailDesk(Protocol):
    """What a letter needs from our records, and the memory of what was sent."""

    async def address(self, order: MailOrder) -> Mail | None:
        """The letter with addressees and facts, or ``None`` if it was sent already."""

    async def sent(self, order: MailOrder) -> None:
        """Remember that this letter is with the relay, and tell the timeline (``mail_sent``) in the same transaction."""


class HostedCardPage(Protocol):
    """The gateway's own page where a customer enters a card. Card data never touches us (PCI DSS SAQ A)."""

    async def begin(
        self, onboarding_id: str, generation: int, return_url: str, cancel_url: str, merchant: str | None = None
    ) -> str:
        """The URL to send the browser to. The same arguments give the same visit while it is open.

        ``merchant`` is the account at the gateway that gets the card, the installation's own if unset (S1-12).
        """

    async def finished(self, session: str, onboarding_id: str, merchant: str | None = None) -> PaymentMeans | None:
        """The card that the visit left with the gateway, or ``None`` if it is not finished, not this onboarding's, or not
        on this account."""


class Catalogue(Protocol):
    """What a tenant sells."""

    async def tenant(self, tenant_id: str) -> Tenant:
        """By id or slug. Raises ``NotFound``."""

    async def grades(self, tenant_id: str, numbers: Sequence[str]) -> dict[str, Grade]:
        """The grade of each of these numbers that is in the tenant's inventory, whoever holds it."""


class NumberStock(Protocol):
    """The side of the inventory that people choose from, and give back to."""

    async def search(self, tenant_id: str, wish: NumberSearch) -> Sequence[GradedNumber]:
        """Free numbers that match everything that was wished for, ``wish.count`` at most (S3-27). Holds nothing."""

    async def keep(self, tenant_id: str, pool: str, numbers: Sequence[str]) -> None:
        """Move free numbers into a pool, all or none. Raises ``NumberUnavailable``, ``NotFound`` for no such customer."""

    async def assignment(self, tenant_id: str, e164: str) -> Assignment:
        """Whose number it is. Raises ``NotFound`` for one that is not the tenant's, ``Refused`` for one that nobody has."""

    async def former(self, tenant_id: str, e164: str, account_id: str) -> Assignment:
        """Whose number it was, if it rests and this account had it. Raises ``NotFound`` and ``Refused``."""


class Quarantine(Protocol):
    """Numbers that were given back rest, and may go back to whom they were taken from."""

    async def quarantine(self, release: Release) -> None:
        """Take an assigned number from its customer, until a date. Repeated, it is the same act."""

    async def reclaim(self, reclaim: Reclaim) -> None:
        """Give a resting number back to whom it was taken from. Raises ``NumberUnavailable`` if it does not rest any more."""

    async def relinquish(self, reclaim: Reclaim) -> None:
        """Undo ``reclaim``: the number rests as before."""


class Reaper(Protocol):
    """Frees what nobody speaks for any more. At most ``most`` at a time; what somebody else is just freeing is passed over."""

    async def sweep_baskets(self, most: int) -> Swept:
        """Close baskets whose time is over; their numbers are free."""

    async def sweep_quarantine(self, most: int) -> Swept:
        """Free the numbers that have rested long enough."""

    async def overdue(self, most: int, after: str | None = None) -> Sequence[Hold]:
        """Holds that have outlived every deadline, by onboarding, of those after this one."""

    async def free_holds(self, holds: Sequence[Hold]) -> Swept:
        """Free these holds and close their keys, as their own undo would have."""


class Runs(Protocol):
    """Which onboardings still run."""

    async def ended(self, onboarding_ids: Sequence[str]) -> Sequence[str]:
        """Those of these that have no running workflow. Raises ``Unavailable``: no answer is not an end."""


class Baskets(Protocol):
    """Numbers held for an order that is being put together: one holder each, for a short time (``domain.baskets``).

    Raises ``NotFound`` for a basket that is not the tenant's and ``Refused`` (``basket_gone``) for one whose time is over.
    """

    async def open(self, new: NewBasket) -> Basket:
        """Open an empty basket; the same id again is the same basket.

        With another fingerprint for the same id, raises ``Refused`` (``idempotency_key_reused``).
        """

    async def get(self, tenant_id: str, basket_id: str) -> Basket:
        """The basket as it stands. Looking does not prolong it."""

    async def add(self, tenant_id: str, basket_id: str, numbers: Sequence[str]) -> Basket:
        """Hold these numbers too, all or none. Raises ``NumberUnavailable`` with those that cannot be had."""

    async def remove(self, tenant_id: str, basket_id: str, e164: str) -> Basket:
        """Let a number go; one that is not in the basket is no error."""

    async def choose_plan(self, tenant_id: str, basket_id: str, plan: str | None, price_list: str | None = None) -> Basket:
        """Price the basket on another plan or price list."""

    async def discard(self, tenant_id: str, basket_id: str) -> None:
        """Let everything go. Repeated, it is the same act."""


class NumberRouting(Protocol):
    """Which numbers ring a line of the switch, one by one."""

    async def silence(self, number: RoutedNumber) -> None:
        """The number rings the line no more. Never rang it is success."""

    async def ring(self, number: RoutedNumber) -> None:
        """The number rings the line. Raises ``Refused`` without such a line, or if the number rings another."""
