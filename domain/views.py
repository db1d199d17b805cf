"""What people read: one onboarding, its timeline, a page of them. The same rows for API, pages and CLI."""

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from domain.base import Value
from domain.mails import MailKind
from domain.numbers import NumberRecord, NumberState
from domain.onboarding import Outcome, State
from domain.orders import Order, TermsAcceptance
from domain.quotes import Quote

T = TypeVar("T")


class OnboardingView(Value):
    """One onboarding as its row has it. Times are UTC."""

    id: str
    tenant_id: str
    account_id: str
    state: State
    waits_for: str | None
    deadline: datetime | None
    generation: int
    needs_attention: str | None
    outcome: Outcome | None
    requested_by: str
    created_at: datetime
    updated_at: datetime
    fingerprint: str
    order: Order
    quote: Quote
    approval_reasons: tuple[str, ...]
    terms: TermsAcceptance | None
    numbers: tuple[str, ...]
    charged_minor: int
    refunded_minor: int
    account_number: str | None = None
    sip_domain: str | None = None
    """Where its lines are, if not in the domain of its white label."""
    service_numbers: tuple[tuple[str, ...], ...] = ()
    """The same numbers, service by service, in the order in which the order named them."""


class TimelineEvent(Value):
    """One timeline entry. ``sequence`` grows within the whole system and is the server-sent event's id."""

    sequence: int
    onboarding_id: str
    at: datetime
    state: State
    event: str
    actor: str
    detail: dict[str, str]


class Page(Value, Generic[T]):
    """One page of a list and the opaque token of the next; no token, no more."""

    items: tuple[T, ...]
    next_page_token: str | None = None


class OnboardingReader(Protocol):
    """Reads what the records wrote. Needs neither worker nor Temporal. Another tenant's id is ``NotFound``.

    ``tenant_id`` is a scope: that account and everything below it; unset, the whole platform.
    """

    async def get(self, onboarding_id: str, tenant_id: str | None = None) -> OnboardingView:
        """One onboarding, of this scope if one is given. Raises ``NotFound``."""

    async def list(
        self, tenant_id: str | None, state: State | None, page_size: int, page_token: str | None
    ) -> Page[OnboardingView]:
        """Newest first. Raises ``ValueError`` for a page token that is not ours or was made with other filters."""

    async def timeline(self, onboarding_id: str, after: int = 0) -> Sequence[TimelineEvent]:
        """The entries after a sequence number, oldest first."""

    async def search_numbers(
        self, tenant_id: str, prefix: str | None, state: NumberState | None, page_size: int, page_token: str | None
    ) -> Page[NumberRecord]:
        """The tenant's inventory in numeric order."""

    async def mails(self, onboarding_id: str) -> Sequence[tuple[MailKind, datetime]]:
        """Which letters went out, and when."""
