"""Migrations and models say the same, on both databases, wherever they run from."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, inspect

from adapters.database import migrate
from adapters.database.migrate import _ADVISORY_LOCK, upgrade
from adapters.database.tables import metadata
from adapters.transactions import connect
from tests.adapters.database.conftest import KINDS
from tests.postgres import PostgresServer

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'deep' / 'new.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"empty_{os.urandom(4).hex()}"
    yield server.create(name)
    server.drop(name)


async def look(url: str, work: object) -> object:
    transactions = connect(url)
    try:
        return await transactions.write(work)
    finally:
        await transactions.close()


async def test_the_migrations_make_the_tables_that_the_models_describe(empty_url: str) -> None:
    await migrate(empty_url)

    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert await look(empty_url, differences) == []


async def test_several_processes_may_migrate_at_once_and_again(empty_url: str) -> None:
    await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    await migrate(empty_url)
    tables = await look(empty_url, lambda connection: set(inspect(connection).get_table_names()))
    assert tables == {*metadata.tables, "alembic_version"}


async def test_who_opens_a_new_file_waits_for_somebody_who_writes_to_it_already(tmp_path: Path) -> None:
    """The one wait that SQLite does not do itself: a file that has no write-ahead log yet."""
    file = tmp_path / "new.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    migrating = asyncio.create_task(migrate(f"sqlite:///{file}"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(migrating), 0.5)
    other.execute("COMMIT")
    other.close()
    await migrating


async def test_a_migration_takes_as_long_as_it_takes(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of a statement is for those who serve; writing a large table anew takes longer."""
    monkeypatch.setattr("adapters.transactions._COMMAND_SECONDS", 0.2)
    name = f"empty_{os.urandom(4).hex()}"
    url = postgres.create(name)
    other = await asyncpg.connect(url.replace("+asyncpg", ""))
    await other.execute(f"SELECT pg_advisory_lock({_ADVISORY_LOCK})")
    migrating = asyncio.create_task(migrate(url))
    waited = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND clock_timestamp() - waitstart > interval '0.5s')"
    async with asyncio.timeout(20):
        while not migrating.done() and not await other.fetchval(waited):
            pass
    await other.execute(f"SELECT pg_advisory_unlock({_ADVISORY_LOCK})")
    await migrating
    await other.close()
    postgres.drop(name)


async def test_live_work_goes_on_while_every_revision_since_the_fifth_is_put_in_place(postgres: PostgresServer) -> None:
    name = f"live_{os.urandom(4).hex()}"
    url = postgres.create(name)
    await look(url, lambda connection: upgrade(connection, "0005"))
    live, watcher = [await asyncpg.connect(url.replace("+asyncpg", "")) for _ in range(2)]
    await live.execute(
        "INSERT INTO accounts (id, kind, name, name_key, status, currency, balance_minor, held_minor, credit_limit_minor, "
        "account_type, payer, administration, segment, opened_at) "
        "VALUES ('a', 'reseller', 'A', 'a', 'active', 'GBP', 0, 0, 0, 'postpaid', 'parent', 'operator', 'normal', now());"
        "INSERT INTO baskets (id, tenant_id, pool, created_by, created_at, expires_at) "
        "VALUES ('b', 'a', 'public', 'k', now(), now())"
    )
    work = (
        "UPDATE baskets SET closed_at = now()",
        "SELECT count(*) FROM onboardings",
        "UPDATE accounts SET balance_minor = balance_minor + 1",
    )
    waits = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'baskets'::regclass AND mode = 'AccessExclusiveLock'"
    )
    # Somebody holds a basket and wants the account, which the migration holds; and the migration wants the basket.
    async with live.transaction():
        await live.execute(work[0])
        migrating = asyncio.create_task(migrate(url))
        async with asyncio.timeout(30):
            while not migrating.done() and not await watcher.fetchval(waits):
                pass
        await live.execute(work[2])
    rounds = 1
    async with asyncio.timeout(60):
        while not migrating.done():
            async with live.transaction():
                for statement in work:
                    await live.execute(statement)
            rounds += 1
    await migrating
    assert await watcher.fetchval("SELECT balance_minor FROM accounts WHERE id = 'a'") == rounds
    assert await look(url, lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)) == []
    for connection in (live, watcher):
        await connection.close()
    postgres.drop(name)


async def test_constraints_and_partial_indexes_are_really_there(empty_url: str) -> None:
    """Comparing models does not look at these, and two promises hang on them: one open name, one holder."""
    await migrate(empty_url)

    def constraints(connection: Connection) -> tuple[set[str | None], dict[str, bool]]:
        inspector = inspect(connection)
        checks = {check["name"] for table in metadata.tables for check in inspector.get_check_constraints(table)}
        partial = {
            str(index["name"]): bool(index["unique"])
            for table in metadata.tables
            for index in inspector.get_indexes(table)
            if index.get("dialect_options", {}).get(f"{connection.dialect.name}_where") is not None
        }
        return checks, partial

    checks, partial = await look(empty_url, constraints)
    assert checks == {
        constraint.name
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert partial == {
        "uq_accounts_open_name": True,
        "ix_numbers_free": False,
        "ix_accounts_resellers": False,
        "ix_numbers_holder": False,
        "ix_numbers_basket": False,
        "ix_numbers_kept": False,
        "ix_numbers_held_until": False,
        "ix_numbers_quarantined_until": False,
        "ix_baskets_open": False,
        "ix_balance_alerts_due": False,
        "ix_bulk_rows_working": False,
    }


async def test_there_is_one_line_of_revisions(tmp_path: Path) -> None:
    scripts = ScriptDirectory(str(ROOT / "adapters" / "database" / "migrations"))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_alembics_own_command_line_finds_the_migrations(tmp_path: Path) -> None:
    environment = {**os.environ, "DIALTONE_DATABASE_URL": f"sqlite:///{tmp_path / 'cli.db'}"}
    for arguments in (["upgrade", "head"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
