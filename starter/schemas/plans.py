"""The plan of an account, and what things cost on it."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from domain.account_plans import AccountPlan, PlanAssignment
from domain.billing import TaxCharge
from domain.money import Currency
from domain.quotes import Quote, QuoteLine
from starter.schemas.base import Body, Moment, PlanCode, PriceListCode


class ChangePlan(Body):
    """Another plan. Orders that are under way keep what they were quoted."""

    plan: PlanCode
    price_list: PriceListCode | None = Field(default=None, description="That of the plan in force if unset")
    effective_from: Moment | None = Field(
        default=None, description="At once if unset. One change at most can be to come", examples=["2027-03-01T00:00:00Z"]
    )


class AssignedPlan(BaseModel):
    """A plan, from when on (UTC), and who decided that."""

    plan: str
    price_list: str
    effective_from: datetime
    assigned_by: str
    assigned_at: datetime


class AccountPlanBody(BaseModel):
    """What decides the account's charges."""

    account_id: str
    currency: Currency
    in_force: AssignedPlan
    pending: AssignedPlan | None = Field(description="What follows at a moment to come")

    @classmethod
    def of(cls, plan: AccountPlan) -> Self:
        def shown(one: PlanAssignment) -> AssignedPlan:
            return AssignedPlan(**one.model_dump(exclude={"id"}))

        pending = shown(plan.pending) if plan.pending else None
        return cls(account_id=plan.account_id, currency=plan.currency, in_force=shown(plan.in_force), pending=pending)


class Charges(BaseModel):
    """What would be charged for more services and numbers. Minor units of ``currency``; the first period in advance."""

    at: datetime
    plan: str
    price_list: str
    version: str
    currency: Currency
    lines: tuple[QuoteLine, ...]
    net_minor: int
    taxes: tuple[TaxCharge, ...]
    tax_minor: int
    total_minor: int

    @classmethod
    def of(cls, at: datetime, price: Quote) -> Self:
        return cls(
            at=at,
            plan=price.plan,
            price_list=price.price_list_code or "",
            version=price.price_list,
            **price.model_dump(include={"currency", "net_minor", "tax_minor", "total_minor"}),
            lines=price.lines,
            taxes=price.taxes,
        )
