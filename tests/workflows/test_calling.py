"""A change of the right to call: our records decide, and the switch follows, whatever happens in between."""

import asyncio
import uuid
from datetime import UTC, datetime

import pytest
from temporalio.client import WorkflowHandle

from domain.calling import Calling, CallingChange, CallingOutcome, SuspensionReason
from tests.simulators import Fault
from tests.workflows.conftest import Office
from workflows.calling import CallingWorkflow

ACCOUNT = "acc"


async def suspend(
    office: Office, reason: SuspensionReason = SuspensionReason.PAYMENT
) -> WorkflowHandle[CallingWorkflow, CallingOutcome]:
    key = str(uuid.uuid4())
    change = CallingChange(
        key=key, account_id=ACCOUNT, tenant_id="t", actor="key:1", act="suspend", reason=reason, at=datetime.now(UTC)
    )
    return await office.client.start_workflow(
        CallingWorkflow.run, change, id=f"calling/{ACCOUNT}/{key}", task_queue=office.task_queue
    )


@pytest.fixture(autouse=True)
def account(office: Office) -> None:
    office.world.callings[ACCOUNT] = Calling(account_id=ACCOUNT, rate_group="uk")


@pytest.mark.parametrize("step", ["change_calling", "allow", "confirm_calling"])
@pytest.mark.parametrize("kind", ["unavailable", "done_then_timeout"])
async def test_records_and_switch_agree_in_the_end(office: Office, step: str, kind: str) -> None:
    office.world.faults[step] = Fault(kind, times=2)
    outcome = await (await suspend(office)).result()
    assert outcome.calling == office.world.callings[ACCOUNT]
    assert outcome.calling.switch_version == outcome.calling.version == 1
    assert office.world.allowed[-1].calling.suspended_for == (SuspensionReason.PAYMENT,)


async def test_a_no_is_an_answer_and_the_switch_hears_nothing(office: Office) -> None:
    office.world.callings[ACCOUNT] = Calling(account_id=ACCOUNT, late_payment_exempt=True)
    outcome = await (await suspend(office)).result()
    assert (outcome.calling, outcome.code) == (None, "exempt_from_late_payment")
    assert outcome.message is not None
    assert outcome.message.startswith("This account is exempt")
    assert office.world.allowed == []


async def test_a_cancellation_between_the_two_does_not_leave_them_apart(office: Office) -> None:
    office.world.faults["allow"] = Fault("slow", times=1)
    handle = await suspend(office)
    await office.world.event("allow").wait()
    await handle.cancel()
    office.world.go_on.set()
    outcome = await handle.result()
    assert outcome.calling is not None
    assert office.world.callings[ACCOUNT].switch_version == 1


async def test_several_changes_at_once_end_with_all_of_them_on_the_switch(office: Office) -> None:
    handles = await asyncio.gather(*(suspend(office, reason) for reason in SuspensionReason))
    await asyncio.gather(*(handle.result() for handle in handles))
    row = office.world.callings[ACCOUNT]
    assert set(row.suspended_for) == set(SuspensionReason)
    newest = max(office.world.allowed, key=lambda write: write.calling.version)
    assert newest.calling.suspended_for == row.suspended_for
    assert row.switch_version == row.version == len(SuspensionReason)
