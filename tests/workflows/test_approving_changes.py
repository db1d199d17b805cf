"""A change of a customer that waits for a second person, at the moment when the wait ends."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker._workflow_instance import _WorkflowLogicFlag

from adapters.settings import Settings
from domain.calling import Calling
from domain.customers import ChangeOutcome, CustomerChange
from domain.onboarding import Decision
from tests.histories import existing
from tests.histories.test_replay import replayer
from tests.simulators import World
from tests.workflows.people import answered, events
from worker import onboarding_worker
from workflows.customers import CustomerWorkflow

AT_ONCE = _WorkflowLogicFlag.PROCESS_WORKFLOW_ACTIVATION_JOBS_AS_SINGLE_BATCH


# What comes in one task is taken one after the other so far; the SDK is about to take it at once, and then the timer wins.
@pytest.mark.parametrize("at_once", [False, True], ids=["in_turn", "at_once"])
@pytest.mark.parametrize(("verdict", "code"), [("approve", None), ("reject", "approval_rejected")])
async def test_a_decision_that_comes_with_the_end_of_the_wait_counts(
    client: Client, world: World, verdict: str, code: str | None, at_once: bool
) -> None:
    """The worker is away until both have come; whoever decided is told that it was taken."""
    world.callings["account"] = Calling(account_id="account", version=1)
    called: list[str] = []

    def worker() -> Worker:
        methods = [*world.activities(), *existing.activities(called.append)]
        soon = timedelta(seconds=1)
        made = onboarding_worker(client, Settings(task_queue=queue), methods, sticky_queue_schedule_to_start_timeout=soon)
        made._set_default_workflow_logic_flag(AT_ONCE, enabled=at_once)
        return made

    queue, key = f"changes-{uuid.uuid4()}", str(uuid.uuid4())
    change = CustomerChange(
        key=key,
        account_id="account",
        tenant_id="tenant",
        actor="key:1",
        at=datetime.now(UTC),
        patch={"credit_limit_minor": 1},
        needs_approval=True,
        decided_within=timedelta(seconds=4),
    )
    async with worker():
        handle = await client.start_workflow(CustomerWorkflow.run, change, id=f"customer/account/{key}", task_queue=queue)
        while "TIMER_STARTED" not in await events(handle):
            pass
    telling = asyncio.create_task(handle.execute_update(verdict, Decision(actor="key:2")))
    while "TIMER_FIRED" not in await events(handle):
        pass
    async with worker():
        assert await answered(telling) == "accepted"
        outcome: ChangeOutcome = await handle.result()
    assert (outcome.done, outcome.code) == (verdict == "approve", code)
    assert ("customer" in called) == outcome.done
    await replayer().replay_workflow(await handle.fetch_history())
