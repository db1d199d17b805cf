"""A change of a customer: our records take it whole or not at all, and what the switch must know of it reaches the switch.

One run per change. Once our records have it, it is carried through; a cancellation does not stop half-way.
"""

import asyncio
from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, FailureError

with workflow.unsafe.imports_passed_through():
    from activities.calling import CallingActivities
    from activities.customers import CustomerActivities
    from activities.mails import MailActivities
    from activities.voice import VoiceActivities
    from domain.customers import ChangeOutcome, CustomerChange, CustomerWrite
    from domain.onboarding import Decision

from workflows import options
from workflows.process import begin, cause_of, failure_code
from workflows.reversal import is_refusal
from workflows.saga import undisturbed

EXPIRED = ChangeOutcome(
    done=False, code="approval_expired", message="Nobody decided in time, so nothing was changed. Ask for it again."
)


@workflow.defn(name="customer")
class CustomerWorkflow:
    """Returns whether it was done, or why not. Never fails for an answer."""

    @workflow.init
    def __init__(self, change: CustomerChange) -> None:
        self._change = change
        self._approval: Decision | None = None
        self._rejection: Decision | None = None

    @workflow.run
    async def run(self, change: CustomerChange) -> ChangeOutcome:
        if change.needs_approval:
            # Not protected from cancellation: nothing has been done yet.
            if no := await self._have_it_approved():
                return no
            assert self._approval is not None
            change = change.model_copy(update={"approved_by": self._approval.actor})
        return await undisturbed(asyncio.create_task(self._carry_through(change)))

    @workflow.update(name="approve", description="Somebody else lets the change be made")
    def approve(self, decision: Decision) -> None:
        self._approval = decision

    @approve.validator
    def _may_approve(self, decision: Decision) -> None:
        self._expect_undecided()
        change = self._change
        same_person = decision.person is not None and decision.person == change.person
        if decision.actor == change.actor or same_person:
            raise _no("approver_is_requester", "Whoever asked for a change cannot approve it. Ask another approver.")

    @workflow.update(name="reject", description="The change is not made")
    def reject(self, decision: Decision) -> None:
        self._rejection = decision

    @reject.validator
    def _may_reject(self, decision: Decision) -> None:  # noqa: ARG002 - the SDK asks for the handler's signature
        self._expect_undecided()

    def _expect_undecided(self) -> None:
        if not self._change.needs_approval or self._approval or self._rejection:
            raise _no("already_decided", "This change does not wait for anybody. Look at the customer.")

    async def _have_it_approved(self) -> ChangeOutcome | None:
        """Wait for an approver. Why the change is not made, if it is not."""
        try:
            await workflow.wait_condition(
                lambda: bool(self._approval or self._rejection),
                timeout=self._change.decided_within,
                timeout_summary="deadline",
            )
        except TimeoutError:
            # A decision can come in one task with the end of the window, and whoever decided was told that it was taken.
            decided = self._approval or self._rejection
            if decided is None or not workflow.patched("decided_at_the_deadline"):
                return EXPIRED
        if self._approval:
            return None
        message = "It was not approved, so nothing was changed."
        return ChangeOutcome(done=False, code="approval_rejected", message=message)

    async def _carry_through(self, change: CustomerChange) -> ChangeOutcome:
        try:
            write: CustomerWrite = await begin(CustomerActivities.change_customer, change, options.UNDO, "change the customer")
        except FailureError as error:
            return refused(error)
        if write.calling is not None:
            await begin(VoiceActivities.allow_calling, write.calling, options.UNDO, "tell the switch")
            await begin(CallingActivities.confirm_calling, write.calling, options.UNDO, "the switch agrees")
        if write.letter is not None:
            # Whom no relay can reach is shown as invited, and can be invited again.
            with suppress(FailureError):
                await begin(MailActivities.send_mail, write.letter, options.MAIL, "invitation")
        return ChangeOutcome(done=True)


def refused(error: FailureError) -> ChangeOutcome:
    """An answer that is no, as the end of the change. What is broken is raised again, and stays to be looked at."""
    if not is_refusal(error):
        raise error
    return ChangeOutcome(done=False, code=failure_code(error), message=getattr(cause_of(error), "message", None))


def _no(code: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=code, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
