"""The plan of an account: seen, changed, and what it makes things cost."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from domain.access import Principal, Right
from domain.account_plans import AccountPlan, PlanAssignment
from domain.accounts import Account
from domain.catalogue import Tenant
from domain.catalogue_rules import price_list_findings
from domain.errors import Refused
from domain.numbers import Grade
from domain.orders import Service, ServiceTypeCode
from domain.quotes import Quote, quote
from domain.rules import Finding
from starter import problems
from starter.api.access import Authenticated, Caller, OwnAccount, Strict, Work, need
from starter.api.described import problems as declared
from starter.problems import Problem
from starter.schemas.base import Moment
from starter.schemas.plans import AccountPlanBody, ChangePlan, Charges
from starter.services import Services

router = APIRouter(prefix="/v1/accounts", tags=["Catalogue"], route_class=Authenticated, dependencies=[Strict])


@router.get("/{account_id}/plan", summary="The plan of an account", responses=declared(403, 404, 409))  # noqa: FAST003
async def get_plan(principal: Caller, account: OwnAccount, services: Work) -> AccountPlanBody:
    """What decides its charges now, and what is to follow."""
    need(principal, Right.READ)
    return AccountPlanBody.of(await services.plans.get(account.id))


@router.put("/{account_id}/plan", summary="Change the plan", responses=declared(400, 403, 404, 409, 413))  # noqa: FAST003
async def change_plan(principal: Caller, account: OwnAccount, body: ChangePlan, services: Work) -> AccountPlanBody:
    """At once, or from a moment to come. The plan in force decides every charge from then on; what was charged stays."""
    _may_change(principal, account)
    current = await services.plans.get(account.id)
    tenant = await services.prices.tenant(current.tenant_id)
    now = datetime.now(UTC)
    begins = body.effective_from.astimezone(UTC) if body.effective_from else now
    code = body.price_list or current.in_force.price_list
    if found := _findings(body, code, current, tenant, begins, now):
        raise problems.of_findings(found)
    wanted = PlanAssignment(
        id=str(uuid.uuid4()),
        plan=body.plan,
        price_list=code,
        effective_from=begins,
        assigned_by=principal.actor,
        assigned_at=now,
    )
    return AccountPlanBody.of(await services.plans.assign(account.id, account.tenant_id, wanted))


@router.delete(
    "/{account_id}/plan/pending",  # noqa: FAST003 - OwnAccount takes it
    summary="Cancel a change of plan that is to come",
    responses=declared(403, 404, 409),
)
async def cancel_change(principal: Caller, account: OwnAccount, services: Work) -> AccountPlanBody:
    """The plan in force stays. Without a change to come, nothing is done."""
    _may_change(principal, account)
    return AccountPlanBody.of(await services.plans.cancel_pending(account.id, account.tenant_id, principal.actor))


@router.get("/{account_id}/charges", summary="What would be charged now", responses=declared(403, 404, 409))  # noqa: FAST003
async def get_charges(
    principal: Caller,
    account: OwnAccount,
    services: Work,
    lines: Annotated[int, Query(ge=0, le=50, description="How many services more")] = 0,
    service_type: Annotated[ServiceTypeCode | None, Query(description="Of which type; the default one if unset")] = None,
    numbers: Annotated[int, Query(ge=0, le=100, description="How many telephone numbers more")] = 0,
    grade: Annotated[Grade, Query(description="Of which grade")] = Grade.STANDARD,
    at: Annotated[Moment | None, Query(description="If it were done then; now if unset")] = None,
) -> Charges:
    """Decided by the plan in force at that moment, at the prices that its price list has now."""
    need(principal, Right.READ)
    current = await services.plans.get(account.id)
    moment = at.astimezone(UTC) if at else datetime.now(UTC)
    return Charges.of(moment, await _price(services, current, current.at(moment), lines, service_type, {grade: numbers}))


def _may_change(principal: Principal, account: Account) -> None:
    # A customer's own administrators operate their account, and a reseller's its customers; what theirs costs is agreed with
    # the white label above.
    need(principal, Right.ONBOARD)
    if principal.scope == account.id:
        raise Problem("not_allowed", "What an account costs is decided by the one above it, not by its own people.")


def _findings(
    body: ChangePlan, code: str, current: AccountPlan, tenant: Tenant, begins: datetime, now: datetime
) -> list[Finding]:
    if begins < now:
        message, fix = "This moment is over; what was charged since then stays.", "Name a later one, or none for at once."
        return [Finding(code="effective_in_the_past", pointer="/effective_from", message=message, fix=fix)]
    # Whoever is on a list may change plans on it, even if it is not sold on to others any more.
    staying = code == current.in_force.price_list
    if found := price_list_findings(code, tenant, None if staying else begins.date()):
        return found
    prices = tenant.list_for(code)
    if prices is None or prices.plan(body.plan) is None:
        message, fix = "There is no such plan on the price list.", "Choose one that GET /v1/plans lists."
        return [Finding(code="unknown_plan", pointer="/plan", message=message, fix=fix)]
    if tenant.currency_of(prices) != current.currency:
        message = f"The account is in {current.currency}, and the price list is in {tenant.currency_of(prices)}."
        fix = "Choose a price list in the account's currency."
        return [Finding(code="price_list_currency", pointer="/price_list", message=message, fix=fix)]
    return []


async def _price(
    services: Services, current: AccountPlan, chosen: PlanAssignment, lines: int, kind: str | None, numbers: dict[Grade, int]
) -> Quote:
    tenant = await services.prices.tenant(current.tenant_id)
    if tenant.service_type(kind) is None:
        error = problems.ProblemError(
            code="unknown_service_type", detail="There is no such service type.", parameter="service_type"
        )
        raise problems.Problem("invalid_request", "One thing in the request must be mended.", errors=[error])
    more = {"services": (Service(type=kind),) * lines, "plan": chosen.plan, "price_list": chosen.price_list}
    prices = tenant.list_for(chosen.price_list)
    if prices is None or prices.plan(chosen.plan) is None:
        raise Refused(
            "The account's plan is not on its price list any more. Give the account another plan.", code="plan_withdrawn"
        )
    return quote(current.order.model_copy(update=more), tenant, {}, joining=False, more_numbers=numbers)
