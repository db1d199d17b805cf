"""What a customer's form can hold, what it must hold, and what is refused in it: each field at its limits, by pointer."""

from typing import Any

import pytest
from temporalio.client import Client

from domain.billing import AccountNumbers, Tax
from domain.forms import BILLING, ISP, PROFILES, RESELLER, WHITE_LABEL, WIZARD, FormProfile
from domain.onboarding import Outcome, State
from tests.builders import an_order
from tests.starter.conftest import ADDRESS, TENANT, House, an_order_body
from tests.starter.test_api import the_problem
from tests.starter.test_checking import check
from tests.starter.test_starting import started

EVERYTHING: dict[str, Any] = {
    "given_name": "Ada",
    "family_name": "Reed",
    "company": "Harbour Books",
    "country": "GB",
    "time_zone": "Europe/Lisbon",
    "tax_id": "GB 123 4567 89",
    "identity_number": "QQ 12 34 56 C",
    "coordinates": {"latitude": 52.4796, "longitude": -1.9026},
}


def with_customer(**changes: Any) -> dict[str, Any]:
    body = an_order_body()
    body["customer"] |= changes
    return body


def settle(house: House, **changes: Any) -> None:
    """Change what the white label has decided."""
    tenants = house.catalogue.tenants
    tenants[0] = tenants[0].model_copy(update=changes)
    assert tenants[0].id == TENANT.id


@pytest.mark.requirement("S4-10", "S4-11", "S4-12", "S4-13", "S4-14", "S4-15", "S5-01", "S5-28", "S5-29", "S5-33")
async def test_everything_that_is_filled_in_is_kept_and_shown(real_house: House, temporal: Client) -> None:
    answer = await real_house.order(with_customer(**EVERYTHING))
    assert answer.status_code == 202
    shown = (await real_house.http.get(f"/v1/onboardings/{answer.json()['id']}", headers=real_house.by("admin"))).json()
    customer = shown["order"]["customer"]
    discreet = {"identity_number": "XXXXXXXXXXX C"}
    assert {name: customer[name] for name in EVERYTHING} == EVERYTHING | discreet
    assert customer["contact"] == {
        "full_name": "Ada Reed",
        "email": "ada@harbourbooks.example.com",
        "telephone": "+441214960001",
    }
    kept = (await started(temporal, answer.json()["id"])).order.customer
    assert kept.identity_number == EVERYTHING["identity_number"], "masked for readers, not lost"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("given_name", ""),
        ("given_name", "A" * 201),
        ("family_name", "Re\u202eed"),
        ("company", "a\x00b"),
        ("country", "GBR"),
        ("country", "gb"),
        ("time_zone", "Europe/Birmingham"),
        ("tax_id", "GB"),
        ("tax_id", "GB82 WEST 1234 5698 7654 32"),
        ("tax_id", "x" * 31),
        ("identity_number", "12"),
        ("identity_number", "XXXXXXXXXXX C"),
        ("identity_number", "\u0661\u0662\u0663\u0664"),
        ("coordinates/latitude", 90.5),
        ("coordinates/longitude", "west"),
    ],
)
async def test_a_field_past_its_limits_is_pointed_at(house: House, field: str, value: object) -> None:
    name, _, part = field.partition("/")
    given = value if not part else {"latitude": 0, "longitude": 0} | {part: value}
    problem = the_problem(await house.order(with_customer(**{name: given})), 422, "invalid_request")
    assert [error["pointer"] for error in problem["errors"]] == [f"/customer/{field}"]


async def test_the_number_of_a_bank_account_is_recognised_for_what_it_is(house: House) -> None:
    problem = the_problem(await house.order(with_customer(tax_id="GB82WEST12345698765432")), 422, "invalid_request")
    assert "(IBAN)" in problem["errors"][0]["detail"]
    mistyped = await check(house, with_customer(tax_id="GB83WEST12345698765432"))
    assert mistyped.status_code == 200, "its check digits say that this one is none"


async def test_names_of_every_script_are_names(house: House) -> None:
    for name in ("Þórður Ægisson", "محمد علي", "נועה לוי", "李小龍", "O’Brien-Ñúñez", "N" * 200):
        assert (await check(house, with_customer(given_name=name))).json()["valid"] is True, name


@pytest.mark.requirement("S2-27", "S2-28", "S2-29")
@pytest.mark.parametrize("address", ["ada@harbourbooks.example.com", "accounts@operator.example.com"])
async def test_the_billing_address_may_be_the_customer_s_or_the_operator_s_but_must_be_there(
    house: House, address: str
) -> None:
    settle(house, form=RESELLER)
    body = an_order_body(credit_limit_minor=100, account_type="postpaid")
    missing = (await check(house, body)).json()
    assert [(item["code"], item["pointer"]) for item in missing["findings"] if item["severity"] == "error"] == [
        ("field_required", "/customer/billing_email")
    ]
    body["customer"]["billing_email"] = address
    assert (await check(house, body)).json()["valid"] is True


@pytest.mark.requirement("S2-21")
async def test_a_white_label_can_demand_a_credit_limit(real_house: House) -> None:
    settle(real_house, form=RESELLER)
    body = with_customer(billing_email="ada@harbourbooks.example.com")
    refused = the_problem(await real_house.order(body), 422, "invalid_request")
    assert [(error["code"], error["pointer"]) for error in refused["errors"]] == [("field_required", "/credit_limit_minor")]
    assert (await real_house.order(body | {"credit_limit_minor": 100, "account_type": "postpaid"})).status_code == 202


@pytest.mark.requirement("S3-11")
async def test_an_order_is_refused_while_a_required_field_is_empty(real_house: House) -> None:
    settle(real_house, form=WIZARD)
    refused = the_problem(await real_house.order(), 422, "invalid_request")
    assert [error["pointer"] for error in refused["errors"]] == ["/customer/given_name", "/customer/family_name"]
    assert (await real_house.order(with_customer(given_name="Ada", family_name="Reed"))).status_code == 202


@pytest.mark.requirement("S1-18", "S1-19", "S1-20", "S1-30", "S1-31")
@pytest.mark.parametrize("mode", ["customer", "operator"])
@pytest.mark.parametrize("field", ["name", "contact", "billing_address", "service_address"])
async def test_who_the_customer_is_and_where_is_taken_in_either_mode(house: House, mode: str, field: str) -> None:
    settle(house, form=WHITE_LABEL)
    settings = {"customer": {}, "operator": {"payer": "parent", "account_type": "postpaid", "terms_accepted": True}}[mode]
    body = an_order_body(administration=mode, **settings)
    assert (await check(house, body)).json()["valid"] is True
    del body["customer"][field]
    answer = await check(house, body)
    found = answer.json()["errors"] if answer.status_code == 422 else answer.json()["findings"]
    assert f"/customer/{field}" in [item["pointer"] for item in found if item["severity"] == "error"]


@pytest.mark.requirement("S1-21")
async def test_the_service_address_is_another_than_the_first(real_house: House) -> None:
    elsewhere = ADDRESS | {"lines": ["2 Newhall Street"]}
    answer = await real_house.order(with_customer(service_address=elsewhere))
    shown = await real_house.http.get(f"/v1/onboardings/{answer.json()['id']}", headers=real_house.by("admin"))
    customer = shown.json()["order"]["customer"]
    assert (customer["billing_address"]["lines"], customer["service_address"]["lines"]) == (
        ["1 Colmore Row"],
        ["2 Newhall Street"],
    )


@pytest.mark.requirement("S5-06")
async def test_an_address_is_optional_where_the_form_does_not_ask_for_one(house: House) -> None:
    settle(house, form=ISP)
    body = an_order_body(services=[])
    body["customer"] = {name: body["customer"][name] for name in ("name", "contact")}
    assert (await check(house, body)).json()["valid"] is True, (
        "and its telephone number is read as dialled in the tenant's country"
    )


def test_five_profiles_are_shipped_and_each_says_what_it_asks_for() -> None:
    assert list(PROFILES) == ["white-label", "reseller", "wizard", "billing", "isp"]
    assert BILLING.missing({"customer": {"given_name": "Ada"}}, next(iter(BILLING.required_at.values()))) == [
        "/customer/country"
    ]


async def test_a_form_can_be_of_the_white_label_s_own_making(house: House) -> None:
    settle(house, form=FormProfile(name="strict", required_at={"/customer/tax_id": "submit", "/services": "submit"}))
    found = (await check(house, an_order_body(services=[]))).json()["findings"]
    assert [item["pointer"] for item in found if item["code"] == "field_required"] == ["/customer/tax_id", "/services"]


# Account numbers, billing


async def test_the_shape_of_account_numbers_is_a_setting(house: House) -> None:
    settle(house, account_numbers=AccountNumbers(length=8, starting="44"))
    wrong = (await check(house, an_order_body(account_number="4400123456"))).json()
    (error,) = [item for item in wrong["findings"] if item["severity"] == "error"]
    assert (error["code"], error["pointer"]) == ("account_number_shape", "/account_number")
    assert "8 digits that begin with 44" in error["detail"]
    assert (await check(house, an_order_body(account_number="44001234"))).json()["valid"] is True


@pytest.mark.requirement("S4-25", "S4-26")
async def test_a_billing_day_exists_for_the_monthly_schedule_only(real_house: House) -> None:
    refused = await real_house.order(an_order_body(invoicing={"schedule": "weekly", "day": 3}))
    assert the_problem(refused, 422, "invalid_request")["errors"][0]["pointer"] == "/invoicing"
    monthly = {"schedule": "monthly", "day": 31}
    answer = await real_house.order(an_order_body(invoicing=monthly))
    shown = await real_house.http.get(f"/v1/onboardings/{answer.json()['id']}", headers=real_house.by("admin"))
    assert shown.json()["order"]["invoicing"] == monthly | {"policy": None}


@pytest.mark.requirement("S4-32", "S5-30")
async def test_several_taxes_apply_or_one_rate_of_the_customer_s_own(house: House) -> None:
    taxes = (Tax(code="vat", name="VAT", rate_basis_points=2000), Tax(code="levy", name="911 levy", rate_basis_points=150))
    settle(house, taxes=taxes)
    net = 2500 + 1500 + 200

    async def quoted(**changes: Any) -> dict[str, Any]:
        report = (await check(house, an_order_body(**changes), full=True)).json()
        assert report["valid"] is True
        quote: dict[str, Any] = report["full"]["quote"]
        return quote

    both = await quoted(taxes=["vat", "levy"])
    assert [(tax["name"], tax["minor"]) for tax in both["taxes"]] == [("VAT", 840), ("911 levy", 63)]
    assert (both["tax_minor"], both["total_minor"]) == (903, net + 903)
    assert (await quoted(taxes=[]))["total_minor"] == net, "exempt"
    assert (await quoted(taxes=["vat", "levy"], tax_rate_basis_points=500))["tax_minor"] == 210, "the own rate wins"
    unknown = (await check(house, an_order_body(taxes=["vat", "none-such"]))).json()
    assert [(item["code"], item["pointer"]) for item in unknown["findings"] if item["severity"] == "error"] == [
        ("unknown_tax", "/taxes/1")
    ]


# Segments, plans, messages


def a_line(**changes: Any) -> dict[str, Any]:
    return {"label": "Line", "numbers": {"criteria": {"count": 1, "prefix": "+44121496"}}, "max_channels": 2, **changes}


@pytest.mark.requirement("S2-07", "S2-09")
async def test_a_normal_customer_may_have_everything_and_is_what_a_customer_is_by_default(house: House) -> None:
    body = an_order_body(services=[a_line(max_channels=0)] * 20)
    assert (await check(house, body)).json()["valid"] is True
    assert (await check(house, body | {"segment": "normal"})).json()["valid"] is True


@pytest.mark.requirement("S2-08")
@pytest.mark.parametrize(
    ("services", "pointers"),
    [
        ([a_line()] * 2, []),
        ([a_line()] * 3, ["/services"]),
        ([a_line(numbers={"criteria": {"count": 5, "prefix": "+44121496"}})], ["/services"]),
        ([a_line(), a_line(max_channels=3)], ["/services/1/max_channels"]),
        ([a_line(max_channels=0)], ["/services/0/max_channels"]),
    ],
    ids=["within", "services", "numbers", "channels", "unlimited"],
)
async def test_a_residential_customer_has_a_limited_set(
    real_house: House, services: list[dict[str, Any]], pointers: list[str]
) -> None:
    answer = await real_house.order(an_order_body(segment="residential", services=services))
    if not pointers:
        assert answer.status_code == 202
        return
    refused = the_problem(answer, 422, "invalid_request")
    assert [(error["code"], error["pointer"]) for error in refused["errors"]] == [("not_in_segment", at) for at in pointers]


@pytest.mark.requirement("S1-33", "S3-50")
async def test_a_message_says_what_became_of_an_order(house: House) -> None:
    async def said(**changes: Any) -> str:
        view = house.onboarding(**changes)
        shown = await house.http.get(f"/v1/onboardings/{view.id}", headers=house.by("admin"))
        message: str = shown.json()["message"]
        return message

    assert await said(state=State.ACTIVE, charged_minor=5040, numbers=("+441214960000",)) == (
        "Your new customer has been successfully created: 1 line set up, 1 number assigned, £50.40 charged."
    )
    declined = Outcome(state=State.DECLINED, code="insufficient_funds")
    assert await said(state=State.DECLINED, outcome=declined) == (
        "The customer was not created: the payment was declined (insufficient_funds). "
        "Nothing is left behind: what was held or taken has been given back."
    )
    assert await said(state=State.AWAITING_ACTIVATION, waits_for="customer") == (
        "The customer is being created. The customer has been written to and has to act."
    )
    waits = await said(state=State.RESERVING, waits_for="orderer")
    assert "has to be answered" in waits
    assert "Nothing is to be done" not in waits
    for state in State:
        assert (await said(state=state)).endswith("."), state
        added = await said(state=state, order=an_order(account_id="0a1b"))
        assert added.endswith("."), state
        assert "customer was not created" not in added
    assert await said(state=State.ACTIVE, order=an_order(account_id="0a1b"), charged_minor=0) == (
        "The services have been added to your customer: 1 line set up, 1 number assigned, £0.00 charged."
    )
