"""Every field of an order, whatever fields there are: past its limits it is refused by its pointer, at its limits it is read.

The fields come from the API's own schema, so that a new one is tried here before anybody thinks of it.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from starter.schemas.orders import CreateOnboarding
from tests.starter.conftest import TENANT, House, an_order_body
from tests.starter.test_api import the_problem
from tests.starter.test_checking import check

Path = tuple[str | int, ...]

FULL = an_order_body(
    administration="operator",
    payer="self",
    account_type="postpaid",
    segment="normal",
    account_kind="customer",
    substitutes="accept",
    credit_limit_minor=50_000,
    plan="office-20",
    price_list="standard",
    currency="GBP",
    account_number="4400123456",
    taxes=["vat"],
    tax_rate_basis_points=2000,
    invoicing={"schedule": "monthly", "day": 5, "policy": "automatic"},
    low_balance_alert={"below_minor": 500, "enabled": True, "email": "accounts@example.com"},
    acknowledged_warnings=["no_rate_group"],
    status="active",
    expires_on="2099-12-31",
    valid_days=365,
    rate_group="standard",
    dial_rules=[{"strip": "0", "replace": "+44"}],
    late_payment_exempt=False,
    basket="2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11",
    account_id=None,  # an order names one instead of a customer
    notifications=[
        {
            "to": "other",
            "email": "installer@example.com",
            "send": True,
            "subject": "{customer_name} is ready",
            "body": "Hello.",
            "attachments": ["settings_sheet"],
        }
    ],
    afterwards="service_summary",
    credential="set",
    password="correct horse battery staple",
    pin="482915",
    create_sip_device=True,
    white_label=TENANT.slug,
    terms_accepted=True,
)
ADDRESS = {"lines": ["1 Colmore Row"], "city": "Birmingham", "region": "West Midlands", "postcode": "B3 2BJ", "country": "GB"}
FULL["customer"] |= {
    "kind": "organisation",
    "billing_address": ADDRESS,
    "service_address": ADDRESS,
    "given_name": "Ada",
    "family_name": "Reed",
    "company": "Harbour Books",
    "country": "GB",
    "time_zone": "Europe/London",
    "tax_id": "GB123456789",
    "identity_number": "QQ123456C",
    "billing_email": "accounts@example.com",
    "coordinates": {"latitude": 52.5, "longitude": -1.9},
}
_DESCRIBED = {"count": 1, "prefix": "0121", "grade": "standard", "pick": "next", "contains": ["49"], "pool": "public"}
FULL["services"] = [
    {
        "label": "Front desk",
        "type": "line",
        "numbers": {"explicit": ["0121 496 0000"]},
        "max_channels": 2,
        "caller_id": "0121 496 0000",
        "settings": [{"number": 0, "destination": "forward", "forward_to": "0121 496 0002", "emergency_address": ADDRESS}],
    },
    {"label": "Workshop", "numbers": {"criteria": _DESCRIBED}},
]

SCHEMA = CreateOnboarding.model_json_schema()
_UNKNOWN = "no_such_field"
_SECRETS = {"password", "pin"}
"""Any text may be a password. Whether it is a good one, or the PIN has its length, is looked at where the order is started."""
_OF_A_LIST = {"customer/time_zone"}
"""Texts by their schema, but of a list that no schema can hold."""


def whole(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a value may be: the branches of a choice, references followed."""
    if "$ref" in schema:
        return whole(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return [one for branch in branches for one in whole(branch)]
    return [schema]


def fields(schema: dict[str, Any], path: Path = ()) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """Every place of an order, from the outside in, and what it may hold."""
    choices = whole(schema)
    yield path, choices
    for choice in choices:
        for name, part in choice.get("properties", {}).items():
            yield from fields(part, (*path, name))
        if isinstance(items := choice.get("items"), dict):
            yield from fields(items, (*path, 0))


def _placed(path: Path) -> Path:
    """Numbers are named or described, never both: the second service describes them."""
    return ("services", 1, *path[2:]) if path[:3] == ("services", 0, "numbers") and "criteria" in path else path


FIELDS = {"/".join(map(str, _placed(path))): (_placed(path), choices) for path, choices in fields(SCHEMA) if path}


def at(body: Any, path: Path) -> Any:
    for part in path:
        body = body[part]
    return body


def with_value(path: Path, value: Any) -> dict[str, Any]:
    """The full order with one thing changed."""
    # Through JSON, not deepcopy: that would leave the addresses one object.
    body = json.loads(json.dumps(FULL))
    at(body, path[:-1])[path[-1]] = value
    return body


def wrong(choices: list[dict[str, Any]]) -> Iterator[Any]:
    """Values that none of the choices allows."""
    kinds = {kind for choice in choices for kind in [choice.get("type", "string")]}
    if "null" not in kinds:
        yield None
    if "object" not in kinds:
        yield {_UNKNOWN: 1}
    if "array" not in kinds:
        yield [[]]
    if "boolean" not in kinds:
        yield True
    else:
        yield "true"
        yield 1
    if "integer" in kinds:
        yield from ("1", 1.5, 10**30)
    if not kinds & {"integer", "number"}:
        yield 5
    for choice in choices:
        if "enum" in choice:
            yield "no_such_choice"
        if choice.get("type") == "integer":
            yield from (choice[bound] + step for bound, step in (("minimum", -1), ("maximum", 1)) if bound in choice)
        if choice.get("type") == "array" and "maxItems" in choice:
            yield [{"of": "too many"}] * (choice["maxItems"] + 1)
    if kinds <= {"string", "null"}:
        longest = max(choice.get("maxLength", 0) for choice in choices)
        yield "7" * (longest + 1 if longest else 1000)
        yield from ("A\x00B", "A\x07B", "A\u202eB", "A\u2028B", " ")
        if not any(re.fullmatch(choice["pattern"], "") for choice in choices if "pattern" in choice):
            yield ""


@pytest.mark.parametrize("name", FIELDS)
def test_the_full_order_has_every_field(name: str) -> None:
    path, _ = FIELDS[name]
    try:
        at(FULL, path)
    except (KeyError, IndexError, TypeError):
        pytest.fail(f"FULL has no {name}: add it, so that it is tried")


@pytest.mark.parametrize("name", FIELDS)
async def test_what_a_field_cannot_hold_is_refused_by_its_pointer(house: House, name: str) -> None:
    path, choices = FIELDS[name]
    pointer = "/" + name
    # An entry that is none leaves its list too short.
    known = (pointer, "/" + "/".join(map(str, path[:-1]))) if path[-1] == 0 else (pointer,)
    for value in wrong(choices):
        if name in _SECRETS and isinstance(value, str) and len(value) < 100:
            continue
        problem = the_problem(await house.order(with_value(path, value)), 422, "invalid_request")
        pointers = [error["pointer"] for error in problem["errors"]]
        assert all(one in known or one.startswith(pointer + "/") for one in pointers), (value, problem["errors"])
        assert all(error["detail"].endswith(".") for error in problem["errors"]), problem["errors"]


@pytest.mark.parametrize("name", [name for name, (_, choices) in FIELDS.items() if any("properties" in one for one in choices)])
async def test_a_field_that_nobody_knows_is_refused_by_its_pointer(house: House, name: str) -> None:
    path, _ = FIELDS[name]
    problem = the_problem(await house.order(with_value((*path, _UNKNOWN), 1)), 422, "invalid_request")
    assert [error["pointer"] for error in problem["errors"]] == [f"/{name}/{_UNKNOWN}"]


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in _OF_A_LIST])
async def test_what_a_field_can_just_hold_is_read(house: House, name: str) -> None:
    path, choices = FIELDS[name]
    for choice in choices:
        bounds = [choice[bound] for bound in ("minimum", "maximum") if bound in choice]
        if choice.get("type") == "string" and "maxLength" in choice and "pattern" not in choice:
            bounds += ["ä" * choice["maxLength"], "\u05e0" * choice["maxLength"]]
        for value in bounds:
            answer = await check(house, with_value(path, value))
            assert answer.status_code == 200, (value, answer.text)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"order"',
        b"{}",
        b'{"customer": 1e400}',
        b'{"customer": {"name": "' + b"\xc3" + b'"}}',
        json.dumps({"customer": []}).encode(),
        b'{"customer":' * 2_000 + b"1" + b"}" * 2_000,
    ],
)
async def test_what_is_no_order_is_a_problem(house: House, content: bytes) -> None:
    headers = house.by("admin", **{"Idempotency-Key": "k", "Content-Type": "application/json"})
    answer = await house.http.post("/v1/onboardings", content=content, headers=headers)
    the_problem(answer, answer.status_code, answer.json()["code"])
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize("path", ["/v1/onboardings", "/v1/order-checks", "/v1/numbers"])
async def test_ten_megabytes_are_refused_before_they_are_read(house: House, path: str) -> None:
    headers = house.by("platform", **{"Idempotency-Key": "k", "Content-Type": "application/json"})
    read = 0

    async def body() -> Any:
        nonlocal read
        for _ in range(160):
            read += 65_536
            yield b" " * 65_536

    the_problem(await house.http.post(path, content=body(), headers=headers), 413, "too_large")
    assert read <= 2_000_000
