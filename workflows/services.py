"""A change of a service: our records decide, and the switch follows, however long it takes.

One run per change. Runs for one service may overlap: our records put them in an order, and versions keep the switch from going
back, so the newest change wins.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.services import ServiceActivities
    from domain.customers import ChangeOutcome
    from domain.services import ServiceChange, ServiceRecord

from workflows import options
from workflows.customers import refused
from workflows.process import begin
from workflows.saga import undisturbed


@workflow.defn(name="service")
class ServiceWorkflow:
    """Returns whether it was done, or why not. Fails where the switch has no such line: somebody must look."""

    @workflow.run
    async def run(self, change: ServiceChange) -> ChangeOutcome:
        return await undisturbed(asyncio.create_task(self._carry_through(change)))

    async def _carry_through(self, change: ServiceChange) -> ChangeOutcome:
        try:
            service: ServiceRecord = await begin(ServiceActivities.change_service, change, options.UNDO, "change the service")
        except FailureError as error:
            return refused(error)
        if service.version > service.switch_version:
            await begin(ServiceActivities.set_up_line, service, options.UNDO, "tell the switch")
            await begin(ServiceActivities.confirm_service, service, options.UNDO, "the switch agrees")
        return ChangeOutcome(done=True)
