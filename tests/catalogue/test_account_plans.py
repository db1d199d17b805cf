"""The plan of an account: changed, at once or later, and what is charged then."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.catalogue.conftest import get, lines
from tests.catalogue.test_money import ended, placed
from tests.numbers.conftest import Exchange


async def change(works: Exchange, account: str, by: str = "admin", **body: Any) -> Any:
    return await works.ask("PUT", f"/v1/accounts/{account}/plan", by=by, json=body)


async def charges(works: Exchange, account: str, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = await get(works, f"/v1/accounts/{account}/charges", **query)
    return found


def later(**ahead: Any) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


@pytest.mark.requirement("S2-19", "S2-20")
async def test_the_plan_in_force_decides_what_a_number_costs_now(works: Exchange) -> None:
    view = await ended(works, await placed(works))
    account = view["account_id"]
    plan = await get(works, f"/v1/accounts/{account}/plan")
    assert (plan["in_force"]["plan"], plan["in_force"]["price_list"], plan["pending"]) == ("office-20", "standard", None)
    number = {"numbers": 1, "grade": "gold"}
    assert lines(await charges(works, account, **number)) == {
        "Telephone number, first month": 200,
        "Gold number, one-off": 9900,
    }
    assert (await change(works, account, plan="office-50")).json()["in_force"]["plan"] == "office-50"
    now = await charges(works, account, **number)
    assert lines(now) == {"Telephone number, first month": 150, "Gold number, one-off": 9900}
    assert (now["plan"], now["net_minor"], now["tax_minor"], now["currency"]) == ("office-50", 10_050, 2_010, "GBP")
    assert (await change(works, account, plan="office-20", price_list="partner")).status_code == 200
    line = await charges(works, account, lines=1, numbers=1)
    assert lines(line) == {"Office 20, first month": 800, "Telephone number, first month": 100}, "and the price list too"
    assert (await get(works, f"/v1/onboardings/{view['id']}"))["quote"] == view["quote"], "what was charged stays"
    told = (await get(works, f"/v1/onboardings/{view['id']}/events"))["items"]
    assert [entry["detail"]["plan"] for entry in told if entry["event"] == "plan_changed"] == ["office-50", "office-20"]


async def test_one_change_of_plan_can_be_to_come_and_be_cancelled(works: Exchange) -> None:
    account = (await ended(works, await placed(works)))["account_id"]
    moment = later(days=30)
    planned = (await change(works, account, plan="office-50", effective_from=moment)).json()
    assert (planned["in_force"]["plan"], planned["pending"]["plan"]) == ("office-20", "office-50")
    assert lines(await charges(works, account, numbers=1)) == {"Telephone number, first month": 200}
    assert lines(await charges(works, account, numbers=1, at=later(days=31))) == {"Telephone number, first month": 150}
    assert (await change(works, account, plan="office-50", effective_from=moment)).json() == planned, "the same again"
    second = await change(works, account, plan="office-20", effective_from=later(days=5))
    assert (second.status_code, second.json()["code"]) == (409, "plan_change_pending")
    path = f"/v1/accounts/{account}/plan/pending"
    assert (await works.ask("DELETE", path)).json()["pending"] is None
    assert (await works.ask("DELETE", path)).json()["pending"] is None, "again changes nothing"
    assert (await change(works, account, plan="office-20", effective_from=later(days=5))).json()["pending"][
        "plan"
    ] == "office-20"


async def test_what_was_charged_at_a_moment_that_is_over_is_told_by_the_plan_that_was_in_force_then(works: Exchange) -> None:
    account = (await ended(works, await placed(works)))["account_id"]
    first = (await get(works, f"/v1/accounts/{account}/plan"))["in_force"]["effective_from"]
    second = (await change(works, account, plan="office-50")).json()["in_force"]["effective_from"]
    third = (await change(works, account, plan="office-20", price_list="partner")).json()["in_force"]["effective_from"]
    found = [(await charges(works, account, numbers=1, at=at)) for at in (first, second, third)]
    assert [(one["plan"], one["price_list"]) for one in found] == [
        ("office-20", "standard"),
        ("office-50", "standard"),
        ("office-20", "partner"),
    ]


async def test_of_many_that_plan_a_change_at_once_one_does(works: Exchange) -> None:
    account = (await ended(works, await placed(works)))["account_id"]
    answers = await asyncio.gather(
        *(change(works, account, plan="office-50", effective_from=later(days=days)) for days in range(1, 9))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7


async def test_a_plan_is_changed_to_what_can_be_had_by_whoever_may_sell_it(works: Exchange) -> None:
    account = (await ended(works, await placed(works)))["account_id"]
    for body, pointer in (
        ({"plan": "none-such"}, "/plan"),
        ({"plan": "office-50", "price_list": "partner"}, "/plan"),
        ({"plan": "office-20", "price_list": "none-such"}, "/price_list"),
        ({"plan": "office-20", "price_list": "euro"}, "/price_list"),
        ({"plan": "office-50", "effective_from": later(days=-1)}, "/effective_from"),
        ({"plan": "office-50", "effective_from": "2027-01-01T00:00:00"}, "/effective_from"),
    ):
        refused = await change(works, account, **body)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await change(works, account, by="auditor", plan="office-50")).status_code == 403
    assert (await change(works, account, by="other", plan="office-50")).status_code == 404
    assert (await change(works, str(uuid.uuid4()), plan="office-50")).status_code == 404
    assert (await get(works, f"/v1/accounts/{account}/plan"))["in_force"]["plan"] == "office-20"
    odd = await works.ask("GET", f"/v1/accounts/{account}/charges", params={"service_type": "fax"})
    assert (odd.status_code, odd.json()["errors"][0]["parameter"]) == (422, "service_type")
