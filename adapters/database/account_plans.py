"""Plans of accounts: rows that are added and cancelled, never changed. The first is not a row: it is what the order was quoted."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select, update

from adapters.database import progress
from adapters.database.statements import now
from adapters.database.tables import accounts, customers, onboardings, plan_assignments, tenants, timeline
from adapters.transactions import Transactions
from domain.account_plans import AccountPlan, PlanAssignment, arranged, may_follow
from domain.customers import CustomerDetails
from domain.errors import NotFound, Refused
from domain.existing import moved_meanwhile
from domain.onboarding import Entry, State

_a, _o, _p = accounts.c, onboardings.c, plan_assignments.c

_ACCOUNT = (
    select(_a.status, _a.parent_id, _a.currency, _a.activated_at, customers.c.details)
    .outerjoin(customers, customers.c.account_id == _a.id)
    .where(_a.id == bindparam("of"), _a.kind != "platform")
)
_FIRST_ORDER = (
    select(_o.id, _o.order, _o.quote, _o.requested_by, _o.created_at)
    .where(_o.account_id == bindparam("of"), _o.state == State.ACTIVE.value)
    .order_by(_o.created_at, _o.id)
    .limit(1)
)
# Held by whoever changes the account's plan: one change after the other, and the timeline in the order of its numbers.
_LOCK_ORDER = select(_o.id).where(_o.id == bindparam("of")).with_for_update(key_share=True)
_ASSIGNED = select(plan_assignments).where(_p.account_id == bindparam("of"), _p.cancelled_at.is_(None))
_MOVED_AT = select(func.max(timeline.c.at)).where(
    timeline.c.onboarding_id == bindparam("of"), timeline.c.event == "transferred"
)
_FIRST_LIST = select(tenants.c.settings).where(tenants.c.id == bindparam("of"))
_ASSIGN = insert(plan_assignments)
_CANCEL = (
    update(plan_assignments)
    .where(_p.id == bindparam("one"), _p.cancelled_at.is_(None))
    .values(cancelled_by=bindparam("actor"), cancelled_at=bindparam("moment"))
)


_ALL_TO_COME = (
    update(plan_assignments)
    .where(_p.account_id == bindparam("account"), _p.cancelled_at.is_(None), _p.effective_from > bindparam("moment"))
    .values(cancelled_by=bindparam("actor"), cancelled_at=bindparam("moment"))
)


def in_force(connection: Connection, account_id: str, moment: datetime) -> PlanAssignment:
    """What decides an active account's charges at this moment."""
    return _get(connection, account_id, moment)[1].in_force


def move(connection: Connection, account_id: str, to: PlanAssignment) -> None:
    """The plan of the white label that the account moves to; what was to come from the other does not come."""
    terms = {"account": account_id, "actor": to.assigned_by, "moment": to.effective_from}
    connection.execute(_ALL_TO_COME, terms)
    connection.execute(_ASSIGN, {"account_id": account_id, **to.model_dump()})


class PlanRecords:
    """``domain.account_plans.AccountPlans``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def get(self, account_id: str) -> AccountPlan:
        return await self._transactions.read(lambda connection: _get(connection, account_id, now())[1])

    async def assign(self, account_id: str, tenant_id: str, wanted: PlanAssignment) -> AccountPlan:
        def work(connection: Connection) -> AccountPlan:
            moment, onboarding_id, current = _locked(connection, account_id, tenant_id)
            if not may_follow(current, wanted, moment):
                return current
            connection.execute(_ASSIGN, {"account_id": account_id, **wanted.model_dump()})
            _tell(connection, onboarding_id, "plan_changed", wanted, wanted.assigned_by, moment)
            return _get(connection, account_id, moment)[1]

        return await self._transactions.write(work)

    async def cancel_pending(self, account_id: str, tenant_id: str, actor: str) -> AccountPlan:
        def work(connection: Connection) -> AccountPlan:
            moment, onboarding_id, current = _locked(connection, account_id, tenant_id)
            if current.pending is None:
                return current
            connection.execute(_CANCEL, {"one": current.pending.id, "actor": actor, "moment": moment})
            _tell(connection, onboarding_id, "plan_change_cancelled", current.pending, actor, moment)
            return current.model_copy(update={"pending": None})

        return await self._transactions.write(work)


def _locked(connection: Connection, account_id: str, tenant_id: str) -> tuple[datetime, str, AccountPlan]:
    onboarding_id, _ = _get(connection, account_id, now())
    connection.execute(_LOCK_ORDER, {"of": onboarding_id})
    moment = now()  # whoever was before us has written by now
    current = _get(connection, account_id, moment)[1]
    if current.tenant_id != tenant_id:
        raise moved_meanwhile()
    return moment, onboarding_id, current


def _get(connection: Connection, account_id: str, moment: datetime) -> tuple[str, AccountPlan]:
    account = connection.execute(_ACCOUNT, {"of": account_id}).first()
    if account is None:
        raise NotFound("There is no such account, or it is not yours to see.")
    first = connection.execute(_FIRST_ORDER, {"of": account_id}).first()
    if account.status != "active" or first is None:
        raise Refused("The account is not active, so no plan is in force yet.", code="not_active")
    code = first.quote.price_list_code
    if code is None:  # from when there was one price list
        code = connection.execute(_FIRST_LIST, {"of": account.parent_id}).scalar_one().price_list.code
    began = account.activated_at or first.created_at
    quoted = PlanAssignment(
        id=first.id,
        plan=first.quote.plan,
        price_list=code,
        effective_from=began,
        assigned_by=first.requested_by,
        assigned_at=first.created_at,
    )
    details: CustomerDetails | None = account.details
    untaxed = {"taxes": None, "tax_rate_basis_points": None} if details and details.moved else {}
    rows = connection.execute(_ASSIGNED, {"of": account_id}).mappings()
    history = (quoted, *(PlanAssignment.model_validate(dict(row)) for row in rows))
    in_force, pending = arranged(history, moment)
    return first.id, AccountPlan(
        account_id=account_id,
        tenant_id=account.parent_id,
        currency=account.currency,
        order=first.order.model_copy(update=untaxed),
        in_force=in_force,
        pending=pending,
        history=history,
        moved_at=connection.execute(_MOVED_AT, {"of": first.id}).scalar() if untaxed else None,
    )


def _tell(
    connection: Connection, onboarding_id: str, event: str, assignment: PlanAssignment, actor: str, moment: datetime
) -> None:
    detail = {
        "plan": assignment.plan,
        "price_list": assignment.price_list,
        "effective_from": assignment.effective_from.isoformat(timespec="seconds"),
    }
    entry = Entry(key=f"{event}:{assignment.id}", at=moment, event=event, actor=actor, detail=detail)
    progress.append(connection, onboarding_id, State.ACTIVE, [entry])
