"""What a client reads that has sent something that cannot be used: JSON's words, one meaning, a country that there is."""

import json
import re
from typing import Any

import pytest

from tests.starter.conftest import ADDRESS, House, an_order_body
from tests.starter.test_api import the_problem
from tests.starter.test_checking import check

_PYTHON = re.compile(r"\b(?:[Tt]uple|[Dd]ictionary|instance|dict|after validation|None|True|False|Input|discriminator)\b")
WRONG: dict[str, Any] = {
    "services": 5,
    "taxes": "vat",
    "dial_rules": {},
    "customer": [],
    "invoicing": 1,
    "credit_limit_minor": "many",
    "valid_days": 1.5,
    "late_payment_exempt": "no",
    "plan": 7,
    "substitutes": True,
    "expires_on": "tomorrow",
    "notifications": [{"to": "x", "send": 0}],
    "account_type": False,
}


async def test_a_client_is_told_in_the_words_of_json_what_is_wrong(house: House) -> None:
    refused = the_problem(await house.order(an_order_body(**WRONG)), 422, "invalid_request")
    assert {error["pointer"].split("/")[1] for error in refused["errors"]} == WRONG.keys()
    for error in refused["errors"]:
        assert not _PYTHON.search(error["detail"]), error
        assert error["detail"].endswith("."), error


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/price-lists/spring", []),
        ("POST", "/v1/accounts/northway/users", {"act": "none"}),
        ("POST", "/v1/accounts/northway/users", {}),
        ("POST", "/v1/bulk-runs/0b1c/throttle", {"rate": "fast"}),
        ("POST", "/v1/taxes", {"code": "x", "name": "X", "rate_basis_points": "1", "valid_from": 3}),
    ],
)
async def test_no_route_speaks_python(house: House, method: str, path: str, body: Any) -> None:
    answer = await house.http.request(method, path, json=body, headers=house.by("admin"))
    for error in answer.json().get("errors", ()):
        assert not _PYTHON.search(error["detail"]), error


@pytest.mark.parametrize("country", ["ZZ", "XX", "UK", "EU"])
async def test_a_country_that_there_is_not_is_refused_where_it_stands(house: House, country: str) -> None:
    body = an_order_body()
    body["customer"] |= {"country": country, "billing_address": ADDRESS | {"country": country}}
    report = await check(house, body)
    refused = the_problem(report, 422, "invalid_request")
    said = {error["pointer"]: error["detail"] for error in refused["errors"]}
    assert said.keys() == {"/customer/country", "/customer/billing_address/country"}
    assert set(said.values()) == {"This is not the code of a country (ISO 3166-1); write for example GB."}


@pytest.mark.parametrize("country", ["GB", "DE", "JE", "AQ", "VA", "TV"])
async def test_every_country_that_there_is_can_be_a_customers(house: House, country: str) -> None:
    body = an_order_body()
    body["customer"]["billing_address"] = ADDRESS | {"country": country}
    body["customer"]["contact"]["telephone"] = "+44 121 496 0001"
    answer = await check(house, body)
    assert answer.status_code == 200, answer.text


async def test_a_body_that_names_a_field_twice_means_nothing(house: House) -> None:
    body = json.dumps(an_order_body(plan="office-20"))
    twice = f'{body[:-1]}, "plan": "office-50"}}'
    headers = house.by("admin", **{"Content-Type": "application/json", "Idempotency-Key": "twice"})
    answer = await house.http.post("/v1/onboardings", content=twice, headers=headers)
    refused = the_problem(answer, 400, "bad_request")
    assert refused["detail"] == "A field is there twice: plan. Leave one of them out."
    nested = body.replace('"label": "Front desk"', '"label": "Front desk", "label": "Back office"')
    answer = await house.http.post("/v1/onboardings", content=nested, headers=headers)
    assert "twice: label" in the_problem(answer, 400, "bad_request")["detail"]
    broken = await house.http.post("/v1/onboardings", content=b"{", headers=headers)
    assert the_problem(broken, 400, "bad_request")["detail"] == "The body is not well-formed JSON."
    once = await house.http.post("/v1/order-checks", content=body, headers=headers)
    assert once.status_code == 200, once.text
