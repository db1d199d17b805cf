"""A reseller was ordered like a customer, and is looked at and changed like one, by whoever is above it (S4-02)."""

from typing import Any

import pytest

from tests.existing.conftest import UPPER, House
from tests.existing.test_credit_limits import threshold
from tests.existing.test_customers import change, shown


@pytest.mark.requirement("S4-02")
async def test_the_details_the_limit_and_the_plan_of_a_reseller_are_its_white_labels_to_change(house: House) -> None:
    await threshold(house, 60_000)
    view = await house.live("upper", "Third Level Ltd", account_kind="reseller", payer="self", email="boss@third.example.com")
    account = view["account_id"]
    before = await shown(house, account)
    assert (before["name"], before["credit_limit_minor"], before["payer"]) == ("Third Level Ltd", 50_000, "self")
    changed = await change(house, account, credit_limit_minor=55_000, contact={"email": "chief@third.example.com"})
    assert (changed.status_code, changed.json()["contact"]["email"]) == (200, "chief@third.example.com")
    path = f"/v1/accounts/{account}/plan"
    assert (await house.ask("GET", path, "upper")).json()["in_force"]["plan"] == view["quote"]["plan"]

    own = await house.user("upper", account, "boss@elsewhere.example.com", "admin")
    assert (await shown(house, account, own))["credit_limit_minor"] == 55_000
    assert (await change(house, account, own, company="Ours")).status_code == 200
    assert (await change(house, account, own, credit_limit_minor=60_000)).status_code == 403
    assert (await house.ask("PUT", path, own, json={"plan": view["quote"]["plan"]})).status_code == 403
    asked = await change(house, account, credit_limit_minor=90_000)
    assert asked.status_code == 202
    assert (await house.ask("POST", f"{asked.headers['Location']}/approve", own)).status_code == 403, (
        "not what it may spend itself"
    )
    assert (await house.ask("POST", f"{asked.headers['Location']}/approve", "approver")).status_code == 200
    assert (await house.account(account))["credit_limit_minor"] == 90_000
    for by in ("lower", "other"):
        assert (await house.ask("GET", f"/v1/accounts/{account}/customer", by)).status_code == 404

    cases: list[tuple[dict[str, Any], str]] = [
        ({"currency": "EUR"}, "currency_fixed"),
        ({"late_payment_exempt": True}, "account_is_reseller"),
    ]
    for patch, code in cases:
        answer = await change(house, account, **patch)
        assert answer.json()["errors"][0]["code"] == code
    services = await house.ask("GET", f"/v1/accounts/{account}/services", "upper")
    assert services.json()["items"] == []
    made = await house.ask("GET", f"/v1/accounts/{UPPER.id}/customer", "platform")
    assert made.json()["code"] == "account_not_ordered", "made with the installation, and ordered by nobody"
