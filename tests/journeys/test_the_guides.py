"""What the five guides ask of creating a customer, step by step over HTTP, the mailbox and the ledgers of a real stack."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.database import Database
from domain.books import OrderBook
from starter.demo.browser import Browser
from starter.demo.people import GOOD_CARD, CustomerAtHome
from tests.journeys.conftest import Town


def changed(customer: CustomerAtHome, change: Callable[[dict[str, Any]], None]) -> bytes:
    body = json.loads(customer.order)
    change(body)
    return json.dumps(body).encode()


async def book_of(town: Town, onboarding: str) -> OrderBook:
    """What our own database says of an order and its account."""
    database = Database(town.stack.settings.database)
    try:
        ledgers = await database.books.read()
    finally:
        await database.close()
    return next(order for order in ledgers.orders if order.id == onboarding)


@pytest.mark.requirement("S1-07", "S1-13", "S1-15", "S1-16", "S1-37")
async def test_the_customer_administers(town: Town, tmp_path: Path) -> None:
    """The first guide, answer A: the account is there and not active, a letter asks for it, the customer pays by card."""
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    waiting = await town.northway.wait_for(onboarding, "awaiting_activation")
    assert waiting["quote"]["plan"], "a plan was selected before the letter went out"
    assert (await book_of(town, onboarding)).account_status == "pending"
    assert waiting["charged_minor"] == 0
    await town.activated(customer, onboarding, GOOD_CARD)
    active = await town.northway.wait_until_over(onboarding)
    assert active["state"] == "active"
    assert active["charged_minor"] == active["quote"]["total_minor"] > 0
    assert (await book_of(town, onboarding)).account_status == "active"
    sent = [letter["kind"] for letter in await town.mailbox.letters(customer.address)]
    assert sent.index("activation") < sent.index("welcome")


@pytest.mark.requirement("S1-08", "S1-24", "S2-31", "S3-02", "S3-49")
async def test_the_white_label_administers(town: Town, tmp_path: Path) -> None:
    """The first guide, answer B: one act creates the account with its numbers, and the customer is asked nothing."""
    customer = town.customer("2", tmp_path)
    onboarding = await town.brindley.must_order(customer.order)
    active = await town.brindley.wait_until_over(onboarding)
    assert active["state"] == "active"
    assert len(active["numbers"]) == sum(service["numbers"]["criteria"]["count"] for service in active["order"]["services"])
    assert (await book_of(town, onboarding)).account_status == "active"
    letters = [await town.mailbox.letter(customer.address, "welcome")]
    letters = await town.mailbox.letters(customer.address)
    assert [letter["kind"] for letter in letters] == ["welcome"]


@pytest.mark.requirement("S1-27")
async def test_the_white_label_is_debited_with_what_its_customer_costs(town: Town, tmp_path: Path) -> None:
    onboarding = await town.brindley.must_order(town.customer("2", tmp_path).order)
    active = await town.brindley.wait_until_over(onboarding)
    database = Database(town.stack.settings.database)
    try:
        ledgers = await database.books.read()
    finally:
        await database.close()
    (charge,) = [entry for entry in ledgers.entries if entry.onboarding_id == onboarding]
    assert charge.account_id == active["tenant_id"]
    assert charge.amount_minor == -active["quote"]["total_minor"]


@pytest.mark.requirement("S2-11", "S2-12", "S2-13", "S2-14")
async def test_of_two_that_create_one_name_at_once_one_succeeds_over_all_resellers(town: Town, tmp_path: Path) -> None:
    customer = town.customer("2", tmp_path)

    def same_name_in_capitals(body: dict[str, Any]) -> None:
        body |= {"white_label": "northway", "plan": None}
        body["customer"]["name"] = "  " + body["customer"]["name"].upper()

    first, second = await asyncio.gather(
        town.brindley.must_order(customer.order), town.northway.must_order(changed(customer, same_name_in_capitals))
    )
    ends = await asyncio.gather(town.brindley.wait_until_over(first), town.northway.wait_until_over(second))
    assert sorted((end["state"], end["outcome"]["code"]) for end in ends) == [("active", None), ("rejected", "name_taken")]
    (winner, loser) = sorted(ends, key=lambda end: str(end["state"]))
    assert winner["tenant_id"] not in json.dumps(loser), "whose name it is stays unsaid"
    assert (await book_of(town, loser["id"])).account_status is None
    assert (loser["numbers"], loser["charged_minor"]) == ([], 0)

    def nameless(body: dict[str, Any]) -> None:
        del body["customer"]["name"]

    refused = await town.brindley.order(changed(customer, nameless))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/customer/name")


@pytest.mark.requirement("S2-10", "S3-12", "S3-15", "S5-02", "S5-05", "S5-08")
async def test_only_the_account_from_only_the_required_part(town: Town, tmp_path: Path) -> None:
    """No service, no number, no telephone: the account alone. Without an e-mail address there is none."""
    customer = town.customer("2", tmp_path)

    def required_part(body: dict[str, Any]) -> None:
        body["services"] = []
        body["customer"] = {name: body["customer"][name] for name in ("name", "contact", "billing_address")}
        body["customer"]["contact"].pop("telephone", None)

    order = changed(customer, required_part)
    view = await town.brindley.wait_until_over(await town.brindley.must_order(order))
    assert (view["state"], view["numbers"]) == ("active", [])
    assert (await book_of(town, view["id"])).account_status == "active"
    without = json.loads(order)
    del without["customer"]["contact"]["email"]
    refused = await town.brindley.order(json.dumps(without).encode())
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/customer/contact/email")


@pytest.mark.requirement("S3-04")
async def test_several_services_of_one_type_in_one_run(town: Town, tmp_path: Path) -> None:
    customer = town.customer("2", tmp_path)

    def three_alike(body: dict[str, Any]) -> None:
        line = {"label": "Desk", "numbers": {"criteria": {"count": 1, "prefix": "+44121496"}}, "max_channels": 2}
        body["services"] = [line] * 3

    view = await town.brindley.wait_until_over(await town.brindley.must_order(changed(customer, three_alike)))
    assert (view["state"], len(view["numbers"]), len(set(view["numbers"]))) == ("active", 3, 3)
    assert len((await book_of(town, view["id"])).lines) == 3


@pytest.mark.requirement("S2-22", "S4-28", "S4-31")
async def test_the_credit_limit_bears_what_is_charged_for_on_a_postpaid_account_only(town: Town, tmp_path: Path) -> None:
    """An account of its own without money: postpaid it can spend its limit and no more; prepaid the limit is not counted."""

    def own_account(limit: int, account_type: str = "postpaid") -> Callable[[dict[str, Any]], None]:
        def change(body: dict[str, Any]) -> None:
            body |= {"payer": "self", "account_type": account_type, "credit_limit_minor": limit}

        return change

    async def end(limit: int) -> tuple[str, str | None]:
        order = changed(town.customer("2", tmp_path), own_account(limit))
        view = await town.brindley.wait_until_over(await town.brindley.must_order(order))
        return view["state"], view["outcome"]["code"]

    answer = await town.brindley.check(town.customer("2", tmp_path).order)
    total = answer["summary"]["total_minor"]
    assert await end(total) == ("active", None)
    assert await end(total - 1) == ("declined", "insufficient_headroom")
    prepaid = await town.brindley.check(changed(town.customer("2", tmp_path), own_account(10 * total, "prepaid")))
    assert {(item["code"], item["severity"]) for item in prepaid["findings"]} == {
        ("nothing_to_pay_with", "error"),
        ("credit_limit_not_counted", "warning"),
    }


@pytest.mark.requirement("S3-52")
async def test_the_log_of_the_creation_can_be_read(town: Town, tmp_path: Path) -> None:
    onboarding = await town.brindley.must_order(town.customer("2", tmp_path).order)
    await town.brindley.wait_until_over(onboarding)
    events = [entry["event"] for entry in await town.brindley.events(onboarding)]
    story = [
        "order_received",
        "account_opened",
        "numbers_held",
        "payment_authorised",
        "lines_provisioned",
        "payment_captured",
        "active",
    ]
    assert [event for event in events if event in story] == story


async def test_nothing_is_mailed_about_an_order_that_was_abandoned_but_that_it_is_closed(town: Town, tmp_path: Path) -> None:
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    async with Browser():
        await town.mailbox.activation_link(customer.address)
    await town.northway.decide(onboarding, "cancel")
    await town.northway.wait_until_over(onboarding)
    await town.mailbox.letter(customer.address, "closed")
    assert {letter["kind"] for letter in await town.mailbox.letters(customer.address)} == {"activation", "closed"}


@pytest.mark.requirement("S4-03", "S4-05")
async def test_an_account_number_is_made_where_none_is_given(town: Town, tmp_path: Path) -> None:
    numbers = set()
    for _ in range(3):
        onboarding = await town.brindley.must_order(town.customer("2", tmp_path).order)
        view = await town.brindley.wait_until_over(onboarding)
        assert len(view["account_number"]) == 10
        assert view["account_number"].isdecimal()
        numbers.add(view["account_number"])
    assert len(numbers) == 3


@pytest.mark.requirement("S4-04")
async def test_of_two_orders_for_one_account_number_at_once_one_succeeds(town: Town, tmp_path: Path) -> None:
    wanted = str(7_000_000_000 + sum(map(ord, str(tmp_path))))
    orders = [town.customer("2", tmp_path, account_number=wanted).order for _ in range(2)]
    ids = [await town.brindley.must_order(order) for order in orders]
    ends = await asyncio.gather(*(town.brindley.wait_until_over(onboarding) for onboarding in ids))
    assert sorted((end["state"], end["outcome"]["code"], end["account_number"]) for end in ends) == [
        ("active", None, wanted),
        ("rejected", "account_number_taken", None),
    ]
    again = await town.brindley.must_order(town.customer("2", tmp_path, account_number=wanted).order)
    assert (await town.brindley.wait_until_over(again))["outcome"]["code"] == "account_number_taken"


async def test_an_operator_takes_over_what_a_customer_cannot_activate(town: Town, tmp_path: Path) -> None:
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    await town.northway.wait_for(onboarding, "awaiting_activation")
    link = await town.mailbox.activation_link(customer.address)
    for body in ({"terms_accepted": True}, {"consent": "Agreed"}, {"consent": "Agreed", "terms_accepted": False}):
        assert (await town.northway.decide(onboarding, "take-over", **body)).status_code == 422
    consent = {"consent": "Agreed on the telephone", "terms_accepted": True}
    assert (await town.auditor.decide(onboarding, "take-over", **consent)).status_code == 403
    assert (await town.northway.decide(onboarding, "take-over", **consent)).status_code == 200
    view = await town.northway.wait_until_over(onboarding)
    assert (view["state"], view["order"]["administration"], view["order"]["payer"]) == ("active", "operator", "parent")
    assert view["charged_minor"] == view["quote"]["total_minor"] > 0
    assert (view["terms"]["capacity"], view["terms"]["address"]) == ("on_behalf", "127.0.0.1")
    told = {entry["event"]: entry for entry in await town.northway.events(onboarding)}
    assert told["take_over_decided"]["detail"] == {"consent": "Agreed on the telephone"}
    assert (await town.mailbox.letter(customer.address, "taken_over"))["links"]
    async with Browser() as browser:
        await browser.open(link)
        assert "Accept and continue" not in browser.text
    assert not (await town.audit()).findings
