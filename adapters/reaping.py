"""What frees numbers that nobody speaks for any more: its schedule, and who still runs."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from adapters.schedules import keep_schedule
from domain.errors import Unavailable
from domain.keys import workflow_id
from domain.quarantine import SweepBounds

EVERY = timedelta(minutes=1)
_MISSING = "The schedule of the reaper could not be made, so expired baskets and rested numbers are not freed."
_AT_ONCE = 8


def schedule_id(task_queue: str) -> str:
    """One reaper for each task queue: two installations in one namespace do not share a database."""
    return f"number-reaper/{task_queue}"


async def keep_reaping(client: Client, task_queue: str) -> None:
    """See to it that Temporal starts the reaper every minute. Raises ``Unavailable``."""
    name = schedule_id(task_queue)
    await keep_schedule(client, name, "number_reaper", SweepBounds(), task_queue, EVERY, _MISSING)


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
