"""A change of an account's right to call: our records decide, and the switch follows, however long it takes.

One run per change. Runs for one account may overlap: the row's lock puts them in an order, and versions keep the switch
from going back. Once our records have the change it is carried through; a cancellation does not stop half-way.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.calling import CallingActivities
    from activities.voice import VoiceActivities
    from domain.calling import CallingChange, CallingOutcome, CallingWrite

from workflows import options
from workflows.process import begin, cause_of, failure_code
from workflows.reversal import is_refusal
from workflows.saga import undisturbed


@workflow.defn(name="calling")
class CallingWorkflow:
    """Returns the row after the change, or why there is none. Never fails for an answer."""

    @workflow.run
    async def run(self, change: CallingChange) -> CallingOutcome:
        return await undisturbed(asyncio.create_task(self._carry_through(change)))

    async def _carry_through(self, change: CallingChange) -> CallingOutcome:
        try:
            write: CallingWrite = await begin(
                CallingActivities.change_calling, change, options.UNDO, f"{change.act} {change.reason or ''}".strip()
            )
        except FailureError as error:
            if not is_refusal(error):
                raise
            cause = cause_of(error)
            return CallingOutcome(code=failure_code(error), message=getattr(cause, "message", None))
        await begin(VoiceActivities.allow_calling, write, options.UNDO, "tell the switch")
        await begin(CallingActivities.confirm_calling, write, options.UNDO, "the switch agrees")
        return CallingOutcome(calling=write.calling.model_copy(update={"switch_version": write.calling.version}))
