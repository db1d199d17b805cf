"""Price lists, taxes and terms of a white label: what is in force is in its settings, what ever was is kept beside them."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, bindparam, func, select, update

from adapters.database.statements import PerDialect, now
from adapters.database.tables import price_list_versions, tenants, terms_versions
from adapters.transactions import Transactions
from domain.billing import Tax
from domain.catalogue import PriceList, Tenant, Terms
from domain.errors import NotFound, Refused
from domain.price_lists import MOST_PRICE_LISTS, MOST_TAXES, MOST_VERSIONS, PriceListVersion, full, named

_v, _t = price_list_versions.c, terms_versions.c
T = TypeVar("T")

_SETTINGS = select(tenants.c.settings).where(tenants.c.id == bindparam("of"))
_HOLD_SETTINGS = _SETTINGS.with_for_update()
_VERSIONS = (
    select(_v.version, _v.price_list, _v.made_by, _v.made_at)
    .where(_v.tenant_id == bindparam("of"), _v.code == bindparam("list"))
    .order_by(_v.made_at, _v.version)
)
_NAME = bindparam("name", type_=_v.version.type)
_VERSION = _VERSIONS.where(_v.version == _NAME)
_NAMED = _VERSIONS.where(func.substr(_v.version, 1, func.length(_NAME)) == _NAME)
_COUNT = select(func.count()).where(_v.tenant_id == bindparam("of"), _v.code == bindparam("list"))
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

    async def version(self, tenant_id: str, code: str, version: str | None) -> PriceListVersion | None:
        """A price list as it was under this name of its content, or as it is in force. Raises ``NotFound``."""

        def work(connection: Connection) -> PriceListVersion | None:
            current = _settings(connection, tenant_id).list_for(code)
            if current is None:
                raise NotFound("There is no such price list.")
            name = version or current.version
            row = connection.execute(_VERSION, {"of": tenant_id, "list": code, "name": name}).first()
            if row is not None:
                return PriceListVersion(price_list=row.price_list, made_by=row.made_by, made_at=row.made_at)
            # From before versions were kept.
            return PriceListVersion(price_list=current) if current.version == name else None

        return await self._transactions.read(work)

    async def put_price_list(self, tenant_id: str, prices: PriceList, actor: str) -> PriceList:
        """Create a price list, or put a new version of it in force. The same content again is the same version."""

        def work(tenant: Tenant, connection: Connection) -> tuple[Tenant, PriceList]:
            old = tenant.list_for(prices.code)
            if old is None and len(tenant.offered) >= MOST_PRICE_LISTS:
                raise full("price lists", MOST_PRICE_LISTS)
            kept = replaced(connection, tenant_id, old, prices, actor, now())
            return tenant.with_price_list(kept), kept

        return await self._change(tenant_id, work)

    async def create_tax(self, tenant_id: str, tax: Tax) -> Tax:
        """Create a tax (S4-33). The same again is no other; raises ``Refused`` (``tax_exists``) if the code has another one."""

        def work(tenant: Tenant, _connection: Connection) -> tuple[Tenant, Tax]:
            there = next((one for one in tenant.taxes if one.code == tax.code), None)
            if there is not None and there != tax:
                raise Refused("There is another tax of this code. Choose another code.", code="tax_exists")
            if there is None and len(tenant.taxes) >= MOST_TAXES:
                raise full("taxes", MOST_TAXES)
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
    # Those that could have its name, and not all that there ever were.
    like = {"of": tenant_id, "list": prices.code, "name": prices.version[:190]}
    kept = named(prices, (row.price_list for row in connection.execute(_NAMED, like)))
    if (
        connection.execute(_COUNT, like).scalar_one() >= MOST_VERSIONS
        and not connection.execute(_VERSION, like | {"name": kept.version}).first()
    ):
        raise full(f"versions of one price list ({prices.code})", MOST_VERSIONS)
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


def _settings(connection: Connection, tenant_id: str, *, hold: bool = False) -> Tenant:
    query = _HOLD_SETTINGS if hold else _SETTINGS
    found: Tenant | None = connection.execute(query, {"of": tenant_id}).scalar_one_or_none()
    if found is None:
        raise NotFound("There is no such white label, or it is not yours to see.")
    return found
