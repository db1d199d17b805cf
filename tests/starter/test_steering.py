"""Decisions on their way through a real Temporal server."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from domain import keys
from domain.errors import NotFound, Refused, Unavailable
from domain.onboarding import Decision, OnboardingStatus
from starter import onboardings
from starter.onboardings import Onboardings
from tests.starter.clerk import Clerk
from tests.starter.conftest import House


@pytest.fixture
async def staffed(real_house: House, temporal: Client) -> AsyncIterator[House]:
    """The web process with a worker behind it."""
    queue = f"staffed-{uuid.uuid4()}"
    office = Onboardings(temporal, real_house.reader, real_house.catalogue, queue)
    real_house.services = real_house.app.state.services = replace(real_house.services, onboardings=office)
    async with Worker(temporal, task_queue=queue, workflows=[Clerk]):
        yield real_house


async def test_a_yes_comes_back_as_the_state_after_it(staffed: House) -> None:
    onboarding = (await staffed.order()).json()["id"]
    response = await staffed.http.post(f"/v1/onboardings/{onboarding}/approve", headers=staffed.by("approver"))
    assert response.status_code == 200
    assert OnboardingStatus.model_validate(response.json()).id == onboarding


async def test_a_no_comes_back_with_the_workflows_own_code_and_leaves_no_trace(staffed: House, temporal: Client) -> None:
    onboarding = (await staffed.order()).json()["id"]
    response = await staffed.http.post(f"/v1/onboardings/{onboarding}/approve", headers=staffed.by("admin"))
    assert (response.status_code, response.json()["code"]) == (403, "approver_is_requester")
    assert response.json()["detail"] == "Ask another approver."
    history = await temporal.get_workflow_handle(keys.workflow_id(onboarding)).fetch_history()
    assert not [event for event in history.events if event.HasField("workflow_execution_update_accepted_event_attributes")]


async def test_the_workflow_itself_says_which_undos_are_stuck(staffed: House) -> None:
    onboarding = (await staffed.order()).json()["id"]
    response = await staffed.http.get(f"/v1/onboardings/{onboarding}/status", headers=staffed.by("auditor"))
    assert response.json()["stuck_undos"] == ["remove_line:0"]


async def test_after_the_end_every_decision_is_refused(staffed: House, temporal: Client) -> None:
    onboarding = (await staffed.order()).json()["id"]
    path = f"/v1/onboardings/{onboarding}/cancel"
    assert (await staffed.http.post(path, headers=staffed.by("admin"))).status_code == 200
    await temporal.get_workflow_handle(keys.workflow_id(onboarding)).result()
    response = await staffed.http.post(path, headers=staffed.by("admin"))
    assert (response.status_code, response.json()["code"]) == (409, "already_finished")


async def test_what_never_began_is_not_found(staffed: House) -> None:
    nobody = str(uuid.uuid4())
    for ask in (
        staffed.services.onboardings.steer(nobody, "cancel", Decision(actor="key:0")),
        staffed.services.onboardings.status(nobody),
        staffed.services.onboardings.view(nobody, None),
    ):
        with pytest.raises(NotFound):
            await ask


async def test_a_decision_nobody_answers_is_unavailable_within_a_few_seconds(
    real_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onboardings, "PATIENCE", 0.5)
    onboarding = (await real_house.order()).json()["id"]
    async with asyncio.timeout(20):
        response = await real_house.http.post(f"/v1/onboardings/{onboarding}/cancel", headers=real_house.by("admin"))
    assert (response.status_code, response.json()["code"]) == (503, "worker_unavailable")
    assert int(response.headers["Retry-After"]) >= 1
    assert "Look at the onboarding before you send it again" in response.json()["detail"]
    with pytest.raises(Unavailable, match="asking changes nothing"):
        await real_house.services.onboardings.status(onboarding, patience=0.5)


async def _accepted_updates(temporal: Client, onboarding: str) -> int:
    history = await temporal.get_workflow_handle(keys.workflow_id(onboarding)).fetch_history()
    return sum(event.HasField("workflow_execution_update_accepted_event_attributes") for event in history.events)


async def test_a_decision_whose_answer_was_lost_is_repeated_and_counts_once(
    real_house: House, temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = f"late-{uuid.uuid4()}"
    office = Onboardings(temporal, real_house.reader, real_house.catalogue, queue)
    real_house.services = real_house.app.state.services = replace(real_house.services, onboardings=office)
    onboarding = (await real_house.order()).json()["id"]
    path = f"/v1/onboardings/{onboarding}/approve"
    headers = real_house.by("approver", **{"Idempotency-Key": "of this decision"})
    with monkeypatch.context() as impatient:
        impatient.setattr(onboardings, "PATIENCE", 0.5)
        lost = await real_house.http.post(path, headers=headers)
    assert (lost.status_code, lost.json()["code"]) == (503, "worker_unavailable")
    assert "same Idempotency-Key" in lost.json()["detail"]
    async with Worker(temporal, task_queue=queue, workflows=[Clerk]):
        answers = [await real_house.http.post(path, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert await _accepted_updates(temporal, onboarding) == 1
        for differs in (real_house.by("approver", **{"Idempotency-Key": "of another"}), real_house.by("approver")):
            assert (await real_house.http.post(path, headers=differs)).status_code == 200
        assert await _accepted_updates(temporal, onboarding) == 3


async def test_a_repeated_decision_gets_its_first_answer_even_after_the_end(staffed: House, temporal: Client) -> None:
    onboarding = (await staffed.order()).json()["id"]
    path = f"/v1/onboardings/{onboarding}/cancel"
    first = await staffed.http.post(path, headers=staffed.by("admin", **{"Idempotency-Key": '"mine"'}))
    await temporal.get_workflow_handle(keys.workflow_id(onboarding)).result()
    again = await staffed.http.post(path, headers=staffed.by("admin", **{"Idempotency-Key": "mine"}))
    assert (again.status_code, again.json()) == (200, first.json())
    another = await staffed.http.post(path, headers=staffed.by("admin", **{"Idempotency-Key": "not mine"}))
    assert (another.status_code, another.json()["code"]) == (409, "already_finished")


async def test_without_temporal_every_question_is_unavailable(real_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onboardings, "PATIENCE", 0.5)
    nowhere = Onboardings(
        await Client.connect("127.0.0.1:1", lazy=True, data_converter=pydantic_data_converter),
        real_house.reader,
        real_house.catalogue,
        "nobody",
    )
    onboarding = str(uuid.uuid4())
    for ask in (
        nowhere.steer(onboarding, "cancel", Decision(actor="key:0")),
        nowhere.status(onboarding, patience=0.5),
        nowhere.view(onboarding, None),
    ):
        with pytest.raises(Unavailable):
            await ask


async def test_an_update_that_the_running_workflow_does_not_know_is_not_a_decision(staffed: House) -> None:
    onboarding = (await staffed.order()).json()["id"]
    with pytest.raises((Refused, Unavailable)):
        await staffed.services.onboardings.steer(onboarding, "no_such_update", Decision(actor="key:0"))
