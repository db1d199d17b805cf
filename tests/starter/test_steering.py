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
    async with asyncio.timeout(3):
        response = await real_house.http.post(f"/v1/onboardings/{onboarding}/cancel", headers=real_house.by("admin"))
    assert (response.status_code, response.json()["code"]) == (503, "worker_unavailable")
    assert int(response.headers["Retry-After"]) >= 1
    assert "not be done twice" in response.json()["detail"]


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
