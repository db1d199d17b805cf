"""Baskets: numbers held while an order is put together."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response, status

from domain import catalogue_rules, keys
from domain.access import Right
from domain.baskets import Basket, NewBasket
from domain.catalogue import Tenant
from domain.errors import NumberUnavailable
from domain.quotes import price_numbers
from domain.rules import Finding
from starter import problems
from starter.api.access import Authenticated, Caller, DecisionKey, Strict, Work, need, own_tenant
from starter.api.catalogue import chosen, today
from starter.api.described import problems as declared
from starter.api.numbers import Number, taken
from starter.schemas.base import WhiteLabel
from starter.schemas.numbers import BasketBody, BasketPlan, NamedNumbers, OpenBasket

router = APIRouter(prefix="/v1/baskets", tags=["Baskets"], route_class=Authenticated, dependencies=[Strict])

BasketId = Annotated[
    str,
    Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", examples=["2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11"]),
]
Whose = Annotated[WhiteLabel | None, Query()]


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Open a basket",
    responses={
        201: {"headers": {"Location": {"schema": {"type": "string"}, "required": True}}},
        **declared(400, 403, 404, 409, 413),
    },
)
async def open_basket(
    principal: Caller, body: OpenBasket, services: Work, key: DecisionKey, request: Request, response: Response
) -> BasketBody:
    """An empty basket. With an `Idempotency-Key` a repetition is answered with the same one."""
    need(principal, Right.ONBOARD)
    tenant = await own_tenant(services, principal, body.white_label)
    _known_plan(tenant, body.plan, body.price_list)
    basket_id = keys.basket_id(tenant.id, principal.id, key or str(uuid.uuid4()))
    fingerprint = services.secrets.fingerprint(await request.body())
    new = NewBasket(
        id=basket_id,
        tenant_id=tenant.id,
        created_by=principal.actor,
        pool=body.pool,
        plan=body.plan,
        price_list=body.price_list,
        fingerprint=fingerprint,
    )
    basket = await services.baskets.open(new)
    response.headers["Location"] = f"/v1/baskets/{basket.id}"
    return body_of_basket(basket, tenant)


@router.get("/{basket_id}", summary="Look into a basket", responses=declared(403, 404, 409))
async def get_basket(basket_id: BasketId, principal: Caller, services: Work, white_label: Whose = None) -> BasketBody:
    """Its numbers, their prices, and until when it holds them. Looking does not prolong that."""
    need(principal, Right.READ)
    tenant = await own_tenant(services, principal, white_label)
    return body_of_basket(await services.baskets.get(tenant.id, basket_id), tenant)


@router.patch(
    "/{basket_id}", summary="Price a basket on another plan or price list", responses=declared(400, 403, 404, 409, 413)
)
async def choose_plan(
    basket_id: BasketId, principal: Caller, body: BasketPlan, services: Work, white_label: Whose = None
) -> BasketBody:
    """The numbers stay; their prices follow the plan and the price list."""
    need(principal, Right.ONBOARD)
    tenant = await own_tenant(services, principal, white_label)
    _known_plan(tenant, body.plan, body.price_list)
    return body_of_basket(await services.baskets.choose_plan(tenant.id, basket_id, body.plan, body.price_list), tenant)


@router.put("/{basket_id}/numbers", summary="Add numbers", responses=declared(400, 403, 404, 409, 413))
async def add_numbers(
    basket_id: BasketId, principal: Caller, body: NamedNumbers, services: Work, white_label: Whose = None
) -> BasketBody:
    """Adds one number or many, all or none; what lies in the basket stays. Those that cannot be had are pointed at."""
    need(principal, Right.ONBOARD)
    tenant = await own_tenant(services, principal, white_label)
    numbers, found = body.e164s()
    if found:
        raise problems.of_findings(found)
    try:
        basket = await services.baskets.add(tenant.id, basket_id, tuple(numbers))
    except NumberUnavailable as error:
        raise taken(error, numbers) from error
    return body_of_basket(basket, tenant)


@router.delete("/{basket_id}/numbers/{e164}", summary="Remove a number", responses=declared(403, 404, 409))
async def remove_number(
    basket_id: BasketId, e164: Number, principal: Caller, services: Work, white_label: Whose = None
) -> BasketBody:
    """Others can have it at once. A number that is not in the basket is no error."""
    need(principal, Right.ONBOARD)
    tenant = await own_tenant(services, principal, white_label)
    return body_of_basket(await services.baskets.remove(tenant.id, basket_id, e164), tenant)


@router.delete("/{basket_id}", status_code=status.HTTP_204_NO_CONTENT, summary="Discard a basket", responses=declared(403, 404))
async def discard_basket(basket_id: BasketId, principal: Caller, services: Work, white_label: Whose = None) -> None:
    """Lets go of all its numbers. May be repeated."""
    need(principal, Right.ONBOARD)
    tenant = await own_tenant(services, principal, white_label)
    await services.baskets.discard(tenant.id, basket_id)


def _known_plan(tenant: Tenant, plan: str | None, price_list: str | None) -> None:
    if found := catalogue_rules.price_list_findings(price_list, tenant, today()):
        raise problems.of_findings(found)
    prices = tenant.list_for(price_list, today())
    if prices is None or prices.plan(plan) is None:
        message, fix = "There is no such plan on the price list.", "Choose one that GET /v1/plans lists."
        raise problems.of_findings([Finding(code="unknown_plan", pointer="/plan", message=message, fix=fix)])


def body_of_basket(basket: Basket, tenant: Tenant) -> BasketBody:
    """A basket as the API shows it."""
    # A plan may have left the price list since it was chosen; the answer names the one that was used.
    # So may a price list that is not valid any more; then it is the default one.
    prices = tenant.list_for(basket.price_list, today()) or chosen(tenant, None)
    plan = basket.plan if prices.plan(basket.plan) else None
    left = (basket.expires_at - datetime.now(UTC)).total_seconds()
    return BasketBody(
        id=basket.id,
        pool=basket.pool,
        created_at=basket.created_at,
        expires_at=basket.expires_at,
        seconds_left=max(int(left), 0),
        pricing=price_numbers(basket.numbers, tenant, plan, prices.code, today()),
    )
