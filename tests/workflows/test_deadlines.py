"""Waiting for weeks, on the real server with its clock moved: who is reminded when, and how waiting ends by itself."""

from datetime import datetime, timedelta

import pytest

from domain.catalogue import Schedule
from domain.numbers import NumberSelection
from domain.onboarding import OnboardingInput, Outcome, State, UndoResolution
from domain.orders import Service
from tests.builders import an_onboarding, by, paid_by_parent
from tests.simulators import Fault, World
from tests.workflows.conftest import Handle, Office
from tests.workflows.people import activate, begin, letters, name_of, names_of_letters, pay, quiet, refusal, resend, when

DAYS = [timedelta(days=count) for count in range(15)]
SHORT = Schedule(
    approval_window=DAYS[4],
    approval_reminders=(DAYS[1], DAYS[3]),
    activation_window=DAYS[4],
    activation_reminders=(DAYS[1], DAYS[3]),
    payment_window=DAYS[4],
    payment_reminders=(DAYS[1], DAYS[3]),
    held_window=DAYS[2],
    payment_attempts=1,
)


async def ended_by_itself(office: Office, onboarding: OnboardingInput) -> tuple[Outcome, Handle]:
    handle = await begin(office, onboarding, skipping=True)
    return await handle.result(), handle


async def fired(handle: Handle) -> list[datetime]:
    """When its timers fired, by its own clock."""
    found = (await handle.fetch_history()).events
    return [when(event.event_time) for event in found if name_of(event.event_type) == "TIMER_FIRED"]


def days_after(began: datetime, times: list[datetime]) -> list[float]:
    return [round((time - began) / timedelta(days=1), 3) for time in times]


async def test_a_link_that_nobody_uses_is_reminded_of_on_time_and_expires_once(office: Office, world: World) -> None:
    onboarding = an_onboarding(schedule=SHORT)
    outcome, handle = await ended_by_itself(office, onboarding)
    assert (outcome.state, outcome.code) == (State.EXPIRED, "activation_expired")
    sent = await letters(handle)
    began = sent[0][1]
    assert [name for name, _ in sent] == ["activation", "activation_reminder_1", "activation_reminder_2", "closed"]
    assert days_after(began, [at for _, at in sent]) == [0, 1, 3, 4]
    assert days_after(began, await fired(handle)) == [1, 3, 4]
    assert world.events.count("expired") == 1
    assert world.effects == []
    assert world.undone == ["reserve_numbers", "open_account"]
    assert len(world.mails) == len(sent)


async def test_an_approver_who_never_comes_is_reminded_on_time_and_the_order_expires(office: Office, world: World) -> None:
    outcome, handle = await ended_by_itself(
        office, an_onboarding(paid_by_parent(), schedule=SHORT, approval_reasons=("total",))
    )
    assert (outcome.state, outcome.code) == (State.EXPIRED, "approval_expired")
    sent = await letters(handle)
    assert [name for name, _ in sent] == ["approval_needed", "approval_reminder_1", "approval_reminder_2"]
    assert days_after(sent[0][1], [at for _, at in sent]) == [0, 1, 3]
    assert all(mail.to == "operators" for mail in world.mails), "the customer has heard nothing of it yet"
    assert world.effects == []


async def test_a_substitute_that_nobody_answers_for_is_reminded_of_and_the_order_expires(office: Office, world: World) -> None:
    world.lost = {"+441214960123"}
    service = Service(numbers=NumberSelection(explicit=("+441214960123",)))
    order = paid_by_parent(services=(service,), substitutes="offer")
    outcome, handle = await ended_by_itself(office, an_onboarding(order, schedule=SHORT))
    assert (outcome.state, outcome.code) == (State.EXPIRED, "substitute_expired")
    sent = await letters(handle)
    assert [name for name, _ in sent] == ["substitute_offered", "substitute_reminder_1", "substitute_reminder_2"]
    assert days_after(sent[0][1], [at for _, at in sent]) == [0, 1, 3]
    assert {(mail.to, mail.code) for mail in world.mails} == {("operators", "substitute_offered")}
    assert (world.effects, world.undone) == ([], ["reserve_numbers", "open_account"])


async def test_a_customer_who_activates_but_never_pays_is_reminded_and_the_order_expires(office: Office, world: World) -> None:
    handle = await begin(office, an_onboarding(schedule=SHORT))
    await activate(office, handle)
    await office.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
    await office.skipper.fast_forward(handle, None)
    outcome = await handle.result()
    assert (outcome.state, outcome.code) == (State.EXPIRED, "payment_expired")
    sent = await letters(handle)
    assert [name for name, _ in sent] == ["activation", "card_reminder_1_1", "card_reminder_1_2", "closed"]
    assert days_after(sent[0][1], [at for _, at in sent]) == [0, 1, 3, 4]
    assert world.effects == []


async def test_nobody_is_reminded_of_what_they_have_done(office: Office, world: World) -> None:
    handle = await begin(office, an_onboarding(schedule=SHORT))
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    await office.skipper.fast_forward(handle, DAYS[2])
    assert await names_of_letters(handle) == ["activation", "activation_reminder_1"]
    await activate(office, handle)
    await office.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
    await office.skipper.fast_forward(handle, DAYS[2])
    assert await names_of_letters(handle) == ["activation", "activation_reminder_1", "card_reminder_1_1"]
    await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    assert (await names_of_letters(handle))[3:] == ["welcome"]


async def test_a_new_link_moves_neither_the_deadline_nor_the_reminders(office: Office) -> None:
    handle = await begin(office, an_onboarding(schedule=SHORT))
    before = await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    await office.skipper.fast_forward(handle, DAYS[2])
    after = await resend(office, handle)
    assert after.deadline == before.deadline
    await office.skipper.fast_forward(handle, None)
    outcome = await handle.result()
    assert outcome.code == "activation_expired"
    sent = await letters(handle)
    assert [name for name, _ in sent] == [
        "activation",
        "activation_reminder_1",
        "activation",
        "activation_reminder_2",
        "closed",
    ]
    assert days_after(sent[0][1], [at for _, at in sent]) == [0, 1, 2, 3, 4]


async def test_a_link_may_be_sent_again_once_the_pause_is_over(office: Office) -> None:
    handle = await begin(office, an_onboarding(schedule=SHORT.model_copy(update={"resend_cooldown": timedelta(hours=1)})))
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    await quiet(handle)
    await office.skipper.fast_forward(handle, timedelta(minutes=59))
    assert await refusal(office, handle, "resend_activation", by()) == "resend_too_soon"
    await office.skipper.fast_forward(handle, timedelta(minutes=2))
    assert (await office.tell(handle, "resend_activation", by())).generation == 2


async def test_an_onboarding_that_nobody_looks_after_is_not_held_for_ever(office: Office, world: World) -> None:
    world.faults["provision"] = Fault("refused")
    outcome, handle = await ended_by_itself(office, an_onboarding(paid_by_parent(), schedule=SHORT))
    assert (outcome.state, outcome.code) == (State.FAILED, "held_too_long")
    sent = await letters(handle)
    assert [name for name, _ in sent] == ["held_1", "held_1_reminder_1"], "the customer never heard of it, nor of its end"
    assert days_after(sent[0][1], await fired(handle)) == [1, 2]
    assert world.effects == []
    assert set(world.refunds) == set(world.charges)


async def test_operators_are_reminded_of_a_stuck_undo_until_one_of_them_looks(office: Office, world: World) -> None:
    world.faults |= {"go_live": Fault("refused"), "release_numbers": Fault("broken")}
    handle = await begin(office, an_onboarding(paid_by_parent(), schedule=SHORT))
    while not (await office.reaches(handle, State.PROVISIONING, State.COMPENSATING)).stuck_undos:
        pass
    await quiet(handle)
    await office.skipper.fast_forward(handle, timedelta(days=2, hours=1))
    sent = await letters(handle)
    assert [name for name, _ in sent] == ["undo_stuck_1", "undo_stuck_2", "undo_stuck_3"]
    assert days_after(sent[0][1], [at for _, at in sent]) == [0, 1, 2]
    resolution = UndoResolution(actor="key:operator", undo="release_numbers", resolved=True, reason="done by hand")
    await office.tell(handle, "resolve_undo", resolution)
    assert (await handle.result()).state is State.REJECTED
    assert len(await letters(handle)) == 3


@pytest.mark.parametrize("reminder", [timedelta(0), DAYS[4], DAYS[5]])
async def test_a_reminder_that_is_not_between_beginning_and_deadline_is_not_sent(office: Office, reminder: timedelta) -> None:
    schedule = SHORT.model_copy(update={"activation_reminders": (reminder,)})
    outcome, handle = await ended_by_itself(office, an_onboarding(schedule=schedule))
    assert outcome.code == "activation_expired"
    assert await names_of_letters(handle) == ["activation", "closed"]


async def test_a_window_that_has_no_length_expires_at_once(office: Office, world: World) -> None:
    schedule = SHORT.model_copy(update={"activation_window": timedelta(0)})
    handle = await begin(office, an_onboarding(schedule=schedule))
    assert (await handle.result()).code == "activation_expired"
    assert world.effects == []
