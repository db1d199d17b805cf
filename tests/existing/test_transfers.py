"""A customer moves to another white label: whole, by who may, on the record; and the telephones go on working."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client

from adapters.settings import Settings
from domain.catalogue import Plan, PriceList
from domain.mails import MailKind
from domain.onboarding import State
from domain.transfers import Transfer
from tests.existing.conftest import LOWER, OTHER, UPPER, House
from tests.tenancy.conftest import PASSWORD
from worker import onboarding_worker

WHY = {"reason": "Moved to Leeds", "consent": "Agreed in writing"}


async def transfer(house: House, account: str, to: str, by: str = "platform", key: str | None = None, **more: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return await house.ask("POST", f"/v1/accounts/{account}/transfer", by, json={"to": to, **WHY, **more}, headers=headers)


@pytest.mark.requirement("S5-25")
async def test_a_customer_moves_whole_and_buys_from_its_new_reseller(house: House) -> None:
    plans = (Plan(code="north-1", name="North 1", setup_minor=9_000, period_minor=1_000, number_period_minor=100),)
    north = OTHER.model_copy(update={"price_list": PriceList(version="1", plans=plans)})
    await house.database.admin.put_tenant(north)  # type: ignore[attr-defined]
    assert (await house.ask("PUT", "/v1/rate-groups/upper-only", "upper", json={"name": "Upper only"})).status_code == 200
    view = await house.customer(rate_group="upper-only")
    account, number = view["account_id"], view["numbers"][0]
    shown = (await house.ask("POST", f"/v1/onboardings/{view['id']}/credentials", "upper")).json()
    lines = await house.lines(account)
    paid = (await house.account(UPPER.id))["balance_minor"]
    answer = await transfer(house, account, "northway")
    assert answer.status_code == 200, answer.text
    said = {"account_id": account, "from": UPPER.id, "to": OTHER.id, "plan": "north-1", "done": True, "warnings": []}
    assert answer.json() == said
    # It is there, and gone from here.
    assert (await house.ask("GET", f"/v1/accounts/{account}", "other")).json()["parent_id"] == OTHER.id
    for path in (f"/v1/accounts/{account}", f"/v1/accounts/{account}/customer", f"/v1/onboardings/{view['id']}"):
        assert (await house.ask("GET", path, "upper")).status_code == 404
        assert (await house.ask("GET", path, "other")).status_code == 200
    inventory = {
        by: (await house.ask("GET", f"/v1/numbers?prefix=%2B{number[1:]}", by)).json()["items"] for by in ("upper", "other")
    }
    assert ([one["e164"] for one in inventory["upper"]], [one["e164"] for one in inventory["other"]]) == ([], [number])
    # The telephones are where they were, with the passwords they have.
    assert await house.lines(account) == lines
    assert (await house.ask("POST", f"/v1/onboardings/{view['id']}/credentials", "other")).json() == shown
    calling = (await house.ask("GET", f"/v1/accounts/{account}/calling", "other")).json()
    assert (calling["rate_group"], calling["may_call"], calling["switch_agrees"]) == ("uk-standard", True, True)
    # What was charged stays charged; what is added now is the new one's, on its plan, without a second set-up.
    assert (await house.account(UPPER.id))["balance_minor"] == paid
    before = (await house.account(OTHER.id))["balance_minor"]
    added = await house.added("other", account, services=[{"label": "New line"}])
    assert (added["state"], added["tenant_id"], added["quote"]["plan"]) == ("active", OTHER.id, "north-1")
    assert before - (await house.account(OTHER.id))["balance_minor"] == 1_200
    # The record says from, to, who, when and why.
    (told,) = [entry for entry in await house.timeline(view["id"]) if entry["event"] == "transferred"]
    assert told["detail"] == {"from": UPPER.id, "to": OTHER.id, "plan": "north-1", **WHY}
    assert told["actor"].startswith("key-")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(told["at"])).total_seconds()) < 120


@pytest.mark.requirement("S5-25")
async def test_only_who_administers_both_sides_may_move_a_customer(house: House) -> None:
    mine, theirs = await house.customer(), await house.live("other", "Far Ltd")
    account = mine["account_id"]
    assert (await transfer(house, account, "northway", by="upper")).status_code == 404, "the other side is not theirs"
    assert (await transfer(house, theirs["account_id"], UPPER.slug, by="upper")).status_code == 404, "nor is this one"
    assert (await transfer(house, account, "lower", by="lower")).status_code == 404
    assert (await transfer(house, account, "lower", by="auditor")).status_code == 403
    own = await house.user("upper", account, "bo@harbour.example.com", "account_administrator")
    assert (await transfer(house, account, "lower", by=own)).status_code in {403, 404}
    unknown = await transfer(house, account, "nobody-at-all", by="upper")
    strange = await transfer(house, account, "northway", by="upper")
    assert (unknown.status_code, unknown.json()["detail"]) == (404, strange.json()["detail"])
    same = await transfer(house, account, UPPER.slug, by="upper")
    assert (same.status_code, same.json()["errors"][0]["code"]) == (422, "already_there")
    plan = await transfer(house, account, "lower", by="upper", plan="gold-plated")
    assert (plan.status_code, plan.json()["errors"][0]["pointer"]) == (422, "/plan")
    reseller = await transfer(house, LOWER.id, "northway")
    assert reseller.status_code in {409, 422}
    silent = await house.ask("POST", f"/v1/accounts/{account}/transfer", "upper", json={"to": "lower", "reason": "So"})
    assert silent.json()["errors"][0]["pointer"] == "/consent"
    assert (await house.ask("GET", f"/v1/accounts/{account}", "upper")).json()["parent_id"] == UPPER.id
    down = await transfer(house, account, "lower", by="upper")
    assert (down.status_code, down.json()["to"]) == (200, LOWER.id)
    assert (await transfer(house, account, UPPER.slug, by="lower")).status_code == 404, "nobody moves upwards what is below"
    assert (await transfer(house, account, UPPER.slug, by="upper")).status_code == 200, "and back"


@pytest.mark.requirement("S5-25")
async def test_another_currency_and_orders_under_way_stand_in_the_way(house: House) -> None:
    account = (await house.customer())["account_id"]
    euro = OTHER.model_copy(update={"id": "5f0c5f0e-0000-4000-8000-000000000009", "slug": "euro", "currency": "EUR"})
    await house.database.admin.put_tenant(euro, 0, 0)  # type: ignore[attr-defined]
    euros = await transfer(house, account, "euro")
    assert (euros.status_code, euros.json()["errors"][0]["code"]) == (422, "currency_differs")
    policy = UPPER.approval.model_copy(update={"total_over_minor": 0})
    await house.database.admin.put_tenant(UPPER.model_copy(update={"approval": policy}))  # type: ignore[attr-defined]
    addition = (await house.add("upper", account)).json()["id"]
    await house.reaches(addition, State.AWAITING_APPROVAL)
    before = await house.account(account)
    refused = await transfer(house, account, "northway")
    assert (refused.status_code, refused.json()["code"]) == (409, "orders_under_way")
    assert await house.account(account) == before
    assert (await house.ask("GET", f"/v1/onboardings/{addition}", "upper")).status_code == 200, "nothing was moved"
    await house.ask("POST", f"/v1/onboardings/{addition}/cancel", "upper")
    await house.ended(addition, "upper")
    assert (await transfer(house, account, "northway")).status_code == 200


@pytest.mark.requirement("S5-25")
async def test_the_customers_own_people_come_along_and_those_of_the_old_reseller_do_not(house: House) -> None:
    account, second = (await house.customer())["account_id"], (await house.live("upper", "Quay Ltd"))["account_id"]
    who = {"act": "invite", "email": "bo@harbour.example.com", "name": "Bo", "role": "account_administrator"}
    assert (await house.ask("POST", f"/v1/accounts/{account}/users", "upper", json=who)).status_code == 201
    await house.post.arrives(who["email"], MailKind.INVITATION)
    await house.set_password(house.post.link(who["email"], MailKind.INVITATION, "invitation"))
    own = await house.token(who["email"])
    await house.create_user("upper", account, "cy@harbour.example.com", "standard_user")
    both = {"act": "add", "email": "cy@harbour.example.com", "role": "standard_user"}
    assert (await house.ask("POST", f"/v1/accounts/{second}/users", "upper", json=both)).status_code == 201
    switched = await house.switched("upper", account)
    assert (await house.ask("GET", f"/v1/accounts/{account}", switched)).status_code == 200, "and is remembered"
    assert (await transfer(house, account, "northway")).status_code == 200
    users = (await house.ask("GET", f"/v1/accounts/{account}/users", "other")).json()["items"]
    assert [user["email"] for user in users] == ["bo@harbour.example.com"], "neither the old key nor who works elsewhere too"
    assert (await house.ask("GET", f"/v1/accounts/{account}/customer", own)).status_code == 200, "still signed in"
    again = await house.sign_in("bo@harbour.example.com", white_label="northway")
    assert again.status_code == 201, again.text
    assert (await house.ask("GET", f"/v1/accounts/{account}", switched)).status_code == 401
    stays = await house.token("cy@harbour.example.com")
    assert (await house.ask("GET", f"/v1/accounts/{second}", stays)).status_code == 200
    assert (await house.ask("GET", f"/v1/accounts/{account}", stays)).status_code == 404


@pytest.mark.requirement("S5-25")
async def test_of_transfers_and_additions_at_once_nothing_is_half_moved(house: House) -> None:
    account = (await house.customer())["account_id"]
    answers = await asyncio.gather(
        transfer(house, account, "northway"),
        transfer(house, account, "lower"),
        *(house.add("upper", account, services=[{"label": f"Line {at}"}]) for at in range(4)),
    )
    for answer in answers[2:]:
        if answer.status_code == 202:
            await house.client.get_workflow_handle(f"onboarding/{answer.json()['id']}").result()
    where = (await house.ask("GET", f"/v1/accounts/{account}", "platform")).json()["parent_id"]
    moved = [answer for answer in answers[:2] if answer.status_code == 200]
    assert len(moved) <= 1
    assert where == (moved[0].json()["to"] if moved else UPPER.id)
    orders = (await house.ask("GET", "/v1/onboardings?page_size=100", "platform")).json()["items"]
    owners = {order["tenant_id"] for order in orders if order["account_id"] == account and order["state"] == "active"}
    assert owners == {where}
    numbers = {row["e164"] for row in (await house.ask("GET", f"/v1/numbers?white_label={where}", "platform")).json()["items"]}
    assert {number for line in (await house.lines(account)).values() for number in line["numbers"]} <= numbers


@pytest.mark.requirement("S5-25")
async def test_a_worker_that_dies_in_the_middle_leaves_it_to_the_next_one(house: House) -> None:
    """The first worker knows no switch, and goes away after the books have moved."""
    view = await house.customer()
    account = view["account_id"]
    await house.ask("PATCH", f"/v1/accounts/{account}/calling", "upper", json={"rate_group": None})
    change = Transfer(
        key=str(uuid.uuid4()), account_id=account, tenant_id=UPPER.id, actor="key-1", at=datetime.now(UTC), to=OTHER.id,
        plan="office-20", **WHY,
    )  # fmt: skip
    queue, client = f"dying-{uuid.uuid4()}", house.client
    assert isinstance(client, Client)
    blind = [method for method in house.methods if method.__name__ != "allow_calling"]
    async with onboarding_worker(client, Settings(task_queue=queue), blind, strict=True):
        handle = await client.start_workflow("transfer", change, id=f"transfer/{change.key}", task_queue=queue)
        while True:
            description = await handle.describe()
            if any(activity.attempt > 1 for activity in description.raw_description.pending_activities):
                break
    calling = (await house.ask("GET", f"/v1/accounts/{account}/calling", "other")).json()
    assert (calling["rate_group"], calling["switch_agrees"]) == ("uk-standard", False), "the books have moved, whole"
    async with onboarding_worker(client, Settings(task_queue=queue), house.methods, strict=True):
        assert (await handle.result())["done"]
    calling = (await house.ask("GET", f"/v1/accounts/{account}/calling", "other")).json()
    assert (calling["may_call"], calling["switch_agrees"]) == (True, True)
    assert len([entry for entry in await house.timeline(view["id"]) if entry["event"] == "transferred"]) == 1


async def test_a_password_that_the_former_white_label_knows_does_not_come_along(house: House) -> None:
    account = (await house.customer())["account_id"]
    token = await house.user("upper", account, "bo@harbour.example.com", "account_administrator")
    assert (await transfer(house, account, "northway")).status_code == 200
    assert (await house.ask("GET", f"/v1/accounts/{account}", token)).status_code == 401
    body = {"email": "bo@harbour.example.com", "password": PASSWORD}
    assert (await house.http.post("/v1/sessions", json=body)).status_code == 401
    members = (await house.ask("GET", f"/v1/accounts/{account}/users", "other")).json()["items"]
    assert "bo@harbour.example.com" in [member["email"] for member in members], (
        "the person is the customer's, and can be invited"
    )


async def test_an_order_that_is_sent_again_after_the_move_is_the_one_that_it_was(house: House) -> None:
    """Without an answer the same request is sent again: by then the account may be somebody else's."""
    account = (await house.customer())["account_id"]
    sent = {"key": str(uuid.uuid4()), "services": [{"label": "New line"}]}
    first = await house.add("platform", account, **sent)
    await house.ended(first.json()["id"], "platform")
    assert (await transfer(house, account, "northway")).status_code == 200
    again = await house.add("platform", account, **sent)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


@pytest.mark.requirement("S5-25")
async def test_a_customer_lands_where_it_can_buy_and_call_or_does_not_move(house: House) -> None:
    account = (await house.customer())["account_id"]
    today = datetime.now(UTC).date()
    plans = (Plan(code="north-1", name="North 1", setup_minor=9_000, period_minor=1_000),)
    over = PriceList(version="1", code="over", plans=plans, valid_until=today - timedelta(days=1))
    euros = PriceList(version="1", code="euros", plans=plans, currency="EUR", position=1)
    pounds = PriceList(version="1", code="pounds", plans=plans, position=2)

    ended = OTHER.rate_groups[0].model_copy(update={"valid_until": over.valid_until})
    for at, (lists, groups, code) in enumerate(
        (
            ((over,), OTHER.rate_groups, "no_price_list"),
            ((over, euros), OTHER.rate_groups, "currency_differs"),
            ((over, euros, pounds), (ended,), "no_rate_group"),
            ((over, euros, pounds), OTHER.rate_groups, None),
        )
    ):
        own = {"id": f"5f0c5f0e-0000-4000-8000-00000000001{at}", "slug": f"label-{at}", "rate_groups": groups}
        label = OTHER.model_copy(update=own | {"price_list": lists[0], "price_lists": lists[1:]})
        await house.database.admin.put_tenant(label)  # type: ignore[attr-defined]
        answer = await transfer(house, account, label.slug)
        if code is not None:
            assert (answer.status_code, [error["code"] for error in answer.json()["errors"]]) == (422, [code])
            assert (await house.account(account))["parent_id"] == UPPER.id
    assert answer.status_code == 200, answer.text
    plan = (await house.ask("GET", f"/v1/accounts/{account}/plan", "platform")).json()["in_force"]
    assert (plan["plan"], plan["price_list"]) == ("north-1", "pounds")
    calling = (await house.ask("GET", f"/v1/accounts/{account}/calling", "platform")).json()
    assert (calling["rate_group"], calling["may_call"]) == ("uk-standard", True)


@pytest.mark.requirement("S5-25")
async def test_a_change_that_waits_for_approval_ends_with_the_white_label_that_asked_for_it(house: House) -> None:
    for tenant in (UPPER, OTHER):
        policy = tenant.approval.model_copy(update={"credit_limit_over_minor": 60_000})
        await house.database.admin.put_tenant(tenant.model_copy(update={"approval": policy}))  # type: ignore[attr-defined]
    account = (await house.customer())["account_id"]
    before = (await house.account(account))["credit_limit_minor"]
    asked = await house.ask("PATCH", f"/v1/accounts/{account}/customer", "upper", json={"credit_limit_minor": 90_000})
    assert asked.status_code == 202, asked.text
    assert (await transfer(house, account, "northway")).status_code == 200
    place = asked.headers["Location"]
    assert (await house.ask("POST", f"{place}/approve", "approver")).status_code == 404, "it is not theirs to approve"
    late = await house.ask("POST", f"{place}/approve", "other")
    assert (late.status_code, late.json()["code"]) == (409, "moved_meanwhile")
    assert (await house.account(account))["credit_limit_minor"] == before


@pytest.mark.requirement("S5-25")
async def test_a_customer_who_has_moved_is_taxed_as_the_new_white_label_taxes(house: House) -> None:
    levy = {"code": "levy", "name": "Levy", "rate_basis_points": 150}
    assert (await house.ask("POST", "/v1/taxes", "upper", json=levy)).status_code == 201
    taxed = (await house.customer(taxes=["levy"]))["account_id"]
    own = (await house.customer(name="Quay Ltd", tax_rate_basis_points=0))["account_id"]
    for account in (taxed, own):
        assert (await transfer(house, account, "northway")).status_code == 200
        charges = await house.ask("GET", f"/v1/accounts/{account}/charges?lines=1", "other")
        assert charges.status_code == 200, charges.text
        assert [tax["rate_basis_points"] for tax in charges.json()["taxes"]] == [OTHER.tax_rate_basis_points]
        added = await house.added("other", account, services=[{"label": "New line"}])
        assert added["quote"]["tax_rate_basis_points"] == OTHER.tax_rate_basis_points
