"""Which plan decides what an account is charged: assignments with a beginning, of which the latest begun is in force (C10)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.base import Value
from domain.errors import Refused
from domain.money import Currency
from domain.orders import Order


class PlanAssignment(Value):
    """From a moment (UTC) on, a plan of a price list is the account's."""

    id: str
    plan: str
    price_list: str
    effective_from: datetime
    assigned_by: str
    assigned_at: datetime

    def same_as(self, other: "PlanAssignment") -> bool:
        return (self.plan, self.price_list) == (other.plan, other.price_list)


class AccountPlan(Value):
    """The plan in force, and the one that follows at a moment to come.

    ``order`` is the account's first, for its taxes: without any if the account is another white label's now.
    """

    account_id: str
    tenant_id: str
    currency: Currency
    order: Order
    in_force: PlanAssignment
    pending: PlanAssignment | None = None
    history: tuple[PlanAssignment, ...]
    """All that were not cancelled, in no order."""
    moved_at: datetime | None = None
    """When it came to the white label that it has, from another one."""

    def at(self, moment: datetime) -> PlanAssignment:
        """What decides the charges of that moment, as far as is known now. Raises ``Refused`` (``before_the_move``)."""
        if self.moved_at and moment < self.moved_at:
            raise Refused(
                f"The account is this white label's since {self.moved_at:%Y-%m-%d %H:%M} UTC; what it would have been charged before was "
                "another one's to say. Ask for a later moment.",
                code="before_the_move",
            )
        return arranged(self.history, moment)[0]


def arranged(assignments: Sequence[PlanAssignment], now: datetime) -> tuple[PlanAssignment, PlanAssignment | None]:
    """The one in force and the one to come. In order of their beginning, then of when they were decided."""
    ordered = sorted(assignments, key=lambda one: (one.effective_from, one.assigned_at))
    begun = [one for one in ordered if one.effective_from <= now]
    to_come = [one for one in ordered if one.effective_from > now]
    return (begun or ordered)[-1 if begun else 0], (to_come[0] if to_come and begun else None)


def may_follow(current: AccountPlan, wanted: PlanAssignment, now: datetime) -> bool:
    """Whether the assignment changes anything. Raises ``Refused`` (``plan_change_pending``) if another is to come already."""
    if wanted.effective_from <= now:
        return not wanted.same_as(current.in_force)
    if current.pending is None:
        return True
    if wanted.same_as(current.pending) and wanted.effective_from == current.pending.effective_from:
        return False
    raise Refused(
        "Another change of plan is to come already. Cancel it first, or let this one take effect at once.",
        code="plan_change_pending",
    )


class AccountPlans(Protocol):
    """Plans of accounts. Raises ``NotFound`` for no such customer account, and ``Refused`` (``not_active``)."""

    async def get(self, account_id: str) -> AccountPlan:
        """As of now."""

    async def assign(self, account_id: str, tenant_id: str, wanted: PlanAssignment) -> AccountPlan:
        """Change the plan to one of this white label. The same again changes nothing.

        Raises ``Refused``: ``plan_change_pending``, or ``moved_meanwhile`` if the account is another white label's.
        """

    async def cancel_pending(self, account_id: str, tenant_id: str, actor: str) -> AccountPlan:
        """The change that is to come does not come. Without one, nothing is done. Raises ``Refused`` (``moved_meanwhile``)."""
