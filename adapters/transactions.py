"""Connections: whole transactions as plain functions, run where they are cheapest.

A transaction is written once, against the synchronous ``sqlalchemy.Connection``. On PostgreSQL it runs in the event loop
through asyncpg. On SQLite it runs in one hop on a thread: the driver would otherwise hop to a thread and back for every
statement, which costs more than the statement.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import asyncpg
import sqlalchemy.exc
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from domain.errors import Unavailable

T = TypeVar("T")
Work = Callable[[Connection], T]

# What can come out of the driver and the pool. TimeoutError is an OSError.
_TROUBLE = (sqlalchemy.exc.SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_READERS = 4
_POOL = 12
_PATIENCE = 3600.0
_LOCK_SECONDS = 10.0
_COMMAND_SECONDS = 60.0
# SQLSTATE classes that say "not now": connection, rollback (deadlock), resources, operator intervention, system.
_PASSING_STATES = ("08", "40", "53", "57", "58", "55P03")
_NO_SUCH_TABLE = "42P01"
_PASSING_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)


class Transactions(Protocol):
    """Runs functions as transactions. All or nothing: an exception from the function rolls everything back.

    Raises ``Unavailable`` when the database cannot be reached, is locked, has no room or no tables yet; a repeat may
    succeed. A violated constraint, and a statement that is our mistake, stay SQLAlchemy's errors.
    """

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` as one transaction that may change data."""

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` on one consistent snapshot that it cannot change."""

    async def close(self) -> None:
        """Let go of all connections."""


def connect(url: str, lock_seconds: float = _LOCK_SECONDS, whose: str = "Our", *, patient: bool = False) -> Transactions:
    """The transactions of the database at this URL: ``sqlite:///file`` or ``postgresql://...``.

    ``lock_seconds`` is how long a statement waits for somebody else's lock; ``whose`` database it is, for the sentence that
    says it is in trouble. ``patient``: a statement may take as long as it takes, as those of a migration do, and so may others'.
    Raises ``ValueError`` for any other kind of database.
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _Sqlite(parsed, _PATIENCE if patient else lock_seconds, whose)
    if backend == "postgresql":
        return _Postgresql(parsed, lock_seconds, whose, None if patient else _COMMAND_SECONDS)
    raise ValueError(f"Dialtone keeps its data in SQLite or PostgreSQL, not in {backend}; change the database URL.")


class _Sqlite:
    """One writer with a first-come first-served queue, and a few readers beside it (WAL lets them overlap).

    Waiting in our own queue is fair and costs nothing; SQLite's busy handler sleeps and guesses. It is still
    there for the other processes that write to the same file.
    """

    def __init__(self, url: URL, lock_seconds: float, whose: str) -> None:
        self._whose = whose
        if not url.database or url.database == ":memory:" or "mode=memory" in url.database:
            raise ValueError("SQLite needs a file here: readers and the writer have connections of their own.")
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        file = url.set(drivername="sqlite+pysqlite")
        self._write_engine = _sqlite_engine(file, 1, "BEGIN IMMEDIATE", lock_seconds, read_only=False)
        self._read_engine = _sqlite_engine(file, _READERS, "BEGIN", lock_seconds, read_only=True)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="dialtone-writer")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="dialtone-reader")

    async def write(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._writer, _transaction, self._write_engine, work, self._whose
        )

    async def read(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, _transaction, self._read_engine, work, self._whose
        )

    async def close(self) -> None:
        for executor, engine in ((self._writer, self._write_engine), (self._readers, self._read_engine)):
            await asyncio.to_thread(executor.shutdown)
            engine.dispose()


def _transaction(engine: Engine, work: Work[T], whose: str) -> T:
    try:
        with engine.begin() as connection:
            return work(connection)
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise _translated(error, whose) from error


def _sqlite_engine(url: URL, connections: int, begin: str, lock_seconds: float, *, read_only: bool) -> Engine:
    engine = create_engine(url, pool_size=connections, max_overflow=0)

    def opened(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # The driver's own idea of when a transaction begins is switched off; "begun" below says it.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(lock_seconds * 1000)}")
        _write_ahead(cursor, lock_seconds)
        for pragma in ("synchronous = NORMAL", "foreign_keys = ON", f"query_only = {int(read_only)}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", opened)
    event.listen(engine, "begin", begun)
    return engine


def _write_ahead(cursor: DBAPICursor, lock_seconds: float) -> None:
    """Switch the file to its write-ahead log, once and for all who open it later.

    Beside somebody who writes, SQLite refuses the switch at once, without its busy handler: both hold a shared lock, and
    neither would let go. It passes with the other's transaction, so it is asked again.
    """
    until = time.monotonic() + lock_seconds
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(0.01)
        else:
            return


class _Postgresql:
    """A pool of asyncpg connections, read committed for writing (each statement decides by what it locks)."""

    def __init__(self, url: URL, lock_seconds: float, whose: str, command_seconds: float | None) -> None:
        self._whose = whose
        self._engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=_POOL,
            max_overflow=0,
            pool_timeout=10,
            connect_args={
                "timeout": 10,
                "command_timeout": command_seconds,
                # No wait may outlive the step that waits; just-in-time compilation costs more than our statements.
                "server_settings": {
                    "application_name": "dialtone",
                    "jit": "off",
                    "lock_timeout": f"{int(lock_seconds * 1000)}ms",
                    "idle_in_transaction_session_timeout": "60s",
                },
            },
        )
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    async def write(self, work: Work[T]) -> T:
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        except _TROUBLE as error:
            raise _translated(error, self._whose) from error

    async def read(self, work: Work[T]) -> T:
        try:
            async with self._snapshots.begin() as connection:
                return await connection.run_sync(work)
        except _TROUBLE as error:
            raise _translated(error, self._whose) from error

    async def close(self) -> None:
        await self._engine.dispose()


def _translated(error: Exception, whose: str) -> Exception:
    """``Unavailable`` for trouble that passes; the error itself for one that asking again will not mend."""
    passing = isinstance(error, (OSError, sqlalchemy.exc.TimeoutError))
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        passing = error.connection_invalidated
    # The pool wraps the driver's errors, except those of connecting.
    cause = getattr(error, "orig", error)
    state = getattr(cause, "sqlstate", None) or ""
    if state == _NO_SUCH_TABLE or str(cause).startswith("no such table"):
        return Unavailable(f"{whose} database has no tables yet. Run `dialtone migrate`; what waits for it goes on by itself.")
    passing = passing or state.startswith(_PASSING_STATES)
    passing = passing or getattr(cause, "sqlite_errorcode", 0) & 0xFF in _PASSING_CODES
    if not passing:
        return error
    return Unavailable(
        f"{whose} database did not answer or was busy for too long, so it is not known whether this was written. "
        "Every step may safely be repeated: try again in a moment."
    )
