"""A server that everything needs goes away in the middle, with ten onboardings in flight, and comes back: nothing is lost."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url
from temporalio.service import RPCError

from domain.onboarding import State
from starter.local.processes import Guard
from starter.local.temporal_server import RunningTemporal, start_temporal_server
from tests.faults.conftest import GroundMaker
from tests.faults.ground import Ground, an_order
from tests.postgres import PostgresServer

IN_FLIGHT = 10
GONE = 10.0
"""Seconds."""


@asynccontextmanager
async def ten_in_flight(ground: Ground) -> AsyncIterator[asyncio.Event]:
    """Ten orders, all of them on their way; those that wait for their last step go on when the event is set. After the block,
    all of them arrive.

    To be set when the outage has begun: nobody is through before.
    """
    on_the_way = ground.director.cue("switch.provision", "before", "hold", times=IN_FLIGHT)
    begun = [an_order(f"Customer {number}", card=number % 2 == 0) for number in range(IN_FLIGHT)]

    async def customer(onboarding: str) -> None:
        await ground.activated(onboarding)
        await ground.paid(onboarding)

    async with ground.kept_worker(), asyncio.TaskGroup() as customers:
        for one in begun:
            await ground.order(one)
            if one.order.administration == "customer":
                customers.create_task(customer(one.id))
        await ground.sees(on_the_way)
        yield on_the_way.released
        states = await asyncio.gather(*(ground.over(one.id) for one in begun))
        assert states == [State.ACTIVE] * IN_FLIGHT
    await ground.sound()


@asynccontextmanager
async def locked_by_another_process(*urls: str) -> AsyncIterator[None]:
    """Somebody else's transactions hold the write lock of these SQLite files."""
    program = (
        "import sqlite3, sys\n"
        "held = [sqlite3.connect(file, isolation_level=None) for file in sys.argv[1:]]\n"
        "for each in held: each.execute('PRAGMA busy_timeout = 20000'); each.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    files = [str(make_url(url).database) for url in urls]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *files, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"locked\n"
    try:
        yield
    finally:
        await process.communicate(b"")  # the end of its input ends it


async def test_sqlite_locked_by_another_process_for_ten_seconds_loses_nothing(ground: Ground) -> None:
    locked = locked_by_another_process(ground.settings.database, ground.settings.voice_database)
    async with ten_in_flight(ground) as go_on, locked:
        before = len(ground.director.trace)
        go_on.set()
        await asyncio.sleep(GONE)
        assert len(ground.director.trace) > before, "somebody must have met the lock, or this test is about nothing"
        assert not [order for order in (await ground.books()).orders if order.state is State.ACTIVE]


@pytest.mark.parametrize("kind", ["postgresql"])
async def test_postgresql_gone_for_ten_seconds_loses_nothing(ground: Ground, postgres: PostgresServer) -> None:
    async with ten_in_flight(ground) as go_on:
        assert postgres.stop()
        try:
            before = len(ground.director.trace)
            go_on.set()
            await asyncio.sleep(GONE)
            refused = [moment for _, moment, _ in ground.director.trace[before:] if moment.when == "refused"]
            assert refused, "somebody must have met the outage, or this test is about nothing"
        finally:
            # Not on a thread: the server ends with the thread that started it.
            assert postgres.start()


@dataclass
class MortalTemporal:
    """A server with a file, to be killed and started again."""

    guard: Guard
    folder: Path
    running: RunningTemporal | None = None
    port: int | None = None

    def start(self) -> str:
        log, file = self.folder / "temporal.log", self.folder / "temporal.db"
        self.running = start_temporal_server(guard=self.guard, log=log, database_file=file, port=self.port)
        self.port = int(self.running.address.rsplit(":", 1)[1])
        return self.running.address

    def kill(self) -> None:
        assert self.running is not None
        self.running.kill()


@pytest.fixture
def mortal_temporal(tmp_path: Path) -> Iterator[MortalTemporal]:
    with Guard() as guard:
        server = MortalTemporal(guard, tmp_path)
        server.start()
        yield server
        server.kill()


async def test_a_temporal_server_that_is_killed_and_started_again_loses_no_acknowledged_order(
    new_ground: GroundMaker, mortal_temporal: MortalTemporal
) -> None:
    assert mortal_temporal.running is not None
    ground = await new_ground(mortal_temporal.running.address)
    late = an_order("Too Late")
    async with ten_in_flight(ground) as go_on:
        await asyncio.to_thread(mortal_temporal.kill)
        go_on.set()
        with pytest.raises(RPCError):
            await ground.order(late, rpc_timeout=timedelta(seconds=2))
        await asyncio.to_thread(mortal_temporal.start)
        # The same order again, under the same id: carried out once.
        await ground.order(late)
        assert await ground.over(late.id) is State.ACTIVE
