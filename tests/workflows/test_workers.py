"""Workers come and go, forget, are buggy, are replaced by newer ones: the onboarding goes on where it stood."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import VersioningBehavior
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

from adapters.settings import Settings
from domain.keys import workflow_id
from domain.onboarding import OnboardingInput, OnboardingStatus, State
from tests.builders import a_card, activation, an_onboarding, by, paid_by_parent
from tests.simulators import FORWARD, Fault, World
from tests.workflows.broken import DividesByZero, TakesAMoveThatIsNotInTheTable
from tests.workflows.conftest import Handle, Office
from tests.workflows.people import activate, events, name_of, pay, quiet
from worker import onboarding_worker, sandbox
from workflows.onboarding import OnboardingWorkflow

Start = Callable[..., Worker]
# Now and then the server looks for a worker that has left for as long as this (10 s as shipped).
SOON = {"sticky_queue_schedule_to_start_timeout": timedelta(seconds=1)}


@pytest.fixture
def unmanned(client: Client, world: World) -> Office:
    """An office whose worker the test starts and stops."""
    return Office(client, TimeSkipper(client), f"office-{uuid.uuid4()}", world)


def worker_of(office: Office, workflow: type, runner: SandboxedWorkflowRunner) -> Worker:
    methods = office.world.activities()
    return Worker(office.client, task_queue=office.task_queue, workflows=[workflow], activities=methods, workflow_runner=runner)


async def begin(office: Office, onboarding: OnboardingInput) -> Handle:
    """Start one whose workflow tasks are given a second instead of ten.

    One that failed twice, or that a worker without memory has lost on its way to the next (temporalio 1.35), is tried again
    after that.
    """
    return await office.client.start_workflow(
        OnboardingWorkflow.run,
        onboarding,
        id=workflow_id(onboarding.id),
        task_queue=office.task_queue,
        task_timeout=timedelta(seconds=1),
        execution_timeout=timedelta(seconds=100),
    )


async def is_live(office: Office, handle: Handle) -> None:
    assert (await handle.result()).state is State.ACTIVE
    assert office.world.effects == list(FORWARD)
    assert len(office.world.charges) == 1
    assert len({mail.key for mail in office.world.mails}) == len(office.world.mails)


# Forgetting


async def test_a_worker_that_remembers_nothing_onboards_a_customer(unmanned: Office, start_worker: Start) -> None:
    async with start_worker(unmanned.task_queue, max_cached_workflows=0):
        handle = await begin(unmanned, an_onboarding())
        await activate(unmanned, handle)
        await pay(unmanned, handle)
        await is_live(unmanned, handle)


async def test_a_worker_that_remembers_nothing_has_an_order_approved(unmanned: Office, start_worker: Start) -> None:
    async with start_worker(unmanned.task_queue, max_cached_workflows=0):
        handle = await begin(unmanned, an_onboarding(paid_by_parent(), approval_reasons=("total",)))
        await unmanned.reaches(handle, State.AWAITING_APPROVAL)
        await unmanned.tell(handle, "approve", by("key:approver"))
        await is_live(unmanned, handle)


@pytest.mark.parametrize("way", ["update", "temporal"])
async def test_a_worker_that_remembers_nothing_undoes_everything(
    unmanned: Office, start_worker: Start, world: World, way: str
) -> None:
    onboarding = an_onboarding()
    async with start_worker(unmanned.task_queue, max_cached_workflows=0):
        handle = await begin(unmanned, onboarding)
        await activate(unmanned, handle)
        await unmanned.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
        await (handle.cancel() if way == "temporal" else unmanned.tell(handle, "cancel", by()))
        await asyncio.gather(handle.result(), return_exceptions=True)
    assert world.state(onboarding.id) is State.CANCELLED
    assert world.effects == []
    assert world.undone == ["reserve_numbers", "open_account"]


async def test_a_cache_too_small_for_the_waiting_moves_nothing(unmanned: Office, start_worker: Start, world: World) -> None:
    """Eviction stops a waiting run with what looks like a cancellation; it must not be taken for one."""
    async with start_worker(unmanned.task_queue, max_cached_workflows=2):
        handles = [await begin(unmanned, an_onboarding()) for _ in range(4)]
        for handle in handles:
            await unmanned.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
        assert world.undone == []
        for handle in handles:
            assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
            await unmanned.tell(handle, "cancel", by())
            assert (await handle.result()).state is State.CANCELLED


@pytest.mark.parametrize("step", ["provision", "release_numbers"])
async def test_what_leaves_a_small_cache_in_the_middle_of_a_step_comes_back(
    unmanned: Office, start_worker: Start, world: World, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.faults[step] = Fault("slow")
    if step == "release_numbers":
        world.faults["authorise"] = Fault("refused")
    async with start_worker(unmanned.task_queue, max_cached_workflows=2):
        handles = [await begin(unmanned, an_onboarding(paid_by_parent())) for _ in range(4)]
        while world.calls[step] < 4:
            await asyncio.gather(*(unmanned.reaches(handle, State.PROVISIONING, State.COMPENSATING) for handle in handles[:1]))
        assert all(status.state is not State.HELD for status in await asyncio.gather(*(asked(handle) for handle in handles)))
        world.go_on.set()
        ends = [(await handle.result()).state for handle in handles]
    assert set(ends) == {State.ACTIVE if step == "provision" else State.DECLINED}
    assert world.calls[step] == 4
    assert "deadlock" not in caplog.text.lower()


async def asked(handle: Handle) -> OnboardingStatus:
    status: OnboardingStatus = await handle.query("state", result_type=OnboardingStatus)
    return status


async def test_a_worker_takes_over_where_another_stopped(unmanned: Office, start_worker: Start) -> None:
    async with start_worker(unmanned.task_queue, **SOON):
        handle = await unmanned.start(an_onboarding())
        await unmanned.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
        await quiet(handle)
    # Told, not asked: a question waits 10 s for the worker that had the run in its memory.
    async with start_worker(unmanned.task_queue, **SOON):
        await unmanned.tell(handle, "activate", activation())
        await unmanned.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
        await quiet(handle)
    async with start_worker(unmanned.task_queue, **SOON):
        await unmanned.tell(handle, "pay", a_card())
        await is_live(unmanned, handle)
    assert [unmanned.world.calls[step] for step in FORWARD] == [1] * len(FORWARD)


# Bugs


@pytest.mark.parametrize("bug", [DividesByZero, TakesAMoveThatIsNotInTheTable])
async def test_a_bug_stops_the_run_and_moves_nothing_and_a_fixed_release_goes_on(
    unmanned: Office, start_worker: Start, world: World, bug: type
) -> None:
    handle = await begin(unmanned, an_onboarding(paid_by_parent()))
    async with worker_of(unmanned, bug, sandbox()):
        while "WORKFLOW_TASK_FAILED" not in await events(handle):
            pass
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    assert world.effects == ["open_account", "reserve_numbers", "authorise"]
    assert world.undone == []
    async with start_worker(unmanned.task_queue, **SOON):
        await is_live(unmanned, handle)


# The sandbox


def watching_imports() -> SandboxedWorkflowRunner:
    policy = SandboxImportNotificationPolicy
    restrictions = SandboxRestrictions.default.with_passthrough_modules("domain", "activities", "workflows")
    return SandboxedWorkflowRunner(
        restrictions=restrictions.with_import_notification_policy(
            policy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH | policy.WARN_ON_DYNAMIC_IMPORT
        )
    )


@pytest.mark.parametrize("runner", [sandbox(), watching_imports()], ids=["as shipped", "nothing is loaded again for each run"])
async def test_the_workflow_runs_in_the_sandbox_of_production(unmanned: Office, runner: SandboxedWorkflowRunner) -> None:
    """The other tests run it in a stricter one, where our workflow modules are loaded anew and what they touch is watched."""
    async with worker_of(unmanned, OnboardingWorkflow, runner):
        handle = await unmanned.start(an_onboarding())
        await activate(unmanned, handle)
        await pay(unmanned, handle)
        await is_live(unmanned, handle)
        other = await unmanned.start(an_onboarding())
        await unmanned.reaches(other, State.AWAITING_ACTIVATION)
        await unmanned.tell(other, "cancel", by())
        assert (await other.result()).state is State.CANCELLED
    for each in (handle, other):
        assert "WORKFLOW_TASK_FAILED" not in await events(each)


# Versions


async def make_current(client: Client, settings: Settings) -> None:
    """Send new and waiting onboardings to this version, once its worker is known to the server."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=settings.deployment_name,
        build_id=settings.build_id,
        identity="test",
    )
    while True:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError as error:
            if error.status not in {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def builds(handle: Handle) -> list[str]:
    """Which versions completed its workflow tasks, in order."""
    found = [
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        for event in (await handle.fetch_history()).events
        if name_of(event.event_type) == "WORKFLOW_TASK_COMPLETED"
    ]
    return list(dict.fromkeys(found))


async def test_an_onboarding_that_waits_moves_on_to_the_newest_version(unmanned: Office) -> None:
    def version(build_id: str) -> Settings:
        return Settings(task_queue=unmanned.task_queue, deployment_name=unmanned.task_queue, build_id=build_id)

    def start(settings: Settings) -> Worker:
        return onboarding_worker(unmanned.client, settings, unmanned.world.activities())

    handle = await unmanned.start(an_onboarding())
    async with start(version("1.1")):
        async with start(version("1.0")):
            await make_current(unmanned.client, version("1.0"))
            await activate(unmanned, handle)
            await unmanned.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
            await quiet(handle)
            assert await builds(handle) == ["1.0"], "a version that is not current gets nothing"
            await make_current(unmanned.client, version("1.1"))
        await unmanned.tell(handle, "pay", a_card())
        await is_live(unmanned, handle)
    assert await builds(handle) == ["1.0", "1.1"]


async def test_workers_are_versioned_where_a_build_is_named(client: Client, start_worker: Start) -> None:
    assert start_worker("any").config()["deployment_config"] is None
    versioned = onboarding_worker(client, Settings(build_id="1.0", deployment_name="phones"), World().activities())
    deployment = versioned.config()["deployment_config"]
    assert deployment is not None
    assert deployment.use_worker_versioning
    assert deployment.version.to_canonical_string() == "phones.1.0"
    assert deployment.default_versioning_behavior is VersioningBehavior.AUTO_UPGRADE
