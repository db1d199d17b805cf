"""What people send twice, late, wrong or too often: one effect, a reasoned no, nothing charged."""

import asyncio
import uuid
from pathlib import Path

import httpx
import pytest

from starter.demo.browser import Browser
from starter.demo.people import GOOD_CARD, until
from tests.journeys.conftest import Town


async def test_the_same_order_twice_is_one_onboarding(town: Town, tmp_path: Path) -> None:
    body, key = town.customer("2", tmp_path).order, str(uuid.uuid4())
    first, second = await town.brindley.order(body, key), await town.brindley.order(body, key)
    assert first.status_code == second.status_code == 202
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["Idempotent-Replayed"] == "true"
    view = await town.brindley.wait_until_over(first.json()["id"])
    assert view["charged_minor"] == view["quote"]["total_minor"]


async def test_ten_at_once_are_one_onboarding(town: Town, tmp_path: Path) -> None:
    body, key = town.customer("2", tmp_path).order, str(uuid.uuid4())
    answers = await asyncio.gather(*(town.brindley.order(body, key) for _ in range(10)))
    accepted = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    assert len(accepted) == 1
    # One that arrived while the first was being accepted may be told to wait; it is never a second onboarding.
    assert {answer.status_code for answer in answers} <= {202, 409}
    view = await town.brindley.wait_until_over(accepted.pop())
    assert view["charged_minor"] == view["quote"]["total_minor"]


async def test_the_same_key_with_another_body_is_refused(town: Town, tmp_path: Path) -> None:
    key = str(uuid.uuid4())
    assert (await town.brindley.order(town.customer("2", tmp_path).order, key)).status_code == 202
    other = await town.brindley.order(town.customer("2", tmp_path).order, key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_two_orders_for_the_last_number_have_one_winner(town: Town, tmp_path: Path) -> None:
    services = [{"label": "Line", "numbers": {"explicit": ["+441214960777"]}}]
    orders = [town.customer("2", tmp_path, services=services, substitutes="refuse") for _ in range(2)]
    ids = await asyncio.gather(*(town.brindley.must_order(customer.order) for customer in orders))
    ends = await asyncio.gather(*(town.brindley.wait_until_over(onboarding) for onboarding in ids))
    assert sorted((end["state"], end["outcome"]["code"]) for end in ends) == [
        ("active", None),
        ("rejected", "number_unavailable"),
    ]
    loser = next(end for end in ends if end["state"] == "rejected")
    assert (loser["charged_minor"], loser["numbers"]) == (0, [])


async def test_another_white_label_s_order_does_not_exist(town: Town, tmp_path: Path) -> None:
    onboarding = await town.brindley.must_order(town.customer("2", tmp_path).order)
    await town.brindley.wait_until_over(onboarding)
    assert (await town.northway.decide(onboarding, "cancel")).status_code == 404
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await town.northway.look(onboarding)


async def test_the_link_pressed_twice_activates_once(town: Town, tmp_path: Path) -> None:
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    async with Browser() as one, Browser() as other:
        await customer.open_link(one)
        await customer.open_link(other)
        await asyncio.gather(customer.accept_terms(one), customer.accept_terms(other))
        assert {one.status, other.status} == {200}
        # Whichever window leads to the card page is used; the other one shows where the order stands.
        paying = one if "/c/pay/" in one.url else other
        await customer.enter_card(paying, GOOD_CARD)
    view = await town.northway.wait_until_over(onboarding)
    assert (view["state"], view["charged_minor"]) == ("active", view["quote"]["total_minor"])
    events = [event["event"] for event in await town.northway.events(onboarding)]
    assert events.count("activated") == 1


@pytest.mark.parametrize(
    "change", [lambda link: link[:-1] + ("a" if link[-1] != "a" else "b"), lambda link: link + "x", lambda link: link[:-9]]
)
async def test_a_wrong_code_opens_nothing(change, town: Town, tmp_path: Path) -> None:
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    link = await town.mailbox.activation_link(customer.address)
    async with Browser() as browser:
        await browser.open(change(link))
        assert browser.status == 404
        assert customer.name not in browser.text
    await town.northway.decide(onboarding, "cancel")


async def test_a_resent_link_replaces_the_older_one(town: Town, tmp_path: Path) -> None:
    customer = town.customer("5", tmp_path)
    onboarding = await town.brindley.must_order(customer.order)
    old = await town.mailbox.activation_link(customer.address)
    too_soon = await town.brindley.decide(onboarding, "resend-activation")
    assert (too_soon.status_code, too_soon.json()["code"]) == (409, "resend_too_soon")

    async def resent() -> httpx.Response | None:
        answer = await town.brindley.decide(onboarding, "resend-activation")
        return answer if answer.status_code == 200 else None

    await until("Resending", resent, 5)
    new = await town.mailbox.activation_link(customer.address, count=2)
    assert new != old
    async with Browser() as browser:
        await browser.open(old)
        if browser.status == 200:  # the row may be behind the workflow, which decides when the button is pressed
            await customer.accept_terms(browser)
        assert browser.status == 410
        await browser.open(new)
        await customer.accept_terms(browser)
        assert browser.status == 200
    await town.brindley.decide(onboarding, "cancel")


async def test_the_link_after_expiry_says_so_and_changes_nothing(town: Town, tmp_path: Path) -> None:
    customer = town.customer("5", tmp_path)
    onboarding = await town.brindley.must_order(customer.order)
    async with Browser() as browser:
        link = await customer.open_link(browser)
        ended = await town.brindley.wait_until_over(onboarding)
        assert (ended["state"], ended["outcome"]["code"]) == ("expired", "activation_expired")
        # The page was open all the time; the button is pressed too late.
        await customer.accept_terms(browser)
        assert browser.status == 410
        await browser.open(link)
        assert browser.status == 410
    view = await town.brindley.look(onboarding)
    assert (view["state"], view["charged_minor"], view["numbers"]) == ("expired", 0, [])


async def test_approving_is_for_one_other_person_once_and_in_time(town: Town, tmp_path: Path) -> None:
    onboarding = await town.northway.must_order(town.customer("3", tmp_path).order)
    await town.northway.wait_for(onboarding, "awaiting_approval")
    own = await town.northway.decide(onboarding, "approve")
    assert (own.status_code, own.json()["code"]) == (403, "approver_is_requester")
    assert (await town.auditor.decide(onboarding, "approve")).status_code == 403
    assert (await town.approver.decide(onboarding, "approve")).status_code == 200
    again = await town.approver.decide(onboarding, "approve")
    assert again.status_code == 409
    await town.northway.decide(onboarding, "cancel")
    await town.northway.wait_until_over(onboarding)
    late = await town.approver.decide(onboarding, "approve")
    # Over for people; the run itself may still be sending the letter that says so.
    assert late.status_code == 409
    assert late.json()["code"] in {"already_finished", "not_waiting"}


async def test_a_rejected_order_says_why_and_holds_nothing(town: Town, tmp_path: Path) -> None:
    onboarding = await town.northway.must_order(town.customer("3", tmp_path).order)
    await town.northway.wait_for(onboarding, "awaiting_approval")
    assert (await town.approver.decide(onboarding, "reject", reason="No references")).status_code == 200
    view = await town.northway.wait_until_over(onboarding)
    assert (view["state"], view["outcome"]["code"], view["outcome"]["reason"]) == (
        "rejected",
        "approval_rejected",
        "No references",
    )
    assert view["numbers"] == []


async def test_three_declined_cards_end_the_order_and_nothing_is_kept(town: Town, tmp_path: Path) -> None:
    customer = town.customer("4", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    link = await town.activated(customer, onboarding, card="4000000000000341")
    for declined in (1, 2):
        await town.mailbox.letter(customer.address, "card_declined", count=declined)

        async def asked() -> bool | None:
            view = await town.northway.look(onboarding)
            return view["waits_for"] == "customer" or None

        await until("Asking for another card", asked, 20)
        async with Browser() as browser:
            await customer.enter_another_card(browser, link, "4000000000000341")
    view = await town.northway.wait_until_over(onboarding)
    assert (view["state"], view["outcome"]["code"], view["charged_minor"]) == ("declined", "card_declined", 0)
