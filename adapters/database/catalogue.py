"""What tenants sell, as their settings say."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, or_, select

from adapters.database.tables import numbers, tenants
from adapters.transactions import Transactions
from domain.catalogue import Tenant
from domain.errors import NotFound
from domain.numbers import Grade

_TENANT = select(tenants.c.settings).where(or_(tenants.c.id == bindparam("name"), tenants.c.slug == bindparam("name")))
_GRADES = select(numbers.c.e164, numbers.c.grade).where(
    numbers.c.tenant_id == bindparam("tenant"), numbers.c.e164.in_(bindparam("named", expanding=True))
)


class TenantCatalogue:
    """``domain.ports.Catalogue``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def tenant(self, tenant_id: str) -> Tenant:
        def work(connection: Connection) -> Tenant | None:
            found = connection.execute(_TENANT, {"name": tenant_id}).scalars().all()
            # An id and a slug may be the same word in two tenants; the id is meant then.
            return next((tenant for tenant in found if tenant.id == tenant_id), found[0] if found else None)

        tenant = await self._transactions.read(work)
        if tenant is None:
            raise NotFound("There is no such white label, or it is not yours to see.")
        return tenant

    async def grades(self, tenant_id: str, numbers: Sequence[str]) -> dict[str, Grade]:
        if not numbers:
            return {}

        def work(connection: Connection) -> dict[str, Grade]:
            rows = connection.execute(_GRADES, {"tenant": tenant_id, "named": list(numbers)})
            return {row.e164: Grade(row.grade) for row in rows}

        return await self._transactions.read(work)
