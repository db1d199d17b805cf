"""Telephone numbers and plans of a white label."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from domain.access import Right
from domain.numbers import Grade, NumberState
from starter import problems
from starter.api.access import Authenticated, Caller, Strict, Work, need, own_tenant, page_tokens
from starter.api.catalogue import chosen
from starter.api.described import problems as declared
from starter.api.onboardings import MOST_PER_PAGE
from starter.schemas.base import PriceListCode, WhiteLabel, e164
from starter.schemas.numbers import ImportedNumber, ImportNumbers, ImportReport, NumberPage, PlanBody, Plans

router = APIRouter(prefix="/v1", tags=["Inventory"], route_class=Authenticated, dependencies=[Strict])


@router.get("/numbers", summary="Search the inventory", responses=declared(400, 403, 404))
async def search_numbers(
    principal: Caller,
    services: Work,
    prefix: Annotated[str | None, Query(pattern=r"^\+[1-9][0-9]{0,14}$", description="E.164", examples=["+44121"])] = None,
    state: Annotated[NumberState | None, Query()] = None,
    page_size: Annotated[int, Query(ge=1, le=2**31 - 1, description=f"Coerced to {MOST_PER_PAGE}")] = 20,
    page_token: Annotated[str | None, Query(max_length=500)] = None,
    white_label: Annotated[WhiteLabel | None, Query()] = None,
) -> NumberPage:
    """In numeric order."""
    need(principal, Right.READ)
    tenant = await own_tenant(services, principal, white_label)
    with page_tokens():
        page = await services.reader.search_numbers(tenant.id, prefix, state, min(page_size, MOST_PER_PAGE), page_token)
    return NumberPage(items=list(page.items), next_page_token=page.next_page_token)


@router.post("/numbers", summary="Import numbers", responses=declared(400, 403, 404, 413))
async def import_numbers(principal: Caller, body: ImportNumbers, services: Work) -> ImportReport:
    """Adds numbers to a white label's inventory: with a key of the platform, which answers for whose a number is.

    Rows that are no numbers are reported and left out; the others are imported.
    """
    need(principal, Right.OPERATE)
    if principal.tenant_id is not None:
        # A number has one owner on the platform: whoever imports it first keeps it from everybody else.
        raise problems.Problem(
            "not_allowed", "Only a key of the platform imports numbers. Ask the operator of the platform to import yours."
        )
    tenant = await own_tenant(services, principal, body.white_label)
    # Thousands of rows take a second to read, in which nobody else would be answered.
    rows, good = await asyncio.to_thread(_read, body)
    grades = {number: chosen for number, place in good.items() if (chosen := _grade(body, place)) is not None}
    added = await services.inventory.import_numbers(tenant.id, tuple(good), grades, body.pool) if good else 0
    ours = await services.catalogue.grades(tenant.id, tuple(good)) if good else {}
    for number in good.keys() - ours.keys():
        detail = "Another white label has this number, and keeps it. Check it, and whose inventory it belongs in."
        rows[good[number]] = rows[good[number]].model_copy(update={"result": "refused", "detail": detail})
    invalid = sum(row.result in {"invalid", "refused"} for row in rows)
    return ImportReport(accepted=len(ours), added=added, invalid=invalid, rows=rows)


def _read(body: ImportNumbers) -> tuple[list[ImportedNumber], dict[str, int]]:
    """What each row says, and the row of every number that is one."""
    rows, good = [], dict[str, int]()
    for row, given in enumerate(body.numbers):
        text = given if isinstance(given, str) else given.number
        number = e164(text, body.region)
        if number is None:
            detail = f"This is not a telephone number in {body.region}. Write it as +441214960123, or as it is dialled there."
            rows.append(ImportedNumber(row=row, text=text, result="invalid", detail=detail))
        elif number in good:
            detail = f"Row {good[number]} says the same number."
            rows.append(ImportedNumber(row=row, text=text, e164=number, result="repeated", detail=detail))
        else:
            good[number] = row
            rows.append(ImportedNumber(row=row, text=text, e164=number, result="accepted"))
    return rows, good


def _grade(body: ImportNumbers, row: int) -> Grade | None:
    given = body.numbers[row]
    return None if isinstance(given, str) else given.grade


@router.get("/plans", summary="Plans and prices", responses=declared(403, 404))
async def list_plans(
    principal: Caller,
    services: Work,
    price_list: Annotated[PriceListCode | None, Query(description="The first valid one if unset")] = None,
    white_label: Annotated[WhiteLabel | None, Query()] = None,
) -> Plans:
    """What the white label sells now, on one price list."""
    need(principal, Right.READ)
    tenant = await own_tenant(services, principal, white_label)
    prices = chosen(tenant, price_list)
    return Plans(
        white_label=tenant.slug,
        price_list=prices.version,
        price_list_code=prices.code,
        currency=tenant.currency_of(prices),
        tax_name=tenant.tax_name,
        tax_rate_basis_points=tenant.tax_rate_basis_points,
        plans=[PlanBody.model_validate(plan.model_dump()) for plan in prices.plans],
        terms_version=tenant.terms.version,
    )
