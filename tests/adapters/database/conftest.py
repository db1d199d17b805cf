"""A migrated, empty database of each kind for every test, with one white label in it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from adapters.database import Database, migrate
from adapters.database.tables import metadata
from tests.builders import a_tenant
from tests.postgres import PostgresServer, running_postgres

TENANT = a_tenant()
KINDS = ("sqlite", "postgresql")


def run_apart(work: Coroutine[Any, Any, None]) -> None:
    """Run it in a loop of its own: fixtures are set up both inside and outside the loop of a test."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    run_apart(migrate(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> str:
    url = postgres.create("dialtone")
    run_apart(migrate(url))
    return url


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database with today's schema."""
    if request.param == "sqlite":
        file = tmp_path / "dialtone.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        return f"sqlite:///{file}"
    url: str = request.getfixturevalue("migrated_postgres")
    # A copy of a template takes a quarter of a second, emptying the tables a hundredth.
    run_apart(_empty(url))
    return url


async def _empty(url: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY CASCADE")
    await connection.close()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.admin.put_tenant(TENANT, credit_limit_minor=100_000, opening_balance_minor=50_000)
    yield database
    await database.close()
