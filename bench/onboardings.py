"""The full white-label onboarding beside the same shape with nothing in it, and beside DBOS Transact.

Rounds take turns (ours, the empty one, DBOS, ours, ...), so that whatever else the machine does meets all three alike; what
is reported is the median over the rounds of the ratio within a round.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pydantic_core
from temporalio.client import Client

from bench import customers
from bench.empty import EMPTY_QUEUE
from bench.figures import Round, cpu_ms, over_rounds, paired, spread
from bench.laboratory import Laboratory, start
from bench.load import flood
from domain.keys import workflow_id
from starter.local.stack import TASK_QUEUE

STEPS = 7
"""Steps of the onboarding that is measured: five local activities and two activities."""
IN_FLIGHT = 50


@dataclass(frozen=True)
class Amount:
    """How much is measured."""

    rounds: int = 5
    flood: int = 150
    single: int = 20


@dataclass(frozen=True)
class Pair:
    """One round of one contestant: many at a time, then one at a time."""

    many: Round
    one: Round


Contestant = Callable[[int, int], Awaitable[Round]]
"""Does so many pieces of work, so many at a time."""


async def measure(lab: Laboratory, amount: Amount | None = None) -> dict[str, float]:
    """All figures of this subject. Takes about two minutes."""
    amount = amount or Amount()
    client = await lab.connect()
    worker = lab.launch("empty-worker", "bench.empty")
    try:
        pids = lab.stack.pids()
        ours = {"server": pids["temporal"], "worker": pids["worker"], "inbox": pids["inbox"]}
        async with _dbos(lab) as (dbos_async, dbos_sync):
            contestants = {
                "onboarding": _temporal(client, "onboarding", TASK_QUEUE, ours),
                "empty": _temporal(client, "empty", EMPTY_QUEUE, {"server": pids["temporal"], "worker": worker.pid}),
                "dbos_async": dbos_async,
                "dbos_sync": dbos_sync,
            }
            rounds = await _in_turns(contestants, amount)
        return _figures(rounds) | await _histories(client)
    finally:
        worker.stop()


async def _in_turns(contestants: Mapping[str, Contestant], amount: Amount) -> dict[str, list[Pair]]:
    for contestant in contestants.values():
        await contestant(max(amount.flood // 4, 1), IN_FLIGHT)
    rounds: dict[str, list[Pair]] = {name: [] for name in contestants}
    for _ in range(amount.rounds):
        for name, contestant in contestants.items():
            many = await contestant(amount.flood, IN_FLIGHT)
            rounds[name].append(Pair(many=many, one=await contestant(amount.single, 1)))
    return rounds


def _figures(rounds: Mapping[str, list[Pair]]) -> dict[str, float]:
    ours, empty = rounds["onboarding"], rounds["empty"]
    # Whichever style of DBOS does better, for each question by itself.
    fast = max((rounds["dbos_async"], rounds["dbos_sync"]), key=lambda dbos: over_rounds(dbos, _throughput))
    prompt = min((rounds["dbos_async"], rounds["dbos_sync"]), key=lambda dbos: over_rounds(dbos, _latency))
    figures = {
        "throughput_vs_empty": paired(ours, empty, _throughput),
        "throughput_vs_dbos": paired(ours, fast, _throughput),
        "latency_vs_dbos": paired(ours, prompt, _latency),
        "latency_vs_empty": paired(ours, empty, _latency),
        "throughput_spread": spread(_throughput(pair) for pair in ours),
    }
    for name, pairs in {"onboarding": ours, "empty": empty, "dbos": fast, "dbos_prompt": prompt}.items():
        figures |= {
            f"{name}_per_second": over_rounds(pairs, _throughput),
            f"{name}_p50_ms": over_rounds(pairs, lambda pair: pair.many.p50 * 1000),
            f"{name}_p95_ms": over_rounds(pairs, lambda pair: pair.many.p95 * 1000),
            f"{name}_single_p50_ms": over_rounds(pairs, lambda pair: pair.one.p50 * 1000),
            f"{name}_single_p95_ms": over_rounds(pairs, lambda pair: pair.one.p95 * 1000),
        }
        floods = [pair.many for pair in pairs]
        figures |= {f"{name}_{process}_cpu_ms": cpu_ms(floods, process) for process in floods[0].cpu}
    return figures


def _throughput(pair: Pair) -> float:
    return pair.many.throughput


def _latency(pair: Pair) -> float:
    return pair.one.p50


def _temporal(client: Client, workflow: str, task_queue: str, pids: Mapping[str, int]) -> Contestant:
    async def onboard() -> None:
        handle = await start(client, workflow, customers.onboarding(), task_queue)
        await handle.result()

    return lambda count, in_flight: flood(onboard, count, in_flight, pids)


async def _histories(client: Client) -> dict[str, float]:
    """What one onboarding leaves in Temporal; each costs the same."""
    begin = customers.onboarding()
    await (await start(client, "onboarding", begin, TASK_QUEUE)).result()
    described = await client.get_workflow_handle(workflow_id(begin.id)).describe()
    size = described.raw_description.workflow_execution_info.history_size_bytes
    return {"events_per_onboarding": described.history_length, "history_bytes_per_onboarding": size}


@asynccontextmanager
async def _dbos(lab: Laboratory) -> AsyncIterator[tuple[Contestant, Contestant]]:
    """DBOS in a process of its own, which drives itself: its asynchronous and its synchronous style."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.dbos_peer", str(lab.path / "dbos.sqlite"), str(STEPS)),
        env=lab.environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**22,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    questions, answers = process.stdin, process.stdout
    value = pydantic_core.to_json(customers.onboarding()).decode()

    def contestant(style: str) -> Contestant:
        async def work(count: int, in_flight: int) -> Round:
            order = {"style": style, "count": count, "in_flight": in_flight, "input": value}
            questions.write(json.dumps(order).encode() + b"\n")
            answer = json.loads(await answers.readline())
            cpu = {"process": answer["cpu"]}
            return Round(seconds=tuple(answer["seconds"]), whole=answer["whole"], cpu=cpu)

        return work

    try:
        await answers.readline()
        yield contestant("async"), contestant("sync")
        questions.close()
        await process.wait()
    except BaseException:
        process.kill()
        raise
