"""An operator takes over what its customer was to activate: the white label pays, the link is void, consent is on record."""

import asyncio
from datetime import timedelta

import pytest

from domain.catalogue import Schedule
from domain.mails import MailKind
from domain.onboarding import State, TakeOver
from domain.payments import MeansKind
from tests.builders import accepted, activation, an_onboarding, by
from tests.simulators import FORWARD, Fault, World
from tests.workflows.conftest import Office
from tests.workflows.people import activate, pay, refusal

TAKEN = TakeOver(actor="key:operator", consent="Agreed on the telephone", terms=accepted(capacity="on_behalf"))


async def test_what_was_taken_over_is_paid_by_the_white_label_and_goes_live(office: Office, world: World) -> None:
    begun = an_onboarding()
    handle = await office.start(begun)
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    await office.tell(handle, "take_over", TAKEN)
    assert (await handle.result()).state is State.ACTIVE
    assert sorted(world.effects) == sorted(FORWARD)
    assert [(means.kind, means.reference) for means in world.paid_by.values()] == [(MeansKind.PARENT_ACCOUNT, begun.tenant_id)]
    assert "card_presented" not in world.events
    assert world.events.index("take_over_decided") < world.events.index("taken_over") < world.events.index("payment_authorised")
    decided = next(entry for entry in world.timeline.values() if entry.event == "take_over_decided")
    assert (decided.actor, decided.detail) == ("key:operator", {"consent": "Agreed on the telephone"})
    assert [mail.kind for mail in world.mails] == [MailKind.ACTIVATION, MailKind.TAKEN_OVER, MailKind.WELCOME]


async def test_the_link_is_void_once_it_was_taken_over(office: Office, world: World) -> None:
    world.faults["provision"] = Fault("slow", times=1)
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    status = await office.tell(handle, "take_over", TAKEN)
    assert (await office.reaches(handle, State.PROVISIONING)).generation == status.generation + 1
    for update, value in (("activate", activation()), ("take_over", TAKEN), ("resend_activation", by())):
        assert await refusal(office, handle, update, value) == "not_waiting"
    world.go_on.set()
    assert (await handle.result()).state is State.ACTIVE


@pytest.mark.parametrize("first", ["activate", "take_over"])
async def test_of_the_customer_and_an_operator_at_once_one_is_heard(office: Office, world: World, first: str) -> None:
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    said = {"activate": activation(), "take_over": TAKEN}
    order = sorted(said, key=lambda update: update != first)
    answers = await asyncio.gather(*(office.tell(handle, update, said[update]) for update in order), return_exceptions=True)
    accepted = [update for update, answer in zip(order, answers, strict=True) if not isinstance(answer, BaseException)]
    assert len(accepted) == 1
    if accepted == ["activate"]:
        await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    kind = MeansKind.CARD if accepted == ["activate"] else MeansKind.PARENT_ACCOUNT
    assert [means.kind for means in world.paid_by.values()] == [kind]


async def test_what_the_customer_has_activated_is_the_customers(office: Office) -> None:
    handle = await office.start(an_onboarding())
    await activate(office, handle)
    assert await refusal(office, handle, "take_over", TAKEN) == "already_activated"
    await office.tell(handle, "cancel", by())
    await handle.result()


async def test_an_order_whose_letter_cannot_be_delivered_is_taken_over(office: Office, world: World) -> None:
    """The address does not work, so nobody could ever press the link."""
    world.faults["send_mail"] = Fault("refused", times=1)
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.HELD)
    await office.tell(handle, "take_over", TAKEN)
    assert (await handle.result()).state is State.ACTIVE
    assert [means.kind for means in world.paid_by.values()] == [MeansKind.PARENT_ACCOUNT]


async def test_what_is_held_for_another_reason_cannot_be_taken_over(office: Office, world: World) -> None:
    world.faults["provision"] = Fault("refused")
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    await office.tell(handle, "take_over", TAKEN)
    await office.reaches(handle, State.HELD)
    assert await refusal(office, handle, "take_over", TAKEN) == "not_waiting"
    await office.tell(handle, "give_up", by())
    assert (await handle.result()).state is State.FAILED
    assert world.effects == [], "what the white label was to pay is released too"
    assert "authorise" in world.undone


async def test_a_white_label_that_cannot_pay_ends_it_and_nothing_is_kept(office: Office, world: World) -> None:
    world.faults["authorise"] = Fault("refused")
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    await office.tell(handle, "take_over", TAKEN)
    assert (await handle.result()).state is State.DECLINED
    assert world.effects == []


@pytest.mark.parametrize("when", ["before", "at"])
async def test_the_deadline_does_not_undo_what_was_taken_over(office: Office, world: World, when: str) -> None:
    """A decision taken in time counts, even if writing it down takes longer than was left."""
    window = timedelta(milliseconds=800) if when == "at" else timedelta(days=1)
    world.faults["amend"] = Fault("slow", times=1)
    handle = await office.start(an_onboarding(schedule=Schedule(activation_window=window)))
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    await office.tell(handle, "take_over", TAKEN)
    world.go_on.set()
    assert (await handle.result()).state is State.ACTIVE
