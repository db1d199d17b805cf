"""The six customers of the demonstration: what each of them does, and how it must end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from starter.demo.browser import Browser
from starter.demo.people import DECLINED_CARD, GOOD_CARD, CustomerAtHome, Operator, UnexpectedError, until


@dataclass
class Scene:
    """One onboarding and the people around it. ``tell`` adds what a person does to the timeline that is shown."""

    onboarding: str
    customer: CustomerAtHome
    operator: Operator
    approver: Operator
    tell: Callable[[str], None]


@dataclass(frozen=True)
class Story:
    """``play`` does what people do; the rest is what must come of it. ``charged``: whether the whole price was taken."""

    order: str
    white_label: str
    play: Callable[[Scene], Awaitable[None]]
    state: str
    code: str | None
    charged: bool


async def _activate(scene: Scene, browser: Browser) -> str:
    """Open the link, see that opening it changed nothing, press the button."""
    before = await scene.operator.wait_for(scene.onboarding, "awaiting_activation")
    link = await scene.customer.open_link(browser)
    scene.tell("the customer opens the link")
    after = await scene.operator.look(scene.onboarding)
    if any(before[fact] != after[fact] for fact in ("state", "generation", "terms", "deadline")):
        raise UnexpectedError("Opening the link changed the onboarding, and only pressing the button may.")
    await scene.customer.accept_terms(browser)
    scene.tell("the customer accepts the terms")
    return link


async def _pays_with_a_good_card(scene: Scene) -> None:
    async with Browser() as browser:
        await _activate(scene, browser)
        await scene.customer.enter_card(browser, GOOD_CARD)
        scene.tell("the customer enters a card")


async def _nothing_to_do(scene: Scene) -> None:
    scene.tell("nobody has to do anything")


async def _is_approved_first(scene: Scene) -> None:
    await scene.operator.wait_for(scene.onboarding, "awaiting_approval")
    refused = await scene.operator.decide(scene.onboarding, "approve")
    if refused.status_code != httpx.codes.FORBIDDEN:
        raise UnexpectedError(f"The requester approved the order: {refused.status_code}.")
    scene.tell("the requester may not approve")
    approved = await scene.approver.decide(scene.onboarding, "approve", reason="Known customer, references seen")
    if approved.is_error:
        raise UnexpectedError(f"The approver was refused: {approved.json()['detail']}")
    scene.tell("the approver approves")
    await _pays_with_a_good_card(scene)


async def _card_is_declined_first(scene: Scene) -> None:
    async with Browser() as browser:
        link = await _activate(scene, browser)
        await scene.customer.enter_card(browser, DECLINED_CARD)
        scene.tell("the customer enters a card that the bank declines")
        await scene.customer.mailbox.letter(scene.customer.address, "card_declined")

        async def asked_again() -> dict[str, Any] | None:
            view = await scene.operator.look(scene.onboarding)
            return view if view["state"] == "awaiting_payment" and view["waits_for"] == "customer" else None

        await until("Asking for another card", asked_again, 30)
        await scene.customer.enter_another_card(browser, link, GOOD_CARD)
        scene.tell("the customer enters another card")


async def _never_presses(scene: Scene) -> None:
    await scene.customer.mailbox.activation_link(scene.customer.address)
    scene.tell("the customer does not open the letter")
    await scene.customer.mailbox.letter(scene.customer.address, "activation_reminder")
    scene.tell("the customer ignores the reminder too")


async def _operator_gives_up(scene: Scene) -> None:
    await _pays_with_a_good_card(scene)
    await scene.operator.wait_for(scene.onboarding, "held")
    given_up = await scene.operator.decide(scene.onboarding, "give-up", reason="The number is defective")
    if given_up.is_error:
        raise UnexpectedError(f"Giving up was refused: {given_up.json()['detail']}")
    scene.tell("the operator gives up")


STORIES = (
    Story("1-customer-administered", "northway", _pays_with_a_good_card, "active", None, charged=True),
    Story("2-white-label-administered", "brindley", _nothing_to_do, "active", None, charged=True),
    Story("3-over-the-approval-threshold", "northway", _is_approved_first, "active", None, charged=True),
    Story("4-declined-then-good-card", "northway", _card_is_declined_first, "active", None, charged=True),
    Story("5-never-presses-the-link", "brindley", _never_presses, "expired", "activation_expired", charged=False),
    Story("6-cannot-be-provisioned", "northway", _operator_gives_up, "failed", "gave_up", charged=False),
)
