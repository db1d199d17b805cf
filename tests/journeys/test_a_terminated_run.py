"""What docs/operations.md says of a run that somebody terminated: the audit finds it, a reset brings it back."""

from pathlib import Path

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

from domain.keys import workflow_id
from tests.journeys.conftest import Town


async def _reset(client: Client, workflow: str) -> None:
    """As ``temporal workflow reset --type LastWorkflowTask`` does it."""
    history = await client.get_workflow_handle(workflow).fetch_history()
    last = max(event.event_id for event in history.events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow),
            reason="terminated by mistake",
            workflow_task_finish_event_id=last,
            request_id=workflow,
        )
    )


async def test_a_terminated_run_is_found_and_a_reset_brings_it_back(town: Town, tmp_path: Path) -> None:
    client = await Client.connect(town.stack.environment["TEMPORAL_ADDRESS"])
    onboarding = await town.northway.must_order(town.customer("1", tmp_path).order)
    before = await town.northway.wait_for(onboarding, "awaiting_activation")
    # The row is written by a local step, before history has the task it belongs to: a run that ends in between forgets it,
    # and the reset waits its days anew from now. A query is answered once the task is in history.
    await client.get_workflow_handle(workflow_id(onboarding)).query("state")
    await client.get_workflow_handle(workflow_id(onboarding)).terminate("by somebody who did not read the page")

    found = [finding for finding in (await town.audit()).findings if finding.subject == onboarding]
    assert [finding.check for finding in found] == ["runs"]

    await _reset(client, workflow_id(onboarding))
    after = await town.northway.look(onboarding)
    assert (after["state"], after["deadline"], after["numbers"]) == (before["state"], before["deadline"], before["numbers"])
    assert (await town.northway.decide(onboarding, "cancel")).is_success
    assert (await town.northway.wait_until_over(onboarding))["outcome"]["state"] == "cancelled"
    assert [finding for finding in (await town.audit()).findings if finding.subject == onboarding] == []
