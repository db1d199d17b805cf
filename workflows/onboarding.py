"""The onboarding of a customer, as a clerk would do it.

Open the account, hold the numbers, ask the approver, wait for the customer, authorise the payment, bring the lines up,
take the money, go live. Whatever prevents it before it is live undoes everything, newest first.
"""

import asyncio
from functools import partial

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.mails import MailActivities
    from activities.numbers import NumberActivities
    from activities.payments import LedgerActivities, PaymentActivities
    from activities.records import RecordActivities
    from activities.voice import VoiceActivities
    from domain import keys, line_rules
    from domain.mails import MailKind
    from domain.notifications import Recipient, planned
    from domain.numbers import Reservation
    from domain.onboarding import OnboardingInput, Outcome, Progress, State, Step
    from domain.orders import Administration, Payer
    from domain.payments import MeansKind, Payment, PaymentMeans, PaymentOrder
    from domain.plan import Phase, phases
    from domain.rules import means_kind
    from domain.steps import Amendment, GoLive, LedgerPayment, PaymentRelease, ReservationOrder
    from domain.voice import Line, LineRemoval

from workflows import options
from workflows.process import Leaving, begin, failure_code
from workflows.reversal import BROKEN, STOPPED, WITHDRAW, Reversible, is_refusal
from workflows.saga import ends_workflow, undisturbed


# Onboardings wait for weeks and move on to the newest worker: changes to what they do go behind ``workflow.patched``, and the
# histories in tests/histories must still replay.
@workflow.defn(name="onboarding")
class OnboardingWorkflow(Reversible):
    @workflow.init
    def __init__(self, onboarding: OnboardingInput) -> None:
        super().__init__(onboarding)
        order = onboarding.order
        self._means_kind = means_kind(order)
        self._reservation = Reservation()
        self._payment: PaymentOrder | None = None
        self._gateway_reference: str | None = None
        self._terms = onboarding.terms

    @workflow.run
    async def run(self, onboarding: OnboardingInput) -> Outcome:
        try:
            await self._onboard(onboarding)
        except BaseException as error:
            if not isinstance(error, Leaving) and not ends_workflow(error):
                raise
            outcome = await undisturbed(asyncio.create_task(self._back_out(error)))
            if outcome.code in {STOPPED, BROKEN}:
                raise  # Cancelled by Temporal ends Cancelled, broken ends Failed: that list is a to-do list.
            return outcome
        return await undisturbed(asyncio.create_task(self._finish()))

    async def _onboard(self, onboarding: OnboardingInput) -> None:
        self._register_undos_of_our_own_steps()
        ways = {
            Phase.OPEN_ACCOUNT: self._open_account,
            Phase.RESERVE_NUMBERS: self._reserve_numbers,
            Phase.APPROVAL: self._have_it_approved,
            Phase.ACTIVATION: self._have_it_activated,
            Phase.AUTHORISE_PAYMENT: self._authorise_payment,
            Phase.PROVISION: self._provision,
            Phase.CAPTURE_PAYMENT: self._capture_payment,
            Phase.GO_LIVE: self._go_live,
        }
        for phase in phases(onboarding.order, onboarding.approval_reasons):
            await ways[phase]()

    # The steps, in order

    def _register_undos_of_our_own_steps(self) -> None:
        # Steps inside our database are local activities, and a failed workflow task forgets local activities that have run.
        # So the undos of all of them are registered before the first begins, and undo by key whatever history remembers.
        self._add_undo("close_account", RecordActivities.close_account, self._undo(Step.OPEN_ACCOUNT))
        lines = frozenset(f"remove_line:{position}" for position in range(len(self._onboarding.order.services)))
        # A number that still rings the old line must not be given to somebody else.
        release = self._undo(Step.RESERVE_NUMBERS)
        self._add_undo("release_numbers", NumberActivities.release_numbers, release, needs=lines)
        if self._means_kind.is_ledger:
            self._pay_from_ledger()
        self._add_undo(WITHDRAW, RecordActivities.withdraw, self._undo(Step.GO_LIVE))

    def _pay_from_ledger(self) -> None:
        payer = self._account if self._means_kind is MeansKind.OWN_ACCOUNT else self._onboarding.tenant_id
        self._payment = self._payment_by(PaymentMeans(kind=self._means_kind, reference=payer))
        released = PaymentRelease(payment=self._payment)
        self._add_undo("release_payment:1", LedgerActivities.release_on_ledger, released)

    async def _open_account(self) -> None:
        self._journal.note("order_received", self._onboarding.requested_by)
        event = "addition_begun" if self._onboarding.order.account_id else "account_opened"
        await self._record_step(RecordActivities.open_account, self._opening, event)
        self._opened = True

    async def _reserve_numbers(self) -> None:
        self._journal.enter(State.RESERVING)
        order, schedule = self._onboarding.order, self._onboarding.schedule
        if not order.number_count:
            return
        until = schedule.hold_until(workflow.now())
        self._reservation = await self._record_step(
            NumberActivities.reserve_numbers,
            lambda progress: ReservationOrder(
                key=self._key(Step.RESERVE_NUMBERS),
                onboarding_id=self._onboarding.id,
                tenant_id=self._onboarding.tenant_id,
                selections=tuple(service.numbers for service in order.services),
                until=until,
                progress=progress,
                account_id=self._account,
                basket=order.basket,
                substitute=order.substitutes != "refuse",
            ),
            "numbers_held",
            count=str(order.number_count),
        )
        self._numbers = tuple(number.e164 for number in self._reservation.numbers)
        self._substitutes = self._reservation.substitutes
        if self._substitutes and order.substitutes == "offer":
            await self._have_substitutes_accepted()
        elif self._substitutes:
            self._journal.note("substitutes_taken", count=str(len(self._substitutes)))

    async def _have_substitutes_accepted(self) -> None:
        """A named number was lost to somebody else. One of its grade is held, at the price that was agreed, until it is answered."""
        schedule, began = self._onboarding.schedule, workflow.now()
        deadline = began + schedule.approval_window
        self._journal.wait_for("orderer", deadline)
        self._journal.call("substitute_offered")
        self._journal.note("substitutes_offered", count=str(len(self._substitutes)))
        self._substitutes_offered = True
        await self._record()
        letter = partial(self._letter, MailKind.OPERATOR_NEEDED, to_operators=True, code="substitute_offered")
        self._post(letter(name="substitute_offered"))
        await self._wait(
            lambda: self._substitute_answer is not None,
            deadline,
            [began + offset for offset in schedule.approval_reminders],
            lambda number: self._post(letter(name=f"substitute_reminder_{number}")),
        )
        self._substitutes_offered = False
        self._journal.call(None)
        answer = self._substitute_answer
        if answer is None:
            raise Leaving(Outcome(state=State.EXPIRED, code="substitute_expired"))
        if not answer.accept:
            raise Leaving(Outcome(state=State.REJECTED, code="substitute_declined", reason=answer.reason))

    async def _have_it_approved(self) -> None:
        schedule, began = self._onboarding.schedule, workflow.now()
        deadline = began + schedule.approval_window
        self._journal.enter(State.AWAITING_APPROVAL, "approver", deadline)
        self._journal.note("approval_requested", reasons=", ".join(self._onboarding.approval_reasons))
        await self._record()
        self._post(self._letter(MailKind.APPROVAL_NEEDED, to_operators=True))
        decided = await self._wait(
            lambda: bool(self._approval or self._rejection),
            deadline,
            [began + offset for offset in schedule.approval_reminders],
            lambda number: self._post(
                self._letter(MailKind.APPROVAL_NEEDED, to_operators=True, name=f"approval_reminder_{number}")
            ),
        )
        if self._rejection:
            raise Leaving(Outcome(state=State.REJECTED, code="approval_rejected", reason=self._rejection.reason))
        if not decided:
            raise Leaving(Outcome(state=State.EXPIRED, code="approval_expired"))

    async def _have_it_activated(self) -> None:
        schedule, began = self._onboarding.schedule, workflow.now()
        deadline = began + schedule.activation_window
        self._journal.enter(State.AWAITING_ACTIVATION, "customer", deadline)
        self._customer_knows = True
        while not (self._activation or self._take_over):
            generation = self._journal.generation
            await self._record()
            if not await self._send_activation_link():
                # The customer has had no link that works: the time to use one begins now.
                began = workflow.now()
                deadline = began + schedule.activation_window
                self._journal.wait_for("customer", deadline)
                continue
            answered = await self._wait(
                lambda: bool(
                    self._activation or self._correction or self._take_over or self._journal.generation != generation  # noqa: B023
                ),
                deadline,
                [began + offset for offset in schedule.activation_reminders],
                lambda number: self._post(self._letter(MailKind.ACTIVATION_REMINDER, name=f"activation_reminder_{number}")),
            )
            if not answered:
                raise Leaving(Outcome(state=State.EXPIRED, code="activation_expired"))
            if self._correction:
                await self._apply_correction()
                self._journal.generation += 1
        if self._activation:
            self._terms = self._activation.terms
        else:
            await self._apply_take_over()

    async def _apply_take_over(self) -> None:
        """From here the operator administers, and the white label pays. Links that were sent lead to no button any more."""
        take_over = self._take_over
        assert take_over is not None
        self._terms, self._means_kind = take_over.terms, MeansKind.PARENT_ACCOUNT
        self._journal.generation += 1
        self._pay_from_ledger()
        # No local step: it would run before history has the decision. If its task were forgotten, a customer's activation could
        # come first the next time, and the money set aside here would be nobody's.
        await self._record_step(
            RecordActivities.amend_onboarding,
            lambda progress: Amendment(
                onboarding_id=self._onboarding.id,
                administration=Administration.OPERATOR,
                payer=Payer.PARENT,
                progress=progress,
            ),
            "taken_over",
            durable=workflow.patched("take_over_is_durable_first"),
        )
        self._take_over = None
        self._post(self._letter(MailKind.TAKEN_OVER))

    async def _send_activation_link(self) -> bool:
        """Send the link. False if the address had to be corrected or looked at first, so that a new link is needed."""
        letter = self._letter(MailKind.ACTIVATION)
        try:
            sending = begin(MailActivities.send_mail, letter, options.MAIL, "activation link")
            await self._steps(
                sending,
                unless=lambda: bool(self._correction or self._take_over or self._activated_meanwhile()),
                # A worker that died with the relay's answer is missed only when the step's time is over.
                left_behind=lambda: self._activated_meanwhile() and workflow.patched("used_letter_is_left_behind"),
            )
        except FailureError as error:
            if self._activated_meanwhile():
                return True
            if self._correction:
                await self._apply_correction()
            elif not self._take_over:
                await self._hold(failure_code(error), State.AWAITING_ACTIVATION, "customer", self._journal.deadline)
            self._journal.generation += 1
            return False
        self._link_sent_at = workflow.now()
        return True

    def _activated_meanwhile(self) -> bool:
        """The letter arrived and was used although its relay has not said so: whatever it says now does not matter any more."""
        return self._activation is not None and workflow.patched("activation_ends_its_letter")

    async def _authorise_payment(self) -> None:
        if self._means_kind.is_ledger:
            await self._hold_on_ledger()
        elif self._onboarding.quote.total_minor:
            await self._authorise_card()
        else:
            self._enter_provisioning()
            await self._record()

    async def _hold_on_ledger(self) -> None:
        payment = self._payment
        assert payment is not None
        self._enter_provisioning()
        try:
            await self._record_step(LedgerActivities.hold_on_ledger, partial(_on_ledger, payment), "payment_authorised")
        except FailureError as error:
            if not is_refusal(error):
                raise
            raise Leaving(Outcome(state=State.DECLINED, code=failure_code(error))) from error

    async def _authorise_card(self) -> None:
        """Ask for a card until one is good for the amount, the attempts are used up, or nobody comes any more."""
        schedule = self._onboarding.schedule
        while True:
            began = workflow.now()
            deadline = began + schedule.payment_window
            if self._journal.state is State.AWAITING_PAYMENT:
                self._journal.wait_for("customer", deadline)
            else:
                self._journal.enter(State.AWAITING_PAYMENT, "customer", deadline)
            await self._record()
            presented = await self._wait(
                lambda: self._card is not None,
                deadline,
                [began + offset for offset in schedule.payment_reminders],
                lambda number: self._post(
                    self._letter(MailKind.CARD_REMINDER, name=f"card_reminder_{self._payment_attempt}_{number}")
                ),
            )
            if not presented or self._card is None:
                raise Leaving(Outcome(state=State.EXPIRED, code="payment_expired"))
            # Not a forgotten decision: the validator takes no second card while this one is being charged.
            means, self._card = self._card.means, None
            self._journal.wait_for("payment gateway")
            declined = await self._charge(means)
            if declined is None:
                return
            self._journal.note("payment_declined", code=declined, attempt=str(self._payment_attempt))
            if self._payment_attempt >= schedule.payment_attempts:
                raise Leaving(Outcome(state=State.DECLINED, code=declined))
            self._post(self._letter(MailKind.CARD_DECLINED, code=declined, name=f"card_declined_{self._payment_attempt}"))
            self._payment_attempt += 1

    async def _charge(self, means: PaymentMeans) -> str | None:
        """Authorise the amount on this card; the decline's code if the bank says no."""
        payment = self._payment_by(means)
        name = f"release_payment:{self._payment_attempt}"
        self._add_undo(name, PaymentActivities.release_payment, PaymentRelease(payment=payment))
        try:
            authorised: Payment = await self._step(PaymentActivities.authorise_payment, payment, options.MONEY, "authorise")
        except FailureError as error:
            if not is_refusal(error):
                raise
            return failure_code(error)
        self._payment, self._gateway_reference = payment, authorised.reference
        self._enter_provisioning()
        self._journal.note("payment_authorised")
        await self._record()
        return None

    def _enter_provisioning(self) -> None:
        if self._journal.state is not State.PROVISIONING:
            self._journal.enter(State.PROVISIONING, "voice switch")

    async def _provision(self) -> None:
        """Bring all lines up at once; those that fail for good hold the onboarding, and only they are tried again."""
        lines = dict(enumerate(self._lines()))
        for position, line in lines.items():
            removal = LineRemoval(
                key=line.key,
                onboarding_id=line.onboarding_id,
                username=line.username,
                domain=line.domain,
                account_id=line.rights.account_id if line.rights else None,
            )
            self._add_undo(f"remove_line:{position}", VoiceActivities.remove_line, removal, batch="lines")
        while lines:
            results = await self._settle(
                *(
                    begin(VoiceActivities.provision_line, line, options.SWITCH, f"line {position + 1}")
                    for position, line in lines.items()
                )
            )
            self._leave_if_cancelled()
            failed = [result for result in results if isinstance(result, BaseException)]
            for error in failed:
                if not isinstance(error, FailureError):
                    raise error
            lines = {at: line for (at, line), result in zip(lines.items(), results, strict=True) if result in failed}
            if lines:
                await self._hold(failure_code(failed[0]), State.PROVISIONING, "voice switch")

    def _lines(self) -> list[Line]:
        return [self._line(position) for position in range(len(self._onboarding.order.services))]

    def _line(self, position: int) -> Line:
        service, calling = self._onboarding.order.services[position], self._onboarding.calling
        numbers = self._reservation.counted(position, service.numbers)
        shown = self._reservation.instead_of(service.caller_id) if service.caller_id else None
        return Line(
            key=self._key(f"{Step.PROVISION_LINE}:{position}"),
            onboarding_id=self._onboarding.id,
            username=keys.line_name(self._onboarding.id, position),
            domain=self._onboarding.sip_domain,
            numbers=numbers,
            max_channels=service.max_channels,
            rights=calling.rights if calling else None,
            caller_id=shown or (numbers[0] if calling and numbers else None),
            forwards=line_rules.forwards(service, numbers),
        )

    async def _capture_payment(self) -> None:
        if self._onboarding.order.services:
            self._journal.note("lines_provisioned", count=str(len(self._onboarding.order.services)))
        payment = self._payment
        if payment is None:
            return
        if payment.means.kind.is_ledger:
            await self._record_step(LedgerActivities.take_from_ledger, partial(_on_ledger, payment), "payment_captured")
        else:
            await self._capture_card(payment)
            self._journal.note("payment_captured")

    async def _capture_card(self, payment: PaymentOrder) -> None:
        """Take what the card was authorised for. Gateways let go of that after some days: then the same card is asked anew."""
        try:
            await self._step(PaymentActivities.capture_payment, payment, options.MONEY, "capture")
        except FailureError as error:
            if failure_code(error) != "payment_voided" or not workflow.patched("lapsed_is_authorised_anew"):
                raise
            self._journal.note("authorisation_lapsed")
            self._payment_attempt += 1
            declined = await self._charge(payment.means)
            if declined is not None:
                raise Leaving(Outcome(state=State.DECLINED, code=declined)) from error
            anew = self._payment
            assert anew is not None
            await self._step(PaymentActivities.capture_payment, anew, options.MONEY, "capture")

    async def _go_live(self) -> None:
        """The point of no return."""
        payment = self._payment or self._payment_by(PaymentMeans(kind=self._means_kind, reference=self._account))
        live = {"state": State.ACTIVE, "outcome": Outcome(state=State.ACTIVE), "waits_for": None, "deadline": None}
        await self._record_step(
            RecordActivities.go_live,
            lambda progress: GoLive(
                key=self._key(Step.GO_LIVE),
                account_id=self._account,
                payment=payment,
                gateway_reference=self._gateway_reference,
                reservation_key=self._key(Step.RESERVE_NUMBERS),
                reservation=self._reservation,
                terms=self._terms,
                progress=progress.model_copy(update=live),
                calling=self._onboarding.calling,
                credentials=self._onboarding.credentials,
                adds=self._onboarding.order.account_id is not None,
            ),
            "active",
        )
        self._saga.close()
        self._live = True
        self._journal.outcome = Outcome(state=State.ACTIVE)
        self._journal.enter(State.ACTIVE)

    async def _finish(self) -> Outcome:
        """Everything is done; what is left is to say so."""
        order = self._onboarding.order
        for place, to in planned(order.notifications, welcome=order.welcomes):
            customer = to is Recipient.CUSTOMER
            letter = self._letter(
                MailKind.WELCOME if customer else MailKind.NOTIFICATION, name=None if customer else f"notification_{place}"
            )
            self._post(letter.model_copy(update={"notification": place}))
        await self._all_said()
        return Outcome(state=State.ACTIVE)


def _on_ledger(payment: PaymentOrder, progress: Progress) -> LedgerPayment:
    return LedgerPayment(payment=payment, progress=progress)
