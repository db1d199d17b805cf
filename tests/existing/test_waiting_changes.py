"""A change that waits for a second person is shown to them before they decide, and afterwards says what became of it."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.customers import CustomerChange
from starter.changes import Changes
from tests.existing.conftest import LOWER, UPPER, House
from tests.existing.test_credit_limits import threshold
from tests.existing.test_customers import change
from tests.existing.test_services import change as change_service
from tests.existing.test_services import services
from tests.existing.test_transfers import transfer
from tests.tenancy.conftest import Town
from tests.tenancy.test_the_command_line import Run, listening, run

__all__ = ["listening", "run"]


@pytest.fixture
def town(house: House) -> Town:
    return house


async def look(house: House, path: str, by: str = "approver", **query: str) -> dict[str, Any]:
    answer = await house.ask("GET", path, by, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.requirement("S2-26")
async def test_who_approves_sees_who_asked_when_what_changes_and_until_when(house: House) -> None:
    await threshold(house, 60_000)
    view = await house.live("upper")
    account = view["account_id"]
    assert (await look(house, "/v1/customer-changes"))["items"] == []
    contact = {"email": "new@harbour.example.com"}
    asked = await change(house, account, credit_limit_minor=90_000, identity_number="AB123456C", contact=contact)
    place = asked.headers["Location"]
    shown = await look(house, place)
    expected = [
        {"field": "contact.email", "from": "ada@harbour.example.com", "to": "new@harbour.example.com"},
        {"field": "credit_limit_minor", "from": 50_000, "to": 90_000},
        {"field": "identity_number", "from": None, "to": "XXXXXXX6C"},
    ]
    assert sorted(shown["changes"], key=lambda one: one["field"]) == expected
    assert (shown["state"], shown["asked_by"], shown["name"]) == (
        "waiting",
        view["requested_by"],
        view["order"]["customer"]["name"],
    )
    since, until = (datetime.fromisoformat(shown[name]) for name in ("asked_at", "decide_until"))
    assert timedelta(days=7) <= until - since < timedelta(days=7, minutes=1)
    listed: list[dict[str, Any]] = []
    while not listed:  # the list of runs lags behind them
        listed = (await look(house, "/v1/customer-changes"))["items"]
    assert listed == [shown]
    assert (await look(house, "/v1/customer-changes", "platform", white_label=UPPER.slug))["items"] == [shown]
    assert (await look(house, "/v1/customer-changes", white_label=LOWER.slug))["items"] == []
    for by in ("other", "lower"):
        assert (await house.ask("GET", place, by)).status_code == 404
        assert (await look(house, "/v1/customer-changes", by))["items"] == []
    assert (await house.ask("GET", "/v1/customer-changes", "other", params={"white_label": UPPER.slug})).status_code == 404
    assert (await house.ask("GET", f"/v1/accounts/{account}/customer/changes/{uuid.uuid4()}", "upper")).status_code == 404
    assert (await house.ask("POST", f"{place}/approve", "approver")).status_code == 200
    shown = await look(house, place)
    assert (shown["state"], shown["changes"]) == ("done", [])
    again = await change(house, account, credit_limit_minor=99_000)
    assert (await house.ask("POST", f"{again.headers['Location']}/reject", "approver")).status_code == 200
    refused = await look(house, again.headers["Location"])
    assert (refused["state"], refused["code"]) == ("refused", "approval_rejected")
    assert "changed" in refused["message"]


async def test_who_decides_too_late_is_told_so(house: House) -> None:
    account = (await house.live("upper"))["account_id"]
    asked = CustomerChange(
        key=str(uuid.uuid4()),
        account_id=account,
        tenant_id=UPPER.id,
        actor="key:somebody",
        at=datetime.now(UTC),
        patch={"credit_limit_minor": 90_000},
        needs_approval=True,
        decided_within=timedelta(milliseconds=1),
    )
    await Changes(house.client, house.task_queue).start("customer", asked, "a digest")
    await house.client.get_workflow_handle(f"customer/{account}/{asked.key}").result()
    place = f"/v1/accounts/{account}/customer/changes/{asked.key}"
    for verdict in ("approve", "reject"):
        late = await house.ask("POST", f"{place}/{verdict}", "approver")
        assert (late.status_code, late.json()["code"]) == (409, "approval_expired")
        assert "Ask for it again" in late.json()["detail"]
    assert (await house.account(account))["credit_limit_minor"] == 50_000


async def test_what_a_former_white_label_asked_for_is_not_done_after_the_customer_has_moved(house: House) -> None:
    await threshold(house, 60_000)
    account = (await house.live("upper"))["account_id"]
    asked = await change(house, account, credit_limit_minor=90_000)
    assert (await transfer(house, account, LOWER.slug)).status_code == 200
    late = await house.ask("POST", f"{asked.headers['Location']}/approve", "platform")
    assert (late.status_code, late.json()["code"]) == (409, "moved_meanwhile")
    assert (await house.account(account))["credit_limit_minor"] == 50_000


async def test_a_key_stands_for_one_body_also_when_customers_and_services_are_changed_or_moved(house: House) -> None:
    await threshold(house, 60_000)
    account = (await house.customer())["account_id"]
    (service,) = await services(house, account)
    key = {"Idempotency-Key": str(uuid.uuid4())}

    async def asked(what: str, first: bool) -> Any:
        if what == "customer":
            return await change(house, account, headers=key, company="One" if first else "Two")
        if what == "limit":
            limit = {"credit_limit_minor": 90_000 if first else 99_000}
            return await change(house, account, headers={"Idempotency-Key": "limit"}, **limit)
        return await change_service(house, account, service["id"], headers=key, label="One" if first else "Two")

    for what, status in (("customer", 200), ("limit", 202), ("service", 200)):
        one, repeated, two = await asked(what, True), await asked(what, True), await asked(what, False)
        assert (one.status_code, repeated.status_code, repeated.json()) == (status, status, one.json())
        assert (two.status_code, two.json()["code"]) == (422, "idempotency_key_reused"), what
    shown = await look(house, f"/v1/accounts/{account}/customer")
    assert shown["company"] == "One"
    assert (await services(house, account))[0]["label"] == "One"
    moved = await transfer(house, account, LOWER.slug, key=key["Idempotency-Key"])
    assert moved.status_code == 200, moved.text
    elsewhere = await transfer(house, account, UPPER.slug, key=key["Idempotency-Key"])
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_the_commands_show_what_waits(house: House, run: Run) -> None:
    await threshold(house, 60_000)
    account = (await house.live("upper"))["account_id"]
    asked = await change(house, account, credit_limit_minor=90_000)
    key = asked.json()["waits_for_approval"]
    status, out, err = await asyncio.to_thread(run, "customer", "change", account, key)
    assert (status, "500.00" in out, "900.00" in out) == (0, True, True)
    assert f"dialtone customer approve {account} {key}" in err
    while key not in err or status:
        status, out, err = await asyncio.to_thread(run, "customer", "waiting")
    assert "900.00" in out
