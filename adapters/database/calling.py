"""Which account may call: one row per account, and the timeline's word of every change."""

from sqlalchemy import Connection, bindparam, delete, select, update

from adapters.database import progress, step_keys, tree
from adapters.database.statements import PerDialect
from adapters.database.tables import accounts, calling, onboardings, tenants
from adapters.transactions import Transactions
from domain.calling import Calling, CallingChange, CallingWrite, LineName, changed
from domain.errors import NotFound, Refused
from domain.existing import moved_meanwhile
from domain.keys import line_name
from domain.onboarding import Entry, State

_a, _c, _o = accounts.c, calling.c, onboardings.c
_EVENTS = {"suspend": "suspended", "resume": "resumed", "set": "calling_changed"}

_FIND = (
    select(_a.status, _c.calling, _c.version, _c.switch_version)
    .select_from(accounts.outerjoin(calling, _c.account_id == _a.id))
    .where(_a.id == bindparam("of"), _a.kind == "customer")
)
_ORDERS = (
    select(_o.id, _o.tenant_id, _o.order, _o.sip_domain)
    .where(_o.account_id == bindparam("of"), _o.state == State.ACTIVE.value)
    .order_by(_o.created_at, _o.id)
)
_LOCK_ORDER = select(_o.id).where(_o.id == bindparam("of")).with_for_update(key_share=True)
_DOMAIN = select(tenants.c.settings).where(tenants.c.id == bindparam("of"))
_BEGIN = PerDialect(calling, lambda insert: insert.on_conflict_do_nothing(index_elements=[_c.account_id]))
# Reads the row and holds it until the transaction ends, on both databases.
_HOLD = update(calling).where(_c.account_id == bindparam("of")).values(version=_c.version).returning(_c.calling)
_WRITE = (
    update(calling)
    .where(_c.account_id == bindparam("of"))
    .values(version=bindparam("at_version"), calling=bindparam("row", type_=_c.calling.type))
)
_CONFIRM = (
    update(calling)
    .where(_c.account_id == bindparam("of"), _c.switch_version < bindparam("held"))
    .values(switch_version=bindparam("held"))
)
_END = delete(calling).where(_c.account_id == bindparam("of"))


class AccountCalling:
    """``domain.ports.CallingRecords``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def get(self, account_id: str, tenant_id: str | None = None) -> Calling:
        return await self._transactions.read(lambda connection: _get(connection, account_id, tenant_id))

    async def change(self, change: CallingChange) -> CallingWrite:
        return await self._transactions.write(lambda connection: carry_out(connection, change))

    async def confirm(self, account_id: str, version: int) -> None:
        await self._transactions.write(lambda connection: connection.execute(_CONFIRM, {"of": account_id, "held": version}))


def begin(connection: Connection, row: Calling) -> None:
    """Write an account's right to call as it goes live: the switch has it from the lines."""
    values = {"account_id": row.account_id, "version": row.version, "switch_version": row.version, "calling": row}
    connection.execute(_BEGIN.on(connection), values)


def end(connection: Connection, account_id: str) -> None:
    """Undo ``begin``."""
    connection.execute(_END, {"of": account_id})


def _get(connection: Connection, account_id: str, tenant_id: str | None) -> Calling:
    row = connection.execute(_FIND, {"of": account_id}).first()
    if row is None or not (tenant_id is None or tree.covers(connection, tenant_id, account_id)):
        raise NotFound("There is no such account, or it is not yours to see.")
    if row.status != "active":
        raise _not_active()
    if row.calling is None:
        first = connection.execute(_ORDERS, {"of": account_id}).first()
        return Calling(account_id=account_id, onboarding_id=first.id if first else None)
    found: Calling = row.calling
    return found.model_copy(update={"version": row.version, "switch_version": row.switch_version})


def carry_out(connection: Connection, change: CallingChange) -> CallingWrite:
    """As ``AccountCalling.change``, within the caller's transaction."""
    acts = step_keys.begin(connection, change.key)
    orders = connection.execute(_ORDERS, {"of": change.account_id}).all()
    if not orders:
        raise _not_active()
    # Locked before the account's own row, as everywhere.
    connection.execute(_LOCK_ORDER, {"of": orders[0].id})
    orders = connection.execute(_ORDERS, {"of": change.account_id}).all()  # whoever was before us has written by now
    begin(connection, _get(connection, change.account_id, None))  # the door looked at whose it is
    if acts and orders[0].tenant_id != change.tenant_id and change.act != "suspend":
        # A suspension that was taken is carried out wherever the account is: fraud is not over because it has moved.
        raise moved_meanwhile()
    before: Calling = connection.execute(_HOLD, {"of": change.account_id}).scalar_one()
    after = changed(before, change) if acts else before
    if after.version != before.version:
        connection.execute(_WRITE, {"of": change.account_id, "at_version": after.version, "row": after})
        progress.append(connection, orders[0].id, State.ACTIVE, [_entry(change, after.version)])
    domain = connection.execute(_DOMAIN, {"of": orders[0].tenant_id}).scalar_one().sip_domain
    lines = tuple(
        LineName(username=line_name(row.id, position), domain=row.sip_domain or domain)
        for row in orders
        for position in range(len(row.order.services))
    )
    return CallingWrite(calling=after, lines=lines)


def _entry(change: CallingChange, version: int) -> Entry:
    detail = {"reason": change.reason.value} if change.reason else {"changed": ", ".join(sorted(change.fields))}
    if change.note:
        detail["note"] = change.note
    return Entry(key=f"calling:{version}", at=change.at, event=_EVENTS[change.act], actor=change.actor, detail=detail)


def _not_active() -> Refused:
    return Refused("The account is not active, so there is no right to call to be seen or changed.", code="not_active")
