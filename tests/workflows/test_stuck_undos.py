"""An undo that cannot be done is shown to a person, stays open, and does not keep the others from being done."""

from datetime import timedelta

from domain.catalogue import Schedule
from domain.onboarding import OnboardingInput, State, UndoResolution
from tests.builders import an_onboarding, by, paid_by_parent
from tests.simulators import Fault, World
from tests.workflows.conftest import Handle, Office


def impatient() -> OnboardingInput:
    return an_onboarding(paid_by_parent(), schedule=Schedule(undo_attention_after=timedelta(seconds=1)))


async def stuck_at(office: Office, handle: Handle, undo: str) -> None:
    while undo not in (await office.reaches(handle, State.COMPENSATING, State.PROVISIONING, State.HELD)).stuck_undos:
        pass


async def begin_with_a_stuck(office: Office, undo: str, kind: str) -> tuple[OnboardingInput, Handle]:
    office.world.faults |= {"go_live": Fault("refused"), undo: Fault(kind)}
    onboarding = impatient()
    handle = await office.start(onboarding)
    await stuck_at(office, handle, f"{undo}:0" if undo == "remove_line" else undo)
    return onboarding, handle


async def test_a_stuck_undo_calls_a_person_and_the_run_stays_open(office: Office) -> None:
    onboarding, handle = await begin_with_a_stuck(office, "close_account", "unavailable")
    status = await office.reaches(handle, State.COMPENSATING)
    assert status.needs_attention == "undo_stuck:close_account"
    while not any(mail.code == "undo_stuck" for mail in office.world.mails):
        await office.reaches(handle, State.COMPENSATING)
    assert office.world.rows[onboarding.id].needs_attention == "undo_stuck:close_account"
    attributes = (await handle.describe()).typed_search_attributes
    assert {pair.key.name: pair.value for pair in attributes}["NeedsAttention"] is True
    await office.tell(
        handle, "resolve_undo", UndoResolution(actor="key:op", undo="close_account", resolved=True, reason="done by hand")
    )
    outcome = await handle.result()
    assert outcome.state is State.REJECTED
    assert office.world.rows[onboarding.id].needs_attention is None
    assert "undo_resolved" in office.world.events


async def test_the_others_are_undone_while_one_is_stuck(office: Office) -> None:
    _, handle = await begin_with_a_stuck(office, "release_numbers", "broken")
    while "open_account" in office.world.effects:
        await office.reaches(handle, State.COMPENSATING)
    assert office.world.effects == ["reserve_numbers"]
    del office.world.faults["release_numbers"]
    await office.tell(
        handle, "resolve_undo", UndoResolution(actor="key:op", undo="release_numbers", resolved=False, reason="try again")
    )
    await handle.result()
    assert office.world.effects == []


async def test_a_number_is_not_released_while_the_line_that_it_rings_cannot_be_removed(office: Office) -> None:
    _, handle = await begin_with_a_stuck(office, "remove_line", "broken")
    while "authorise" in office.world.effects:
        await office.reaches(handle, State.COMPENSATING)
    assert "reserve_numbers" in office.world.effects
    assert office.world.calls["release_numbers"] == 0
    del office.world.faults["remove_line"]
    await office.tell(
        handle, "resolve_undo", UndoResolution(actor="key:op", undo="remove_line:0", resolved=False, reason="switch is back")
    )
    await handle.result()
    assert office.world.effects == []
    assert office.world.undone.index("provision") < office.world.undone.index("reserve_numbers")


async def test_a_stuck_undo_that_recovers_by_itself_needs_nobody_any_more(office: Office, world: World) -> None:
    world.faults |= {"go_live": Fault("refused"), "release_payment": Fault("unavailable", times=4)}
    onboarding = impatient()
    handle = await office.start(onboarding)
    await stuck_at(office, handle, "release_payment:1")
    assert (await handle.result()).state is State.REJECTED
    assert world.effects == []
    assert world.rows[onboarding.id].needs_attention is None


async def test_a_second_cancel_does_not_disturb_the_undoing(office: Office, world: World) -> None:
    world.faults |= {"authorise": Fault("refused"), "release_numbers": Fault("slow", times=1)}
    onboarding = an_onboarding(paid_by_parent())
    handle = await office.start(onboarding)
    await world.event("release_numbers").wait()
    await handle.cancel()
    await handle.signal("cancel", by())
    world.go_on.set()
    outcome = await handle.result()
    assert outcome.state is State.DECLINED
    assert world.effects == []
    assert world.undone == ["reserve_numbers", "open_account"]
