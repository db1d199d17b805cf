"""Price lists, taxes and terms of a white label: what is in force is in its settings, what ever was is kept beside them."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select, update

from adapters.database.statements import PerDialect, now
from adapters.database.tables import price_list_versions, tenants, terms_versions
from adapters.transactions import Transactions
from domain.billing import Tax
from domain.catalogue import PriceList, Tenant, Terms
from domain.errors import NotFound, Refused
from domain.price_lists import PriceListVersion, named

_v, _t = price_list_versions.c, terms_versions.c
T = TypeVar("T")

_SETTINGS = select(tenants.c.settings).where(tenants.c.id == bindparam("of"))
_HOLD_SETTINGS = _SETTINGS.with_for_update()
_VERSIONS = (
    select(_v.version, _v.price_list, _v.made_by, _v.made_at)
    .where(_v.tenant_id == bindparam("of"), _v.code == bindparam("list"))
    .order_by(_v.made_at, _v.version)
)
_KEEP_VERSION = PerDialect(
    price_list_versions, lambda put: put.on_conflict_do_nothing(index_elements=[_v.tenant_id, _v.code, _v.version])
)
_KEEP_TERMS = PerDialect(terms_versions, lambda put: put.on_conflict_do_nothing(index_elements=[_t.tenant_id, _t.sha256]))
_TERMS = select(_t.terms).where(_t.tenant_id == bindparam("of"), _t.sha256 == bindparam("hash"))


class PriceBook:
    """What white labels charge. Every change keeps what was there before it, because orders and accounts refer to it."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def tenant(self, tenant_id: str) -> Tenant:
        """The white label as of now. Raises ``NotFound``."""
        return await self._transactions.read(lambda connection: _settings(connection, tenant_id))

    async def versions(self, tenant_id: str, code: str) -> tuple[PriceListVersion, ...]:
        """Every version of a price list, the oldest first; the one in force is among them. Raises ``NotFound``."""

        def work(connection: Connection) -> tuple[PriceListVersion, ...]:
            tenant = _settings(connection, tenant_id)
            found = _versions(connection, tenant_id, code)
            current = tenant.list_for(code)
            if current is None:
                raise NotFound("There is no such price list.")
            if current.version not in {one.price_list.version for one in found}:  # from before versions were kept
                found = (*found, PriceListVersion(price_list=current))
            return found

        return await self._transactions.read(work)

    async def put_price_list(self, tenant_id: str, prices: PriceList, actor: str) -> PriceList:
        """Create a price list, or put a new version of it in force. The same content again is the same version."""

        def work(tenant: Tenant, connection: Connection) -> tuple[Tenant, PriceList]:
            kept = replaced(connection, tenant_id, tenant.list_for(prices.code), prices, actor, now())
            return tenant.with_price_list(kept), kept

        return await self._change(tenant_id, work)

    async def create_tax(self, tenant_id: str, tax: Tax) -> Tax:
        """Create a tax (S4-33). The same again is no other; raises ``Refused`` (``tax_exists``) if the code has another one."""

        def work(tenant: Tenant, _connection: Connection) -> tuple[Tenant, Tax]:
            there = next((one for one in tenant.taxes if one.code == tax.code), None)
            if there is not None and there != tax:
                raise Refused("There is another tax of this code. Choose another code.", code="tax_exists")
            taxes = tenant.taxes if there else (*tenant.taxes, tax)
            return tenant.model_copy(update={"taxes": taxes}), tax

        return await self._change(tenant_id, work)

    async def terms(self, tenant_id: str, sha256: str) -> Terms | None:
        """The text of this hash, if the white label ever had it."""
        terms = {"of": tenant_id, "hash": sha256}
        return await self._transactions.read(lambda connection: connection.execute(_TERMS, terms).scalar_one_or_none())

    async def _change(self, tenant_id: str, change: Callable[[Tenant, Connection], tuple[Tenant, T]]) -> T:
        def work(connection: Connection) -> T:
            tenant, answer = change(_settings(connection, tenant_id, hold=True), connection)
            connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(settings=tenant))
            return answer

        return await self._transactions.write(work)


def replaced(
    connection: Connection, tenant_id: str, old: PriceList | None, prices: PriceList, actor: str, moment: datetime
) -> PriceList:
    """The price list under the name of a version that no other content has. The old one is kept as well, if it was not yet."""
    if old is not None:
        _keep(connection, tenant_id, old, "unknown", moment)
    kept = named(prices, (one.price_list for one in _versions(connection, tenant_id, prices.code)))
    _keep(connection, tenant_id, kept, actor, moment)
    return kept


def keep_terms(connection: Connection, tenant: Tenant, moment: datetime) -> None:
    """Keep the text of the terms: whoever was asked to accept it is shown it again (C15)."""
    row = {"tenant_id": tenant.id, "sha256": tenant.terms.sha256, "terms": tenant.terms, "made_at": moment}
    connection.execute(_KEEP_TERMS.on(connection), row)


def settled(connection: Connection, tenant: Tenant, stored: Tenant | None, moment: datetime) -> Tenant:
    """A white label as its file has it, with what only the API has created, and every price list under its version's name."""
    if stored is not None:
        keep_terms(connection, stored, moment)
        unknown = {one.code: one for one in stored.offered} | {one.code: one for one in tenant.offered}
        for prices in unknown.values():
            tenant = tenant.with_price_list(prices)
        taxes = {tax.code: tax for tax in (*tenant.taxes, *stored.taxes, *tenant.taxes)}
        tenant = tenant.model_copy(update={"taxes": tuple(taxes.values())})
    keep_terms(connection, tenant, moment)
    for prices in tenant.offered:
        old = stored.list_for(prices.code) if stored else None
        tenant = tenant.with_price_list(replaced(connection, tenant.id, old, prices, "installation", moment))
    return tenant


def _keep(connection: Connection, tenant_id: str, prices: PriceList, actor: str, moment: datetime) -> None:
    row = {"tenant_id": tenant_id, "code": prices.code, "version": prices.version, "price_list": prices}
    connection.execute(_KEEP_VERSION.on(connection), row | {"made_by": actor, "made_at": moment})


def _versions(connection: Connection, tenant_id: str, code: str) -> tuple[PriceListVersion, ...]:
    rows = connection.execute(_VERSIONS, {"of": tenant_id, "list": code})
    return tuple(PriceListVersion(price_list=row.price_list, made_by=row.made_by, made_at=row.made_at) for row in rows)


def _settings(connection: Connection, tenant_id: str, *, hold: bool = False) -> Tenant:
    query = _HOLD_SETTINGS if hold else _SETTINGS
    found: Tenant | None = connection.execute(query, {"of": tenant_id}).scalar_one_or_none()
    if found is None:
        raise NotFound("There is no such white label, or it is not yours to see.")
    return found
