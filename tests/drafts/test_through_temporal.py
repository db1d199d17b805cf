"""A draft becomes a customer with telephones, through the real workflow; and the reaper sees to those that are abandoned."""

import asyncio
from typing import Any

import pytest

from domain.keys import workflow_id
from tests.drafts.conftest import CUSTOMER, PAID, TENANT, Exchange, end
from tests.numbers.conftest import DRAMA


async def filled(exchange: Exchange, *numbers: str) -> str:
    draft = str((await exchange.ask("POST", "/v1/drafts", json={})).json()["id"])
    sections: dict[str, Any] = {
        "customer": CUSTOMER,
        "service": {"services": [{"label": "Front desk"}, {"label": "Back office"}]},
        "billing": PAID,
        "creation": {"terms_accepted": True},
    }
    for name, body in sections.items():
        saved = await exchange.ask("PUT", f"/v1/drafts/{draft}/sections/{name}", json=body)
        assert saved.status_code == 200, saved.text
    added = await exchange.ask("POST", f"/v1/drafts/{draft}/numbers", json={"numbers": numbers, "service": 1})
    assert added.status_code == 200, added.text
    return draft


@pytest.mark.requirement("S3-42")
async def test_a_draft_that_is_submitted_by_many_at_once_becomes_one_customer_with_its_numbers(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:6])
    draft = await filled(exchange, DRAMA[1], DRAMA[2])
    path = f"/v1/drafts/{draft}"
    promised = (await exchange.ask("GET", path)).json()["price"]
    answers = await asyncio.gather(*(exchange.ask("POST", f"{path}/submit", key=f"{at}") for at in range(6)))
    assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
    (onboarding,) = {answer.json()["onboarding_id"] for answer in answers}
    await exchange.client.get_workflow_handle(workflow_id(onboarding)).result()
    view = (await exchange.ask("GET", f"/v1/onboardings/{onboarding}")).json()
    assert (view["state"], sorted(view["numbers"]), view["quote"]) == ("active", DRAMA[1:3], promised)
    assert [await exchange.state(number) for number in DRAMA[:4]] == ["available", "assigned", "assigned", "available"]
    listed = (await exchange.ask("GET", "/v1/onboardings")).json()["items"]
    assert [item["id"] for item in listed] == [onboarding]
    late = await exchange.ask("POST", f"{path}/submit", key="late")
    assert (late.status_code, late.json()["onboarding_id"]) == (202, onboarding)


async def test_the_reaper_ends_abandoned_drafts_and_frees_what_they_hold(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:6])
    abandoned, young = await filled(exchange, DRAMA[1]), await filled(exchange, DRAMA[2])
    assert (await exchange.reap())["drafts"] == 0
    await end(exchange.database, abandoned)
    assert (await exchange.reap())["drafts"] == 1
    assert [await exchange.state(number) for number in DRAMA[1:3]] == ["available", "held"]
    states = [(await exchange.ask("GET", f"/v1/drafts/{draft}")).json()["state"] for draft in (abandoned, young)]
    assert states == ["expired", "open"]
