"""Two people at the same moment: their words meet in one workflow task, and one of them is told no.

The moment is made by stopping the worker: what is said meanwhile is delivered together when one comes back.
"""

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker

from domain.onboarding import Correction, OnboardingInput, State
from tests.builders import a_card, activation, an_onboarding, by, paid_by_parent
from tests.simulators import FORWARD, Fault, World
from tests.workflows.conftest import Handle, Office
from tests.workflows.people import activate, answered, events, quiet

Start = Callable[..., Worker]
# Now and then the server looks for a worker that has left for as long as this (10 s as shipped).
SOON = {"sticky_queue_schedule_to_start_timeout": timedelta(seconds=1)}
Saying = tuple[str, Any]


@pytest.fixture
def unmanned(client: Client, world: World) -> Office:
    """An office whose worker the test starts and stops."""
    return Office(client, TimeSkipper(client), f"office-{uuid.uuid4()}", world)


async def brought_to(office: Office, start_worker: Start, state: State) -> Handle:
    """An onboarding that waits in a state, with no worker that would hear what is said to it."""
    onboarding = an_onboarding()
    if state is State.AWAITING_APPROVAL:
        onboarding = an_onboarding(paid_by_parent(), approval_reasons=("total",))
    if state is State.HELD:
        onboarding = an_onboarding(paid_by_parent())
        office.world.faults["provision"] = Fault("refused", times=1)
    async with start_worker(office.task_queue, **SOON):
        handle = await office.start(onboarding)
        if state is State.AWAITING_PAYMENT:
            await activate(office, handle)
        await office.reaches(handle, state)
        await quiet(handle)
    return handle


async def said_at_once(office: Office, start_worker: Start, handle: Handle, *sayings: Saying) -> list[str]:
    """What each is answered: ``accepted`` or the code of the refusal."""
    tellings = []
    for update, value in sayings:
        tellings.append(asyncio.create_task(office.tell(handle, update, value)))
        # The first one makes a workflow task, which waits for a worker; then it is in front of the second.
        while not (await handle.describe()).raw_description.HasField("pending_workflow_task"):
            pass
    async with start_worker(office.task_queue, **SOON):
        return [await answered(telling) for telling in tellings]


APPROVE, REJECT = ("approve", by("key:approver")), ("reject", by("key:other approver"))
ACTIVATE, CANCEL, RESEND = ("activate", activation()), ("cancel", by()), ("resend_activation", by())
CORRECT = ("correct", Correction(actor="key:operator", email="new@example.com"))
CORRECT_AGAIN = ("correct", Correction(actor="key:other operator", email="newer@example.com"))
RETRY, GIVE_UP = ("retry", by()), ("give_up", by())


@pytest.mark.parametrize(
    ("state", "first", "second", "answer"),
    [
        (State.AWAITING_APPROVAL, APPROVE, APPROVE, "already_decided"),
        (State.AWAITING_APPROVAL, APPROVE, REJECT, "already_decided"),
        (State.AWAITING_APPROVAL, REJECT, APPROVE, "already_decided"),
        (State.AWAITING_APPROVAL, REJECT, REJECT, "already_decided"),
        (State.AWAITING_APPROVAL, CANCEL, APPROVE, "not_waiting"),
        (State.AWAITING_APPROVAL, CANCEL, CANCEL, "already_ending"),
        (State.AWAITING_ACTIVATION, ACTIVATE, ACTIVATE, "already_activated"),
        (State.AWAITING_ACTIVATION, RESEND, ACTIVATE, "link_superseded"),
        (State.AWAITING_ACTIVATION, ACTIVATE, RESEND, "already_activated"),
        (State.AWAITING_ACTIVATION, CANCEL, ACTIVATE, "not_waiting"),
        (State.AWAITING_ACTIVATION, CORRECT, CORRECT_AGAIN, "correction_in_progress"),
        (State.AWAITING_PAYMENT, ("pay", a_card("cs_1")), ("pay", a_card("cs_2")), "payment_in_progress"),
        (State.AWAITING_PAYMENT, ("pay", a_card("cs_1")), ("pay", a_card("cs_1")), "card_already_presented"),
        (State.HELD, RETRY, GIVE_UP, "already_decided"),
        (State.HELD, GIVE_UP, RETRY, "already_decided"),
        (State.HELD, CORRECT, GIVE_UP, "already_decided"),
        (State.HELD, GIVE_UP, CORRECT, "already_decided"),
        (State.HELD, RETRY, CORRECT, "already_decided"),
    ],
)
async def test_of_two_who_decide_at_the_same_moment_the_first_is_heard(
    unmanned: Office, start_worker: Start, state: State, first: Saying, second: Saying, answer: str
) -> None:
    handle = await brought_to(unmanned, start_worker, state)
    assert await said_at_once(unmanned, start_worker, handle, first, second) == ["accepted", answer]
    assert (await events(handle)).count("WORKFLOW_EXECUTION_UPDATE_ACCEPTED") == 1 + (state is State.AWAITING_PAYMENT)
    await handle.terminate()


@pytest.mark.parametrize("way", ["update", "signal", "signal, cancel first", "temporal"])
async def test_an_activation_that_meets_a_cancel_charges_nobody(
    unmanned: Office, start_worker: Start, world: World, way: str
) -> None:
    handle = await brought_to(unmanned, start_worker, State.AWAITING_ACTIVATION)
    if way == "update":
        assert await said_at_once(unmanned, start_worker, handle, ACTIVATE, CANCEL) == ["accepted", "accepted"]
    else:
        sayings = [ACTIVATE, CANCEL] if way == "signal" else [CANCEL, ACTIVATE] if way.startswith("signal") else [ACTIVATE]
        for signal, value in sayings:
            await handle.signal(signal, value)
        if way == "temporal":
            await handle.cancel()
    async with start_worker(unmanned.task_queue, **SOON):
        (outcome,) = await asyncio.gather(handle.result(), return_exceptions=True)
    assert world.state(handle.id.removeprefix("onboarding/")) is State.CANCELLED, outcome
    assert (world.effects, world.charges, world.payments) == ([], [], {})
    assert ("activated" in world.events) == (way != "signal, cancel first"), "what was said is told, even if it came to nothing"


WAITS = [State.AWAITING_APPROVAL, State.AWAITING_ACTIVATION, State.AWAITING_PAYMENT, State.HELD]


def waiting_in(state: State, world: World) -> OnboardingInput:
    if state is State.HELD:
        world.faults["provision"] = Fault("refused", times=1)
        return an_onboarding(paid_by_parent())
    return an_onboarding(approval_reasons=("total",) if state is State.AWAITING_APPROVAL else ())


@pytest.mark.parametrize("state", WAITS)
@pytest.mark.parametrize("way", ["update", "signal", "temporal"])
async def test_an_order_that_waits_for_somebody_can_be_cancelled(office: Office, world: World, state: State, way: str) -> None:
    onboarding = waiting_in(state, world)
    handle = await office.start(onboarding)
    if state is State.AWAITING_PAYMENT:
        await activate(office, handle)
    await office.reaches(handle, state)
    if way == "temporal":
        await handle.cancel()
    else:
        await (office.tell(handle, "cancel", by()) if way == "update" else handle.signal("cancel", by()))
    (outcome,) = await asyncio.gather(handle.result(), return_exceptions=True)
    assert isinstance(outcome, Exception) == (way == "temporal")
    assert world.state(onboarding.id) is State.CANCELLED
    assert world.effects == []
    assert set(world.undone) <= set(FORWARD)
    customer_knows = state in {State.AWAITING_ACTIVATION, State.AWAITING_PAYMENT}
    assert ("closed" in [mail.kind for mail in world.mails]) == customer_knows
