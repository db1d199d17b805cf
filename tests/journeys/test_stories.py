"""The six customers of the first release, each from the order to the end, over HTTP and the mailbox."""

from pathlib import Path

import pytest

from starter.demo.stories import STORIES, Scene, Story
from tests.journeys.conftest import Town


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.order)
async def test_the_story_ends_as_it_should(story: Story, town: Town, tmp_path: Path) -> None:
    customer = town.customer(story.order.split("-")[0], tmp_path, keep_numbers=story.order.startswith("6"))
    operator = getattr(town, story.white_label)
    onboarding = await operator.must_order(customer.order)
    told: list[str] = []
    await story.play(Scene(onboarding, customer, operator, town.approver, told.append))
    view = await operator.wait_until_over(onboarding)

    assert (view["state"], view["outcome"]["code"]) == (story.state, story.code)
    assert view["charged_minor"] - view["refunded_minor"] == (view["quote"]["total_minor"] if story.charged else 0)
    assert bool(view["numbers"]) is story.charged
    assert told, "people did something"
    if story.charged:
        letter = await town.mailbox.letter(customer.address, "welcome")
        assert customer.name in letter["text"]


@pytest.mark.requirement("S1-09")
async def test_an_administrator_cannot_activate_for_the_customer(town: Town, tmp_path: Path) -> None:
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    await town.northway.wait_for(onboarding, "awaiting_activation")
    refused = await town.northway.decide(onboarding, "activate")
    assert (refused.status_code, refused.json()["code"]) == (409, "customer_activates")
    assert (await town.northway.look(onboarding))["state"] == "awaiting_activation"
    cancelled = await town.northway.decide(onboarding, "cancel", reason="Seen enough")
    assert cancelled.status_code == 200
    view = await town.northway.wait_until_over(onboarding)
    assert (view["state"], view["outcome"]["reason"]) == ("cancelled", "Seen enough")
    assert view["numbers"] == []
