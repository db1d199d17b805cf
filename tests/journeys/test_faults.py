"""Servers that go away in the middle: nothing is lost, nothing is done twice."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from starter.demo.browser import Browser
from starter.demo.people import GOOD_CARD
from starter.local.stack import Stack
from tests.journeys.conftest import Town


@pytest.fixture(autouse=True)
async def whole_again(stack: Stack) -> AsyncIterator[None]:
    """Whatever a test has taken away is back for the next."""
    yield
    for name in ("temporal", "inbox", "gateway", "worker", "web"):
        if name not in stack.pids():
            await asyncio.to_thread(stack.start_part, name)


async def paid_once(town: Town, onboarding: str) -> None:
    view = await town.northway.wait_until_over(onboarding, seconds=90)
    assert (view["state"], view["charged_minor"], view["refunded_minor"]) == ("active", view["quote"]["total_minor"], 0)


async def test_a_worker_that_is_killed_while_customers_wait_costs_them_nothing(
    town: Town, stack: Stack, tmp_path: Path
) -> None:
    customers = [town.customer("1", tmp_path) for _ in range(3)]
    ids = [await town.northway.must_order(customer.order) for customer in customers]
    await town.northway.wait_for(ids[0], "awaiting_activation")
    await asyncio.to_thread(stack.kill_part, "worker")
    # Orders are accepted all the same, and wait.
    late = town.customer("1", tmp_path)
    ids.append(await town.northway.must_order(late.order))
    await asyncio.to_thread(stack.start_part, "worker")
    await asyncio.gather(*(town.activated(customer, id_) for customer, id_ in zip([*customers, late], ids, strict=True)))
    for onboarding in ids:
        await paid_once(town, onboarding)


async def test_a_worker_that_is_killed_while_it_charges_charges_once(town: Town, stack: Stack, tmp_path: Path) -> None:
    """The payment is made, the answer hangs, the worker dies: after the restart it is found by its key, not repeated."""
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    await town.northway.wait_for(onboarding, "awaiting_activation")
    await town.fault("gateway", verb="authorise", kind="done_then_timeout", count=1)
    await town.activated(customer, onboarding)
    await asyncio.to_thread(stack.kill_part, "worker")
    await asyncio.to_thread(stack.start_part, "worker")
    await paid_once(town, onboarding)


async def test_without_temporal_orders_are_refused_with_a_time_to_come_back_and_nothing_is_half_started(
    town: Town, stack: Stack, tmp_path: Path
) -> None:
    waiting = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(waiting.order)
    await town.northway.wait_for(onboarding, "awaiting_activation")
    await asyncio.to_thread(stack.kill_part, "temporal")
    customer, key = town.customer("2", tmp_path), str(uuid.uuid4())
    refused = await town.brindley.order(customer.order, key)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    # What is written is read without Temporal.
    assert (await town.northway.look(onboarding))["state"] == "awaiting_activation"
    await asyncio.to_thread(stack.start_part, "temporal")

    accepted = await town.brindley.order(customer.order, key)
    assert accepted.status_code == 202
    view = await town.brindley.wait_until_over(accepted.json()["id"], seconds=60)
    assert (view["state"], view["charged_minor"]) == ("active", view["quote"]["total_minor"])
    await town.activated(waiting, onboarding)
    await paid_once(town, onboarding)


async def test_a_web_process_that_is_restarted_loses_no_session_because_it_has_none(
    town: Town, stack: Stack, tmp_path: Path
) -> None:
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    async with Browser() as browser:
        await customer.open_link(browser)
        await asyncio.to_thread(stack.kill_part, "web")
        with pytest.raises(httpx.TransportError):
            await customer.accept_terms(browser)
        await asyncio.to_thread(stack.start_part, "web")
        await customer.accept_terms(browser)
        await customer.enter_card(browser, GOOD_CARD)
    await paid_once(town, onboarding)


async def test_a_relay_that_is_down_for_a_while_delays_the_link_and_nothing_else(town: Town, tmp_path: Path) -> None:
    await town.fault("inbox", kind="down", count=2)
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    await town.activated(customer, onboarding)
    await paid_once(town, onboarding)
    links = [letter for letter in await town.mailbox.letters(customer.address) if letter["kind"] == "activation"]
    assert len(links) == 1


async def test_an_address_that_is_refused_for_good_is_held_and_goes_on_after_its_correction(town: Town, tmp_path: Path) -> None:
    await town.fault("inbox", kind="refuse", count=1)
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    held = await town.northway.wait_for(onboarding, "held")
    assert held["needs_attention"]
    customer.address = f"corrected-{customer.address}"
    assert (await town.northway.decide(onboarding, "correct", email=customer.address)).status_code == 200
    await town.activated(customer, onboarding)
    await paid_once(town, onboarding)


@pytest.mark.parametrize("kind", ["error500", "unavailable"])
async def test_a_gateway_that_fails_is_asked_again(kind: str, town: Town, tmp_path: Path) -> None:
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    await town.northway.wait_for(onboarding, "awaiting_activation")
    await town.fault("gateway", verb="authorise", kind=kind, count=1)
    await town.fault("gateway", verb="capture", kind=kind, count=1)
    await town.activated(customer, onboarding)
    await paid_once(town, onboarding)


async def test_everything_may_stop_and_start_again_in_the_middle(town: Town, stack: Stack, tmp_path: Path) -> None:
    customer, other = town.customer("1", tmp_path), town.customer("3", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    approving = await town.northway.must_order(other.order)
    await town.northway.wait_for(onboarding, "awaiting_activation")
    await town.northway.wait_for(approving, "awaiting_approval")
    link = await town.mailbox.activation_link(customer.address)

    await asyncio.to_thread(stack.stop)
    assert stack.pids() == {}
    await asyncio.to_thread(stack.start)

    async with Browser() as browser:
        await browser.open(link)
        await customer.accept_terms(browser)
        await customer.enter_card(browser, GOOD_CARD)
    await paid_once(town, onboarding)
    assert (await town.approver.decide(approving, "approve")).status_code == 200
    await town.activated(other, approving)
    await paid_once(town, approving)
