"""A change of a customer: our records take it whole or not at all, and what the switch must know of it reaches the switch.

One run per change. Once our records have it, it is carried through; a cancellation does not stop half-way.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.calling import CallingActivities
    from activities.customers import CustomerActivities
    from activities.voice import VoiceActivities
    from domain.customers import ChangeOutcome, CustomerChange, CustomerWrite

from workflows import options
from workflows.process import begin, cause_of, failure_code
from workflows.reversal import is_refusal
from workflows.saga import undisturbed


@workflow.defn(name="customer")
class CustomerWorkflow:
    """Returns whether it was done, or why not. Never fails for an answer."""

    @workflow.run
    async def run(self, change: CustomerChange) -> ChangeOutcome:
        return await undisturbed(asyncio.create_task(self._carry_through(change)))

    async def _carry_through(self, change: CustomerChange) -> ChangeOutcome:
        try:
            write: CustomerWrite = await begin(CustomerActivities.change_customer, change, options.UNDO, "change the customer")
        except FailureError as error:
            return refused(error)
        if write.calling is not None:
            await begin(VoiceActivities.allow_calling, write.calling, options.UNDO, "tell the switch")
            await begin(CallingActivities.confirm_calling, write.calling, options.UNDO, "the switch agrees")
        return ChangeOutcome(done=True)


def refused(error: FailureError) -> ChangeOutcome:
    """An answer that is no, as the end of the change. What is broken is raised again, and stays to be looked at."""
    if not is_refusal(error):
        raise error
    return ChangeOutcome(done=False, code=failure_code(error), message=getattr(cause_of(error), "message", None))
