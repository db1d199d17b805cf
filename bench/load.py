"""Puts work on a system: so many pieces, so many at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from bench.figures import Round
from bench.processes import Meter


async def flood(work: Callable[[], Awaitable[object]], count: int, in_flight: int, pids: Mapping[str, int]) -> Round:
    """Do ``work`` ``count`` times, ``in_flight`` at a time, and measure. What it raises ends the measurement."""
    left, seconds = count, list[float]()

    async def lane() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            began = time.perf_counter()
            await work()
            seconds.append(time.perf_counter() - began)

    meter = Meter(pids)
    await asyncio.gather(*(lane() for _ in range(in_flight)))
    whole, cpu = meter.read()
    return Round(seconds=tuple(seconds), whole=whole, cpu=cpu)
