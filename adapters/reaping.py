"""What frees numbers that nobody speaks for any more: its schedule, and who still runs."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
)
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import Unavailable
from domain.keys import workflow_id
from domain.quarantine import SweepBounds

EVERY = timedelta(minutes=1)
_WORKFLOW = "number_reaper"
_AT_ONCE = 8


def schedule_id(task_queue: str) -> str:
    """One reaper for each task queue: two installations in one namespace do not share a database."""
    return f"number-reaper/{task_queue}"


async def keep_reaping(client: Client, task_queue: str) -> None:
    """See to it that Temporal starts the reaper every minute; one that is there gets this version's rhythm, paused it stays so.

    Each worker calls it at its start: whoever runs workers has the reaper, without another step of installing. Missed minutes
    are not made up for, and while one run is under way no other begins. Raises ``Unavailable``.
    """
    action = ScheduleActionStartWorkflow(_WORKFLOW, SweepBounds(), id=schedule_id(task_queue), task_queue=task_queue)
    wanted = Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=EVERY),
    )

    def renewed(current: ScheduleUpdateInput) -> ScheduleUpdate:
        wanted.state = current.description.schedule.state
        return ScheduleUpdate(schedule=wanted)

    try:
        try:
            await client.create_schedule(schedule_id(task_queue), wanted)
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(schedule_id(task_queue)).update(renewed)
    except RPCError as error:
        raise Unavailable(
            "The schedule of the reaper could not be made, so expired baskets and rested numbers are not freed. Allow this "
            f"worker to write schedules in its namespace, and start it again ({error.status.name}).",
            code="schedule_unavailable",
        ) from error


class TemporalRuns:
    """``domain.ports.Runs``, asked of Temporal itself: our rows may tell of runs that were terminated."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ended(self, onboarding_ids: Sequence[str]) -> Sequence[str]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def has_ended(onboarding_id: str) -> bool:
            async with gate:
                return await self._has_ended(onboarding_id)

        answers = await asyncio.gather(*(has_ended(onboarding_id) for onboarding_id in onboarding_ids))
        return [onboarding_id for onboarding_id, ended in zip(onboarding_ids, answers, strict=True) if ended]

    async def _has_ended(self, onboarding_id: str) -> bool:
        try:
            described = await self._client.get_workflow_handle(workflow_id(onboarding_id)).describe()
        except (RPCError, RuntimeError) as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                return True
            raise Unavailable("Temporal does not say which onboardings run, so nothing they hold is freed.") from error
        return described.status is not WorkflowExecutionStatus.RUNNING
