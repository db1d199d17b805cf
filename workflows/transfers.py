"""A customer moves to another white label. Our records move everything or nothing; what the switch must know of it follows.

There is nothing to undo: what could be half done is one transaction, and after it there is only forward (docs/decisions).
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.calling import CallingActivities
    from activities.transfers import TransferActivities
    from activities.voice import VoiceActivities
    from domain.calling import CallingWrite
    from domain.customers import ChangeOutcome
    from domain.transfers import Transfer

from workflows import options
from workflows.customers import refused
from workflows.process import begin
from workflows.saga import undisturbed


@workflow.defn(name="transfer")
class TransferWorkflow:
    """Returns whether the customer has moved, or why not. Never fails for an answer."""

    @workflow.run
    async def run(self, transfer: Transfer) -> ChangeOutcome:
        return await undisturbed(asyncio.create_task(self._carry_through(transfer)))

    async def _carry_through(self, transfer: Transfer) -> ChangeOutcome:
        try:
            write: CallingWrite = await begin(TransferActivities.transfer_customer, transfer, options.UNDO, "move everything")
        except FailureError as error:
            return refused(error)
        await begin(VoiceActivities.allow_calling, write, options.UNDO, "tell the switch")
        await begin(CallingActivities.confirm_calling, write, options.UNDO, "the switch agrees")
        return ChangeOutcome(done=True)
