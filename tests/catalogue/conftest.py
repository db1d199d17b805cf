"""The catalogue through the API, over either database; the shop and its orders are those of the tests of numbers."""

import asyncio
from typing import Any

import httpx
import pytest

from domain.catalogue import Plan, PriceList, Tenant
from domain.orders import Segment
from domain.service_types import LINE, ServicePrice, ServiceType
from tests.adapters.database.conftest import (  # noqa: F401 - fixtures
    migrated_postgres,
    postgres,
    sqlite_template,
    url,
)
from tests.numbers.conftest import TENANT as SHOP
from tests.numbers.conftest import Exchange, Shop, client, database, exchange, shop  # noqa: F401 - fixtures
from tests.starter.conftest import an_order_body, house  # noqa: F401 - a fixture

EXTENSION = ServiceType(
    code="extension",
    name="Extension",
    summary="A telephone within the office.",
    description="One telephone more, without a number of its own.",
    most_numbers=0,
    most_channels=2,
    devices=1,
    applies=("max_channels",),
    segments=(Segment.NORMAL,),
)
TRUNK = ServiceType(code="trunk", name="SIP trunk", needs_number=True)
PLANS = (Plan(code="office-20", name="Office 20", setup_minor=1000, period_minor=800, number_period_minor=100),)
STANDARD = SHOP.price_list.model_copy(
    update={
        "service_types": {"extension": ServicePrice(setup_minor=500, period_minor=300)},
        "position": 10,
        "version": "2026-12",
    }
)
PARTNER = PriceList(code="partner", name="Partners", version="2026-P", position=20, plans=PLANS)
MASTER = PriceList(
    code="master",
    name="Billed elsewhere",
    version="1",
    position=30,
    external=True,
    plans=(Plan(code="master", name="Master", period_minor=0),),
)
EUROS = PriceList(code="euro", name="In euros", version="1", position=40, currency="EUR", plans=PLANS)
TENANT: Tenant = SHOP.model_copy(
    update={
        "price_list": STANDARD,
        "price_lists": (PARTNER, MASTER, EUROS),
        "service_types": (LINE, EXTENSION, TRUNK),
    }
)


@pytest.fixture
async def store(shop: Shop) -> Shop:  # noqa: F811
    """A shop with four price lists and three kinds of service."""
    await shop.database.admin.put_tenant(TENANT, credit_limit_minor=10_000_000)
    return shop


@pytest.fixture
async def works(exchange: Exchange) -> Exchange:  # noqa: F811
    """The same, whose orders are carried out."""
    await exchange.database.admin.put_tenant(TENANT, credit_limit_minor=10_000_000)
    return exchange


def body(**changes: Any) -> dict[str, Any]:
    """An order without numbers that the white label administers and pays for."""
    plain = {"administration": "operator", "payer": "parent", "terms_accepted": True, "services": [{}]}
    return an_order_body(**plain | changes)


async def report(shop: Shop, **changes: Any) -> dict[str, Any]:  # noqa: F811
    answer = await shop.ask("POST", "/v1/order-checks", params={"full": True}, json=body(**changes))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def quoted(shop: Shop, **changes: Any) -> dict[str, Any]:  # noqa: F811
    found = await report(shop, **changes)
    assert found["valid"], found["findings"]
    quote: dict[str, Any] = found["full"]["quote"]
    return quote


async def errors(shop: Shop, **changes: Any) -> dict[str, str]:  # noqa: F811
    found = await report(shop, **changes)
    return {one["code"]: one["pointer"] for one in found["findings"] if one["severity"] == "error"}


def lines(quote: dict[str, Any]) -> dict[str, int]:
    return {line["text"]: line["total_minor"] for line in quote["lines"]}


async def get(shop: Shop, path: str, by: str = "admin", **query: Any) -> Any:  # noqa: F811
    answer: httpx.Response = await shop.ask("GET", path, by=by, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def waiting_for_its_customer(works: Exchange, path: str) -> None:
    """Until the order waits for its customer to activate it."""
    async with asyncio.timeout(30):
        while (await get(works, path))["state"] != "awaiting_activation":  # noqa: ASYNC110, the workflow writes the row
            await asyncio.sleep(0.05)
