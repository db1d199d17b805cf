"""What holding a number costs, among a thousand and among a million, with 64 orders at once.

The lower half of each inventory is sold, so a claim that walked past sold numbers would show. The two inventories are measured
in turns on the same machine, and the medians compared, so that whatever else the machine does meets both alike.

Run alone: ``python -m bench.claims``. The PostgreSQL is the one of the tests: its disk is never waited for.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, text

from adapters.database import Database, migrate
from domain import keys
from domain.numbers import NumberCriteria, NumberSelection
from domain.onboarding import Entry, Progress, State, Step
from domain.steps import Opening, ReservationOrder, Undo
from tests.builders import a_tenant, an_onboarding, paid_by_parent
from tests.postgres import running_postgres

SMALL, LARGE = 1_000, 1_000_000
IN_FLIGHT, ORDERS, ROUNDS = 64, 256, 7
PREFIX = "+44121"
TENANT = a_tenant()

_SERIES = {
    "sqlite": "WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < :size)",
    "postgresql": "WITH series(n) AS (SELECT generate_series(0, :size - 1))",
}
_FILL = """
INSERT INTO numbers (e164, tenant_id, grade, state, held_by, onboarding_id)
{series} SELECT '{prefix}' || CAST(1000000 + n AS text), :tenant, 'standard',
    CASE WHEN n < :sold THEN 'assigned' ELSE 'available' END,
    CASE WHEN n < :sold THEN 'sold' END, CASE WHEN n < :sold THEN 'sold' END
FROM series
"""


async def measure() -> dict[str, float]:
    """Milliseconds per claim for both databases and sizes, and the ratios of large to small."""
    figures: dict[str, float] = {}
    with _urls() as urls:
        for kind, (small, large) in urls.items():
            async with _stocked(small, kind, SMALL) as few, _stocked(large, kind, LARGE) as many:
                rounds = [(await _round(few, turn), await _round(many, turn)) for turn in range(ROUNDS)]
            # The first round fills caches and prepares statements.
            small_ms, large_ms = (statistics.median(cost) for cost in zip(*rounds[1:], strict=True))
            figures[f"claim_ms_{kind}_{SMALL}"] = round(small_ms, 3)
            figures[f"claim_ms_{kind}_{LARGE}"] = round(large_ms, 3)
            figures[f"claim_cost_ratio_{kind}"] = round(large_ms / small_ms, 3)
    return figures


@contextmanager
def _urls() -> Iterator[dict[str, tuple[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="dialtone-bench-") as folder, running_postgres() as server:
        yield {
            "sqlite": (f"sqlite:///{Path(folder) / 'small.db'}", f"sqlite:///{Path(folder) / 'large.db'}"),
            "postgresql": (server.create("small"), server.create("large")),
        }


@asynccontextmanager
async def _stocked(url: str, kind: str, size: int) -> AsyncIterator[Database]:
    await migrate(url)
    database = Database(url)
    await database.admin.put_tenant(TENANT)

    def fill(connection: Connection) -> None:
        statement = text(_FILL.format(series=_SERIES[kind], prefix=PREFIX))
        connection.execute(statement, {"size": size, "sold": size // 2, "tenant": TENANT.id})
        connection.execute(text("ANALYZE"))

    await database._transactions.write(fill)
    try:
        yield database
    finally:
        await database.close()


async def _round(database: Database, turn: int) -> float:
    """Milliseconds per claim of one round: orders for one number each, next and random by turns. All are given back."""
    orders = [_order(turn, position) for position in range(ORDERS)]
    for opening, _ in orders:
        await database.records.register(opening)
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def claim(order: ReservationOrder) -> None:
        async with gate:
            await database.numbers.reserve(order)

    began = time.perf_counter()
    await asyncio.gather(*(claim(order) for _, order in orders))
    taken = time.perf_counter() - began
    for _, order in orders:
        await database.numbers.release(Undo(key=order.key, onboarding_id=order.onboarding_id))
    return taken / ORDERS * 1000


def _order(turn: int, position: int) -> tuple[Opening, ReservationOrder]:
    onboarding = an_onboarding(paid_by_parent(name=f"Customer {turn} {position}"))
    key = keys.step_key(onboarding.id, Step.RESERVE_NUMBERS)
    entry = Entry(key="1:numbers_held", at=datetime.now(UTC), event="numbers_held")
    progress = Progress(onboarding_id=onboarding.id, version=1, state=State.RESERVING, entries=(entry,))
    opening = Opening(
        key=keys.step_key(onboarding.id, Step.OPEN_ACCOUNT),
        account_id=keys.account_id(onboarding.id),
        onboarding=onboarding,
        progress=progress.model_copy(update={"version": 0, "entries": ()}),
    )
    criteria = NumberCriteria(prefix=PREFIX, pick="random" if position % 2 else "next")
    return opening, ReservationOrder(
        key=key,
        onboarding_id=onboarding.id,
        tenant_id=TENANT.id,
        selections=(NumberSelection(criteria=criteria),),
        until=datetime.now(UTC) + timedelta(days=1),
        progress=progress,
    )


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure())))
