"""Every step and every undo: done twice is done once, no is no, and silence is asked again."""

import copy
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from tests.activities.conftest import Desk
from tests.activities.values import VALUES
from tests.simulators import REFUSALS, Fault, World

# A step, what must be so before it, what it leaves in force, what undoes it, and the world's name of the effect and the undo.
STEPS: list[tuple[str, list[str], list[str], str, str, str]] = [
    ("open_account", [], ["open_account"], "close_account", "open_account", "close_account"),
    ("reserve_numbers", [], ["reserve_numbers"], "release_numbers", "reserve_numbers", "release_numbers"),
    ("hold_on_ledger", [], ["authorise"], "release_on_ledger", "authorise", "release_payment"),
    ("take_from_ledger", ["hold_on_ledger"], ["authorise", "capture"], "release_on_ledger", "capture", "release_payment"),
    ("authorise_payment", [], ["authorise"], "release_payment", "authorise", "release_payment"),
    ("capture_payment", ["authorise_payment"], ["authorise", "capture"], "release_payment", "capture", "release_payment"),
    ("provision_line", [], ["provision"], "remove_line", "provision", "remove_line"),
    ("go_live", [], ["go_live"], "withdraw", "go_live", "withdraw"),
]
EACH = pytest.mark.parametrize(
    ("step", "before", "effects", "undo", "effect", "undone_by"), STEPS, ids=[entry[0] for entry in STEPS]
)


def ledgers(world: World) -> Any:
    """Everything that the world holds, without how often it was asked."""
    return copy.deepcopy(
        (world.effects, world.undone, world.payments, world.charges, world.refunds, world.rows, world.timeline, world.mails)
    )


def test_no_activity_is_left_out(desk: Desk) -> None:
    undone = {entry[3] for entry in STEPS}
    others = {"register_onboarding", "record_progress", "amend_onboarding", "send_mail"}
    # What changes the right to call later has no undo; tests/workflows/test_calling.py plays it.
    calling = {"change_calling", "allow_calling", "confirm_calling"}
    assert set(desk.methods) - calling == set(VALUES) == {entry[0] for entry in STEPS} | undone | others


@EACH
async def test_a_step_done_twice_is_done_once_and_answers_the_same(
    desk: Desk, step: str, before: list[str], effects: list[str], undo: str, effect: str, undone_by: str
) -> None:
    for earlier in before:
        await desk.do(earlier, VALUES[earlier])
    first = await desk.do(step, VALUES[step])
    once = ledgers(desk.world)
    assert await desk.do(step, VALUES[step]) == first
    assert ledgers(desk.world) == once
    assert desk.world.effects == effects


@EACH
async def test_an_undo_done_twice_is_done_once(
    desk: Desk, step: str, before: list[str], effects: list[str], undo: str, effect: str, undone_by: str
) -> None:
    for earlier in [*before, step]:
        await desk.do(earlier, VALUES[earlier])
    await desk.do(undo, VALUES[undo])
    once = ledgers(desk.world)
    await desk.do(undo, VALUES[undo])
    assert ledgers(desk.world) == once
    assert desk.world.effects == []
    assert sorted(desk.world.undone) == sorted(effects)
    assert desk.world.charges == desk.world.refunds


@EACH
async def test_undoing_what_was_never_done_is_a_success_that_closes_the_key(
    desk: Desk, step: str, before: list[str], effects: list[str], undo: str, effect: str, undone_by: str
) -> None:
    await desk.do(undo, VALUES[undo])
    assert desk.world.effects == desk.world.undone == []
    with pytest.raises(ApplicationError, match="before it arrived") as refused:
        await desk.do(before[0] if before else step, VALUES[before[0] if before else step])
    assert (refused.value.type, refused.value.non_retryable) == ("key_closed", True)
    assert desk.world.effects == []


@EACH
async def test_a_no_is_final_and_wakes_nobody(
    desk: Desk, step: str, before: list[str], effects: list[str], undo: str, effect: str, undone_by: str
) -> None:
    for earlier in before:
        await desk.do(earlier, VALUES[earlier])
    desk.world.faults[effect] = Fault("refused")
    with pytest.raises(ApplicationError) as refused:
        await desk.do(step, VALUES[step])
    failure, answer = refused.value, REFUSALS[effect]
    assert (failure.type, failure.message) == (answer.code, answer.message)
    assert failure.non_retryable
    assert failure.category is ApplicationErrorCategory.BENIGN
    assert failure.next_retry_delay is None
    assert effect not in desk.world.effects


@EACH
@pytest.mark.parametrize("which", ["step", "undo"])
async def test_silence_is_asked_again_after_the_time_that_was_named(
    desk: Desk, which: str, step: str, before: list[str], effects: list[str], undo: str, effect: str, undone_by: str
) -> None:
    for earlier in [*before, *([step] if which == "undo" else [])]:
        await desk.do(earlier, VALUES[earlier])
    verb, fault = (step, effect) if which == "step" else (undo, undone_by)
    desk.world.faults[fault] = Fault("unavailable", times=1)
    with pytest.raises(ApplicationError) as silent:
        await desk.do(verb, VALUES[verb])
    assert (silent.value.type, silent.value.non_retryable) == ("unavailable", False)
    assert silent.value.category is ApplicationErrorCategory.UNSPECIFIED
    assert silent.value.next_retry_delay == timedelta(milliseconds=50)
    await desk.do(verb, VALUES[verb])
    assert desk.world.effects == (effects if which == "step" else [])


async def test_progress_is_written_once_however_often_it_is_told(desk: Desk) -> None:
    for _ in range(2):
        await desk.do("register_onboarding", VALUES["register_onboarding"])
        await desk.do("record_progress", VALUES["record_progress"])
        await desk.do("amend_onboarding", VALUES["amend_onboarding"])
    assert desk.world.events == ["something_happened"]
    assert desk.world.effects == [], "registering an onboarding opens no account"
