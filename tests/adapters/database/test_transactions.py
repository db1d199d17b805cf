"""Trouble that passes is ``Unavailable``; a bug stays a bug."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy.exc
from sqlalchemy import Connection, text

from adapters.database import Database
from adapters.transactions import Work, connect
from domain.errors import Unavailable
from tests.postgres import PostgresServer, running_postgres


async def test_a_statement_that_is_wrong_is_not_called_unavailable(database: Database) -> None:
    with pytest.raises(sqlalchemy.exc.DBAPIError):
        await database._transactions.write(lambda connection: connection.execute(text("SELECT nonsense FROM tenants")))
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        await database._transactions.write(
            lambda connection: connection.execute(text("INSERT INTO tenants VALUES ('nobody', 'nobody', '{}')"))
        )
    await database.ping()


async def test_an_exception_rolls_everything_back(database: Database) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("DELETE FROM tenants"))
        raise LookupError("bug")

    with pytest.raises(LookupError):
        await database._transactions.write(work)
    assert len(await database.admin.tenants()) == 1


async def test_reading_cannot_write(database: Database) -> None:
    with pytest.raises(sqlalchemy.exc.DBAPIError):
        await database._transactions.read(lambda connection: connection.execute(text("DELETE FROM tenants")))
    assert len(await database.admin.tenants()) == 1


async def test_reading_sees_one_moment(database: Database) -> None:
    first_done, second_may = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def count(connection: Connection) -> int:
        return int(connection.execute(text("SELECT count(*) FROM tenants")).scalar_one())

    if database._transactions.__class__.__name__ == "_Sqlite":

        def work(connection: Connection) -> tuple[int, int]:
            before = count(connection)
            loop.call_soon_threadsafe(first_done.set)
            assert second_may.wait(10)
            return before, count(connection)

        reading = asyncio.create_task(database._transactions.read(work))
        await first_done.wait()
        await database._transactions.write(lambda connection: connection.execute(text("DELETE FROM tenants")) and None)
        second_may.set()
        assert await reading == (1, 1)
    else:
        isolation = await database._transactions.read(
            lambda connection: connection.execute(text("SHOW transaction_isolation")).scalar_one()
        )
        assert isolation == "repeatable read"


async def test_a_file_that_somebody_else_has_locked_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "locked.db"
    other = sqlite3.connect(file, isolation_level=None)
    transactions = connect(f"sqlite:///{file}", lock_seconds=0.05)
    await transactions.write(lambda connection: connection.execute(text("CREATE TABLE t (x)")) and None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="may safely be repeated"):
        await transactions.write(lambda connection: connection.execute(text("INSERT INTO t VALUES (1)")) and None)
    other.execute("ROLLBACK")
    await transactions.write(lambda connection: connection.execute(text("INSERT INTO t VALUES (1)")) and None)
    other.close()
    await transactions.close()


async def test_a_folder_that_is_no_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'folder.db'}")
    with pytest.raises(Unavailable):
        await database.ping()
    await database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql+aiomysql://h/d"])
def test_a_database_that_cannot_serve_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="SQLite"):
        Database(url)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    database = Database("postgresql+asyncpg://nobody:secret@127.0.0.1:1/nothing")
    with pytest.raises(Unavailable) as unavailable:
        await database.ping()
    assert "secret" not in str(unavailable.value)
    await database.close()


async def test_a_wrong_password_is_not_called_unavailable(postgres: PostgresServer) -> None:
    database = Database(postgres.url().replace(postgres.password, "wrong"))
    with pytest.raises(Exception, match="password authentication failed"):
        await database.ping()
    await database.close()


async def test_when_the_server_cuts_connections_the_next_ones_are_made_anew() -> None:
    with running_postgres() as server:
        database, killer = Database(server.url()), connect(server.url())
        await asyncio.gather(*(database.ping() for _ in range(5)))
        await killer.write(
            lambda connection: connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            ).all()
        )
        answers = []
        for _ in range(12):
            try:
                await database.ping()
                answers.append("answer")
            except Unavailable:
                answers.append("none")
        assert answers[-1] == "answer"
        assert answers.count("none") <= 5
        await killer.close()
        await database.close()


async def test_a_step_that_waits_too_long_for_a_lock_is_unavailable_and_a_deadlock_too(postgres: PostgresServer) -> None:
    name = "locks"
    transactions = connect(postgres.create(name))
    await transactions.write(lambda connection: connection.execute(text("CREATE TABLE t (x int primary key)")) and None)
    await transactions.write(lambda connection: connection.execute(text("INSERT INTO t VALUES (1), (2)")) and None)

    def both(first: int, second: int) -> Work[None]:
        def work(connection: Connection) -> None:
            connection.execute(text("SELECT x FROM t WHERE x = :x FOR UPDATE"), {"x": first})
            connection.execute(text("SELECT pg_sleep(0.3)"))
            connection.execute(text("SELECT x FROM t WHERE x = :x FOR UPDATE"), {"x": second})

        return work

    answers = await asyncio.gather(transactions.write(both(1, 2)), transactions.write(both(2, 1)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "Unavailable"]
    await transactions.close()
    postgres.drop(name)


async def test_a_database_without_tables_says_what_to_run(database: Database) -> None:
    with pytest.raises(Unavailable, match="dialtone migrate"):
        await database._transactions.read(lambda connection: connection.execute(text("SELECT 1 FROM nowhere")))
