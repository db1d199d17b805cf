"""Who is calling, and what that lets them do."""

from enum import StrEnum
from typing import Protocol

from domain.accounts import PLATFORM, AccountKind
from domain.base import Value


class Role(StrEnum):
    """What somebody may do in one account and everything below it. ``ROLES_AT`` says which role is held where."""

    ADMIN = "admin"
    SUB_ADMIN = "sub_admin"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ACCOUNT_ADMINISTRATOR = "account_administrator"
    STANDARD_USER = "standard_user"


class Right(StrEnum):
    READ = "read"
    ONBOARD = "onboard"
    APPROVE = "approve"
    OPERATE = "operate"
    MANAGE_USERS = "manage_users"
    MANAGE_PRICES = "manage_prices"
    PAY_IN = "pay_in"
    """To say that money came in otherwise than by card, which the account can spend from then on."""


_RIGHTS = {
    Role.ADMIN: frozenset(Right),
    # Exactly what was granted, one by one.
    Role.SUB_ADMIN: frozenset[Right](),
    Role.APPROVER: frozenset({Right.READ, Right.APPROVE}),
    Role.AUDITOR: frozenset({Right.READ}),
    # No right to onboard: only administrators of a white label create customers (S1-02, S1-29).
    Role.ACCOUNT_ADMINISTRATOR: frozenset({Right.READ, Right.OPERATE, Right.MANAGE_USERS}),
    Role.STANDARD_USER: frozenset({Right.READ}),
}
_OF_AN_OPERATOR = frozenset({Role.ADMIN, Role.SUB_ADMIN, Role.APPROVER, Role.AUDITOR})
ROLES_AT = {
    AccountKind.PLATFORM: _OF_AN_OPERATOR,
    AccountKind.RESELLER: _OF_AN_OPERATOR,
    AccountKind.CUSTOMER: frozenset({Role.ACCOUNT_ADMINISTRATOR, Role.STANDARD_USER, Role.AUDITOR}),
}
"""``admin`` at the platform is the platform admin, at a reseller the white-label admin (S1-01)."""
KEY_ROLES = (Role.ADMIN, Role.APPROVER, Role.AUDITOR)
"""What an API key may be issued with; the other roles are for people."""


def rights_of(role: Role, granted: frozenset[Right] = frozenset()) -> frozenset[Right]:
    """Everything that a role allows; ``granted`` counts for a sub-admin only."""
    return granted if role is Role.SUB_ADMIN else _RIGHTS[role]


class Principal(Value):
    """An authenticated caller: an API key or somebody's session. ``actor`` is recorded as the author of what it does.

    ``person`` is whoever acts with it, the same for all keys and sessions of theirs: nobody approves what they ordered
    themselves. ``tenant_id`` is the account in whose subtree the caller acts and nowhere else; ``None`` is the platform.
    ``acting_as`` is the account that the caller has switched to (S2-32). ``session`` is unset for an API key.
    """

    id: str
    name: str
    person: str
    tenant_id: str | None
    role: Role
    rights: frozenset[Right] = frozenset()
    acting_as: str | None = None
    session: str | None = None

    @property
    def actor(self) -> str:
        return f"{self.id} as {self.acting_as}" if self.acting_as else self.id

    @property
    def scope(self) -> str:
        return self.tenant_id or PLATFORM

    @property
    def allowed(self) -> frozenset[Right]:
        return rights_of(self.role, self.rights)

    @property
    def sells(self) -> bool:
        """Whether it acts for whoever sells (platform, white label), not for a customer of theirs."""
        return self.role in _OF_AN_OPERATOR

    def may(self, right: Right) -> bool:
        return right in self.allowed


def member_of(actor: str) -> str:
    """Whose act it was: the id in an ``actor``, whatever they had switched to."""
    return actor.partition(" as ")[0]


class Identities(Protocol):
    """API keys: only their hash is stored; the key itself is shown once. Tokens of sessions are authenticated alike."""

    async def authenticate(self, api_key: str) -> Principal | None:
        """The owner of a key or of a session's token, or ``None`` for one that is unknown, malformed, revoked or over."""

    async def issue(self, name: str, tenant_id: str | None, role: Role, person: str | None = None) -> tuple[Principal, str]:
        """A new key, in clear for this once. ``person`` is the name itself if unset; case and spaces make no difference in it."""

    async def revoke(self, principal_id: str) -> None:
        """The key stops working at once. Raises ``NotFound``."""

    async def all(self, tenant_id: str | None) -> tuple[Principal, ...]:
        """The keys that work now."""
