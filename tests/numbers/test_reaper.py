"""The reaper frees what nobody speaks for any more, and nothing else."""

import asyncio
import base64
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleOverlapPolicy,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from adapters.reaping import keep_reaping, schedule_id
from adapters.schedules import keep_schedule
from adapters.settings import Settings
from adapters.temporal import data_converter
from domain.errors import KeyClosed
from domain.keys import workflow_id
from domain.onboarding import Step
from domain.quarantine import SweepBounds
from tests.adapters.database.steps import Case, described
from tests.builders import paid_by_parent
from tests.numbers.conftest import DRAMA, TENANT, Exchange


async def test_baskets_past_their_time_and_rested_numbers_are_freed_and_nothing_before(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:20])
    await exchange.order({"explicit": [DRAMA[1], DRAMA[2]]})
    await exchange.ask("POST", f"/v1/numbers/{DRAMA[1]}/release", json={"days": 30})
    await exchange.basket(DRAMA[5], DRAMA[6])
    assert await exchange.reap() == {
        "baskets": 0, "drafts": 0, "holds": 0, "holds_kept": 0, "rested": 0, "more": False,
    }  # fmt: skip
    await exchange.clock(timedelta(days=29))
    young = await exchange.basket(DRAMA[7])
    assert (await exchange.reap())["baskets"] == 1
    assert [await exchange.state(DRAMA[at]) for at in (1, 2, 5, 7)] == ["quarantined", "assigned", "available", "held"]
    await exchange.clock(timedelta(days=1, seconds=1))
    assert (await exchange.reap())["rested"] == 1
    assert await exchange.state(DRAMA[1]) == "available"
    assert DRAMA[1] in await exchange.found(count=100)
    assert (await exchange.ask("GET", f"/v1/baskets/{young['id']}")).status_code == 409


async def an_overdue_hold(exchange: Exchange, name: str, count: int = 2) -> Case:
    case = Case(paid_by_parent(name=name))
    await exchange.database.records.open_account(case.opening())
    order = case.reservation(described(count)).model_copy(update={"until": datetime.now(UTC) - timedelta(hours=1)})
    await exchange.database.numbers.reserve(order)
    return case


async def test_a_hold_is_freed_only_when_its_onboarding_does_not_run(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:20])
    gone, running, young = [await an_overdue_hold(exchange, name) for name in ("gone", "running", "young")]
    # Running, with no worker on its queue: it stays so.
    await exchange.client.start_workflow(
        "onboarding", running.input, id=workflow_id(running.id), task_queue=f"nobody-{uuid.uuid4()}"
    )
    await exchange.database.numbers.release(young.undo(Step.RESERVE_NUMBERS))
    report = await exchange.reap()
    assert (report["holds"], report["holds_kept"]) == (1, 1)
    held = {number.onboarding_id for number in (await exchange.database.books.read()).numbers}
    assert held == {running.id}
    with pytest.raises(KeyClosed):  # an attempt of the step that is still on its way does not take them again
        await exchange.database.numbers.reserve(gone.reservation(described(2)))
    await exchange.client.get_workflow_handle(workflow_id(running.id)).terminate()
    assert (await exchange.reap())["holds"] == 1
    assert (await exchange.database.books.read()).numbers == ()


async def test_two_reapers_at_once_free_everything_once(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:200])
    for at in range(12):
        await exchange.basket(*DRAMA[at * 5 : at * 5 + 5])
    for name in ("one", "two"):
        await an_overdue_hold(exchange, name)
    await exchange.clock(timedelta(hours=3))
    reports = await asyncio.gather(exchange.reap(), exchange.reap(), exchange.reap())
    assert (sum(report["baskets"] for report in reports), sum(report["holds"] for report in reports)) == (12, 2)
    assert len(await exchange.found(count=100)) == 100


async def test_one_run_is_bounded_and_says_that_there_is_more(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    for at in range(6):
        await exchange.basket(DRAMA[at])
    await exchange.clock(timedelta(hours=3))
    report = await exchange.client.execute_workflow(
        "number_reaper",
        SweepBounds(batch=2, batches=2),
        id=f"reaper-{uuid.uuid4()}",
        task_queue=exchange.task_queue,
        result_type=dict,
    )
    assert (report["baskets"], report["more"]) == (4, True)
    assert (await exchange.reap())["baskets"] == 2


async def test_the_schedule_is_made_once_runs_the_reaper_and_stays_paused(client: Client) -> None:
    queue = f"reaping-{uuid.uuid4()}"
    await asyncio.gather(*(keep_reaping(client, queue) for _ in range(4)))
    handle = client.get_schedule_handle(schedule_id(queue))
    assert (await handle.describe()).info.last_updated_at is None
    await handle.pause(note="while the database is moved")
    # A worker that starts at this moment is not told of the pause yet, and does not take it back.
    await keep_reaping(client, queue)
    # Temporal answers before the schedule has heard of it.
    async with asyncio.timeout(30):
        while not (await handle.describe()).schedule.state.paused:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.05)
    await keep_reaping(client, queue)
    described = (await handle.describe()).schedule
    assert described.state.paused
    assert described.spec.intervals[0].every == timedelta(minutes=1)
    await handle.delete()


async def test_a_schedule_gets_a_new_rhythm_and_keeps_what_its_operator_has_decided(client: Client) -> None:
    queue = f"reaping-{uuid.uuid4()}"
    name = schedule_id(queue)
    await keep_schedule(client, name, "number_reaper", SweepBounds(batch=1), queue, timedelta(hours=1), "Nothing is freed.")
    handle = client.get_schedule_handle(name)

    def of_the_operators(current: ScheduleUpdateInput) -> ScheduleUpdate:
        current.description.schedule.policy.overlap = ScheduleOverlapPolicy.BUFFER_ONE
        current.description.schedule.state.paused = True
        return ScheduleUpdate(schedule=current.description.schedule)

    async def until(told: Callable[[Schedule], bool]) -> Schedule:
        async with asyncio.timeout(30):
            while not told(seen := (await handle.describe()).schedule):  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.05)
        return seen

    await handle.update(of_the_operators)
    await until(lambda seen: seen.state.paused)
    await keep_reaping(client, queue)
    seen = await until(lambda seen: seen.spec.intervals[0].every == timedelta(minutes=1))
    assert (seen.state.paused, seen.policy.overlap) == (True, ScheduleOverlapPolicy.BUFFER_ONE)
    assert isinstance(seen.action, ScheduleActionStartWorkflow)
    assert await client.data_converter.decode(seen.action.args, [SweepBounds]) == [SweepBounds()]
    # Under a key of its own from now on: what rests in the schedule must not need one that will be retired.
    keys = SecretStr(f"new:{base64.b64encode(bytes(32)).decode()}")
    converter = data_converter(Settings(payload_keys=keys, payload_accept_plain=True))
    await keep_reaping(Client(**(client.config() | {"data_converter": converter})), queue)
    seen = await until(lambda seen: isinstance(seen.action, ScheduleActionStartWorkflow) and "key" in metadata(seen.action))
    assert (seen.state.paused, seen.policy.overlap) == (True, ScheduleOverlapPolicy.BUFFER_ONE)
    await handle.delete()


def metadata(action: ScheduleActionStartWorkflow) -> Mapping[str, bytes]:
    """How the argument in a schedule is written."""
    (payload,) = action.args
    assert isinstance(payload, Payload)
    return payload.metadata
