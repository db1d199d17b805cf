"""How people enter a running onboarding: updates with validators, and signals for systems that fire and forget.

A validator gives the caller a reasoned no and leaves no trace in the history; an accepted update only notes the decision,
and the process, which waits for it, acts. Signals call the same methods; one that comes at the wrong time is ignored.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NoReturn, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain.numbers import Substitute
from domain.onboarding import (
    Activation,
    Answer,
    CardPresented,
    Correction,
    Decision,
    OnboardingInput,
    OnboardingStatus,
    State,
    SubstituteAnswer,
    TakeOver,
    UndoResolution,
)
from workflows.journal import Journal
from workflows.saga import Saga

V = TypeVar("V")
_MOST_LINKS = 20
_MOST_CORRECTIONS = 10


def _refuse(code: str, message: str) -> NoReturn:
    raise ApplicationError(message, type=code, non_retryable=True, category=ApplicationErrorCategory.BENIGN)


class Decisions:
    """The decisions taken so far, and the handlers that take them.

    Everything is set up before the first handler can run (``@workflow.init`` of the subclass), and a decision is never
    cleared before it is carried out. One that nobody has asked for yet is refused: whoever decides must have seen what.
    """

    def __init__(self, onboarding: OnboardingInput, saga: Saga) -> None:
        self._onboarding = onboarding
        self._journal = Journal(onboarding.id)
        self._saga = saga
        self._approval: Decision | None = None
        self._rejection: Decision | None = None
        self._activation: Activation | None = None
        self._card: CardPresented | None = None
        self._card_sessions: set[str] = set()
        self._payment_attempt = 1
        self._correction: Correction | None = None
        self._corrections = 0
        self._verdict: str | None = None
        self._take_over: TakeOver | None = None
        self._held_from: State | None = None
        self._cancellation: Decision | None = None
        self._link_sent_at: datetime | None = None
        self._numbers: tuple[str, ...] = ()
        self._live = False
        self._substitutes: tuple[Substitute, ...] = ()
        self._substitutes_offered = False
        self._substitute_answer: SubstituteAnswer | None = None

    def _status(self) -> OnboardingStatus:
        journal = self._journal
        return OnboardingStatus(
            id=self._onboarding.id,
            state=journal.state,
            waits_for=journal.waits_for,
            deadline=journal.deadline,
            generation=journal.generation,
            payment_attempt=self._payment_attempt,
            numbers=self._numbers,
            needs_attention=journal.attention,
            stuck_undos=self._saga.stuck,
            substitutes=self._substitutes,
            outcome=journal.outcome,
        )

    def _answer(self, fingerprint: str | None = None) -> Answer:
        """What an accepted update answers: without the numbers, which may be thousands, and every answer stays in the history."""
        return Answer(**{**dict(self._status()), "numbers": (), "substitutes": (), "fingerprint": fingerprint})

    @workflow.query(name="state", description="Where the onboarding stands, what it waits for, and until when")
    def query_state(self) -> OnboardingStatus:
        return self._status()

    # Approval

    @workflow.update(name="approve", description="An approver lets the order go on")
    def approve(self, decision: Decision) -> Answer:
        self._approve(decision)
        return self._answer(decision.fingerprint)

    @approve.validator
    def _may_approve(self, decision: Decision) -> None:
        self._expect(State.AWAITING_APPROVAL, "approve")
        order = self._onboarding
        # One person may have several keys. A person who is not known is nobody in particular.
        same_person = decision.person is not None and decision.person == order.requested_person
        if decision.actor == order.requested_by or same_person:
            _refuse("approver_is_requester", "Whoever placed an order cannot approve it. Ask another approver.")
        if self._approval or self._rejection:
            _refuse("already_decided", "This order has been decided already. Look at its timeline.")

    @workflow.update(name="reject", description="An approver refuses the order")
    def reject(self, decision: Decision) -> Answer:
        self._reject(decision)
        return self._answer(decision.fingerprint)

    @reject.validator
    def _may_reject(self, decision: Decision) -> None:  # noqa: ARG002 - the SDK asks for the handler's signature
        self._expect(State.AWAITING_APPROVAL, "reject")
        if self._approval or self._rejection:
            _refuse("already_decided", "This order has been decided already. Look at its timeline.")

    # Numbers that were lost to somebody else

    @workflow.update(name="substitute", description="The orderer takes the numbers that are held in place of lost ones, or not")
    def substitute(self, answer: SubstituteAnswer) -> Answer:
        self._substitute_answer = answer
        event = "substitutes_accepted" if answer.accept else "substitutes_declined"
        self._journal.note(event, answer.actor, **({"reason": answer.reason} if answer.reason else {}))
        return self._answer(answer.fingerprint)

    @substitute.validator
    def _may_substitute(self, answer: SubstituteAnswer) -> None:  # noqa: ARG002 - the SDK asks for the handler's signature
        if self._substitute_answer:
            _refuse("already_decided", "These numbers were answered for already. Look at the timeline.")
        self._expect(State.RESERVING, "answer for")
        if not self._substitutes_offered:
            _refuse("not_waiting", "No other number is offered in place of a lost one, so there is nothing to answer.")

    # Activation and payment by the customer

    @workflow.update(name="activate", description="The customer pressed the button behind the link and accepted the terms")
    def activate(self, activation: Activation) -> Answer:
        self._activate(activation)
        return self._answer()

    @activate.validator
    def _may_activate(self, activation: Activation) -> None:
        if self._activation:
            _refuse("already_activated", "This link has been used already. There is nothing more to activate.")
        self._expect(State.AWAITING_ACTIVATION, "activate")
        if self._take_over:
            _refuse("taken_over", "Your provider has taken over the setting up. There is nothing more for you to do.")
        if activation.generation != self._journal.generation:
            _refuse("link_superseded", "A newer link has been sent since. Open the newest message and use its link.")

    @workflow.update(name="resend_activation", description="Send a new activation link; the older ones stop working")
    def resend_activation(self, decision: Decision) -> Answer:
        self._journal.generation += 1
        self._journal.note("activation_resent", decision.actor, **_reason(decision))
        return self._answer(decision.fingerprint)

    @resend_activation.validator
    def _may_resend(self, decision: Decision) -> None:  # noqa: ARG002 - the SDK asks for the handler's signature
        self._expect(State.AWAITING_ACTIVATION, "resend")
        if self._activation:
            _refuse("already_activated", "The customer has activated just now; no new link is needed.")
        self._expect_not_taken_over()
        cooldown = self._onboarding.schedule.resend_cooldown
        if self._link_sent_at is None or workflow.now() < self._link_sent_at + cooldown:
            _refuse("resend_too_soon", f"A link was sent moments ago. Wait {cooldown.total_seconds():.0f} seconds between two.")
        if self._journal.generation >= _MOST_LINKS:
            _refuse("too_many_links", "Too many links have been sent. Speak to the customer, correct the address, or cancel.")

    @workflow.update(name="take_over", description="An operator administers it from here; the white label pays")
    def take_over(self, take_over: TakeOver) -> Answer:
        self._take_over = take_over
        self._journal.note("take_over_decided", take_over.actor, consent=take_over.consent)
        return self._answer(take_over.fingerprint)

    @take_over.validator
    def _may_take_over(self, take_over: TakeOver) -> None:  # noqa: ARG002 - the SDK asks for the handler's signature
        if self._activation:
            _refuse("already_activated", "The customer has activated it already, so it is the customer's to administer.")
        self._expect_any({State.AWAITING_ACTIVATION, State.HELD}, "take over")
        self._expect_not_taken_over()
        if self._journal.state is State.HELD:
            if self._held_from is not State.AWAITING_ACTIVATION:
                _refuse("not_waiting", "It does not wait for its customer's activation, so there is nothing to take over.")
            self._expect_no_verdict()

    @workflow.update(name="pay", description="The gateway's page has a card for this onboarding")
    def pay(self, card: CardPresented) -> Answer:
        self._card = card
        self._card_sessions.add(card.session)
        self._journal.note("card_presented", "customer")
        return self._answer()

    @pay.validator
    def _may_pay(self, card: CardPresented) -> None:
        if card.session in self._card_sessions:
            _refuse("card_already_presented", "This card has been taken note of already. There is nothing to do.")
        self._expect(State.AWAITING_PAYMENT, "pay")
        if self._journal.waits_for != "customer" or self._card:
            _refuse("payment_in_progress", "A card is being charged right now. Wait for its answer.")

    # Operators

    @workflow.update(name="correct", description="Correct what an onboarding is held for; the same step is tried again")
    def correct(self, correction: Correction) -> Answer:
        self._correction = correction
        self._corrections += 1
        self._journal.note("corrected", correction.actor, **_reason(correction))
        return self._answer(correction.fingerprint)

    @correct.validator
    def _may_correct(self, correction: Correction) -> None:
        self._expect_any({State.HELD, State.AWAITING_ACTIVATION}, "correct")
        if self._journal.state is State.HELD:
            self._expect_no_verdict()
        self._expect_not_taken_over()
        if correction.email is None:
            _refuse("nothing_to_correct", "Say what to correct: the contact's e-mail address.")
        if self._correction:
            _refuse("correction_in_progress", "Another correction is being made right now. Look at its result first.")
        # Each one writes to another address: without an end, one order could write to everybody.
        if self._corrections >= _MOST_CORRECTIONS:
            _refuse("too_many_corrections", "The address was corrected too often. Cancel this order and place a new one.")

    @workflow.update(name="retry", description="Try the step again that the onboarding is held for")
    def retry(self, decision: Decision) -> Answer:
        self._verdict = "retry"
        self._journal.note("retry_requested", decision.actor, **_reason(decision))
        return self._answer(decision.fingerprint)

    @retry.validator
    def _may_retry(self, decision: Decision) -> None:  # noqa: ARG002 - the SDK asks for the handler's signature
        self._expect(State.HELD, "retry")
        self._expect_no_verdict()

    @workflow.update(name="give_up", description="Stop trying: undo everything")
    def give_up(self, decision: Decision) -> Answer:
        self._verdict = "give_up"
        self._journal.note("given_up", decision.actor, **_reason(decision))
        return self._answer(decision.fingerprint)

    @give_up.validator
    def _may_give_up(self, decision: Decision) -> None:  # noqa: ARG002 - the SDK asks for the handler's signature
        self._expect(State.HELD, "give up")
        self._expect_no_verdict()

    @workflow.update(name="resolve_undo", description="A stuck undo was dealt with by hand, or is to be tried again now")
    def resolve_undo(self, resolution: UndoResolution) -> Answer:
        event = "undo_resolved" if resolution.resolved else "undo_retried"
        self._journal.note(event, resolution.actor, undo=resolution.undo, reason=resolution.reason)
        self._saga.resolve(resolution.undo, resolved=resolution.resolved)
        return self._answer(resolution.fingerprint)

    @resolve_undo.validator
    def _may_resolve(self, resolution: UndoResolution) -> None:
        if resolution.undo not in self._saga.stuck:
            _refuse("not_stuck", f"The undo {resolution.undo[:80]!r} is not stuck. See which are, with the onboarding's state.")

    @workflow.update(name="cancel", description="Cancel the order: everything is undone")
    def cancel(self, decision: Decision) -> Answer:
        self._cancel(decision)
        return self._answer(decision.fingerprint)

    @cancel.validator
    def _may_cancel(self, decision: Decision) -> None:  # noqa: ARG002 - the SDK asks for the handler's signature
        if self._live:
            _refuse("point_of_no_return", "The service is live: it can be ended, but the order can no longer be cancelled.")
        if self._cancellation or self._journal.state is State.COMPENSATING or self._journal.state.is_final:
            _refuse("already_ending", "This onboarding is already being undone. Watch its timeline.")

    # Signals: the same decisions, for those who do not wait for an answer

    @workflow.signal(name="approve", description="As the update, without an answer")
    def approve_signal(self, decision: Decision) -> None:
        if self._is_timely(self._may_approve, decision):
            self._approve(decision)

    @workflow.signal(name="reject", description="As the update, without an answer")
    def reject_signal(self, decision: Decision) -> None:
        if self._is_timely(self._may_reject, decision):
            self._reject(decision)

    @workflow.signal(name="activate", description="As the update, without an answer")
    def activate_signal(self, activation: Activation) -> None:
        if self._is_timely(self._may_activate, activation):
            self._activate(activation)

    @workflow.signal(name="cancel", description="As the update, without an answer")
    def cancel_signal(self, decision: Decision) -> None:
        if self._is_timely(self._may_cancel, decision):
            self._cancel(decision)

    def _approve(self, decision: Decision) -> None:
        self._approval = decision
        self._journal.note("approved", decision.actor, **_reason(decision))

    def _reject(self, decision: Decision) -> None:
        self._rejection = decision
        self._journal.note("rejected", decision.actor, **_reason(decision))

    def _activate(self, activation: Activation) -> None:
        self._activation = activation
        self._journal.note("activated", "customer", terms=activation.terms.version, sha256=activation.terms.sha256)

    def _cancel(self, decision: Decision) -> None:
        self._cancellation = decision
        self._journal.note("cancel_requested", decision.actor, **_reason(decision))

    def _is_timely(self, validate: Callable[[V], None], value: V) -> bool:
        try:
            validate(value)
        except ApplicationError as refused:
            workflow.logger.info("A signal came at the wrong time and was ignored", extra={"code": refused.type})
            return False
        return True

    def _expect(self, state: State, verb: str) -> None:
        self._expect_any({state}, verb)

    def _expect_any(self, states: set[State], verb: str) -> None:
        if self._cancellation or self._journal.state not in states:
            here = "compensating" if self._cancellation and not self._journal.state.is_final else self._journal.state
            _refuse("not_waiting", f"There is nothing to {verb} now: the onboarding is {here.replace('_', ' ')}.")

    def _expect_not_taken_over(self) -> None:
        if self._take_over:
            _refuse("already_decided", "Somebody has taken this over a moment ago. Look at its timeline.")

    def _expect_no_verdict(self) -> None:
        self._expect_not_taken_over()
        if self._verdict or self._correction:
            _refuse("already_decided", "Somebody has decided this a moment ago. Look at the timeline.")


def _reason(decision: Decision | Correction) -> dict[str, str]:
    return {"reason": decision.reason} if decision.reason else {}
