"""A row that is withdrawn at the very moment at which it is started ends either never started or started, and never as both."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.util import await_only

from adapters.database import Database
from adapters.database.bulk import BulkRecords
from adapters.transactions import Transactions, Work
from domain.bulk import BatchOrder, NewRow, NewRun, RowState
from domain.keys import bulk_onboarding_id
from tests.builders import an_onboarding
from tests.bulk.conftest import TENANT

T = TypeVar("T")
ROWS = 3


class Held:
    """Transactions that have done their work, and wait for leave to be committed."""

    def __init__(self, real: Transactions) -> None:
        self._real = real
        self.done, self.leave = asyncio.Event(), asyncio.Event()
        self.read, self.close = real.read, real.close

    async def write(self, work: Work[T]) -> T:
        loop = asyncio.get_running_loop()

        def held(connection: Connection) -> T:
            result = work(connection)
            loop.call_soon_threadsafe(self.done.set)
            if connection.dialect.is_async:
                await_only(self.leave.wait())
            else:
                asyncio.run_coroutine_threadsafe(self.leave.wait(), loop).result()
            return result

        return await self._real.write(held)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.admin.put_tenant(TENANT, credit_limit_minor=0)
    yield database
    await database.close()


async def a_run(database: Database) -> BatchOrder:
    """Kept, with rows that wait; the next of them as the workflow asks for them."""
    run = NewRun(
        id=str(uuid.uuid4()),
        tenant_id=TENANT.id,
        fingerprint="f",
        rate=60,
        at_once=10,
        created_by="key-bulk",
        created_at=datetime.now(UTC),
    )
    begins = [an_onboarding(id=bulk_onboarding_id(run.id, number)) for number in range(1, ROWS + 1)]
    rows = [NewRow(number=number, line=number, begin=begin) for number, begin in enumerate(begins, 1)]
    assert await database.bulk.keep(run, rows)
    return BatchOrder(run_id=run.id, most=ROWS, at_once=ROWS)


async def in_the_way(database: Database, url: str, second: "asyncio.Task[T]") -> None:
    """Until the second waits for the first: at a lock of PostgreSQL's, or in our own queue for SQLite's one writer."""
    waits = text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    while url.startswith("postgresql") and not second.done():
        if await database._transactions.read(lambda connection: connection.execute(waits).scalar_one()):
            return
    await asyncio.sleep(0)


async def test_a_row_that_is_being_withdrawn_is_not_started(database: Database, url: str) -> None:
    order = await a_run(database)
    held = Held(database._transactions)
    withdrawing = asyncio.create_task(BulkRecords(held).withdraw(order.run_id, 2))
    await held.done.wait()
    claiming = asyncio.create_task(database.bulk.claim(order))
    await in_the_way(database, url, claiming)
    held.leave.set()
    assert await withdrawing
    assert [row.number for row in (await claiming).rows] == [1, 3]
    assert (await database.bulk.row(order.run_id, 2)).state is RowState.WITHDRAWN


async def test_a_row_that_is_being_started_is_not_withdrawn(database: Database, url: str) -> None:
    order = await a_run(database)
    held = Held(database._transactions)
    claiming = asyncio.create_task(BulkRecords(held).claim(order))
    await held.done.wait()
    withdrawing = asyncio.create_task(database.bulk.withdraw(order.run_id, 2))
    await in_the_way(database, url, withdrawing)
    held.leave.set()
    assert [row.number for row in (await claiming).rows] == [1, 2, 3]
    assert not await withdrawing
    assert (await database.bulk.row(order.run_id, 2)).state is RowState.STARTING
