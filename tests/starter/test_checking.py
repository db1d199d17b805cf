"""The validity report, and warnings that must be acknowledged."""

from typing import Any

import httpx
import pytest
from temporalio.client import Client

from tests.starter.conftest import TENANT, House, an_order_body
from tests.starter.test_api import the_problem
from tests.starter.test_starting import started


async def check(house: House, body: Any = None, *, full: bool = False, by: str = "admin") -> httpx.Response:
    params = {"full": "true"} if full else {}
    body = an_order_body() if body is None else body
    return await house.http.post("/v1/order-checks", json=body, headers=house.by(by), params=params)


def prepaid_with_a_limit(**changes: Any) -> dict[str, Any]:
    """Administered by the operator, paid by the white label, with a credit limit that will not be counted."""
    settings = {"administration": "operator", "payer": "parent", "account_type": "prepaid", "credit_limit_minor": 5000}
    return an_order_body(terms_accepted=True, **settings, **changes)


@pytest.mark.requirement("S3-40")
async def test_the_report_is_short_unless_asked_for_everything(house: House) -> None:
    short = (await check(house)).json()
    assert short["valid"] is True
    assert short["full"] is None
    assert short["summary"] == {
        "white_label": TENANT.slug,
        "customer": "Harbour Books Ltd",
        "administration": "customer",
        "payer": "self",
        "paid_from": "card",
        "price_list": "standard",
        "plan": TENANT.price_list.plans[0].code,
        "services": 1,
        "numbers": 1,
        "total_minor": (2500 + 1500 + 200) * 120 // 100,
        "currency": "GBP",
        "needs_approval": [],
    }


async def test_the_full_report_tells_every_effect_before_anything_is_done(real_house: House) -> None:
    before = real_house.reader.rows.copy()
    report = (await check(real_house, full=True)).json()["full"]
    assert [step["phase"] for step in report["steps"]] == [
        "open_account",
        "reserve_numbers",
        "activation",
        "authorise_payment",
        "provision",
        "capture_payment",
        "go_live",
    ]
    assert [step["phase"] for step in report["steps"] if step["waits_for"]] == ["activation", "authorise_payment"]
    assert "£50.40" in report["steps"][3]["effect"]
    assert report["quote"]["total_minor"] == 5040
    assert real_house.reader.rows == before, "a check changes nothing"


@pytest.mark.requirement("S3-47")
async def test_the_full_report_has_the_terms_that_must_be_accepted(house: House) -> None:
    terms = (await check(house, full=True)).json()["full"]["terms"]
    assert terms == {"version": TENANT.terms.version, "sha256": TENANT.terms.sha256, "text": TENANT.terms.text}


@pytest.mark.requirement("S3-43")
async def test_findings_have_a_severity_a_cause_a_place_and_a_way_out(house: House) -> None:
    body = prepaid_with_a_limit(plan="none-such")
    del body["customer"]["service_address"]
    report = (await check(house, body)).json()
    assert (report["valid"], report["errors"], report["warnings"]) == (False, 2, 1)
    found = {item["code"]: (item["severity"], item["section"], item["pointer"]) for item in report["findings"]}
    assert found == {
        "unknown_plan": ("error", "billing", "/plan"),
        "service_address_missing": ("error", "customer", "/customer/service_address"),
        "credit_limit_not_counted": ("warning", "billing", "/credit_limit_minor"),
    }
    assert all(item["detail"].count(".") >= 2 for item in report["findings"]), "what it means, and what to do"
    mended = an_order_body(**{name: value for name, value in body.items() if name not in {"plan", "customer"}})
    assert (await check(house, mended | {"acknowledged_warnings": ["credit_limit_not_counted"]})).json()["valid"] is True


@pytest.mark.requirement("S1-10")
async def test_whoever_leaves_activation_to_the_customer_is_told_beforehand(house: House) -> None:
    (told,) = (await check(house)).json()["findings"]
    assert (told["code"], told["severity"]) == ("activated_by_customer", "info")
    assert "you will not be able to" in told["detail"]
    assert "let the operator administer it" in told["detail"]


@pytest.mark.requirement("S3-45")
async def test_a_warning_stops_an_order_until_it_is_acknowledged(real_house: House) -> None:
    refused = the_problem(await real_house.order(prepaid_with_a_limit()), 422, "warnings_not_acknowledged")
    assert [(error["code"], error["severity"]) for error in refused["errors"]] == [("credit_limit_not_counted", "warning")]
    accepted = await real_house.order(prepaid_with_a_limit(acknowledged_warnings=["credit_limit_not_counted"]))
    assert accepted.status_code == 202


@pytest.mark.requirement("S3-46")
async def test_what_was_created_under_a_warning_says_so(real_house: House, temporal: Client) -> None:
    """Nobody acknowledges in advance: only what was found is kept."""
    seen = ["credit_limit_not_counted", "something_else"]
    answer = await real_house.order(prepaid_with_a_limit(acknowledged_warnings=seen))
    onboarding = answer.json()["id"]
    assert (await started(temporal, onboarding)).order.acknowledged_warnings == ("credit_limit_not_counted",)
    shown = await real_house.http.get(f"/v1/onboardings/{onboarding}", headers=real_house.by("admin"))
    assert shown.json()["order"]["acknowledged_warnings"] == ["credit_limit_not_counted"]


async def test_acknowledging_an_error_does_not_help(real_house: House) -> None:
    body = an_order_body(plan="none-such", acknowledged_warnings=["unknown_plan"])
    assert (await check(real_house, body)).json()["valid"] is False
    the_problem(await real_house.order(body), 422, "invalid_request")


async def test_only_whoever_may_order_may_check(house: House) -> None:
    the_problem(await check(house, by="auditor"), 403, "not_allowed")
    the_problem(await check(house, an_order_body(white_label="northway")), 404, "not_found")
    the_problem(await check(house, {"customer": {}}), 422, "invalid_request")


@pytest.mark.requirement("S1-11")
async def test_a_customer_can_be_left_to_pay_by_card_only_where_the_white_label_has_a_gateway(real_house: House) -> None:
    tenants = real_house.catalogue.tenants
    tenants[tenants.index(TENANT)] = TENANT.model_copy(update={"card_gateway": False})
    refused = the_problem(await real_house.order(), 422, "invalid_request")
    assert [(error["code"], error["pointer"]) for error in refused["errors"]] == [("gateway_missing", "/administration")]
    assert (await real_house.order(an_order_body(white_label="northway"), by="platform")).status_code == 202, "it has one"


@pytest.mark.requirement("S2-16", "S2-17", "S1-22")
async def test_without_a_plan_the_first_of_the_list_applies(house: House) -> None:
    (first,) = TENANT.price_list.plans
    plans = (first.model_copy(update={"code": "basic"}), first, first.model_copy(update={"code": "most"}))
    prices = TENANT.price_list.model_copy(update={"plans": plans})
    tenants = house.catalogue.tenants
    tenants[tenants.index(TENANT)] = TENANT.model_copy(update={"price_list": prices})
    assert (await check(house)).json()["summary"]["plan"] == "basic"
    assert (await check(house, an_order_body(plan="most"))).json()["summary"]["plan"] == "most"


@pytest.mark.requirement("S2-25")
async def test_what_an_order_needs_in_credit_can_be_asked(house: House) -> None:
    one = (await check(house)).json()["summary"]["total_minor"]
    line = an_order_body()["services"][0]
    two = (await check(house, an_order_body(services=[line, line]))).json()["summary"]["total_minor"]
    assert two - one == (1500 + 200) * 120 // 100, "a month of a line and of a number, with tax"


@pytest.mark.requirement("S3-48")
async def test_an_operator_s_order_is_refused_until_the_terms_are_agreed_to(real_house: House) -> None:
    settings = {"administration": "operator", "payer": "parent", "account_type": "postpaid"}
    refused = the_problem(await real_house.order(an_order_body(**settings)), 422, "invalid_request")
    assert [(error["code"], error["section"]) for error in refused["errors"]] == [("terms_not_accepted", "creation")]
    assert (await real_house.order(an_order_body(**settings, terms_accepted=True))).status_code == 202
