"""What fails for good but could be put right waits for an operator; letters that cannot be sent undo nothing."""

from datetime import UTC, datetime

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

from domain.catalogue import Schedule
from domain.numbers import NumberCriteria, NumberSelection
from domain.onboarding import Correction, OnboardingInput, State
from domain.orders import Service
from tests.builders import an_onboarding, by, paid_by_parent
from tests.simulators import FORWARD, Fault, World
from tests.workflows.conftest import Handle, Office
from tests.workflows.people import activate, events, pay, quiet, refusal

NEW_ADDRESS = Correction(actor="key:operator", email="new@example.com", reason="a typing mistake")


async def held(office: Office, onboarding: OnboardingInput | None = None) -> tuple[OnboardingInput, Handle]:
    onboarding = onboarding or an_onboarding(paid_by_parent())
    handle = await office.start(onboarding)
    status = await office.reaches(handle, State.HELD)
    assert status.waits_for == "operator"
    assert status.deadline is not None
    return onboarding, handle


async def attention(handle: Handle) -> object:
    pairs = (await handle.describe()).typed_search_attributes
    return {pair.key.name: pair.value for pair in pairs}.get("NeedsAttention")


async def test_a_held_onboarding_calls_an_operator_and_keeps_everything(office: Office, world: World) -> None:
    world.faults["provision"] = Fault("refused")
    onboarding, handle = await held(office)
    assert (await office.reaches(handle, State.HELD)).needs_attention == "provisioning_refused"
    assert await attention(handle) is True
    while not world.mails:
        await office.reaches(handle, State.HELD)
    assert [(mail.kind, mail.to, mail.code) for mail in world.mails] == [
        ("operator_needed", "operators", "provisioning_refused")
    ]
    row = world.rows[onboarding.id]
    assert (row.state, row.waits_for, row.needs_attention) == (State.HELD, "operator", "provisioning_refused")
    assert world.effects == ["open_account", "reserve_numbers", "authorise"]
    assert world.undone == []


async def test_an_operator_has_the_same_step_tried_again(office: Office, world: World) -> None:
    world.faults["provision"] = Fault("refused", times=1)
    onboarding, handle = await held(office)
    await office.tell(handle, "retry", by(reason="the switch has been fixed"))
    assert (await handle.result()).state is State.ACTIVE
    assert world.effects == list(FORWARD)
    assert world.calls["provision"] == 2
    assert world.calls["authorise"] == 1
    assert world.rows[onboarding.id].needs_attention is None
    assert await attention(handle) is False
    assert "the switch has been fixed" in str(world.timeline.values())


async def test_a_correction_has_the_same_step_tried_again(office: Office, world: World) -> None:
    world.faults["provision"] = Fault("refused", times=1)
    _, handle = await held(office)
    await office.tell(handle, "correct", NEW_ADDRESS)
    assert (await handle.result()).state is State.ACTIVE
    assert (world.calls["amend"], world.calls["provision"]) == (1, 2)


async def test_whoever_is_held_twice_is_told_of_twice(office: Office, world: World) -> None:
    world.faults["provision"] = Fault("refused", times=2)
    _, handle = await held(office)
    await office.tell(handle, "retry", by())
    while world.calls["provision"] < 2:
        await office.reaches(handle, State.HELD, State.PROVISIONING)
    await office.reaches(handle, State.HELD)
    assert await refusal(office, handle, "approve", by("key:approver")) == "not_waiting"
    await office.tell(handle, "retry", by())
    assert (await handle.result()).state is State.ACTIVE
    assert [mail.key.split(":")[2] for mail in world.mails if mail.kind == "operator_needed"] == ["held_1", "held_2"]


@pytest.mark.parametrize("way", ["update", "signal"])
async def test_a_held_order_can_be_cancelled(office: Office, world: World, way: str) -> None:
    world.faults["provision"] = Fault("refused")
    onboarding, handle = await held(office)
    await (office.tell(handle, "cancel", by()) if way == "update" else handle.signal("cancel", by()))
    assert (await handle.result()).state is State.CANCELLED
    assert world.effects == []
    assert world.rows[onboarding.id].needs_attention is None
    assert await attention(handle) is False


async def test_only_the_service_that_failed_is_provisioned_again(office: Office, world: World) -> None:
    one_number = NumberSelection(criteria=NumberCriteria(prefix="+44121"))
    order = paid_by_parent(services=tuple(Service(label=f"Line {n}", numbers=one_number) for n in range(3)))
    world.faults["provision1"] = Fault("refused", times=1)
    _, handle = await held(office, an_onboarding(order))
    assert {"provision", "provision2"} <= set(world.effects)
    assert "provision1" not in world.effects
    await office.tell(handle, "retry", by())
    assert (await handle.result()).state is State.ACTIVE
    assert [world.calls[name] for name in ("provision", "provision1", "provision2")] == [1, 2, 1]
    assert set(world.effects) == {*FORWARD, "provision1", "provision2"}


async def test_services_are_provisioned_at_once_and_all_are_removed_when_it_is_given_up(office: Office, world: World) -> None:
    order = paid_by_parent(services=tuple(Service(label=f"Line {n}") for n in range(3)))
    names = ["provision", "provision1", "provision2"]
    world.faults |= {name: Fault("slow", times=1) for name in names[:2]} | {"provision2": Fault("done_then_broken")}
    handle = await office.start(an_onboarding(order))
    for name in names:
        await world.event(name).wait()
    world.go_on.set()
    await office.reaches(handle, State.HELD)
    assert set(names) <= set(world.effects), "the one that broke was done nevertheless"
    await office.tell(handle, "give_up", by())
    outcome = await handle.result()
    assert (outcome.state, outcome.code) == (State.FAILED, "gave_up")
    assert world.effects == []
    assert [name for name in world.undone if name in names] == names[::-1]


# Our own database


async def test_undoing_goes_on_while_our_database_is_out_of_order(office: Office, world: World) -> None:
    world.faults["provision"] = Fault("refused")
    onboarding, handle = await held(office)
    await quiet(handle)
    world.faults["record"] = Fault("unavailable", times=7)
    await office.tell(handle, "give_up", by())
    assert (await handle.result()).state is State.FAILED
    assert world.effects == []
    assert world.fired["record"] == 7
    assert world.state(onboarding.id) is State.FAILED
    assert "undone" in world.events
    scheduled = [event.activity_task_scheduled_event_attributes for event in (await handle.fetch_history()).events]
    assert "record_progress" in {each.activity_type.name for each in scheduled}, "a long outage costs no history"


async def test_records_that_are_broken_for_good_keep_nothing_from_being_undone(office: Office, world: World) -> None:
    world.faults["provision"] = Fault("refused")
    _, handle = await held(office)
    await quiet(handle)
    world.faults["record"] = Fault("broken")
    await office.tell(handle, "give_up", by())
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert (await handle.describe()).status is WorkflowExecutionStatus.FAILED
    assert world.effects == []


# Letters


async def test_an_address_that_does_not_work_is_corrected_and_the_onboarding_goes_on(office: Office, world: World) -> None:
    world.faults["send_mail"] = Fault("refused", times=1)
    onboarding, handle = await held(office, an_onboarding())
    status = await office.reaches(handle, State.HELD)
    assert status.needs_attention == "recipient_refused"
    await office.tell(handle, "correct", NEW_ADDRESS)
    after = await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    assert after.needs_attention is None
    assert after.generation == 2, "a link that may lie in a stranger's mailbox is dead"
    await activate(office, handle, generation=2)
    await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    assert world.calls["amend"] == 1
    assert world.rows[onboarding.id].state is State.ACTIVE


async def test_a_relay_that_was_put_right_is_tried_again(office: Office, world: World) -> None:
    world.faults["send_mail"] = Fault("refused", times=1)
    before = an_onboarding()
    _, handle = await held(office, before)
    await office.tell(handle, "retry", by())
    await activate(office, handle, generation=2)
    await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE


async def test_a_customer_whose_link_went_nowhere_has_all_the_time_from_the_link_that_works(
    office: Office, world: World
) -> None:
    onboarding = an_onboarding()
    handle = await office.start(onboarding)
    deadline = (await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")).deadline
    await quiet(handle)
    world.faults["send_mail"] = Fault("refused", times=1)
    await office.tell(handle, "correct", NEW_ADDRESS)
    held_at = datetime.now(UTC)
    await office.reaches(handle, State.HELD)
    await office.tell(handle, "retry", by())
    later = (await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")).deadline
    while later == deadline:
        later = (await office.reaches(handle, State.AWAITING_ACTIVATION)).deadline
    assert later is not None
    assert later - held_at >= onboarding.schedule.activation_window
    await activate(office, handle, generation=3)
    await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE


async def test_a_correction_does_not_wait_for_a_relay_that_does_not_answer(office: Office, world: World) -> None:
    world.faults["send_mail"] = Fault("unavailable")
    handle = await office.start(an_onboarding())
    await world.event("send_mail").wait()
    await office.reaches(handle, State.AWAITING_ACTIVATION)
    await office.tell(handle, "correct", NEW_ADDRESS)
    while not world.calls["amend"]:
        await office.reaches(handle, State.AWAITING_ACTIVATION)
    assert world.mails == []
    del world.faults["send_mail"]
    while not world.mails:
        await office.reaches(handle, State.AWAITING_ACTIVATION)
    assert [mail.generation for mail in world.mails if mail.kind == "activation"] == [2]
    await activate(office, handle, generation=2)
    await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE


@pytest.mark.parametrize("kind", ["refused", "broken"])
async def test_a_welcome_that_cannot_be_sent_undoes_nothing(office: Office, world: World, kind: str) -> None:
    world.faults["send_mail"] = Fault(kind)
    onboarding = an_onboarding(paid_by_parent())
    handle = await office.start(onboarding)
    assert (await handle.result()).state is State.ACTIVE
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert (world.effects, world.undone) == (list(FORWARD), [])
    failed = next(entry for entry in world.timeline.values() if entry.event == "mail_failed")
    assert failed.detail == {"mail": "welcome", "code": "recipient_refused" if kind == "refused" else "broken_for_good"}
    assert world.rows[onboarding.id].state is State.ACTIVE


async def test_letters_to_operators_that_cannot_be_sent_stop_nothing(office: Office, world: World) -> None:
    world.faults |= {"send_mail": Fault("refused"), "provision": Fault("refused", times=1)}
    onboarding = an_onboarding(paid_by_parent(), approval_reasons=("total",))
    handle = await office.start(onboarding)
    await office.reaches(handle, State.AWAITING_APPROVAL)
    await office.tell(handle, "approve", by("key:approver"))
    await office.reaches(handle, State.HELD)
    await office.tell(handle, "retry", by())
    assert (await handle.result()).state is State.ACTIVE
    told = [entry.detail["mail"] for entry in world.timeline.values() if entry.event == "mail_failed"]
    assert sorted(told) == ["approval_needed", "operator_needed", "welcome"]


async def test_a_letter_of_the_end_that_cannot_be_sent_changes_no_end(office: Office, world: World) -> None:
    world.faults["authorise"] = Fault("refused")
    handle = await office.start(an_onboarding(schedule=Schedule(payment_attempts=1)))
    await activate(office, handle)
    await office.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
    world.faults["send_mail"] = Fault("refused")
    await pay(office, handle)
    outcome = await handle.result()
    assert (outcome.state, outcome.code) == (State.DECLINED, "card_declined")
    assert world.effects == []
    assert "mail_failed" in world.events


async def test_an_authorisation_that_lapsed_while_it_was_held_is_made_anew_on_the_same_card(
    office: Office, world: World
) -> None:
    world.faults["provision"] = Fault("refused", times=1)
    handle = await office.start(an_onboarding())
    await activate(office, handle)
    await pay(office, handle)
    await office.reaches(handle, State.HELD)
    world.faults["capture"] = Fault("lapsed", times=1)
    await office.tell(handle, "retry", by())
    assert (await handle.result()).state is State.ACTIVE
    assert sorted(world.effects) == sorted(FORWARD)
    assert world.calls["authorise"] == 2
    assert len(set(world.payments)) == 2, "a new authorisation has a key of its own"
    assert len(world.charges) == 1
    assert world.events.index("authorisation_lapsed") < world.events.index("payment_captured")


async def test_a_card_that_says_no_when_it_is_asked_anew_ends_declined_and_nothing_is_kept(
    office: Office, world: World
) -> None:
    world.faults["provision"] = Fault("refused", times=1)
    handle = await office.start(an_onboarding())
    await activate(office, handle)
    await pay(office, handle)
    await office.reaches(handle, State.HELD)
    world.faults |= {"capture": Fault("lapsed", times=1), "authorise": Fault("refused")}
    await office.tell(handle, "retry", by())
    outcome = await handle.result()
    assert (outcome.state, outcome.code) == (State.DECLINED, "card_declined")
    assert world.effects == []
    assert world.charges == []


@pytest.mark.parametrize("kind", ["unavailable", "refused"])
async def test_an_activation_does_not_wait_for_the_relay_of_the_letter_that_it_came_from(
    office: Office, world: World, kind: str
) -> None:
    """The relay took the letter, and its answer was lost: the customer presses the button before the next attempt."""
    world.faults["send_mail"] = Fault("done_then_timeout", times=1)
    handle = await office.start(an_onboarding())
    await world.event("send_mail").wait()
    await office.reaches(handle, State.AWAITING_ACTIVATION)
    world.faults["send_mail"] = Fault(kind, times=1_000)
    await activate(office, handle)
    await office.reaches(handle, State.AWAITING_PAYMENT)
    await pay(office, handle)
    world.faults.pop("send_mail")
    assert (await handle.result()).state is State.ACTIVE
    assert "held" not in world.events


async def test_nobody_who_activates_waits_for_a_letter_whose_worker_is_gone(office: Office, world: World) -> None:
    """The letter is on its way for as long as its step has time: its worker died, or its relay says nothing."""
    world.faults["send_mail"] = Fault("slow", times=1)
    handle = await office.start(an_onboarding())
    await world.event("send_mail").wait()
    await office.reaches(handle, State.AWAITING_ACTIVATION)
    await activate(office, handle)
    await office.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
    await pay(office, handle)
    await office.reaches(handle, State.ACTIVE)
    assert world.charges
    assert not {"ACTIVITY_TASK_TIMED_OUT", "ACTIVITY_TASK_CANCELED"} & set(await events(handle)), (
        "the letter is still on its way"
    )
    world.go_on.set()
    assert (await handle.result()).state is State.ACTIVE
