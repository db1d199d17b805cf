"""The central test: whatever happens at whatever step, what is undone is exactly the reverse of what was done."""

import asyncio
import contextlib
from dataclasses import dataclass

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

from domain.onboarding import OnboardingInput, State
from tests.builders import a_card, activation, an_onboarding, by, paid_by_parent
from tests.simulators import FORWARD, Fault, World
from tests.workflows.conftest import Handle, Office

# Newest first; money is one effect: whatever was authorised and captured under a key is released together.
BACKWARD = ("go_live", "provision", "capture", "authorise", "reserve_numbers", "open_account")
REFUSED_AS = {
    "open_account": (State.REJECTED, "name_taken"),
    "reserve_numbers": (State.REJECTED, "number_unavailable"),
    "authorise": (State.DECLINED, "card_declined"),
    "provision": (State.FAILED, "gave_up"),
    "capture": (State.REJECTED, "authorisation_expired"),
    "go_live": (State.REJECTED, "not_possible"),
}


@dataclass(frozen=True)
class Story:
    """One way through an onboarding: the parent pays at once, or the customer activates and pays by card."""

    name: str

    def onboarding(self) -> OnboardingInput:
        if self.name == "parent":
            return an_onboarding(paid_by_parent())
        schedule = an_onboarding().schedule.model_copy(update={"payment_attempts": 1})
        return an_onboarding(schedule=schedule)

    async def play(self, office: Office, handle: Handle, until: str = "active") -> None:
        """Be the customer, as far as the step that the test is about."""
        if self.name == "parent" or until in {"open_account", "reserve_numbers"}:
            return
        await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
        await office.tell(handle, "activate", activation())
        await office.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
        await office.tell(handle, "pay", a_card())


STORIES = pytest.mark.parametrize("story", [Story("parent"), Story("card")], ids=lambda story: story.name)
STEPS = pytest.mark.parametrize("step", FORWARD)


def everything_is_undone(world: World) -> None:
    """No effect is left, the undone ones were undone newest first, and no money was kept."""
    assert world.effects == []
    assert world.undone == [step for step in BACKWARD if step in world.undone]
    assert set(world.refunds) == set(world.charges)
    assert len(world.refunds) == len(set(world.refunds))


async def give_up_where_it_is_held(office: Office, handle: Handle, step: str) -> None:
    if step == "provision":
        await office.reaches(handle, State.HELD)
        await office.tell(handle, "give_up", by())


@STORIES
@STEPS
async def test_a_refused_step_ends_the_onboarding_and_undoes_the_steps_before_it(
    office: Office, story: Story, step: str
) -> None:
    office.world.faults[step] = Fault("refused")
    onboarding = story.onboarding()
    handle = await office.start(onboarding)
    await story.play(office, handle, step)
    await give_up_where_it_is_held(office, handle, step)
    outcome = await handle.result()
    assert (outcome.state, outcome.code) == REFUSED_AS[step]
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    everything_is_undone(office.world)
    assert set(office.world.undone) == set(FORWARD[: FORWARD.index(step)])
    assert office.world.state(onboarding.id) is outcome.state


@STORIES
@STEPS
@pytest.mark.parametrize("kind", ["broken", "done_then_broken"])
async def test_a_step_that_is_broken_for_good_is_undone_whether_it_was_done_or_not(
    office: Office, story: Story, step: str, kind: str
) -> None:
    office.world.faults[step] = Fault(kind)
    onboarding = story.onboarding()
    handle = await office.start(onboarding)
    await story.play(office, handle, step)
    await give_up_where_it_is_held(office, handle, step)
    if step == "provision":  # a person gave up: an answer
        assert (await handle.result()).code == "gave_up"
    else:
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        assert (await handle.describe()).status is WorkflowExecutionStatus.FAILED
    everything_is_undone(office.world)
    reached = FORWARD.index(step) + (kind == "done_then_broken")
    assert set(office.world.undone) == set(FORWARD[:reached])
    assert office.world.state(onboarding.id) is State.FAILED


@STORIES
@STEPS
async def test_a_step_that_was_done_but_reported_as_timed_out_is_not_done_again(
    office: Office, story: Story, step: str
) -> None:
    office.world.faults[step] = Fault("done_then_timeout", times=1)
    handle = await office.start(story.onboarding())
    await story.play(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    assert office.world.effects == list(FORWARD)
    assert len(office.world.charges) == 1
    assert office.world.fired[step] == 1


@STORIES
@STEPS
async def test_a_step_that_fails_for_a_while_is_tried_until_it_succeeds(office: Office, story: Story, step: str) -> None:
    office.world.faults[step] = Fault("unavailable", times=2)
    handle = await office.start(story.onboarding())
    await story.play(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    assert office.world.effects == list(FORWARD)
    assert office.world.calls[step] == 3


@STORIES
@STEPS
@pytest.mark.parametrize("way", ["update", "signal", "temporal", "both"])
async def test_a_cancel_that_meets_a_running_step_undoes_it_when_it_has_landed(
    office: Office, story: Story, step: str, way: str
) -> None:
    world = office.world
    world.faults[step] = Fault("slow", times=1)
    onboarding = story.onboarding()
    handle = await office.start(onboarding)
    await story.play(office, handle, step)
    await world.event(step).wait()
    if way in {"update", "both"}:
        # An answer to the update needs a workflow task; while local steps run, that is the one they run in.
        telling = asyncio.create_task(office.tell(handle, "cancel", by(reason="changed my mind")))
        await asyncio.sleep(0.2)
    elif way == "signal":
        telling = asyncio.create_task(handle.signal("cancel", by()))
    if way in {"temporal", "both"}:
        await handle.cancel()
    await asyncio.sleep(0.2)
    world.go_on.set()
    try:
        outcome = await handle.result()
    except WorkflowFailureError:
        assert way in {"temporal", "both"}
        assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    else:
        assert way != "temporal" or outcome.state is State.ACTIVE
    if way != "temporal":
        await asyncio.gather(telling, return_exceptions=True)
    if world.state(onboarding.id) is State.ACTIVE:
        # The last local steps run within one workflow task, and a cancel that arrives meanwhile is told of after it: the service
        # is live, completely.
        assert step == "go_live" or (story.name == "parent" and step == "capture")
        assert world.effects == list(FORWARD)
    else:
        assert world.state(onboarding.id) is State.CANCELLED
        everything_is_undone(world)


@pytest.mark.parametrize("way", ["update", "temporal"])
@pytest.mark.parametrize("step", ["reserve_numbers", "go_live"])
async def test_a_cancel_reaches_a_local_step_that_takes_long_and_what_it_did_is_undone(
    office: Office, step: str, way: str
) -> None:
    """Long is more than 8 of the 10 seconds of a workflow task: then the task is renewed, and the cancel arrives with it."""
    world, onboarding = office.world, an_onboarding(paid_by_parent())
    world.faults[step] = Fault("slow", times=1)
    handle = await office.start(onboarding)
    await world.event(step).wait()
    await (handle.cancel() if way == "temporal" else office.tell(handle, "cancel", by()))
    with contextlib.suppress(WorkflowFailureError):
        await handle.result()
    assert world.state(onboarding.id) is State.CANCELLED
    everything_is_undone(world)


@STORIES
@pytest.mark.parametrize("undo", ["close_account", "release_numbers", "release_payment", "remove_line", "withdraw"])
async def test_an_undo_that_fails_for_a_while_is_tried_until_everything_is_undone(
    office: Office, story: Story, undo: str
) -> None:
    office.world.faults["go_live"] = Fault("done_then_broken")
    office.world.faults[undo] = Fault("unavailable", times=3)
    handle = await office.start(story.onboarding())
    await story.play(office, handle, "go_live")
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    everything_is_undone(office.world)
    assert set(office.world.undone) == set(FORWARD)
    assert office.world.fired[undo] == 3
