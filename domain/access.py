"""Who is calling, and what that lets them do."""

from enum import StrEnum
from typing import Protocol

from domain.base import Value


class Role(StrEnum):
    """What an API key may do within its tenant; a key of the platform (no tenant) may do it in every tenant."""

    ADMIN = "admin"
    APPROVER = "approver"
    AUDITOR = "auditor"


class Right(StrEnum):
    READ = "read"
    ONBOARD = "onboard"
    APPROVE = "approve"
    OPERATE = "operate"


_RIGHTS = {
    Role.ADMIN: frozenset({Right.READ, Right.ONBOARD, Right.APPROVE, Right.OPERATE}),
    Role.APPROVER: frozenset({Right.READ, Right.APPROVE}),
    Role.AUDITOR: frozenset({Right.READ}),
}


class Principal(Value):
    """An authenticated caller. ``id`` is recorded as the actor of what it does.

    ``person`` is whoever acts with the key, the same for every key of theirs: nobody approves what they ordered themselves.
    """

    id: str
    name: str
    person: str
    tenant_id: str | None
    role: Role

    def may(self, right: Right) -> bool:
        return right in _RIGHTS[self.role]


class Identities(Protocol):
    """API keys: only their hash is stored; the key itself is shown once."""

    async def authenticate(self, api_key: str) -> Principal | None:
        """The key's owner, or ``None`` for an unknown, malformed or revoked key."""

    async def issue(self, name: str, tenant_id: str | None, role: Role, person: str | None = None) -> tuple[Principal, str]:
        """A new key, in clear for this once. ``person`` is the name itself if unset; case and spaces make no difference in it."""

    async def revoke(self, principal_id: str) -> None:
        """The key stops working at once. Raises ``NotFound``."""

    async def all(self, tenant_id: str | None) -> tuple[Principal, ...]:
        """The keys that work now."""
