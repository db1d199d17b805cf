"""Taxes, currencies, and how an order is paid."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.catalogue import Plan, PriceList
from tests.catalogue.conftest import TENANT, body, errors, get, quoted, report, waiting_for_its_customer
from tests.numbers.conftest import Exchange, Shop


def day(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


async def placed(works: Exchange, **changes: Any) -> str:
    """The path of an order that was accepted."""
    order = body(**changes)
    order["customer"]["name"] = f"Customer {uuid.uuid4()}"
    answer = await works.ask("POST", "/v1/onboardings", key=str(uuid.uuid4()), json=order)
    assert answer.status_code == 202, answer.text
    return f"/v1/onboardings/{answer.json()['id']}"


async def ended(works: Exchange, path: str) -> dict[str, Any]:
    await works.client.get_workflow_handle(path.removeprefix("/v1/").replace("onboardings", "onboarding")).result()
    view: dict[str, Any] = await get(works, path)
    return view


@pytest.mark.requirement("S4-33")
async def test_a_tax_is_created_and_applies_to_orders_from_then_on(store: Shop) -> None:
    async def create(by: str = "admin", **tax: Any) -> Any:
        return await store.ask("POST", "/v1/taxes", by=by, json={"name": "Levy", "rate_basis_points": 150} | tax)

    assert await errors(store, taxes=["levy"]) == {"unknown_tax": "/taxes/0"}
    assert (await create(code="levy")).status_code == 201
    net = (await quoted(store))["net_minor"]
    assert [tax["minor"] for tax in (await quoted(store, taxes=["levy"]))["taxes"]] == [net * 150 // 10_000]
    assert (await create(code="levy")).status_code == 201, "the same again is no other"
    other = await create(code="levy", rate_basis_points=200)
    assert (other.status_code, other.json()["code"]) == (409, "tax_exists")
    assert (await create(code="over", valid_until=day(-1))).status_code == 201
    assert (await create(code="soon", valid_from=day(1))).status_code == 201
    assert await errors(store, taxes=["levy", "over"]) == {"tax_not_valid": "/taxes/1"}
    assert await errors(store, taxes=["soon"]) == {"tax_not_valid": "/taxes/0"}
    assert [tax["code"] for tax in (await get(store, "/v1/taxes"))["items"]] == ["levy", "over", "soon"]
    assert (await get(store, "/v1/taxes", by="other"))["items"] == []
    assert (await create(by="auditor", code="mine")).status_code == 403
    backwards = await create(code="odd", valid_from=day(2), valid_until=day(1))
    assert (backwards.status_code, backwards.json()["errors"][0]["pointer"]) == (422, "/valid_until")
    high = await create(code="high", rate_basis_points=10_001)
    assert (high.status_code, high.json()["errors"][0]["pointer"]) == (422, "/rate_basis_points")


@pytest.mark.requirement("S4-27")
async def test_every_amount_of_an_account_is_in_its_currency(works: Exchange) -> None:
    own = {"payer": "self", "account_type": "postpaid", "credit_limit_minor": 100_000}
    view = await ended(works, await placed(works, price_list="euro", currency="EUR", **own))
    assert (view["state"], view["quote"]["currency"], view["charged_minor"]) == ("active", "EUR", view["quote"]["total_minor"])
    assert (await get(works, f"/v1/accounts/{view['account_id']}", by="platform"))["currency"] == "EUR"
    assert await errors(works, price_list="euro") == {"price_list_currency": "/price_list"}, "the payer's account is in pounds"
    assert await errors(works, currency="EUR", **own) == {"price_list_currency": "/currency"}
    assert await errors(works, price_list="euro", currency="GBP", **own) == {"price_list_currency": "/price_list"}


async def test_what_is_in_another_currency_than_the_approvers_limit_is_looked_at(store: Shop) -> None:
    policy = TENANT.approval.model_copy(update={"total_over_minor": 100_000_000})
    yen = PriceList(code="yen", version="1", currency="JPY", plans=(Plan(code="p", name="P", period_minor=1),), position=99)
    strict = TENANT.model_copy(update={"approval": policy}).with_price_list(yen)
    await store.database.admin.put_tenant(strict, credit_limit_minor=10_000_000)
    own = {"payer": "self", "account_type": "postpaid", "credit_limit_minor": 100_000}
    assert (await report(store, **own))["summary"]["needs_approval"] == []
    assert (await report(store, price_list="yen", **own))["summary"]["needs_approval"] == ["total"]


@pytest.mark.requirement("S1-23")
async def test_a_customer_administered_order_arranges_how_it_is_paid_before_it_is_accepted(works: Exchange) -> None:
    by_card = {"administration": "customer", "payer": "self", "terms_accepted": False}
    found = await report(works, **by_card)
    assert (found["valid"], found["summary"]["paid_from"], found["summary"]["plan"]) == (True, "card", "office-20")
    steps = {step["phase"]: step for step in found["full"]["steps"]}
    assert steps["authorise_payment"]["waits_for"] == "customer", "nobody else can give the card"
    assert (await report(works, **by_card | {"payer": "parent"}))["summary"]["paid_from"] == "parent_account"
    path = await placed(works, **by_card)
    await waiting_for_its_customer(works, path)
    view = await get(works, path)
    assert (view["charged_minor"], view["order"]["payer"]) == (0, "self")
    await works.ask("POST", f"{path}/cancel", json={})
    await ended(works, path)
    bare = TENANT.model_copy(update={"card_gateway": False})
    await works.database.admin.put_tenant(bare, credit_limit_minor=10_000_000)
    assert await errors(works, **by_card) == {"gateway_missing": "/administration"}
    assert await errors(works, **by_card | {"payer": "parent"}) == {}, "the white label pays without a gateway"
    assert await errors(works, **by_card, plan="none-such") == {"unknown_plan": "/plan", "gateway_missing": "/administration"}


@pytest.mark.requirement("S1-32")
async def test_an_operator_administered_order_takes_plan_and_payment_and_is_paid_from_there(works: Exchange) -> None:
    plan = {"plan": "office-50"}
    for payment, means in (
        ({"payer": "parent"}, "parent_account"),
        ({"payer": "self", "account_type": "postpaid", "credit_limit_minor": 100_000}, "own_account"),
    ):
        assert (await report(works, **plan, **payment))["summary"]["paid_from"] == means
        view = await ended(works, await placed(works, **plan, **payment))
        assert (view["state"], view["quote"]["plan"], view["charged_minor"]) == (
            "active",
            "office-50",
            view["quote"]["total_minor"],
        )
        books = await works.database.books.read()
        (charge,) = [entry for entry in books.entries if entry.onboarding_id == view["id"]]
        assert charge.account_id == (TENANT.id if means == "parent_account" else view["account_id"])
    assert await errors(works, payer="self") == {"nothing_to_pay_with": "/payer"}
    assert await errors(works, plan="none-such") == {"unknown_plan": "/plan"}
    odd = await works.ask("POST", "/v1/order-checks", json=body(payer="uncle"))
    assert (odd.status_code, odd.json()["errors"][0]["pointer"]) == (422, "/payer")
