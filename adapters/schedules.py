"""Temporal Schedules of our own. Each is there once a worker has been started; to pause or change it is its operator's."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    Schedule,
    ScheduleAction,
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

from domain.errors import Unavailable


async def keep_schedule(
    client: Client, name: str, workflow: str, value: Any, task_queue: str, every: timedelta, missing: str
) -> None:
    """See to it that Temporal starts ``workflow`` with ``value`` that often; what is there gets this version's action and rhythm.

    Each worker calls it at its start: whoever runs workers has the schedule, without another step of installing. Missed times
    are not made up for, and while one run is under way no other begins, unless an operator has decided otherwise: pause, note
    and policy stay as they are. Raises ``Unavailable``; ``missing`` is the beginning of its sentence: what is not done then.
    """
    action = ScheduleActionStartWorkflow(workflow, value, id=name, task_queue=task_queue)
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)])
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every)

    async def renewed(current: ScheduleUpdateInput) -> ScheduleUpdate | None:
        schedule = current.description.schedule
        # Temporal answers a pause before its description tells of it, and the SDK's update is unconditional: where nothing is
        # to be changed nothing is written, so that the start of a worker never takes back what an operator does meanwhile.
        if schedule.spec.intervals == spec.intervals and await _same(client, schedule.action, action, value):
            return None
        schedule.action, schedule.spec = action, spec
        return ScheduleUpdate(schedule=schedule)

    try:
        try:
            await client.create_schedule(name, Schedule(action=action, spec=spec, policy=policy))
        except ScheduleAlreadyRunningError:
            await client.get_schedule_handle(name).update(renewed)
    except RPCError as error:
        raise Unavailable(
            f"{missing} Allow this worker to write schedules in its namespace, and start it again ({error.status.name}).",
            code="schedule_unavailable",
        ) from error


async def _same(client: Client, there: ScheduleAction, wanted: ScheduleActionStartWorkflow, value: Any) -> bool:
    if not isinstance(there, ScheduleActionStartWorkflow):
        return False
    if (there.workflow, there.id, there.task_queue) != (wanted.workflow, wanted.id, wanted.task_queue):
        return False
    # As the server tells it, they are payloads still. Under another key than today's it is written anew: that key may be retired.
    kept, (ours,) = cast("Sequence[Payload]", there.args), await client.data_converter.encode([value])
    if [dict(payload.metadata) for payload in kept] != [dict(ours.metadata)]:
        return False
    return await client.data_converter.decode(kept, [type(value)]) == [value]
