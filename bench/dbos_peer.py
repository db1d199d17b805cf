"""The same number of steps on DBOS Transact, which keeps workflows in a database of the process's own: what one would pick instead.

A process that reads orders (``{"style", "count", "in_flight", "input"}``, JSON lines) on standard input and answers each with
the seconds that every workflow took, that all took, and of CPU. Run it with ``python -m bench.dbos_peer DATABASE_FILE STEPS``.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable

from dbos import DBOS, DBOSConfig

_STEPS = int(sys.argv[2]) if len(sys.argv) > 2 else 7


@DBOS.step()
async def step_async() -> None:
    """Do nothing."""


@DBOS.workflow()
async def empty_async(onboarding: str) -> str:
    for _ in range(_STEPS):
        await step_async()
    return onboarding[:36]


@DBOS.step()
def step_sync() -> None:
    """Do nothing."""


@DBOS.workflow()
def empty_sync(onboarding: str) -> str:
    for _ in range(_STEPS):
        step_sync()
    return onboarding[:36]


async def _asynchronously(value: str, count: int, in_flight: int) -> list[float]:
    left, seconds = count, list[float]()

    async def lane() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            began = time.perf_counter()
            # Called and awaited: a handle would poll for the result in the database, which is slower.
            await empty_async(value)
            seconds.append(time.perf_counter() - began)

    await asyncio.gather(*(lane() for _ in range(in_flight)))
    return seconds


def _synchronously(value: str, count: int, in_flight: int) -> list[float]:
    left, seconds, lock = count, list[float](), threading.Lock()

    def lane() -> None:
        nonlocal left
        while True:
            with lock:
                if left <= 0:
                    return
                left -= 1
            began = time.perf_counter()
            empty_sync(value)
            seconds.append(time.perf_counter() - began)

    threads = [threading.Thread(target=lane) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    runs: dict[str, Callable[[str, int, int], Awaitable[list[float]]]] = {
        "async": _asynchronously,
        "sync": lambda value, count, in_flight: asyncio.to_thread(_synchronously, value, count, in_flight),
    }
    print(json.dumps("ready"), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        began, used = time.perf_counter(), time.process_time()
        seconds = await runs[order["style"]](order["input"], order["count"], order["in_flight"])
        answer = {"seconds": seconds, "whole": time.perf_counter() - began, "cpu": time.process_time() - used}
        print(json.dumps(answer), flush=True)


def main() -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": f"sqlite:///{sys.argv[1]}",
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        asyncio.run(_serve())
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    main()
