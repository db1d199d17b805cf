"""One transaction on the switch's database, SQLite or PostgreSQL, as one function of a connection."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

from domain.errors import Unavailable

T = TypeVar("T")

_ANSWER_WITHIN = 10.0
"""Seconds that a statement, a lock or a free connection may take."""


class Transactions(Protocol):
    """Runs functions of a connection, each in one transaction: committed when it returns, rolled back when it raises.

    Raises ``Unavailable`` when the database does not answer or has no tables yet. A violated constraint stays SQLAlchemy's
    ``IntegrityError``, and a statement that the database does not understand, which is our mistake, its ``ProgrammingError``.
    """

    async def run(self, work: Callable[[Connection], T]) -> T: ...

    async def close(self) -> None: ...


def open_transactions(url: str) -> Transactions:
    """Transactions on the database at a SQLAlchemy URL. Connects on first use. Raises ``ValueError`` for another kind."""
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return _SqliteTransactions(parsed)
        case "postgresql":
            return _PostgresqlTransactions(parsed)
    raise ValueError("The switch's database must be SQLite or PostgreSQL. Correct DIALTONE_VOICE_DATABASE_URL.")


_NO_SUCH_TABLE = "42P01"
"""PostgreSQL's SQLSTATE; SQLite reports the same as an ``OperationalError``."""


def _translated(error: Exception) -> Exception:
    cause = getattr(error, "orig", None) or error
    if isinstance(error, IntegrityError | ProgrammingError | DataError) and getattr(cause, "sqlstate", "") != _NO_SUCH_TABLE:
        return error
    # The driver's own text is left out: it quotes statements and their values.
    return Unavailable(
        f"The switch's database did not do what was asked ({type(cause).__name__}), so nothing was changed there. It is tried "
        "again; if this stays, look at that database and run `dialtone migrate`.",
        code="switch_unavailable",
    )


class _SqliteTransactions:
    """All work on one connection in one thread: SQLite has one writer anyway, and a transaction costs one thread hop."""

    def __init__(self, url: URL) -> None:
        if url.database and url.database != ":memory:":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine = create_engine(
            url.set(drivername="sqlite+pysqlite"),
            pool_size=1,
            max_overflow=0,
            connect_args={"timeout": _ANSWER_WITHIN, "isolation_level": None, "check_same_thread": False},
        )
        event.listen(self._engine, "connect", self._configure)
        event.listen(self._engine, "begin", self._begin)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="switch-database")

    @staticmethod
    def _configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")  # Kamailio reads on while we write
        connection.execute("PRAGMA synchronous=NORMAL")

    @staticmethod
    def _begin(connection: Connection) -> None:
        # A step and its undo must not both read before either writes. "Deferred", the default, would let them.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    async def run(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def _work(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except (DBAPIError, PoolTimeout) as error:
            raise _translated(error) from error

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown()


class _PostgresqlTransactions:
    def __init__(self, url: URL) -> None:
        self._engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=8,
            max_overflow=0,
            pool_timeout=_ANSWER_WITHIN,
            connect_args={"timeout": _ANSWER_WITHIN, "command_timeout": _ANSWER_WITHIN},
        )

    async def run(self, work: Callable[[Connection], T]) -> T:
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        except (DBAPIError, PoolTimeout, OSError) as error:  # a refused connection is a bare OSError from asyncpg
            raise _translated(error) from error

    async def close(self) -> None:
        await self._engine.dispose()
