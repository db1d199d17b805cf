"""Setting up: the platform, its tenants, their stock of numbers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from adapters.database import baskets, ledger, price_lists
from adapters.database.statements import PerDialect, now
from adapters.database.tables import accounts, ledger_entries, tenants
from adapters.database.tables import numbers as stock
from adapters.transactions import Transactions
from domain.accounts import PLATFORM
from domain.calling import RateGroup
from domain.catalogue import Tenant
from domain.customer import name_key
from domain.errors import NotFound
from domain.numbers import PUBLIC, Grade, grade_of
from domain.price_lists import MOST_RATE_GROUPS, full

_BATCH = 1000
_a = accounts.c

_PUT_ACCOUNT = PerDialect(
    accounts,
    lambda put: put.values(
        status="active", account_type="postpaid", payer="self", administration="operator", segment="normal"
    ).on_conflict_do_update(
        index_elements=[_a.id],
        set_={name: put.excluded[name] for name in ("name", "name_key", "credit_limit_minor")},
    ),
)
_PUT_TENANT = PerDialect(
    tenants,
    lambda put: put.on_conflict_do_update(
        index_elements=[tenants.c.id], set_={"slug": put.excluded.slug, "settings": put.excluded.settings}
    ),
)
_ADD_NUMBER = PerDialect(stock, lambda put: put.on_conflict_do_nothing(index_elements=[stock.c.e164]).returning(stock.c.e164))
_SETTINGS = select(tenants.c.settings).where(tenants.c.id == bindparam("of"))
_HOLD_SETTINGS = _SETTINGS.with_for_update()
_CURRENCY = select(_a.currency).where(_a.id == bindparam("of"))
_OPENED = select(ledger_entries.c.key).where(ledger_entries.c.key == bindparam("of"))


class Admin:
    """What an installation is set up with. Every call may be repeated."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def put_platform(self) -> None:
        """The root of the account tree."""
        await self._transactions.write(lambda connection: _put_platform(connection, now()))

    async def put_tenant(
        self, tenant: Tenant, credit_limit_minor: int = 0, opening_balance_minor: int = 0, parent_id: str = PLATFORM
    ) -> None:
        """Create a white label with its account, or change its settings and credit limit. It stays below the parent that it
        was created under.

        The opening balance is paid in once, however often this is called. Raises ``ValueError`` for another currency than the
        account has: its ledger cannot be converted.
        """
        await self._transactions.write(
            lambda connection: _put_tenant(connection, tenant, credit_limit_minor, opening_balance_minor, parent_id)
        )

    async def import_numbers(
        self, tenant_id: str, numbers: Iterable[str], grades: Mapping[str, Grade] | None = None, pool: str = PUBLIC
    ) -> int:
        """Add E.164 numbers to a tenant's inventory, graded. One that the platform has already stays as it is, whoever has it.

        ``grades`` overrides the grade of those in it (S3-20). Numbers of another ``pool`` than the public one are kept for that
        customer; raises ``NotFound`` if the tenant has no such customer. Returns how many are new. Works in batches; one that was broken off may be repeated.
        """
        added, rest = 0, iter(numbers)
        while batch := sorted(set(islice(rest, _BATCH))):
            added += await self._transactions.write(partial(_add_numbers, tenant_id, pool, grades or {}, batch))
        return added

    async def rate_groups(self, tenant_id: str) -> tuple[RateGroup, ...]:
        """What a white label's calls can be rated by, the default first, as of now. Raises ``NotFound``."""

        def work(connection: Connection) -> tuple[RateGroup, ...]:
            settings: Tenant | None = connection.execute(_SETTINGS, {"of": tenant_id}).scalar_one_or_none()
            if settings is None:
                raise _no_white_label()
            return settings.rate_groups

        return await self._transactions.read(work)

    async def put_rate_group(self, tenant_id: str, group: RateGroup) -> None:
        """Create a rate group, behind those that are there, or change it where it stands (S4-24). Raises ``NotFound``, and
        ``Refused`` (``catalogue_full``)."""
        await self._transactions.write(lambda connection: _put_rate_group(connection, tenant_id, group))

    async def tenants(self) -> tuple[Tenant, ...]:
        """Every white label, by slug."""
        query = select(tenants.c.settings).order_by(tenants.c.slug)
        return tuple(await self._transactions.read(lambda connection: connection.execute(query).scalars().all()))


def _account(account_id: str, parent_id: str | None, kind: str, name: str, currency: str, moment: datetime) -> dict[str, Any]:
    return {
        "id": account_id,
        "parent_id": parent_id,
        "kind": kind,
        "name": name,
        "name_key": name_key(name),
        "currency": currency,
        "balance_minor": 0,
        "held_minor": 0,
        "credit_limit_minor": 0,
        "opened_at": moment,
        "activated_at": moment,
    }


def _put_platform(connection: Connection, moment: datetime) -> None:
    # ISO 4217 "no currency": nothing is posted to the platform itself.
    connection.execute(_PUT_ACCOUNT.on(connection), _account(PLATFORM, None, "platform", "Platform", "XXX", moment))


def _put_tenant(
    connection: Connection, tenant: Tenant, credit_limit_minor: int, opening_balance_minor: int, parent_id: str
) -> None:
    moment = now()
    _put_platform(connection, moment)
    currency = connection.execute(_CURRENCY, {"of": tenant.id}).scalar_one_or_none()
    if currency is not None and currency != tenant.currency:
        raise ValueError(f"This white label's ledger is in {currency}; open another one for {tenant.currency}.")
    row = _account(tenant.id, parent_id, "reseller", tenant.name, tenant.currency, moment)
    connection.execute(_PUT_ACCOUNT.on(connection), row | {"credit_limit_minor": credit_limit_minor})
    stored: Tenant | None = connection.execute(_HOLD_SETTINGS, {"of": tenant.id}).scalar_one_or_none()
    if stored is not None:
        # Rate groups are created through the API too; a file that does not know of one does not take it from its customers.
        groups = {group.code: group for group in (*tenant.rate_groups, *stored.rate_groups, *tenant.rate_groups)}
        tenant = tenant.model_copy(update={"rate_groups": tuple(groups.values())}).succeeding(stored)
    tenant = price_lists.settled(connection, tenant, stored, moment)
    connection.execute(_PUT_TENANT.on(connection), {"id": tenant.id, "slug": tenant.slug, "settings": tenant})
    key = f"{tenant.id}:opening"
    if opening_balance_minor and connection.execute(_OPENED, {"of": key}).first() is None:
        ledger.enter(connection, key, tenant.id, "opening", opening_balance_minor, tenant.currency, moment)


def _put_rate_group(connection: Connection, tenant_id: str, group: RateGroup) -> None:
    settings: Tenant | None = connection.execute(_HOLD_SETTINGS, {"of": tenant_id}).scalar_one_or_none()
    if settings is None:
        raise _no_white_label()
    groups = {one.code: one for one in settings.rate_groups} | {group.code: group}
    if len(groups) > max(MOST_RATE_GROUPS, len(settings.rate_groups)):
        raise full("rate groups", MOST_RATE_GROUPS)
    changed = settings.model_copy(update={"rate_groups": tuple(groups.values())})
    connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(settings=changed))


def _no_white_label() -> NotFound:
    return NotFound("There is no such white label, or it is not yours to see.")


def _add_numbers(tenant_id: str, pool: str, grades: Mapping[str, Grade], batch: list[str], connection: Connection) -> int:
    if pool != PUBLIC:
        baskets.require_customer(connection, tenant_id, pool, lock=True)
    rows = [
        {"e164": e164, "tenant_id": tenant_id, "grade": grades.get(e164) or grade_of(e164), "state": "available", "pool": pool}
        for e164 in batch
    ]
    return len(connection.execute(_ADD_NUMBER.on(connection), rows).all())
