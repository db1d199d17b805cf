"""The schedule that looks for balances below their mark."""

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
)
from temporalio.service import RPCError

from domain.alerts import AlertBounds
from domain.errors import Unavailable

EVERY = timedelta(minutes=1)
_WORKFLOW = "balance_alerts"


def alert_schedule_id(task_queue: str) -> str:
    """One for each task queue, as the reaper has."""
    return f"balance-alerts/{task_queue}"


async def keep_alerting(client: Client, task_queue: str) -> None:
    """See to it that Temporal looks every minute; a schedule that is there gets this version's rhythm, paused it stays so.

    Raises ``Unavailable``.
    """
    name = alert_schedule_id(task_queue)
    wanted = Schedule(
        action=ScheduleActionStartWorkflow(_WORKFLOW, AlertBounds(), id=name, task_queue=task_queue),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=EVERY),
    )

    def renewed(current: ScheduleUpdateInput) -> ScheduleUpdate:
        wanted.state = current.description.schedule.state
        return ScheduleUpdate(schedule=wanted)

    try:
        try:
            await client.create_schedule(name, wanted)
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(name).update(renewed)
    except RPCError as error:
        raise Unavailable(
            "The schedule of the low-balance letters could not be made, so nobody is told. Allow this worker to write "
            f"schedules in its namespace, and start it again ({error.status.name}).",
            code="schedule_unavailable",
        ) from error
