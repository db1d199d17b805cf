"""What people do to a running onboarding, for the tests of it."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain.keys import workflow_id
from domain.onboarding import OnboardingInput, OnboardingStatus, State
from tests.builders import a_card, activation, by
from tests.workflows.conftest import Handle, Office
from workflows.onboarding import OnboardingWorkflow


async def begin(office: Office, onboarding: OnboardingInput, *, skipping: bool = False) -> Handle:
    """Start one whose clock may be moved by weeks: by itself (``skipping``) or by ``office.skipper.fast_forward``."""
    if skipping:
        return await office.start(onboarding, skipping=True)
    with office.skipper.with_time_skipping_disabled():
        return await office.skipper.client.start_workflow(
            OnboardingWorkflow.run,
            onboarding,
            id=workflow_id(onboarding.id),
            task_queue=office.task_queue,
            execution_timeout=timedelta(days=400),
        )


async def activate(office: Office, handle: Handle, generation: int = 1) -> None:
    """Press the button behind the link."""
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    await office.tell(handle, "activate", activation(generation))


async def pay(office: Office, handle: Handle, session: str = "cs_1") -> None:
    """Enter a card on the gateway's page."""
    await office.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
    await office.tell(handle, "pay", a_card(session, f"pm_{session}"))


async def resend(office: Office, handle: Handle) -> OnboardingStatus:
    """Send a new link, as soon as the process knows that the last one has gone."""
    while True:
        telling = asyncio.ensure_future(office.tell(handle, "resend_activation", by(reason="lost it")))
        answer = await answered(telling)
        if answer == "accepted":
            return telling.result()
        assert answer == "resend_too_soon"


async def quiet(handle: Handle) -> int:
    """The length of its history, once it does not grow any more."""
    length, before = len(await events(handle)), 0
    while length != before:
        await asyncio.sleep(0.2)
        length, before = len(await events(handle)), length
    return length


async def refusal(office: Office, handle: Handle, update: str, value: Any) -> str:
    """The code with which an update is refused. Fails if it is taken, or leaves a trace in the history."""
    before = await events(handle)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await office.tell(handle, update, value)
    cause = refused.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.non_retryable
    assert cause.message.endswith((".", "?")), cause.message
    assert "UPDATE" not in " ".join((await events(handle))[len(before) :])
    return str(cause.type)


async def events(handle: Handle) -> list[str]:
    """The names of the events of its history, in order."""
    return [name_of(event.event_type) for event in (await handle.fetch_history()).events]


def name_of(event_type: "EventType.ValueType") -> str:
    return EventType.Name(event_type).removeprefix("EVENT_TYPE_")


def when(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime()


async def letters(handle: Handle) -> list[tuple[str, datetime]]:
    """Which letters the process had sent, and when by its own clock, which time skipping moves."""
    found = []
    for event in (await handle.fetch_history()).events:
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == "send_mail":
            key = json.loads(scheduled.input.payloads[0].data)["key"]
            found.append((str(key.split(":")[2]), when(event.event_time)))
    return found


async def names_of_letters(handle: Handle) -> list[str]:
    return [name for name, _ in await letters(handle)]


async def answered(task: "asyncio.Future[Any]") -> str:
    """``accepted``, or the code with which an update that was sent earlier is refused."""
    await asyncio.wait([task])
    error = task.exception()
    if error is None:
        return "accepted"
    assert isinstance(error, WorkflowUpdateFailedError)
    assert isinstance(error.cause, ApplicationError)
    return str(error.cause.type)
