"""Services are added to a customer who is there already, by the account's own arrangement."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.mails import MailKind
from domain.onboarding import State
from tests.existing.conftest import DRAMA, LOWER, ONE, UPPER, House

NOWHERE = "00000000-0000-4000-8000-000000000000"
OWN = {"payer": "self", "account_type": "postpaid"}


@pytest.mark.requirement("S3-03", "S3-08")
async def test_what_is_added_works_and_only_it_is_charged_and_the_account_stays_as_it_is(house: House) -> None:
    first = await house.customer()
    before = await house.account(first["account_id"])
    parent = (await house.account(UPPER.id))["balance_minor"]
    added = await house.added("upper", first["account_id"])
    assert (added["state"], added["account_id"], added["account_number"]) == (
        "active",
        first["account_id"],
        first["account_number"],
    )
    # One service and one number; the plan's set-up of 2500 is not paid again. 20 % tax.
    assert (added["quote"]["net_minor"], added["charged_minor"]) == (1500 + 200, 2040)
    assert parent - (await house.account(UPPER.id))["balance_minor"] == 2040
    after = await house.account(first["account_id"])
    assert after == before, "activated, named, numbered, administered and paid as before"
    lines = await house.lines(first["account_id"])
    assert sorted(line["numbers"] for line in lines.values()) == [first["numbers"], added["numbers"]]
    customers = (await house.ask("GET", "/v1/accounts?kind=customer", "upper")).json()["items"]
    assert [customer["id"] for customer in customers] == [first["account_id"]], "no second account"
    events = [entry["event"] for entry in await house.timeline(added["id"])]
    assert "addition_begun" in events
    assert "account_opened" not in events
    assert not house.post.to("ada@harbour.example.com", MailKind.ACTIVATION), "an operator adds without a letter"
    assert len(house.post.to("ada@harbour.example.com", MailKind.WELCOME)) == 1, "the first order's"


@pytest.mark.requirement("S3-26")
async def test_a_basket_of_a_customers_own_numbers_serves_orders_for_that_customer_only(house: House) -> None:
    account, kept = (await house.customer())["account_id"], DRAMA[50]
    keep = {"numbers": [kept], "pool": account}
    assert (await house.ask("POST", "/v1/numbers/pool", "upper", json=keep)).status_code == 200
    basket = (await house.ask("POST", "/v1/baskets", "upper", json={"pool": account})).json()["id"]
    held = await house.ask("PUT", f"/v1/baskets/{basket}/numbers", "upper", json={"numbers": [kept]})
    assert held.status_code == 200, held.text
    line = {"services": [{"label": "Back office", "numbers": {"explicit": [kept]}}], "basket": basket}
    refused = await house.order("upper", **house.with_line("Somebody new") | line)
    assert (refused.status_code, [(one["code"], one["pointer"]) for one in refused.json()["errors"]]) == (
        422, [("pool_of_another", "/basket")],
    )  # fmt: skip
    added = await house.added("upper", account, **line)
    assert (added["state"], added["numbers"]) == ("active", [kept])


@pytest.mark.requirement("S3-03")
async def test_a_customer_who_pays_by_card_gets_a_letter_that_shows_what_is_added_and_pays_for_it(house: House) -> None:
    email = "ada@harbour.example.com"
    body = house.with_line(administration="customer", payer="self", account_type="prepaid", credit_limit_minor=0)
    first = (await house.order("upper", **body)).json()["id"]
    await house.by_card(first, email)
    account = (await house.ended(first, "upper"))["account_id"]
    answer = await house.add("upper", account, services=[{"label": "Back office", "numbers": ONE}, {"label": "Warehouse"}])
    assert answer.status_code == 202, answer.text
    addition = answer.json()["id"]
    await house.reaches(addition, State.AWAITING_ACTIVATION)
    async with house.post.news:
        await house.post.news.wait_for(lambda: len(house.post.to(email, MailKind.ACTIVATION)) == 2)
    letter = house.post.to(email, MailKind.ACTIVATION)[-1]
    assert "Confirm what is added" in letter.subject
    assert "£38.40" in letter.text, "two services and a number, with tax"
    link = house.post.link(email, MailKind.ACTIVATION, "activate")
    page = (await house.http.get(link)).text
    assert "Back office" in page
    assert "Warehouse" in page
    assert "£38.40" in page
    assert "Front desk" not in page, "only what is added"
    await house.accept(addition, link)
    ended = await house.ended(addition, "upper")
    assert (ended["state"], ended["charged_minor"]) == ("active", 3840)
    assert len(await house.lines(account)) == 3


@pytest.mark.requirement("S3-03")
async def test_what_cannot_be_finished_is_undone_and_nothing_of_the_account_is(house: House) -> None:
    first = await house.customer()
    account = first["account_id"]
    users = (await house.ask("GET", f"/v1/accounts/{account}/users", "upper")).json()
    before, lines = await house.account(account), await house.lines(account)
    parent = await house.account(UPPER.id)
    taken = next(number for number in DRAMA if number not in first["numbers"])
    async with asyncio.timeout(60):
        # The switch has this number on a line of somebody else, so the order stops there, after its money was set aside.
        await house.switch._transactions.write(lambda connection: _occupy(connection, taken))
        answer = await house.add(
            "upper", account, services=[{"label": "Back", "numbers": {"explicit": [taken]}}, {"label": "Fax"}]
        )
        addition = answer.json()["id"]
        await house.reaches(addition, State.HELD)
        assert (await house.account(UPPER.id))["held_minor"] > 0
        given_up = await house.ask("POST", f"/v1/onboardings/{addition}/give-up", "upper", json={"reason": "It is taken"})
        assert given_up.status_code == 200, given_up.text
        ended = await house.ended(addition, "upper")
    assert (ended["state"], ended["charged_minor"], ended["numbers"]) == ("failed", 0, [])
    assert await house.account(account) == before
    assert await house.account(UPPER.id) == parent
    assert await house.lines(account) == lines
    assert (await house.ask("GET", f"/v1/accounts/{account}/users", "upper")).json() == users
    assert (await house.ask("GET", f"/v1/accounts/{account}/calling", "upper")).json()["may_call"]
    free = (await house.ask("GET", "/v1/numbers/search", "upper", params={"prefix": taken})).json()["items"]
    assert [number["e164"] for number in free] == [taken]


def _occupy(connection: Any, number: str) -> None:
    row = {"form": number, "domain": "sip.elsewhere.example", "username": "somebody"}
    connection.execute(text("INSERT INTO dbaliases VALUES (9999, :form, :domain, :username, :domain)"), row)


@pytest.mark.requirement("S2-01", "S3-08")
async def test_nothing_can_be_added_to_an_account_that_is_not_there_or_not_there_yet(house: House) -> None:
    refused = await house.add("upper", NOWHERE)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    waiting = (await house.order("upper", **house.with_line(administration="customer", payer="self"))).json()["id"]
    await house.reaches(waiting, State.AWAITING_ACTIVATION)
    pending = (await house.ask("GET", f"/v1/onboardings/{waiting}", "upper")).json()["account_id"]
    refused = await house.add("upper", pending)
    assert (refused.status_code, refused.json()["code"]) == (409, "account_not_active")
    assert "not active yet" in refused.json()["detail"]
    # The other ways to make something available to it: numbers kept, rights to call, people.
    for account, status in ((NOWHERE, 404), (pending, 409)):
        user = {"act": "invite", "email": "bo@harbour.example.com", "name": "Bo", "role": "standard_user"}
        assert (await house.ask("POST", f"/v1/accounts/{account}/users", "upper", json=user)).status_code == status
        rated = {"rate_group": "uk-standard"}
        assert (await house.ask("PATCH", f"/v1/accounts/{account}/calling", "upper", json=rated)).status_code == status
    for account in (NOWHERE, pending):
        kept = {"numbers": DRAMA[50:52], "pool": account}
        assert (await house.ask("POST", "/v1/numbers/pool", "upper", json=kept)).status_code == 404
        assert (await house.ask("POST", "/v1/baskets", "upper", json={"pool": account})).status_code == 404
    assert await house.lines(pending) == {}
    await house.ask("POST", f"/v1/onboardings/{waiting}/cancel", "upper")
    await house.ended(waiting, "upper")
    refused = await house.add("upper", pending)
    assert (refused.status_code, refused.json()["code"]) == (409, "account_closed")


@pytest.mark.requirement("S3-08")
async def test_refusals_say_why_and_never_whose_account_it_is(house: House) -> None:
    first = await house.customer()
    account = first["account_id"]
    strange, unknown = await house.add("other", account), await house.add("other", NOWHERE)
    assert (strange.status_code, strange.json()["detail"]) == (404, unknown.json()["detail"])
    named = await house.add("platform", account, white_label="northway")
    assert (named.status_code, named.json()["detail"]) == (404, unknown.json()["detail"])
    reseller = await house.add("platform", LOWER.id)
    assert (reseller.status_code, reseller.json()["code"]) == (409, "account_is_reseller")
    assert (await house.add("auditor", account)).status_code == 403
    twice = await house.add("upper", account, payer="self", plan="office-50", customer=house.with_line()["customer"])
    assert {error["pointer"]: error["code"] for error in twice.json()["errors"]} == {
        "/payer": "decided_by_account",
        "/customer": "decided_by_account",
        "/plan": "decided_by_account",
    }
    nothing = await house.add("upper", account, services=[])
    assert [error["code"] for error in nothing.json()["errors"]] == ["nothing_added"]
    neither = await house.ask(
        "POST", "/v1/onboardings", "upper", json={"services": []}, headers={"Idempotency-Key": str(uuid.uuid4())}
    )
    assert [(error["code"], error["pointer"]) for error in neither.json()["errors"]] == [("missing", "/customer")]
    fraud = await house.ask("POST", f"/v1/accounts/{account}/suspend", "upper", json={"reason": "fraud"})
    assert fraud.status_code == 200, fraud.text
    suspended = await house.add("upper", account)
    assert (suspended.status_code, suspended.json()["code"]) == (409, "account_suspended_for_fraud")
    assert (await house.account(account))["status"] == "active"


@pytest.mark.requirement("S3-08")
async def test_the_report_of_an_addition_shows_the_account_and_costs_no_second_set_up(house: House) -> None:
    first = await house.customer()
    body = {"account_id": first["account_id"], "services": [{"label": "Fax"}], "terms_accepted": True}
    report = (await house.ask("POST", "/v1/order-checks?full=true", "upper", json=body)).json()
    assert (report["valid"], report["summary"]["customer"], report["summary"]["total_minor"]) == (
        True,
        "Harbour Books Ltd",
        1800,
    )
    assert "stays as it is" in report["full"]["steps"][0]["effect"]


@pytest.mark.requirement("S3-03")
async def test_additions_at_once_are_fine_and_together_cannot_spend_more_than_there_is(house: House) -> None:
    """The account is good for 10000 more; each addition costs 2040: four of six are paid."""
    opened = {"payer": "self", "account_type": "postpaid", "credit_limit_minor": 5040 + 10_000}
    first = await house.customer(**opened)
    assert first["charged_minor"] == 5040
    answers = await asyncio.gather(*(house.add("upper", first["account_id"]) for _ in range(6)))
    ended = [await house.ended(answer.json()["id"], "upper") for answer in answers]
    assert sorted(view["state"] for view in ended) == ["active"] * 4 + ["declined"] * 2
    assert {view["outcome"]["code"] for view in ended} == {None, "insufficient_headroom"}
    account = await house.account(first["account_id"])
    assert (account["balance_minor"], account["held_minor"]) == (-5040 - 4 * 2040, 0)


@pytest.mark.requirement("S3-03")
async def test_what_a_child_may_cost_its_parent_is_counted_over_all_its_orders(house: House) -> None:
    first = await house.customer(credit_limit_minor=5040 + 5000)
    answers = await asyncio.gather(*(house.add("upper", first["account_id"]) for _ in range(4)))
    ended = [await house.ended(answer.json()["id"], "upper") for answer in answers]
    assert sorted(view["state"] for view in ended) == ["active", "active", "declined", "declined"]
    assert {view["outcome"]["code"] for view in ended} == {None, "over_credit_limit"}


@pytest.mark.requirement("S3-08")
async def test_numbers_that_are_kept_for_the_account_can_be_added_and_no_others_pool(house: House) -> None:
    first, second = await house.customer(), await house.customer(name="Quay Ltd")
    kept = {"numbers": DRAMA[50:52], "pool": first["account_id"]}
    assert (await house.ask("POST", "/v1/numbers/pool", "upper", json=kept)).status_code in {200, 204}
    mine = await house.added("upper", first["account_id"], services=[{"numbers": {"explicit": [DRAMA[50]]}}])
    assert (mine["state"], mine["numbers"]) == ("active", [DRAMA[50]])
    theirs = await house.added(
        "upper", second["account_id"], services=[{"numbers": {"explicit": [DRAMA[51]]}}], substitutes="refuse"
    )
    assert (theirs["state"], theirs["outcome"]["code"]) == ("rejected", "number_unavailable")


@pytest.mark.requirement("S3-03")
async def test_an_addition_can_need_approval_and_its_requester_cannot_give_it(house: House) -> None:
    policy = UPPER.approval.model_copy(update={"total_over_minor": 2000})
    await house.database.admin.put_tenant(UPPER.model_copy(update={"approval": policy}))
    order = (await house.order("upper", **house.with_line())).json()["id"]
    await house.reaches(order, State.AWAITING_APPROVAL)
    assert (await house.ask("POST", f"/v1/onboardings/{order}/approve", "approver")).status_code == 200
    account = (await house.ended(order, "upper"))["account_id"]
    addition = (await house.add("upper", account)).json()["id"]
    await house.reaches(addition, State.AWAITING_APPROVAL)
    assert (await house.ask("POST", f"/v1/onboardings/{addition}/approve", "upper")).status_code == 403
    rejected = await house.ask("POST", f"/v1/onboardings/{addition}/reject", "approver", json={"reason": "Too much"})
    assert rejected.status_code == 200
    assert (await house.ended(addition, "upper"))["state"] == "rejected"
    assert (await house.account(account))["status"] == "active"
    assert len(await house.lines(account)) == 1


async def test_a_customer_buys_more_on_a_list_that_is_sold_to_nobody_new_and_nobody_else_does(house: House) -> None:
    account = (await house.customer())["account_id"]
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    ended = UPPER.price_list.model_copy(update={"valid_until": yesterday})
    successor = UPPER.price_list.model_copy(update={"code": "next", "position": 1})
    await house.database.admin.put_tenant(UPPER.model_copy(update={"price_list": ended, "price_lists": (successor,)}))
    added = await house.added("upper", account)
    assert (added["state"], added["quote"]["price_list_code"]) == ("active", UPPER.price_list.code)
    new = await house.order("upper", "Another Ltd", price_list=UPPER.price_list.code)
    assert (new.status_code, new.json()["errors"][0]["code"]) == (422, "price_list_not_valid")
