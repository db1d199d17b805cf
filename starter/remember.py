"""A memory of a few seconds for what hardly changes and is asked for with every request.

An API client posts many orders with one key for one white label. Asking the database for both each time would double the
cost of accepting an order. The price: what another process changed, such as a key or a price list, works for at most
``SECONDS`` longer. The process that changes something says ``forget``.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from domain.access import Identities, Principal
from domain.catalogue import Tenant
from domain.numbers import Grade
from domain.ports import Catalogue

SECONDS = 3.0
_MOST = 1_000

V = TypeVar("V")


class _Memory(Generic[V]):
    """Values by key, each forgotten ``SECONDS`` after it was learned. What is not there is not remembered."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, V]] = {}
        self._generation = 0

    async def get(self, key: str, learn: Callable[[], Awaitable[V]]) -> V:
        now = time.monotonic()
        held = self._known.get(key)
        if held is not None and now - held[0] < SECONDS:
            return held[1]
        generation = self._generation
        value = await learn()
        # What was asked for before somebody said "forget" may be what is to be forgotten.
        if value is not None and generation == self._generation:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = (now, value)
        return value

    def forget(self) -> None:
        self._known.clear()
        self._generation += 1


class RememberedKeys:
    """Who calls, by API key. Keys are remembered by their hash only."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._memory = _Memory[Principal | None]()

    async def authenticate(self, api_key: str) -> Principal | None:
        """The key's owner, or ``None``."""
        name = hashlib.sha256(api_key.encode("utf-8", "replace")).hexdigest()
        return await self._memory.get(name, lambda: self._identities.authenticate(api_key))

    def forget(self) -> None:
        """Ask again about everybody: somebody has signed out, or lost a role. Other processes learn it within ``SECONDS``."""
        self._memory.forget()


class RememberedCatalogue:
    """A catalogue whose tenants are remembered; grades are always asked for."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._memory = _Memory[Tenant]()

    async def tenant(self, tenant_id: str) -> Tenant:
        """By id or slug. Raises ``NotFound``."""
        return await self._memory.get(tenant_id, lambda: self._catalogue.tenant(tenant_id))

    def forget(self) -> None:
        """Ask again about every white label."""
        self._memory.forget()

    async def grades(self, tenant_id: str, numbers: Sequence[str]) -> dict[str, Grade]:
        """The grade of each of these numbers that is in the tenant's inventory."""
        return await self._catalogue.grades(tenant_id, numbers)
