"""Services as they were changed after their order."""

from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from adapters.database import existing, progress, service_numbers, step_keys
from adapters.database.service_numbers import OrderNumbers
from adapters.database.statements import PerDialect
from adapters.database.tables import onboardings, services, tenants
from adapters.transactions import Transactions
from domain.catalogue import Tenant
from domain.errors import Refused
from domain.existing import moved_meanwhile
from domain.keys import line_name
from domain.onboarding import Entry, State
from domain.orders import Order
from domain.services import (
    NumberSettings,
    ServiceChange,
    ServiceRecord,
    ServiceSettings,
    differences,
    findings,
    patched,
    tag,
)

_o, _s = onboardings.c, services.c
_ORDERS = (
    select(_o.id, _o.order, _o.quote)
    .where(_o.account_id == bindparam("of"), _o.state == State.ACTIVE.value)
    .order_by(_o.created_at, _o.id)
)
_CHANGED = select(services).where(_s.account_id == bindparam("of"))
# One change of an account at a time, as for its customer.
_LOCK = select(_o.id).where(_o.id == bindparam("of")).with_for_update(key_share=True)
_TENANT = select(tenants.c.settings).where(tenants.c.id == bindparam("of"))
_WRITE = PerDialect(
    services,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[_s.line], set_={"version": insert.excluded.version, "settings": insert.excluded.settings}
    ),
)
_CONFIRM = (
    update(services)
    .where(_s.line == bindparam("of"), _s.switch_version < bindparam("held"))
    .values(switch_version=bindparam("held"))
)


class ServiceStore:
    """``domain.services.ServiceRecords``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def services(self, account_id: str) -> tuple[ServiceRecord, ...]:
        def work(connection: Connection) -> tuple[ServiceRecord, ...]:
            existing.read(connection, account_id)
            return _services(connection, account_id)

        return await self._transactions.read(work)

    async def change(self, change: ServiceChange) -> ServiceRecord:
        return await self._transactions.write(lambda connection: _change(connection, change))

    async def confirm(self, line: str, version: int) -> None:
        await self._transactions.write(lambda connection: connection.execute(_CONFIRM, {"of": line, "held": version}))


def _change(connection: Connection, change: ServiceChange) -> ServiceRecord:
    acts = step_keys.begin(connection, change.key)
    connection.execute(_LOCK, {"of": existing.read(connection, change.account_id).onboarding_id})
    account = existing.read(connection, change.account_id)
    found = _services(connection, change.account_id)
    before = next((service for service in found if service.line == change.line), None)
    if before is None:
        raise Refused("The account does not have this service any more. Look at its services.", code="service_gone")
    if not acts:
        return before
    if account.tenant_id != change.tenant_id:
        raise moved_meanwhile()
    if change.if_match not in {None, tag(before.document)}:
        raise Refused(
            "Somebody has changed this service since you looked. Look again, then send your change once more.",
            code="changed_meanwhile",
        )
    tenant: Tenant = connection.execute(_TENANT, {"of": account.tenant_id}).scalar_one()
    after, wrong = patched(before.document, change.patch)
    wrong = wrong or (findings(account, found, change.line, after, tenant) if after else [])
    if after is None or wrong:
        raise Refused(wrong[0].said, code=wrong[0].code)
    fields = differences(before.document, after)
    if not fields:
        return before
    # What numbers were set to that the service has given back is kept: they may come back.
    kept = {e164: number for e164, number in before.settings.numbers.items() if e164 not in after.numbers}
    settings = after.model_copy(update={"numbers": kept | after.numbers})
    row = {"line": change.line, "account_id": change.account_id, "version": before.version + 1, "settings": settings}
    connection.execute(_WRITE.on(connection), row | {"switch_version": before.switch_version})
    detail = {"service": change.line, "fields": ", ".join(fields)}
    entry = Entry(key=f"service:{change.key}", at=change.at, event="service_changed", actor=change.actor, detail=detail)
    progress.append(connection, account.onboarding_id, State.ACTIVE, [entry])
    return before.model_copy(update={"settings": settings, "version": before.version + 1})


def _services(connection: Connection, account_id: str) -> tuple[ServiceRecord, ...]:
    of = {"of": account_id}
    changed = {row.line: row for row in connection.execute(_CHANGED, of)}
    orders = connection.execute(_ORDERS, of).all()
    numbers = service_numbers.of_orders(connection, {row.id: row.order for row in orders})
    return tuple(
        _service(account_id, row, position, numbers[row.id], changed)
        for row in orders
        for position in range(len(row.order.services))
    )


def _service(account_id: str, row: Any, position: int, got: OrderNumbers, changed: dict[str, Any]) -> ServiceRecord:
    order: Order = row.order
    service, line = order.services[position], line_name(row.id, position)
    later = changed.get(line)
    counted = got.counted(position)
    numbers = {
        counted[setting.number]: NumberSettings.model_validate(setting.model_dump())
        for setting in service.settings
        if setting.number < len(counted)
    }
    shown = got.had.instead_of(service.caller_id) if service.caller_id else None
    ordered = ServiceSettings(label=service.label, max_channels=service.max_channels, caller_id=shown, numbers=numbers)
    return ServiceRecord(
        line=line,
        account_id=account_id,
        onboarding_id=row.id,
        numbers=got.now(position),
        # As it was sold: which type is the default may change.
        type=next(iter(row.quote.service_types[position : position + 1]), service.type),
        settings=later.settings if later else ordered,
        version=later.version if later else 0,
        switch_version=later.switch_version if later else 0,
    )
