"""Every way that an onboarding can go, as short plays for the recorder: one history each, and how it must have ended."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from domain.catalogue import Plan, PriceList, Schedule
from domain.notifications import Notification, Recipient
from domain.numbers import NumberSelection
from domain.onboarding import Correction, OnboardingInput, State, SubstituteAnswer, TakeOver, UndoResolution
from domain.orders import AccountType, Administration, Service
from tests.builders import a_tenant, accepted, activation, an_onboarding, an_order, by, paid_by_parent
from tests.simulators import Fault
from tests.workflows.conftest import Handle, Office
from tests.workflows.people import activate, pay, quiet, resend

Play = Callable[[Office], Awaitable[Handle]]


@dataclass(frozen=True)
class Scene:
    """``ends`` is the outcome's state and code; a code alone for a run that does not end with an answer."""

    play: Play
    ends: str


SCENES: dict[str, Scene] = {}


def scene(ends: str) -> Callable[[Play], Play]:
    def add(play: Play) -> Play:
        SCENES[play.__name__] = Scene(play, ends)
        return play

    return add


FREE = a_tenant(price_list=PriceList(version="1", plans=(Plan(code="free", name="Free", period_minor=0),)))
QUICK = Schedule(
    approval_window=timedelta(seconds=2),
    approval_reminders=(timedelta(seconds=1),),
    activation_window=timedelta(seconds=2),
    activation_reminders=(timedelta(seconds=1),),
    payment_window=timedelta(seconds=2),
    payment_reminders=(timedelta(seconds=1),),
    held_window=timedelta(seconds=1),
    resend_cooldown=timedelta(0),
    undo_attention_after=timedelta(seconds=1),
    payment_attempts=2,
)
APPROVER, OPERATOR = by("key:approver"), by("key:operator")
TAKEN_OVER = TakeOver(actor="key:operator", consent="Agreed on the telephone", terms=accepted("on_behalf"))
CORRECTION = Correction(actor="key:operator", email="corrected@example.com")


def fault(office: Office, step: str, kind: str, times: int = 1_000_000) -> None:
    office.world.faults[step] = Fault(kind, times)


async def parents(office: Office, **changes: object) -> Handle:
    return await office.start(an_onboarding(paid_by_parent(), **changes))


async def customers(office: Office, onboarding: OnboardingInput | None = None) -> Handle:
    handle = await office.start(onboarding or an_onboarding())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    return handle


# Live


@scene("active")
async def taken_over_while_waiting(office: Office) -> Handle:
    handle = await customers(office)
    await office.tell(handle, "take_over", TAKEN_OVER)
    return handle


@scene("active")
async def taken_over_because_the_letter_was_refused(office: Office) -> Handle:
    fault(office, "send_mail", "refused", times=1)
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.HELD)
    await office.tell(handle, "take_over", TAKEN_OVER)
    return handle


@scene("active")
async def taken_over_once_history_has_it(office: Office) -> Handle:
    """As ``taken_over_while_waiting``, since the decision is in history before anything comes of it."""
    return await taken_over_while_waiting(office)


@scene("active")
async def activated_before_the_relay_answered(office: Office) -> Handle:
    fault(office, "send_mail", "done_then_timeout", times=1)
    handle = await office.start(an_onboarding())
    await office.world.event("send_mail").wait()
    await office.reaches(handle, State.AWAITING_ACTIVATION)
    fault(office, "send_mail", "unavailable")
    await activate(office, handle)
    await office.reaches(handle, State.AWAITING_PAYMENT)
    office.world.faults.pop("send_mail")
    await pay(office, handle)
    return handle


@scene("active")
async def activated_while_the_letter_was_under_way(office: Office) -> Handle:
    fault(office, "send_mail", "slow", times=1)
    handle = await office.start(an_onboarding())
    await office.world.event("send_mail").wait()
    await office.reaches(handle, State.AWAITING_ACTIVATION)
    await activate(office, handle)
    await office.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
    await pay(office, handle)
    await office.reaches(handle, State.ACTIVE)
    office.world.go_on.set()
    return handle


@scene("active")
async def lapsed_while_held_then_authorised_anew(office: Office) -> Handle:
    fault(office, "provision", "refused", times=1)
    fault(office, "capture", "lapsed", times=1)
    handle = await customers(office)
    await activate(office, handle)
    await pay(office, handle)
    await office.reaches(handle, State.HELD)
    await office.tell(handle, "retry", OPERATOR)
    return handle


@scene("active")
async def customer_pays_by_card(office: Office) -> Handle:
    handle = await customers(office)
    await activate(office, handle)
    await pay(office, handle)
    return handle


@scene("active")
async def parent_pays(office: Office) -> Handle:
    return await parents(office)


@scene("active")
async def own_account_pays(office: Office) -> Handle:
    order = an_order(administration=Administration.OPERATOR, account_type=AccountType.POSTPAID, credit_limit_minor=100_000)
    return await office.start(an_onboarding(order))


@scene("active")
async def nothing_to_pay(office: Office) -> Handle:
    handle = await customers(office, an_onboarding(tenant=FREE))
    await activate(office, handle)
    return handle


@scene("active")
async def three_services(office: Office) -> Handle:
    numbers = an_order().services[0].numbers
    services = tuple(Service(label=f"Line {number}", numbers=numbers) for number in (1, 2, 3))
    return await office.start(an_onboarding(paid_by_parent(services=services)))


@scene("active")
async def approved(office: Office) -> Handle:
    handle = await parents(office, approval_reasons=("total",))
    await office.reaches(handle, State.AWAITING_APPROVAL)
    await office.tell(handle, "approve", APPROVER)
    return handle


@scene("active")
async def approved_and_activated_by_signals(office: Office) -> Handle:
    handle = await office.start(an_onboarding(approval_reasons=("total",)))
    await office.reaches(handle, State.AWAITING_APPROVAL)
    await handle.signal("activate", activation())  # at the wrong time
    await handle.signal("approve", APPROVER)
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    await handle.signal("activate", activation())
    await pay(office, handle)
    return handle


@scene("active")
async def link_sent_again(office: Office) -> Handle:
    handle = await customers(office)
    await resend(office, handle)
    await activate(office, handle, generation=2)
    await pay(office, handle)
    return handle


@scene("active")
async def address_corrected_while_waiting(office: Office) -> Handle:
    handle = await customers(office)
    await quiet(handle)
    await office.tell(handle, "correct", CORRECTION)
    while (await office.reaches(handle, State.AWAITING_ACTIVATION)).generation == 1:
        pass
    await activate(office, handle, generation=2)
    await pay(office, handle)
    return handle


@scene("active")
async def address_refused_then_corrected(office: Office) -> Handle:
    fault(office, "send_mail", "refused", times=1)
    handle = await office.start(an_onboarding())
    await office.reaches(handle, State.HELD)
    await office.tell(handle, "correct", CORRECTION)
    await activate(office, handle, generation=2)
    await pay(office, handle)
    return handle


@scene("active")
async def reminded_then_live(office: Office) -> Handle:
    handle = await customers(office, an_onboarding(schedule=QUICK.model_copy(update={"activation_window": timedelta(days=1)})))
    while len(office.world.mails) < 2:
        await office.reaches(handle, State.AWAITING_ACTIVATION)
    await activate(office, handle)
    await pay(office, handle)
    return handle


@scene("active")
async def card_declined_then_good(office: Office) -> Handle:
    fault(office, "authorise", "refused", times=1)
    handle = await customers(office)
    await activate(office, handle)
    await pay(office, handle, "cs_1")
    while (await office.reaches(handle, State.AWAITING_PAYMENT)).payment_attempt == 1:
        pass
    await pay(office, handle, "cs_2")
    return handle


@scene("active")
async def held_then_retried(office: Office) -> Handle:
    fault(office, "provision", "refused", times=1)
    handle = await parents(office)
    await office.reaches(handle, State.HELD)
    await office.tell(handle, "retry", OPERATOR)
    return handle


@scene("active")
async def welcome_refused(office: Office) -> Handle:
    fault(office, "send_mail", "refused")
    return await parents(office)


@scene("active")
async def chosen_letters_refused(office: Office) -> Handle:
    fault(office, "send_mail", "refused")
    letters = (Notification(to=Recipient.CUSTOMER, subject="Ready"), Notification(to=Recipient.OTHER, email="a@example.com"))
    return await office.start(an_onboarding(paid_by_parent(notifications=letters)))


@scene("active")
async def database_out_of_order(office: Office) -> Handle:
    fault(office, "open_account", "unavailable", times=6)
    return await parents(office)


# Refused


@scene("rejected name_taken")
async def name_taken(office: Office) -> Handle:
    fault(office, "open_account", "refused")
    return await parents(office)


@scene("rejected number_unavailable")
async def number_unavailable(office: Office) -> Handle:
    fault(office, "reserve_numbers", "refused")
    return await parents(office)


async def offered(office: Office) -> Handle:
    """A named number is lost, and another one offered."""
    office.world.lost = {"+441214960123"}
    service = Service(numbers=NumberSelection(explicit=("+441214960123",)))
    order = paid_by_parent(services=(service,), substitutes="offer")
    handle = await office.start(an_onboarding(order, schedule=QUICK))
    await office.reaches(handle, State.RESERVING, waits_for="orderer")
    return handle


@scene("active")
async def substitute_accepted(office: Office) -> Handle:
    handle = await offered(office)
    await office.tell(handle, "substitute", SubstituteAnswer(actor="key:operator", accept=True))
    return handle


@scene("rejected substitute_declined")
async def substitute_declined(office: Office) -> Handle:
    handle = await offered(office)
    await office.tell(handle, "substitute", SubstituteAnswer(actor="key:operator", accept=False, reason="Not wanted"))
    return handle


@scene("expired substitute_expired")
async def nobody_answers_for_a_substitute(office: Office) -> Handle:
    return await offered(office)


@scene("rejected approval_rejected")
async def rejected_by_the_approver(office: Office) -> Handle:
    handle = await parents(office, approval_reasons=("total",))
    await office.reaches(handle, State.AWAITING_APPROVAL)
    await office.tell(handle, "reject", APPROVER)
    return handle


@scene("declined card_declined")
async def ledger_declines(office: Office) -> Handle:
    fault(office, "authorise", "refused")
    return await parents(office)


@scene("declined card_declined")
async def cards_used_up(office: Office) -> Handle:
    fault(office, "authorise", "refused")
    handle = await customers(office, an_onboarding(schedule=QUICK.model_copy(update={"payment_window": timedelta(days=1)})))
    await activate(office, handle)
    await pay(office, handle, "cs_1")
    while (await office.reaches(handle, State.AWAITING_PAYMENT)).payment_attempt == 1:
        pass
    await pay(office, handle, "cs_2")
    return handle


# Out of time


@scene("expired approval_expired")
async def nobody_approves(office: Office) -> Handle:
    return await parents(office, approval_reasons=("total",), schedule=QUICK)


@scene("expired activation_expired")
async def nobody_activates(office: Office) -> Handle:
    return await office.start(an_onboarding(schedule=QUICK))


@scene("expired payment_expired")
async def nobody_pays(office: Office) -> Handle:
    handle = await office.start(an_onboarding(schedule=QUICK))
    await activate(office, handle)
    return handle


@scene("failed held_too_long")
async def nobody_looks_after_it(office: Office) -> Handle:
    fault(office, "provision", "refused")
    return await parents(office, schedule=QUICK)


# Undone


@scene("failed gave_up")
async def given_up(office: Office) -> Handle:
    fault(office, "provision", "refused")
    handle = await parents(office)
    await office.reaches(handle, State.HELD)
    await office.tell(handle, "give_up", OPERATOR)
    return handle


@scene("Failed broken_for_good")
async def broken_after_it_was_done(office: Office) -> Handle:
    fault(office, "go_live", "done_then_broken")
    return await parents(office)


@scene("cancelled cancelled")
async def cancelled_while_waiting(office: Office) -> Handle:
    handle = await customers(office)
    await office.tell(handle, "cancel", OPERATOR)
    return handle


@scene("cancelled cancelled")
async def cancelled_by_a_signal_during_a_step(office: Office) -> Handle:
    fault(office, "provision", "slow", times=1)
    handle = await parents(office)
    await office.world.event("provision").wait()
    await handle.signal("cancel", OPERATOR)
    await asyncio.sleep(0.2)
    office.world.go_on.set()
    return handle


@scene("Cancelled")
async def cancelled_by_temporal_while_waiting(office: Office) -> Handle:
    handle = await customers(office)
    await handle.cancel()
    return handle


@scene("Cancelled")
async def cancelled_by_temporal_during_a_step(office: Office) -> Handle:
    fault(office, "provision", "slow", times=1)
    handle = await parents(office)
    await office.world.event("provision").wait()
    await handle.cancel()
    await asyncio.sleep(0.2)
    office.world.go_on.set()
    return handle


async def stuck(office: Office, *, resolved: bool) -> Handle:
    fault(office, "go_live", "refused")
    fault(office, "release_numbers", "broken")
    handle = await parents(office, schedule=QUICK)
    while "release_numbers" not in (await office.reaches(handle, State.PROVISIONING, State.COMPENSATING)).stuck_undos:
        pass
    del office.world.faults["release_numbers"]
    word = UndoResolution(actor="key:operator", undo="release_numbers", resolved=resolved, reason="looked at")
    await office.tell(handle, "resolve_undo", word)
    return handle


@scene("rejected not_possible")
async def stuck_undo_resolved_by_hand(office: Office) -> Handle:
    return await stuck(office, resolved=True)


@scene("rejected not_possible")
async def stuck_undo_tried_again(office: Office) -> Handle:
    return await stuck(office, resolved=False)


# Added to an account that is there already


def _adding(**changes: object) -> OnboardingInput:
    return an_onboarding(an_order(account_id="0a3a5f0e-8d5b-5f0e-9d43-0f3f1f3f4a12", **changes))


@scene("active")
async def added_and_paid_by_parent(office: Office) -> Handle:
    order = paid_by_parent(account_id="0a3a5f0e-8d5b-5f0e-9d43-0f3f1f3f4a12")
    return await office.start(an_onboarding(order))


@scene("active")
async def added_and_paid_by_card(office: Office) -> Handle:
    handle = await customers(office, _adding())
    await activate(office, handle)
    await pay(office, handle)
    return handle


@scene("failed gave_up")
async def added_and_undone(office: Office) -> Handle:
    fault(office, "provision", "refused")
    handle = await customers(office, _adding())
    await activate(office, handle)
    await pay(office, handle)
    await office.reaches(handle, State.HELD)
    await office.tell(handle, "give_up", OPERATOR)
    return handle
