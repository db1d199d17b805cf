"""Choosing numbers, keeping them for a customer, giving them back and reclaiming them."""

from collections.abc import Iterable, Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response, status

from domain import quarantine
from domain.access import Right
from domain.catalogue import Tenant
from domain.errors import NotFound, NumberUnavailable
from domain.numbers import PUBLIC, Grade, GradedNumber, NumberRecord, NumberSearch, Pick, Pool, Segments
from domain.quotes import NumberPricing, price_numbers
from domain.rules import Finding
from starter import problems
from starter.api.access import Authenticated, Caller, Strict, Work, need, own_tenant
from starter.api.catalogue import chosen, today
from starter.api.described import problems as declared
from starter.schemas.base import PlanCode, Prefix, PriceListCode, RealCountry, WhiteLabel, e164_prefix
from starter.schemas.numbers import FoundNumbers, KeepNumbers, Kept, NumberActed, ReclaimBody, ReleaseBody
from starter.services import Services

router = APIRouter(prefix="/v1/numbers", tags=["Inventory"], route_class=Authenticated, dependencies=[Strict])

Number = Annotated[str, Path(pattern=r"^\+[1-9][0-9]{6,14}$", description="E.164", examples=["+441214960123"])]


@router.get("/search", summary="Search for free numbers", responses=declared(400, 403, 404))
async def search_free_numbers(
    principal: Caller,
    services: Work,
    count: Annotated[int, Query(ge=1, le=100, description="How many at most; of a block exactly so many")] = 10,
    prefix: Annotated[Prefix | None, Query()] = None,
    region: Annotated[RealCountry | None, Query(description="The country in which a prefix without a plus is dialled")] = None,
    grade: Annotated[list[Grade], Query(max_length=5, description="Any of these; every grade if unset")] = [],  # noqa: B006
    contains: Annotated[list[str], Query(max_length=4, description="Digits that must all occur in the national number")] = [],  # noqa: B006
    pool: Annotated[Pool, Query()] = PUBLIC,
    pick: Annotated[Pick, Query(description="The lowest, from random places, or consecutive ones")] = "next",
    plan: Annotated[PlanCode | None, Query(description="Prices on this plan; the first of the list if unset")] = None,
    price_list: Annotated[PriceListCode | None, Query(description="Prices on this list; the first valid one if unset")] = None,
    white_label: Annotated[WhiteLabel | None, Query()] = None,
) -> FoundNumbers:
    """Only numbers that match every criterion, with their prices. Nobody else is kept from them: put them into a basket."""
    need(principal, Right.READ)
    tenant = await own_tenant(services, principal, white_label)
    begin = None if prefix is None else _prefix(prefix, region)
    wish = NumberSearch(count=count, prefix=begin, grades=tuple(grade), contains=_segments(contains), pool=pool, pick=pick)
    found = await services.stock.search(tenant.id, wish)
    priced = _priced(tenant, found, plan, price_list)
    return FoundNumbers(items=list(priced.numbers), price_list=priced.price_list, plan=priced.plan, currency=priced.currency)


def _priced(tenant: Tenant, numbers: Iterable[GradedNumber], plan: str | None, price_list: str | None) -> NumberPricing:
    if chosen(tenant, price_list).plan(plan) is None:
        detail = "There is no such plan on the price list. GET /v1/plans lists them."
        error = problems.ProblemError(code="unknown_plan", detail=detail, parameter="plan")
        raise problems.Problem("invalid_request", "One thing in the request must be mended.", errors=[error])
    return price_numbers(numbers, tenant, plan, price_list, today())


@router.post("/pool", summary="Keep numbers for a customer", responses=declared(400, 403, 404, 409, 413))
async def keep_numbers(principal: Caller, body: KeepNumbers, services: Work) -> Kept:
    """Moves free numbers into a customer's pool, or back into the public one. All of them or none."""
    need(principal, Right.OPERATE)
    tenant = await own_tenant(services, principal, body.white_label)
    numbers, found = body.e164s()
    if found:
        raise problems.of_findings(found)
    try:
        await services.stock.keep(tenant.id, body.pool, tuple(numbers))
    except NumberUnavailable as error:
        raise taken(error, numbers) from error
    return Kept(pool=body.pool, numbers=list(numbers))


_ACTED = {
    202: {"model": NumberActed, "description": "It goes on by itself; look at the number"},
    **declared(400, 403, 404, 409, 413),
}


@router.post("/{e164}/release", summary="Give a number back", responses=_ACTED)
async def release_number(e164: Number, principal: Caller, body: ReleaseBody, services: Work, response: Response) -> NumberActed:
    """Takes a number from its active customer: it rings no more, and rests before anybody else may have it."""
    need(principal, Right.OPERATE)
    tenant = await own_tenant(services, principal, body.white_label)
    number = await services.stock.assignment(tenant.id, e164)
    least = quarantine.minimum_days(e164, nuisance=body.nuisance)
    if body.days is not None and body.days < least:
        message, fix = f"A number of this country rests for at least {least} days.", "Ask for so many or more, or leave it out."
        raise problems.of_findings([Finding(code="quarantine_too_short", pointer="/days", message=message, fix=fix)])
    days = quarantine.rest_days(e164, number.kind, asked=body.days, policy=tenant.quarantine_days, nuisance=body.nuisance)
    done = await services.number_acts.release(number, days, principal.actor, body.reason)
    return await _acted(services, tenant, e164, done, response)


@router.post("/{e164}/reclaim", summary="Reclaim a number", responses=_ACTED)
async def reclaim_number(e164: Number, principal: Caller, body: ReclaimBody, services: Work, response: Response) -> NumberActed:
    """Gives a resting number back to the customer that had it, on the line that it rang. To nobody else."""
    need(principal, Right.OPERATE)
    tenant = await own_tenant(services, principal, body.white_label)
    number = await services.stock.former(tenant.id, e164, body.account_id)
    done = await services.number_acts.reclaim(number, principal.actor)
    return await _acted(services, tenant, e164, done, response)


async def _acted(services: Services, tenant: Tenant, e164: str, done: bool, response: Response) -> NumberActed:
    if not done:
        response.status_code = status.HTTP_202_ACCEPTED
    return NumberActed(done=done, number=await _record(services, tenant, e164))


async def _record(services: Services, tenant: Tenant, e164: str) -> NumberRecord:
    page = await services.reader.search_numbers(tenant.id, e164, None, 1, None)
    if not page.items or page.items[0].e164 != e164:
        raise NotFound("There is no such number in the inventory, or it is not yours to see.")
    return page.items[0]


def taken(error: NumberUnavailable, places: Mapping[str, int]) -> problems.Problem:
    """The 409 that points at each number that cannot be had."""
    errors = [
        problems.ProblemError(
            code=error.code, detail="This number cannot be had. Choose another one.", pointer=f"/numbers/{places[e164]}"
        )
        for e164 in error.numbers
        if e164 in places
    ]
    return problems.Problem(error.code, error.message, errors=errors)


def _prefix(text: str, region: str | None) -> str:
    begin = e164_prefix(text, region or "ZZ")
    if begin is None:
        detail = (
            f"No number begins like this in {region}. Write it as +44121, or as it is dialled there."
            if region
            else "A prefix without a plus is dialled in some country: name it as region, or write the prefix as +44121."
        )
        error = problems.ProblemError(code="prefix_invalid", detail=detail, parameter="prefix")
        raise problems.Problem("invalid_request", "One thing in the request must be mended.", errors=[error])
    return begin


def _segments(contains: list[str]) -> Segments:
    wrong = [text for text in contains if not (text.isascii() and text.isdecimal() and len(text) <= 10)]
    if wrong:
        error = problems.ProblemError(
            code="contains_invalid", detail="Each of these is one to ten digits. Repeat it for several.", parameter="contains"
        )
        raise problems.Problem("invalid_request", "One thing in the request must be mended.", errors=[error])
    return tuple(contains)
