"""The way back: holding at a step that failed, undoing everything, and saying what became of it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, is_cancelled_exception

from activities.records import RecordActivities
from domain import keys
from domain.mails import MailKind
from domain.onboarding import OnboardingInput, Outcome, Progress, State, Step
from domain.payments import PaymentMeans, PaymentOrder
from domain.steps import Amendment, Opening, Undo
from workflows import options
from workflows.process import Handle, Leaving, Process, R, S, V, begin, cause_of, failure_code
from workflows.saga import Saga

STOPPED, BROKEN = "stopped", "broken"
WITHDRAW = "withdraw"


class Reversible(Process):
    """A process that can be held, and that leaves nothing behind when it does not end active."""

    def __init__(self, onboarding: OnboardingInput) -> None:
        patience = onboarding.schedule.undo_attention_after
        super().__init__(onboarding, Saga(patience, options.REMIND_OPERATORS, self._on_stuck, self._on_undone))
        self._account = onboarding.order.account_id or keys.account_id(onboarding.id)
        self._opened = False
        self._customer_knows = False
        self._holds = 0
        self._calls = 0

    async def _hold(self, code: str, back_to: State, waits_for: str, deadline: datetime | None = None) -> None:
        """Stop at a step that failed for good, until an operator has it tried again or gives up."""
        self._verdict, self._held_from = None, back_to
        self._holds += 1
        began, window = workflow.now(), self._onboarding.schedule.held_window
        self._journal.enter(State.HELD, "operator", began + window, attention=code)
        self._journal.note("held", code=code)
        await self._record()
        name = f"held_{self._holds}"
        self._post(self._letter(MailKind.OPERATOR_NEEDED, to_operators=True, code=code, name=name))
        await self._wait(
            lambda: bool(self._verdict or self._correction or self._take_over),
            began + window,
            [began + number * options.REMIND_OPERATORS for number in range(1, max(window.days, 1))],
            lambda number: self._post(
                self._letter(MailKind.OPERATOR_NEEDED, to_operators=True, code=code, name=f"{name}_reminder_{number}")
            ),
        )
        if self._correction:
            await self._apply_correction()
        elif self._verdict == "give_up":
            raise Leaving(Outcome(state=State.FAILED, code="gave_up"))
        elif self._take_over is None and self._verdict is None:
            raise Leaving(Outcome(state=State.FAILED, code="held_too_long"))
        self._journal.enter(back_to, waits_for, deadline)
        await self._record()

    async def _apply_correction(self) -> None:
        correction = self._correction
        assert correction is not None
        await self._record_step(
            RecordActivities.amend_onboarding,
            lambda progress: Amendment(onboarding_id=self._onboarding.id, email=correction.email, progress=progress),
            "correction_applied",
        )
        self._correction = None

    async def _back_out(self, error: BaseException) -> Outcome:
        """Undo everything, newest first, and say so. Runs undisturbed: a cancellation meanwhile changes nothing."""
        outcome = outcome_of(error)
        self._journal.enter(State.COMPENSATING, "undo")
        self._journal.note("compensating", code=outcome.code or outcome.state)
        # Beside it: undoing does not wait for our records.
        self._beside(self._record_compensating())
        await self._saga.undo_all()
        self._journal.outcome = outcome
        self._journal.enter(outcome.state)
        self._journal.note(outcome.state, code=outcome.code or outcome.state)
        await self._record_at_length()
        if self._customer_knows:
            self._post(self._letter(MailKind.CLOSED, code=outcome.code))
        await self._all_said()
        return outcome

    async def _record_compensating(self) -> None:
        if not self._opened:
            async with self._pen:
                opening = self._opening(self._journal.progress())
                await self._own_step_at_length(RecordActivities.register_onboarding, opening)
        await self._record_at_length()

    def _on_stuck(self, names: Sequence[str]) -> None:
        self._calls += 1
        for name in names:
            self._journal.note("undo_stuck", undo=name)
        self._show_what_is_stuck()
        name = f"undo_stuck_{self._calls}"
        self._post(self._letter(MailKind.OPERATOR_NEEDED, to_operators=True, code="undo_stuck", name=name))

    def _on_undone(self, name: str) -> None:
        self._journal.note("undone", undo=name)
        if self._calls:
            self._show_what_is_stuck()

    def _show_what_is_stuck(self) -> None:
        stuck = self._saga.stuck
        self._journal.call(f"undo_stuck:{stuck[0]}" if stuck else None)
        self._beside(self._record_at_length())

    # Words

    def _opening(self, progress: Progress) -> Opening:
        return Opening(
            key=self._key(Step.OPEN_ACCOUNT), account_id=self._account, onboarding=self._onboarding, progress=progress
        )

    def _key(self, step: str) -> str:
        return keys.step_key(self._onboarding.id, step)

    def _undo(self, step: Step) -> Undo:
        # Always the account that this order would have opened: where it adds to another, that one is never undone (S3-03).
        return Undo(key=self._key(step), onboarding_id=self._onboarding.id, account_id=keys.account_id(self._onboarding.id))

    def _payment_by(self, means: PaymentMeans) -> PaymentOrder:
        return PaymentOrder(
            key=keys.step_key(self._onboarding.id, Step.AUTHORISE_PAYMENT, self._payment_attempt),
            onboarding_id=self._onboarding.id,
            amount=self._onboarding.quote.total,
            means=means,
        )

    def _add_undo(
        self,
        name: str,
        method: Callable[[S, V], Awaitable[R]],
        value: V,
        needs: frozenset[str] = frozenset(),
        batch: str | None = None,
    ) -> None:
        def start() -> Handle:
            return begin(method, value, options.UNDO, f"undo: {name}")

        # What went live is withdrawn before anything under it is taken away.
        self._saga.add(name, start, needs | ({WITHDRAW} - {name}), batch)


def is_refusal(error: BaseException) -> bool:
    cause = cause_of(error)
    return isinstance(cause, ApplicationError) and cause.non_retryable and cause.category is ApplicationErrorCategory.BENIGN


def outcome_of(error: BaseException) -> Outcome:
    if isinstance(error, Leaving):
        return error.outcome
    if is_cancelled_exception(error):
        return Outcome(state=State.CANCELLED, code=STOPPED)
    if is_refusal(error):
        return Outcome(state=State.REJECTED, code=failure_code(error))
    return Outcome(state=State.FAILED, code=BROKEN, reason=failure_code(error))
