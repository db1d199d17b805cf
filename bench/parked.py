"""Onboardings that wait for their customers: what each costs the worker's memory, and how fast one wakes.

A worker keeps the most recent onboardings in its cache and forgets the others, which are replayed when somebody moves them.
So its memory may grow until the cache is full, and must not grow after that, however many wait.
"""

import asyncio
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from temporalio.client import Client

from bench import customers
from bench.laboratory import Laboratory, start
from bench.load import flood
from bench.processes import resident_bytes
from domain.keys import workflow_id
from domain.onboarding import Activation, OnboardingInput, OnboardingStatus, State
from domain.orders import Administration, TermsAcceptance
from starter.local.stack import TASK_QUEUE

CACHE = 1000
"""How many onboardings a worker keeps: the SDK's default, which the product's worker has."""
WAKES = 20
_STARTS_IN_FLIGHT = 50
_PATIENCE = 600.0
_STEP = 250


async def measure(lab: Laboratory, count: int | None = None, cache: int = CACHE) -> dict[str, float]:
    """Park so many onboardings with a fresh worker; wake the first, which it forgot, and the last, which it remembers."""
    count = count or (10_000 if os.environ.get("FULL") else 2_000)
    await asyncio.to_thread(lab.stack.stop_part, "worker")
    await asyncio.to_thread(lab.stack.start_part, "worker")
    worker, client = lab.stack.pids()["worker"], await lab.connect()
    database = lab.stack.state.path / "dialtone.db"
    file_before = _file_bytes(lab)
    # The first ones load what is loaded once.
    await _park(client, database, 50)
    memory = {0: resident_bytes(worker)}
    parked: list[OnboardingInput] = []
    began = time.perf_counter()
    while len(parked) < count:
        parked += await _park(client, database, min(_STEP, count - len(parked)))
        memory[len(parked)] = resident_bytes(worker)
    seconds = time.perf_counter() - began
    wakes = min(WAKES, count // 2)
    forgotten = [await _wake(client, each) for each in parked[:wakes]]
    remembered = [await _wake(client, each) for each in parked[-wakes:]]
    return {
        **_growth(memory, cache),
        "wake_seconds": max(*forgotten, *remembered),
        "wake_forgotten_p50_seconds": median(forgotten),
        "wake_remembered_p50_seconds": median(remembered),
        "parked": count,
        "parked_per_second": count / seconds,
        "server_file_bytes_per_parked": (_file_bytes(lab) - file_before) / count,
    }


def _growth(memory: dict[int, int], cache: int) -> dict[str, float]:
    """``memory`` by number parked, in bytes. What one more costs while the cache fills, and after it is full."""
    full = min(number for number in memory if number >= min(cache, max(memory)))
    last = max(memory)
    return {
        "worker_bytes_empty": memory[0],
        "worker_bytes_cache_full": memory[full],
        "worker_bytes_parked": memory[last],
        "bytes_per_cached": (memory[full] - memory[0]) / full,
        # Over all that wait: how much bigger a worker is because of each.
        "bytes_per_parked": (memory[last] - memory[0]) / last,
        "bytes_per_parked_beyond_cache": (memory[last] - memory[full]) / (last - full) if last > full else 0.0,
    }


async def _park(client: Client, database: Path, count: int) -> list[OnboardingInput]:
    """Start so many and return when all of them wait for their customers, whose letters are with the relay."""
    begins, goal = [], _letters(database) + count

    async def begin() -> None:
        onboarding = customers.onboarding(Administration.CUSTOMER)
        begins.append(onboarding)
        await start(client, "onboarding", onboarding, TASK_QUEUE)

    await flood(begin, count, _STARTS_IN_FLIGHT, {})
    deadline = time.monotonic() + _PATIENCE
    while _letters(database) < goal:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Only {_letters(database)} of {goal} activation letters were sent within {_PATIENCE:.0f} s.")
        await asyncio.sleep(0.1)
    return begins


def _letters(database: Path) -> int:
    """How many activation letters our records know."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM mail_log WHERE kind = 'activation'").fetchone()
    return int(count)


async def _wake(client: Client, onboarding: OnboardingInput) -> float:
    """Seconds from the customer's press of the button until the onboarding asks for the card."""
    handle = client.get_workflow_handle(workflow_id(onboarding.id))
    terms = customers.white_label().terms
    acceptance = TermsAcceptance(
        version=terms.version, sha256=terms.sha256, capacity="self", accepted_by="customer", accepted_at=onboarding.submitted_at
    )
    began = time.perf_counter()
    await handle.execute_update("activate", Activation(generation=1, terms=acceptance), result_type=OnboardingStatus)
    while (await handle.query("state", result_type=OnboardingStatus)).state is not State.AWAITING_PAYMENT:
        pass
    return time.perf_counter() - began


def _file_bytes(lab: Laboratory) -> int:
    return (lab.stack.state.path / "temporal.db").stat().st_size
