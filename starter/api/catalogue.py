"""What a white label sells and at what price: price lists, service types, taxes."""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, status

from domain.access import Right
from domain.billing import Tax
from domain.catalogue import Plan, PriceList, Tenant
from domain.catalogue_rules import price_list_findings
from domain.customer import Text
from domain.errors import NotFound
from domain.money import CURRENCIES
from domain.rules import Finding
from starter import problems
from starter.api.access import Authenticated, Caller, Strict, Work, need, own_tenant
from starter.api.described import problems as declared
from starter.schemas.base import PlanCode, PriceListCode, WhiteLabel
from starter.schemas.catalogue import (
    PriceListBody,
    PriceListInput,
    PriceListList,
    ServiceTypeBody,
    ServiceTypeList,
    TaxInput,
    TaxList,
)

router = APIRouter(prefix="/v1", tags=["Catalogue"], route_class=Authenticated, dependencies=[Strict])

Whose = Annotated[WhiteLabel | None, Query()]
Code = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=["standard"])]
OnList = Annotated[PriceListCode | None, Query(description="Priced on this list; the first valid one if unset")]
OnPlan = Annotated[PlanCode | None, Query(description="Priced on this plan; the first of the list if unset")]


def today() -> date:
    """Today in UTC: what is valid, is valid by it."""
    return datetime.now(UTC).date()


def chosen(tenant: Tenant, code: str | None) -> PriceList:
    """The price list that a query names, or the default one. Raises a ``Problem`` if it cannot be sold on today."""
    found = price_list_findings(code, tenant, today())
    prices = tenant.list_for(code, today())
    if found or prices is None:
        errors = [problems.ProblemError(code=one.code, detail=one.said, parameter="price_list") for one in found]
        raise problems.Problem("invalid_request", "One thing in the request must be mended.", errors=errors)
    return prices


@router.get("/price-lists", summary="Price lists", responses=declared(403, 404))
async def list_price_lists(principal: Caller, services: Work, white_label: Whose = None) -> PriceListList:
    """As they are in force now, valid or not. The first valid one is the default."""
    need(principal, Right.READ)
    tenant = await services.prices.tenant((await own_tenant(services, principal, white_label)).id)
    return PriceListList(items=[PriceListBody.of(prices, tenant, today()) for prices in tenant.offered])


@router.get("/price-lists/{code}", summary="One price list", responses=declared(403, 404))
async def get_price_list(
    code: Code,
    principal: Caller,
    services: Work,
    version: Annotated[Text | None, Query(description="As a quote has it; the one in force if unset")] = None,
    white_label: Whose = None,
) -> PriceListBody:
    """As it is in force, or as it was: an order names the version that it was quoted on."""
    need(principal, Right.READ)
    tenant = await services.prices.tenant((await own_tenant(services, principal, white_label)).id)
    wanted = await services.prices.version(tenant.id, code, version)
    if wanted is None:
        raise NotFound("This price list has no such version.")
    return PriceListBody.of(wanted.price_list, tenant, today(), wanted)


@router.put("/price-lists/{code}", summary="Create or change a price list", responses=declared(400, 403, 404, 409, 413))
async def put_price_list(
    code: Code, body: PriceListInput, principal: Caller, services: Work, white_label: Whose = None
) -> PriceListBody:
    """A change is a new version, in force for orders from now on. Orders that were placed keep the one they were quoted on.

    A white label has at most 50 price lists, and a list at most 1000 versions.
    """
    need(principal, Right.MANAGE_PRICES)
    tenant = await services.prices.tenant((await own_tenant(services, principal, white_label)).id)
    if found := _list_findings(body, tenant):
        raise problems.of_findings(found)
    current = tenant.list_for(code)
    prices = body.price_list(code, body.version or today().isoformat())
    if body.version is None and current is not None and prices == current.model_copy(update={"version": prices.version}):
        prices = current
    try:
        kept = await services.prices.put_price_list(tenant.id, prices, principal.actor)
    finally:
        services.forget_catalogue()
    return PriceListBody.of(kept, tenant.with_price_list(kept), today())


def _list_findings(body: PriceListInput, tenant: Tenant) -> list[Finding]:
    def error(code: str, pointer: str, message: str, fix: str) -> Finding:
        return Finding(code=code, pointer=pointer, message=message, fix=fix)

    found = _validity_findings(body.valid_from, body.valid_until)
    if body.currency is not None and body.currency not in CURRENCIES:
        found.append(
            error("unknown_currency", "/currency", "There is no such currency.", "Use its ISO 4217 code, such as GBP.")
        )
    seen: set[str] = set()
    for index, plan in enumerate(body.plans):
        if plan.code in seen:
            found.append(error("plan_twice", f"/plans/{index}/code", "Two plans have one code.", "Give each its own."))
        seen.add(plan.code)
    found += [
        error("unknown_service_type", f"/service_types/{code}", "There is no such service type.", "Leave it out.")
        for code in body.service_types
        if tenant.service_type(code) is None
    ]
    return found


def _validity_findings(valid_from: date | None, valid_until: date | None) -> list[Finding]:
    if valid_from is None or valid_until is None or valid_from <= valid_until:
        return []
    message, fix = "It ends before it begins.", "Correct one of the two days."
    return [Finding(code="ends_before_it_begins", pointer="/valid_until", message=message, fix=fix)]


@router.get("/service-types", summary="Kinds of service", responses=declared(403, 404))
async def list_service_types(
    principal: Caller, services: Work, price_list: OnList = None, plan: OnPlan = None, white_label: Whose = None
) -> ServiceTypeList:
    """What can be ordered as `type` of a service, with its details and its price."""
    need(principal, Right.READ)
    tenant = await own_tenant(services, principal, white_label)
    prices = chosen(tenant, price_list)
    on = _plan(prices, plan)
    kinds = [ServiceTypeBody.of(kind, tenant, prices, on) for kind in tenant.service_types if not kind.withdrawn]
    return ServiceTypeList(items=kinds)


@router.get("/service-types/{code}", summary="One kind of service", responses=declared(403, 404))
async def get_service_type(
    code: Code, principal: Caller, services: Work, price_list: OnList = None, plan: OnPlan = None, white_label: Whose = None
) -> ServiceTypeBody:
    """Its details, to be read before it is ordered. One that is sold no more can be read too."""
    need(principal, Right.READ)
    tenant = await own_tenant(services, principal, white_label)
    prices = chosen(tenant, price_list)
    kind = tenant.service_type(code)
    if kind is None:
        raise NotFound("There is no such service type.")
    return ServiceTypeBody.of(kind, tenant, prices, _plan(prices, plan))


def _plan(prices: PriceList, code: str | None) -> Plan:
    plan = prices.plan(code)
    if plan is None:
        error = problems.ProblemError(code="unknown_plan", detail="There is no such plan on the price list.", parameter="plan")
        raise problems.Problem("invalid_request", "One thing in the request must be mended.", errors=[error])
    return plan


@router.get("/taxes", summary="Taxes", responses=declared(403, 404))
async def list_taxes(principal: Caller, services: Work, white_label: Whose = None) -> TaxList:
    """Valid or not."""
    need(principal, Right.READ)
    tenant = await own_tenant(services, principal, white_label)
    return TaxList(items=list((await services.prices.tenant(tenant.id)).taxes))


@router.post("/taxes", status_code=status.HTTP_201_CREATED, summary="Create a tax", responses=declared(400, 403, 404, 409, 413))
async def create_tax(body: TaxInput, principal: Caller, services: Work, white_label: Whose = None) -> Tax:
    """Orders from now on can name it. The same tax again is no other one. A white label has at most 100."""
    need(principal, Right.MANAGE_PRICES)
    tenant = await own_tenant(services, principal, white_label)
    if found := _validity_findings(body.valid_from, body.valid_until):
        raise problems.of_findings(found)
    try:
        return await services.prices.create_tax(tenant.id, Tax(**body.model_dump()))
    finally:
        services.forget_catalogue()
