"""Approvers and customers: what they may do, when, how often, and what becomes of it."""

from datetime import timedelta

import pytest
from temporalio.service import RPCError, RPCStatusCode

from domain.catalogue import Schedule
from domain.onboarding import Correction, Decision, OnboardingInput, State
from domain.orders import Administration, Payer
from tests.builders import a_card, activation, an_onboarding, an_order, by, paid_by_parent
from tests.simulators import FORWARD, Fault, World
from tests.workflows.conftest import Handle, Office
from tests.workflows.people import activate, events, names_of_letters, pay, quiet, refusal, resend

REASONS = ("total", "number_grade")


def to_be_approved() -> OnboardingInput:
    return an_onboarding(paid_by_parent(), approval_reasons=REASONS)


async def asked_for_approval(office: Office) -> tuple[OnboardingInput, Handle]:
    onboarding = to_be_approved()
    handle = await office.start(onboarding)
    status = await office.reaches(handle, State.AWAITING_APPROVAL)
    assert status.waits_for == "approver"
    assert status.deadline is not None
    return onboarding, handle


# Approval


async def test_an_approver_lets_the_order_go_on(office: Office, world: World) -> None:
    onboarding, handle = await asked_for_approval(office)
    assert world.effects == ["open_account", "reserve_numbers"], "nobody has paid yet"
    assert world.state(onboarding.id) is State.AWAITING_APPROVAL
    await office.tell(handle, "approve", by("key:approver", "good customer"))
    assert (await handle.result()).state is State.ACTIVE
    assert world.effects == list(FORWARD)
    asked = next(entry for entry in world.timeline.values() if entry.event == "approval_requested")
    assert asked.detail == {"reasons": "total, number_grade"}
    approved = next(entry for entry in world.timeline.values() if entry.event == "approved")
    assert (approved.actor, approved.detail) == ("key:approver", {"reason": "good customer"})
    assert [mail.to for mail in world.mails if mail.kind == "approval_needed"] == ["operators"]


async def test_an_order_below_the_thresholds_asks_nobody(office: Office, world: World) -> None:
    handle = await office.start(an_onboarding(paid_by_parent()))
    assert (await handle.result()).state is State.ACTIVE
    assert "approval_requested" not in world.events


async def test_whoever_placed_an_order_cannot_approve_it(office: Office, world: World) -> None:
    onboarding, handle = await asked_for_approval(office)
    assert await refusal(office, handle, "approve", by(onboarding.requested_by)) == "approver_is_requester"
    await handle.signal("approve", by(onboarding.requested_by))
    assert (await office.reaches(handle, State.AWAITING_APPROVAL)).state is State.AWAITING_APPROVAL
    await office.tell(handle, "approve", by("key:approver"))
    assert (await handle.result()).state is State.ACTIVE
    assert [entry.actor for entry in world.timeline.values() if entry.event == "approved"] == ["key:approver"]


async def test_a_second_key_does_not_make_a_second_person(office: Office, world: World) -> None:
    onboarding = to_be_approved().model_copy(update={"requested_person": "ada@example.com"})
    handle = await office.start(onboarding)
    await office.reaches(handle, State.AWAITING_APPROVAL)
    herself = Decision(actor="key:her-other-one", person="ada@example.com")
    assert await refusal(office, handle, "approve", herself) == "approver_is_requester"
    await handle.signal("approve", herself)
    assert (await office.reaches(handle, State.AWAITING_APPROVAL)).state is State.AWAITING_APPROVAL
    own_key = Decision(actor=onboarding.requested_by, person="somebody-else")
    assert await refusal(office, handle, "approve", own_key) == "approver_is_requester"
    await office.tell(handle, "approve", Decision(actor="key:approver", person="bob@example.com"))
    assert (await handle.result()).state is State.ACTIVE
    assert [entry.actor for entry in world.timeline.values() if entry.event == "approved"] == ["key:approver"]


async def test_an_order_is_approved_once(office: Office, world: World) -> None:
    world.faults["provision"] = Fault("slow", times=1)
    _, handle = await asked_for_approval(office)
    await office.tell(handle, "approve", by("key:approver"))
    assert await refusal(office, handle, "approve", by("key:another")) == "not_waiting"
    assert await refusal(office, handle, "reject", by("key:another")) == "not_waiting"
    world.go_on.set()
    await handle.result()
    assert world.events.count("approved") == 1


async def test_an_order_that_is_cancelled_can_no_longer_be_approved(office: Office, world: World) -> None:
    world.faults["release_numbers"] = Fault("slow", times=1)
    onboarding, handle = await asked_for_approval(office)
    await office.tell(handle, "cancel", by(reason="wrong customer"))
    assert await refusal(office, handle, "approve", by("key:approver")) == "not_waiting"
    await handle.signal("approve", by("key:approver"))
    world.go_on.set()
    outcome = await handle.result()
    assert (outcome.state, outcome.code, outcome.reason) == (State.CANCELLED, "cancelled", "wrong customer")
    assert world.effects == []
    assert "approved" not in world.events
    with pytest.raises(RPCError) as gone:
        await office.tell(handle, "approve", by("key:approver"))
    assert gone.value.status is RPCStatusCode.NOT_FOUND
    assert world.state(onboarding.id) is State.CANCELLED


@pytest.mark.parametrize("way", ["update", "signal"])
async def test_an_approver_refuses_the_order_and_everything_is_released(office: Office, world: World, way: str) -> None:
    onboarding, handle = await asked_for_approval(office)
    decision = by("key:approver", "too much for a first order")
    await (office.tell(handle, "reject", decision) if way == "update" else handle.signal("reject", decision))
    outcome = await handle.result()
    assert (outcome.state, outcome.code, outcome.reason) == (State.REJECTED, "approval_rejected", decision.reason)
    assert world.effects == []
    assert world.undone == ["reserve_numbers", "open_account"]
    assert world.state(onboarding.id) is State.REJECTED
    assert world.events.count("rejected") == 2, "the approver's word, and how it ended"


# Activation


async def test_a_customer_who_administers_activates_pays_and_is_live(office: Office, world: World) -> None:
    onboarding = an_onboarding()
    handle = await office.start(onboarding)
    await activate(office, handle)
    await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    assert world.effects == list(FORWARD)
    assert len(world.charges) == 1
    assert [str(mail.kind) for mail in world.mails] == ["activation", "welcome"]
    assert world.events == [
        "order_received",
        "account_opened",
        "numbers_held",
        "activated",
        "card_presented",
        "payment_authorised",
        "lines_provisioned",
        "payment_captured",
        "active",
    ]
    activated = next(entry for entry in world.timeline.values() if entry.event == "activated")
    assert activated.detail.keys() == {"terms", "sha256"}


async def test_a_customer_who_activates_when_the_parent_pays_is_never_asked_for_a_card(office: Office, world: World) -> None:
    order = an_order(administration=Administration.CUSTOMER, payer=Payer.PARENT)
    handle = await office.start(an_onboarding(order))
    await activate(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    assert "card_presented" not in world.events
    assert world.effects == list(FORWARD)


async def test_a_link_of_another_generation_does_not_activate(office: Office, world: World) -> None:
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    for generation in (0, 2, -1):
        assert await refusal(office, handle, "activate", activation(generation)) == "link_superseded"
    await handle.signal("activate", activation(2))
    assert (await office.reaches(handle, State.AWAITING_ACTIVATION)).generation == 1
    assert "activated" not in world.events


async def test_a_link_is_used_once(office: Office, world: World) -> None:
    handle = await office.start(an_onboarding())
    await activate(office, handle)
    assert await refusal(office, handle, "activate", activation()) == "already_activated"
    await pay(office, handle)
    await handle.result()
    assert world.events.count("activated") == 1


async def test_a_link_that_has_expired_does_not_activate(office: Office, world: World) -> None:
    world.faults["release_numbers"] = Fault("slow", times=1)
    handle = await office.start(an_onboarding(schedule=Schedule(activation_window=timedelta(milliseconds=300))))
    await office.reaches(handle, State.COMPENSATING)
    assert await refusal(office, handle, "activate", activation()) == "not_waiting"
    await handle.signal("activate", activation())
    world.go_on.set()
    outcome = await handle.result()
    assert (outcome.state, outcome.code) == (State.EXPIRED, "activation_expired")
    assert world.effects == []
    with pytest.raises(RPCError) as gone:
        await office.tell(handle, "activate", activation())
    assert gone.value.status is RPCStatusCode.NOT_FOUND


async def test_a_new_link_kills_the_older_one(office: Office, world: World) -> None:
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    assert (await resend(office, handle)).generation == 2
    assert await refusal(office, handle, "activate", activation(1)) == "link_superseded"
    await activate(office, handle, generation=2)
    await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    assert [mail.generation for mail in world.mails if mail.kind == "activation"] == [1, 2]
    assert len({mail.key for mail in world.mails}) == len(world.mails)


async def test_a_new_link_is_sent_a_while_after_the_last(office: Office, world: World) -> None:
    handle = await office.start(an_onboarding(schedule=Schedule(resend_cooldown=timedelta(hours=1))))
    while not world.mails:
        await office.reaches(handle, State.AWAITING_ACTIVATION)
    assert await refusal(office, handle, "resend_activation", by()) == "resend_too_soon"
    assert "activation_resent" not in world.events


async def test_links_are_not_sent_without_end(office: Office, world: World) -> None:
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    for generation in range(2, 21):
        assert (await resend(office, handle)).generation == generation
    await quiet(handle)
    assert await refusal(office, handle, "resend_activation", by()) == "too_many_links"
    await activate(office, handle, generation=20)


async def test_a_corrected_address_gets_a_link_of_its_own(office: Office, world: World) -> None:
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    assert await refusal(office, handle, "correct", Correction(actor="key:operator")) == "nothing_to_correct"
    await office.tell(handle, "correct", Correction(actor="key:operator", email="new@example.com"))
    while (await office.reaches(handle, State.AWAITING_ACTIVATION)).generation == 1:
        pass
    assert world.calls["amend"] == 1
    assert await refusal(office, handle, "activate", activation(1)) == "link_superseded"
    await activate(office, handle, generation=2)
    await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    assert world.events.count("correction_applied") == 1
    assert "new@example.com" not in str(world.timeline), "what an address was corrected to is nobody's timeline"


# Cards


async def test_a_declined_card_is_followed_by_a_good_one(office: Office, world: World) -> None:
    world.faults["authorise"] = Fault("refused", times=1)
    onboarding = an_onboarding()
    handle = await office.start(onboarding)
    await activate(office, handle)
    await pay(office, handle, "cs_1")
    while (await office.reaches(handle, State.AWAITING_PAYMENT)).payment_attempt == 1:
        pass
    await pay(office, handle, "cs_2")
    assert (await handle.result()).state is State.ACTIVE
    assert world.charges == [f"{onboarding.id}:authorise_payment:2"]
    assert world.paid_by[world.charges[0]].reference == "pm_cs_2"
    assert [mail.code for mail in world.mails if mail.kind == "card_declined"] == ["card_declined"]
    declined = next(entry for entry in world.timeline.values() if entry.event == "payment_declined")
    assert declined.detail == {"code": "card_declined", "attempt": "1"}


async def test_cards_are_declined_only_so_often(office: Office, world: World) -> None:
    world.faults["authorise"] = Fault("refused")
    onboarding = an_onboarding(schedule=Schedule(payment_attempts=2))
    handle = await office.start(onboarding)
    await activate(office, handle)
    await pay(office, handle, "cs_1")
    while (await office.reaches(handle, State.AWAITING_PAYMENT)).payment_attempt == 1:
        pass
    await pay(office, handle, "cs_2")
    outcome = await handle.result()
    assert (outcome.state, outcome.code) == (State.DECLINED, "card_declined")
    assert (world.effects, world.charges) == ([], [])
    assert {f"{onboarding.id}:authorise_payment:{attempt}" for attempt in (1, 2)} <= world.closed, "no card can be charged late"
    assert [mail.kind.value for mail in world.mails].count("card_declined") == 1, (
        "the last one is told by the letter of the end"
    )


async def test_a_visit_to_the_card_page_counts_once(office: Office, world: World) -> None:
    world.faults["authorise"] = Fault("slow", times=1)
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    assert await refusal(office, handle, "pay", a_card()) == "not_waiting"
    await activate(office, handle)
    await pay(office, handle, "cs_1")
    assert await refusal(office, handle, "pay", a_card("cs_1")) == "card_already_presented"
    await world.event("authorise").wait()
    assert await refusal(office, handle, "pay", a_card("cs_2")) == "payment_in_progress"
    world.go_on.set()
    assert (await handle.result()).state is State.ACTIVE
    assert len(world.charges) == 1


# Whoever comes at the wrong time


async def test_signals_at_the_wrong_time_change_nothing(office: Office, world: World) -> None:
    handle = await office.start(an_onboarding())
    before = await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    await handle.signal("approve", by("key:approver"))
    await handle.signal("reject", by("key:approver"))
    await handle.signal("activate", activation(7))
    while (await events(handle)).count("WORKFLOW_EXECUTION_SIGNALED") < 3:
        pass
    assert await office.reaches(handle, State.AWAITING_ACTIVATION) == before
    await activate(office, handle)
    await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    assert not {"approved", "rejected"} & set(world.events)


async def test_a_signal_activates_as_the_update_does(office: Office) -> None:
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    await handle.signal("activate", activation())
    await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE


@pytest.mark.parametrize(
    ("update", "value"),
    [
        ("approve", by("key:approver")),
        ("reject", by("key:approver")),
        ("retry", by()),
        ("give_up", by()),
        ("pay", a_card()),
    ],
)
async def test_what_is_not_asked_for_now_is_refused_and_leaves_no_trace(office: Office, update: str, value: Decision) -> None:
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    assert await refusal(office, handle, update, value) == "not_waiting"


async def test_a_live_service_cannot_be_cancelled_as_an_order(office: Office, world: World) -> None:
    world.faults["send_mail"] = Fault("slow", times=1)
    onboarding = an_onboarding(paid_by_parent())
    handle = await office.start(onboarding)
    await world.event("send_mail").wait()
    assert await refusal(office, handle, "cancel", by()) == "point_of_no_return"
    await handle.signal("cancel", by())
    await handle.cancel()
    world.go_on.set()
    assert (await handle.result()).state is State.ACTIVE
    assert world.effects == list(FORWARD)
    assert await names_of_letters(handle) == ["welcome"]


async def test_an_order_is_cancelled_once(office: Office, world: World) -> None:
    world.faults["release_numbers"] = Fault("slow", times=1)
    _, handle = await asked_for_approval(office)
    await office.tell(handle, "cancel", by(reason="first"))
    assert await refusal(office, handle, "cancel", by(reason="second")) == "already_ending"
    world.go_on.set()
    assert (await handle.result()).reason == "first"
