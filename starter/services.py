"""What the web process works with: ports, handed in once by whoever composes the process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from domain.access import Identities
from domain.account_plans import AccountPlans
from domain.accounts import Accounts
from domain.bulk import BulkRuns
from domain.call_records import CallRecords
from domain.calling import RateGroup
from domain.credits import Credits
from domain.drafts import Drafts
from domain.existing import AccountBook
from domain.numbers import PUBLIC, Grade
from domain.payments import CardVisit
from domain.ports import Baskets, Catalogue, HostedCardPage, NumberStock
from domain.price_lists import Prices
from domain.services import ServiceRecords
from domain.views import OnboardingReader
from starter.bulk.office import BulkOffice
from starter.calling import Callings
from starter.changes import Changes
from starter.first_access import FirstAccess
from starter.number_acts import NumberActs
from starter.onboardings import Onboardings
from starter.people import People
from starter.pins import AccountPinOffice


class Link(Protocol):
    """The verified content of an activation link."""

    @property
    def onboarding_id(self) -> str: ...

    @property
    def generation(self) -> int: ...


class InvitationLink(Protocol):
    """The verified content of a link to set a password with."""

    @property
    def user_id(self) -> str: ...

    @property
    def generation(self) -> int: ...


class Secrets(Protocol):
    """What is derived from the installation's secret."""

    def fingerprint(self, body: bytes) -> str:
        """A keyed digest of a request body."""

    def read_activation_token(self, token: str) -> Link | None:
        """The link's content, or ``None`` for one that is not ours."""

    def read_invitation_token(self, token: str) -> InvitationLink | None:
        """The content of a link to set a password with, or ``None`` for one that is not ours."""

    def device_password(self, username: str, domain: str) -> str:
        """A line's SIP password."""


class Inventory(Protocol):
    """The side of the inventory that operators fill."""

    async def import_numbers(
        self, tenant_id: str, numbers: Sequence[str], grades: Mapping[str, Grade] | None = None, pool: str = PUBLIC
    ) -> int:
        """Add E.164 numbers to a pool of a tenant's inventory; those that are there already stay as they are.

        ``grades`` are those that somebody chose; the others are computed. Returns how many are new.
        """


class RateGroups(Protocol):
    """What the calls of a white label's customers can be rated by."""

    async def rate_groups(self, tenant_id: str) -> tuple[RateGroup, ...]:
        """The default first, as of now."""

    async def put_rate_group(self, tenant_id: str, group: RateGroup) -> None:
        """Create one behind those that are there, or change it where it stands."""


class Webhooks(Protocol):
    """Reads what the gateway reports."""

    def visit(self, body: bytes, signature: str) -> CardVisit | None:
        """The card visit that this report is about, ``None`` for other reports. Raises ``Refused`` for a wrong signature."""


@dataclass(frozen=True)
class Services:
    """Everything that the routes and pages use. Nothing here knows of HTTP."""

    onboardings: Onboardings
    reader: OnboardingReader
    catalogue: Catalogue
    identities: Identities
    accounts: Accounts
    people: People
    inventory: Inventory
    callings: Callings
    call_records: CallRecords
    rate_groups: RateGroups
    prices: Prices
    plans: AccountPlans
    stock: NumberStock
    baskets: Baskets
    drafts: Drafts
    number_acts: NumberActs
    bulk: BulkOffice
    bulk_runs: BulkRuns
    card_page: HostedCardPage
    webhooks: Webhooks
    secrets: Secrets
    existing: AccountBook
    lines: ServiceRecords
    changes: Changes
    base_url: str
    """The origin in every link, without a slash at the end; never taken from a request."""
    card_page_origin: str
    """Where the gateway's card page lives: the only foreign place a form of ours may lead to."""
    probes: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """What must answer before this process is ready, by name; each raises when it does not."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is asked to stop, so that open event streams end by themselves."""
    access: FirstAccess | None = None
    """Passwords and PINs of new accounts."""
    pins: AccountPinOffice | None = None
    """PINs of accounts that are active."""
    credits: Credits | None = None
    """Payments into accounts."""
    forget_catalogue: Callable[[], None] = lambda: None
    """To be called when what is sold was changed here: the change is in force once it is answered."""
