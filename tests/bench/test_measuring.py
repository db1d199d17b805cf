"""Small measurements on the real stack: what is compared is comparable, and every promised figure comes out."""

from collections.abc import Iterator
from math import isfinite

import pytest
from temporalio.api.enums.v1 import EventType

from bench import customers, onboardings, parked, posts, report
from bench.empty import EMPTY_QUEUE
from bench.laboratory import Laboratory, laboratory, start
from bench.onboardings import Amount
from starter.local.stack import TASK_QUEUE


@pytest.fixture(scope="module")
def lab() -> Iterator[Laboratory]:
    with laboratory() as running:
        yield running


async def history(lab: Laboratory, workflow: str, task_queue: str) -> tuple[list[str], int]:
    client = await lab.connect()
    handle = await start(client, workflow, customers.onboarding(), task_queue)
    await handle.result()
    events = [EventType.Name(event.event_type) for event in (await handle.fetch_history()).events]
    described = await handle.describe()
    return events, described.raw_description.workflow_execution_info.history_size_bytes


async def test_the_empty_workflow_leaves_the_same_history_as_an_onboarding(lab: Laboratory) -> None:
    worker = lab.launch("empty-worker", "bench.empty")
    try:
        events, size = await history(lab, "onboarding", TASK_QUEUE)
        empty_events, empty_size = await history(lab, "empty", EMPTY_QUEUE)
    finally:
        worker.stop()
    assert empty_events == events
    assert empty_size == pytest.approx(size, rel=0.1)
    steps = events.count("EVENT_TYPE_MARKER_RECORDED") + events.count("EVENT_TYPE_ACTIVITY_TASK_SCHEDULED")
    assert steps == onboardings.STEPS, "DBOS is given as many steps"


async def test_every_promised_figure_is_measured(lab: Laboratory) -> None:
    figures = await onboardings.measure(lab, Amount(rounds=1, flood=6, single=2))
    figures |= await parked.measure(lab, count=20, cache=10)
    figures |= await posts.measure(lab, rounds=1, per_round=10)
    promised = {goal.figure for goal in report.GOALS if not goal.figure.startswith("claim_")}
    assert promised | {"bytes_per_parked"} <= figures.keys()
    assert all(isfinite(value) for value in figures.values())
    assert figures["events_per_onboarding"] <= 75
    assert figures["history_bytes_per_onboarding"] <= 20_000
    counted = {"onboarding_server_cpu_ms", "onboarding_worker_cpu_ms", "empty_worker_cpu_ms", "dbos_process_cpu_ms"}
    assert all(figures[name] > 0 for name in counted | {"wake_seconds", "post_p95_ms", "start_p95_ms"})


def test_memory_counts_until_the_cache_is_full_and_after() -> None:
    figures = parked._growth({0: 1000, 50: 2000, 100: 3000, 150: 3010, 200: 3020}, cache=100)
    assert figures["bytes_per_cached"] == 20
    assert figures["bytes_per_parked_beyond_cache"] == 0.2
    assert figures["bytes_per_parked"] == 10.1
