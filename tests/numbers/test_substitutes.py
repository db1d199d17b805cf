"""A named number that somebody else got first: another of its grade is offered at the same price, and the orderer decides."""

import uuid
from typing import Any

import pytest

from domain.keys import workflow_id
from domain.numbers import Grade
from tests.numbers.conftest import DRAMA, TENANT, Exchange
from tests.starter.conftest import an_order_body

LOST, NEAR, FAR = DRAMA[5], DRAMA[7], DRAMA[405]


async def lost_to_another(exchange: Exchange, **changes: Any) -> str:
    """An order of a number that another customer was faster with; its id."""
    grades = {DRAMA[6]: Grade.STANDARD} | dict.fromkeys((LOST, NEAR, FAR), Grade.GOLD)
    await exchange.database.admin.import_numbers(TENANT.id, [LOST, DRAMA[6], NEAR, FAR], grades)
    assert (await exchange.order({"explicit": [LOST]}))["state"] == "active"
    body = an_order_body(
        administration="operator", payer="parent", terms_accepted=True, services=[{"numbers": {"explicit": [LOST]}}], **changes
    )
    body["customer"]["name"] = f"Customer {uuid.uuid4()}"
    answer = await exchange.ask("POST", "/v1/onboardings", key=str(uuid.uuid4()), json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def ended(exchange: Exchange, onboarding: str) -> dict[str, Any]:
    await exchange.client.get_workflow_handle(workflow_id(onboarding)).result()
    view: dict[str, Any] = (await exchange.ask("GET", f"/v1/onboardings/{onboarding}")).json()
    return view


async def offered(exchange: Exchange, onboarding: str) -> dict[str, Any]:
    """How it stands once it waits for the orderer."""
    while True:
        status: dict[str, Any] = (await exchange.ask("GET", f"/v1/onboardings/{onboarding}/status")).json()
        assert status.get("outcome") is None, status
        if status.get("waits_for") == "orderer":
            return status


async def answered(exchange: Exchange, onboarding: str, accept: bool, **request: Any) -> Any:
    return await exchange.ask("POST", f"/v1/onboardings/{onboarding}/substitute", json={"accept": accept}, **request)


async def events(exchange: Exchange, onboarding: str) -> list[str]:
    items = (await exchange.ask("GET", f"/v1/onboardings/{onboarding}/events")).json()["items"]
    return [item["event"] for item in items]


async def test_an_accepted_substitute_costs_what_the_lost_number_would_have(exchange: Exchange) -> None:
    onboarding = await lost_to_another(exchange)
    status = await offered(exchange, onboarding)
    assert (status["state"], status["substitutes"]) == ("reserving", [{"lost": LOST, "given": NEAR}])
    assert status["needs_attention"] == "substitute_offered"
    # Held while it is thought about: nobody else can have it.
    assert await exchange.state(NEAR) == "held"
    assert (await answered(exchange, onboarding, True, by="auditor")).status_code == 403
    assert (await answered(exchange, onboarding, True, by="other")).status_code == 404
    assert (await answered(exchange, onboarding, True, key="yes")).status_code == 200
    view = await ended(exchange, onboarding)
    assert (view["state"], view["numbers"], view["needs_attention"]) == ("active", [NEAR], None)
    prices = {line["kind"]: line["total_minor"] for line in view["quote"]["lines"]}
    assert (prices["number_grade"], view["charged_minor"]) == (9_900, view["quote"]["total_minor"])
    assert len(await exchange.rings(NEAR)) == 2
    assert {"substitutes_offered", "substitutes_accepted"} <= set(await events(exchange, onboarding))
    again = await answered(exchange, onboarding, True)
    assert (again.status_code, again.json()["code"]) == (409, "already_finished")


async def test_a_declined_substitute_ends_the_order_and_is_free_again(exchange: Exchange) -> None:
    onboarding = await lost_to_another(exchange)
    await offered(exchange, onboarding)
    assert (await answered(exchange, onboarding, False)).status_code == 200
    view = await ended(exchange, onboarding)
    assert (view["state"], view["outcome"]["code"]) == ("rejected", "substitute_declined")
    assert (view["charged_minor"], await exchange.state(NEAR), await exchange.state(LOST)) == (0, "available", "assigned")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_an_order_that_accepts_substitutes_is_not_asked(exchange: Exchange) -> None:
    view = await ended(exchange, await lost_to_another(exchange, substitutes="accept"))
    assert (view["state"], view["numbers"]) == ("active", [NEAR])
    assert "substitutes_taken" in await events(exchange, view["id"])


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_an_order_that_refuses_substitutes_ends_at_once(exchange: Exchange) -> None:
    view = await ended(exchange, await lost_to_another(exchange, substitutes="refuse"))
    assert (view["state"], view["outcome"]["code"], await exchange.state(NEAR)) == (
        "rejected", "number_unavailable", "available"
    )  # fmt: skip


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_without_a_number_of_the_same_grade_nothing_is_offered(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[5:8], {LOST: Grade.PLATINUM})
    assert (await exchange.order({"explicit": [LOST]}))["state"] == "active"
    view = await exchange.order({"explicit": [LOST]})
    assert (view["state"], view["outcome"]["code"]) == ("rejected", "number_unavailable")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_an_order_that_waits_for_an_answer_can_be_cancelled(exchange: Exchange) -> None:
    onboarding = await lost_to_another(exchange)
    await offered(exchange, onboarding)
    assert (await exchange.ask("POST", f"/v1/onboardings/{onboarding}/cancel")).status_code == 200
    assert ((await ended(exchange, onboarding))["state"], await exchange.state(NEAR)) == ("cancelled", "available")
