"""What finding and holding numbers costs among ten thousand, and among ten million (SQLite: a million).

Run alone: ``python -m bench.numbers`` or ``make bench-numbers``. A quarter of each stock is sold outright and three tenths of the
rest here and there, so a search that walked past sold numbers would show. Both sizes are asked in turns, each time for something
else, so that what drifts on the machine meets both alike. ``DIALTONE_BENCH_NUMBERS`` makes the large stocks smaller, for trying.
The PostgreSQL is the one of the tests, whose disk is never waited for, with buffers that hold the index of what is free.
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from adapters.database import Database, migrate
from adapters.database.tables import numbers
from bench.figures import percentile, rounded
from domain import keys
from domain.numbers import Grade, NumberCriteria, NumberSearch, NumberSelection, grade_of
from domain.onboarding import Entry, Progress, State, Step
from domain.steps import Opening, ReservationOrder, Undo
from tests.builders import a_tenant, an_onboarding, paid_by_parent
from tests.postgres import running_postgres

SMALL = 10_000
LARGE = {"sqlite": 1_000_000, "postgresql": 10_000_000}
SAMPLES = 200
_BUFFERS = "shared_buffers=1GB"
GOAL_P95_MS, GOAL_RATIO = 20.0, 1.5
TENANT = a_tenant()
# Here and there: a hash of the number, so that runs of free numbers are as long as chance makes them.
_HASH = "((n * 2654435761) % 4294967291)"
_SOLD = "n < {sold} OR (" + _HASH + " * (" + _HASH + " / 65536 + 1)) % 1000003 % 1000 < 300"
_ROW = (
    "INSERT INTO numbers (e164, tenant_id, grade, state, pool, held_by, onboarding_id) SELECT '+44121' || {digits}, '{tenant}',"
    " g.grade, CASE WHEN s.sold THEN 'assigned' ELSE 'available' END, 'public', CASE WHEN s.sold THEN 'sold' END,"
    " CASE WHEN s.sold THEN 'sold' END FROM ({series}) s JOIN grades g ON g.ending = s.n % 1000000"
)


@dataclass(frozen=True)
class Stock:
    """A database with so many numbers: those of +44121 whose seven digits lie from ``first`` on."""

    database: Database
    first: int
    size: int

    def digits(self, chance: random.Random, *, sold: bool = False) -> str:
        """The seven digits of some number of the stock; of one in the quarter that is sold outright, if so wanted."""
        return f"{self.first + chance.randrange(self.size // 4 if sold else self.size):07d}"


Ask = Callable[[Stock, random.Random], Awaitable[object]]


def _search(**wish: object) -> Ask:
    async def ask(stock: Stock, chance: random.Random) -> object:  # noqa: ARG001 - one shape for all
        return await stock.database.stock.search(TENANT.id, NumberSearch.model_validate({"prefix": "+44121", **wish}))

    return ask


def _holding(digits: Callable[[Stock, random.Random], tuple[str, ...]], **wish: object) -> Ask:
    async def ask(stock: Stock, chance: random.Random) -> object:
        contains = digits(stock, chance)
        return await stock.database.stock.search(TENANT.id, NumberSearch.model_validate({"contains": contains, **wish}))

    return ask


async def _under_a_prefix(stock: Stock, chance: random.Random) -> object:
    prefix = "+44121" + stock.digits(chance)[:5]
    return await stock.database.stock.search(TENANT.id, NumberSearch(prefix=prefix))


SEARCHES: dict[str, Ask] = {
    "next": _search(grades=[Grade.STANDARD]),
    "any_grade": _search(),
    "gold": _search(grades=[Grade.GOLD]),
    "prefix": _under_a_prefix,
    "random": _search(pick="random", grades=[Grade.STANDARD]),
    "block_of_10": _search(pick="block", count=10),
    "contains_2": _holding(lambda stock, chance: (stock.digits(chance)[-2:],)),
    "contains_4": _holding(lambda stock, chance: (stock.digits(chance)[-4:],)),
    "contains_2_and_3": _holding(lambda stock, chance: (f"{chance.randrange(100):02d}", stock.digits(chance)[-3:])),
    "contains_4_gold": _holding(lambda stock, chance: (stock.digits(chance)[-4:],), grades=[Grade.GOLD]),
    "contains_7_rare": _holding(lambda stock, chance: (stock.digits(chance),)),
    "contains_7_sold": _holding(lambda stock, chance: (stock.digits(chance, sold=True),)),
}
_CLAIMS: dict[str, Callable[[Stock, random.Random], NumberCriteria]] = {
    "next": lambda _, __: NumberCriteria(prefix="+44121"),
    "random": lambda _, __: NumberCriteria(prefix="+44121", pick="random"),
    "block_of_10": lambda _, __: NumberCriteria(prefix="+44121", pick="block", count=10),
    "contains_2": lambda stock, chance: NumberCriteria(prefix="+44121", contains=(stock.digits(chance)[-2:],)),
}


async def measure(say: Callable[[str], None]) -> dict[str, float]:
    """Milliseconds per kind, database and size: median and 95th percentile; and the medians' ratios of large to small."""
    figures: dict[str, float] = {}
    most = int(os.environ.get("DIALTONE_BENCH_NUMBERS", "10_000_000"))
    with _urls() as urls:
        for kind, (small, large) in urls.items():
            size = min(LARGE[kind], most)
            async with _stocked(small, kind, 4_960_000, SMALL, say) as few, _stocked(large, kind, 0, size, say) as many:
                for name, ask in SEARCHES.items():
                    figures |= await _measured(f"search_{name}_{kind}", few, many, ask)
                for name, criteria in _CLAIMS.items():
                    figures |= await _claimed(f"claim_{name}_{kind}", few, many, criteria)
                figures[f"numbers_{kind}"] = size
    return figures


async def _measured(name: str, few: Stock, many: Stock, ask: Ask) -> dict[str, float]:
    costs: dict[Stock, list[float]] = {few: [], many: []}
    chances = {few: random.Random(1), many: random.Random(2)}
    for sample in range(SAMPLES + 10):
        for stock, spent in costs.items():
            began = time.perf_counter()
            await ask(stock, chances[stock])
            if sample >= 10:  # the first ones fill caches and prepare statements
                spent.append((time.perf_counter() - began) * 1000)
    return _figures(name, costs[few], costs[many])


async def _claimed(
    name: str, few: Stock, many: Stock, criteria: Callable[[Stock, random.Random], NumberCriteria]
) -> dict[str, float]:
    costs: dict[Stock, list[float]] = {few: [], many: []}
    chance = random.Random(3)
    for sample in range(SAMPLES // 2 + 10):
        for stock, spent in costs.items():
            opening, order = _order(criteria(stock, chance))
            await stock.database.records.register(opening)
            began = time.perf_counter()
            await stock.database.numbers.reserve(order)
            if sample >= 10:
                spent.append((time.perf_counter() - began) * 1000)
            await stock.database.numbers.release(Undo(key=order.key, onboarding_id=order.onboarding_id))
    return _figures(name, costs[few], costs[many])


def _figures(name: str, few: list[float], many: list[float]) -> dict[str, float]:
    return {
        f"{name}_p50_ms": percentile(many, 50),
        f"{name}_p95_ms": percentile(many, 95),
        f"{name}_small_p50_ms": percentile(few, 50),
        f"{name}_ratio": percentile(many, 50) / percentile(few, 50),
    }


def _order(criteria: NumberCriteria) -> tuple[Opening, ReservationOrder]:
    onboarding = an_onboarding(paid_by_parent(name="Bench"))
    entry = Entry(key="1:numbers_held", at=datetime.now(UTC), event="numbers_held")
    progress = Progress(onboarding_id=onboarding.id, version=1, state=State.RESERVING, entries=(entry,))
    opening = Opening(
        key=keys.step_key(onboarding.id, Step.OPEN_ACCOUNT),
        account_id=keys.account_id(onboarding.id),
        onboarding=onboarding,
        progress=progress.model_copy(update={"version": 0, "entries": ()}),
    )
    return opening, ReservationOrder(
        key=keys.step_key(onboarding.id, Step.RESERVE_NUMBERS),
        onboarding_id=onboarding.id,
        tenant_id=TENANT.id,
        selections=(NumberSelection(criteria=criteria),),
        until=datetime.now(UTC) + timedelta(days=1),
        progress=progress,
    )


@contextmanager
def _urls() -> Iterator[dict[str, tuple[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="dialtone-bench-") as folder, running_postgres(_BUFFERS) as server:
        yield {
            "sqlite": (f"sqlite:///{Path(folder) / 'small.db'}", f"sqlite:///{Path(folder) / 'large.db'}"),
            "postgresql": (server.create("small"), server.create("large")),
        }


@asynccontextmanager
async def _stocked(url: str, kind: str, first: int, size: int, say: Callable[[str], None]) -> AsyncIterator[Stock]:
    await migrate(url)
    database = Database(url)
    began = time.monotonic()
    try:
        await database.admin.put_tenant(TENANT)
        await (_fill_sqlite(database, first, size) if kind == "sqlite" else _fill_postgres(url, first, size))
        say(f"{size:,} numbers in {kind}: {time.monotonic() - began:.0f} s")
        yield Stock(database, first, size)
    finally:
        await database.close()


def _grades() -> list[tuple[int, str]]:
    return [(ending, grade_of(f"+44121{ending:07d}").value) for ending in range(1_000_000)]


def _statement(kind: str, first: int, size: int) -> str:
    sold = _SOLD.format(sold=first + size // 4)
    if kind == "sqlite":
        rows = f"WITH RECURSIVE r(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM r WHERE n + 1 < {first + size}) "
        return rows + _ROW.format(digits="printf('%07d', s.n)", tenant=TENANT.id, series=f"SELECT n, ({sold}) AS sold FROM r")
    series = f"SELECT n, ({sold}) AS sold FROM generate_series({first}::bigint, {first + size - 1}) AS r(n)"
    return _ROW.format(digits="lpad(s.n::text, 7, '0')", tenant=TENANT.id, series=series)


async def _fill_sqlite(database: Database, first: int, size: int) -> None:
    def fill(connection: Connection) -> None:
        connection.execute(text("CREATE TEMP TABLE grades (ending INTEGER PRIMARY KEY, grade TEXT)"))
        connection.exec_driver_sql("INSERT INTO grades VALUES (?, ?)", _grades())
        connection.exec_driver_sql(_statement("sqlite", first, size))
        connection.execute(text("DROP TABLE grades"))
        connection.execute(text("ANALYZE"))

    await database._transactions.write(fill)


async def _fill_postgres(url: str, first: int, size: int) -> None:
    """Rows first and indexes afterwards, without asking of each row whether its white label exists."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '256MB'")
        await connection.execute("CREATE TEMP TABLE grades (ending bigint PRIMARY KEY, grade text)")
        await connection.copy_records_to_table("grades", records=_grades(), columns=["ending", "grade"])
        await connection.execute("ANALYZE grades")
        indexes = sorted(numbers.indexes, key=lambda index: str(index.name))
        for index in indexes:
            await connection.execute(f"DROP INDEX {index.name}")
        await connection.execute(_statement("postgresql", first, size))
        for index in indexes:
            await connection.execute(str(CreateIndex(index).compile(dialect=postgresql.dialect())))  # type: ignore[no-untyped-call]
        await connection.execute("VACUUM ANALYZE numbers")
    finally:
        await connection.close()


def show(figures: dict[str, float], console: Console) -> None:
    """A table of every kind, and what misses the goals."""
    table = Table("what", "p50 ms", "p95 ms", "p50 ms of 10,000", "ratio", "goals")
    for name in [name.removesuffix("_ratio") for name in figures if name.endswith("_ratio")]:
        p95, ratio = figures[f"{name}_p95_ms"], figures[f"{name}_ratio"]
        missed = [word for word, reached in (("p95", p95 <= GOAL_P95_MS), ("ratio", ratio <= GOAL_RATIO)) if not reached]
        values = (figures[f"{name}_p50_ms"], p95, figures[f"{name}_small_p50_ms"], ratio)
        table.add_row(name, *(f"{value:.2f}" for value in values), f"missed: {', '.join(missed)}" if missed else "reached")
    console.print(table)


def main() -> None:
    figures = asyncio.run(measure(lambda line: print(line, file=sys.stderr, flush=True)))
    show(figures, Console(width=140))
    print(json.dumps(rounded(figures)))


if __name__ == "__main__":
    main()
