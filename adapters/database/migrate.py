"""Bringing a database to the schema of this version, from a command line or within a process."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from adapters.transactions import connect
from domain.errors import Unavailable

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any number will do, as long as every process that migrates takes the same.
_ADVISORY_LOCK = 7_104_922_301
_LOCK_TIMEOUT = "500ms"
"""Half of PostgreSQL's ``deadlock_timeout``: where live work and a migration wait for each other, the migration gives way."""
_IN_THE_WAY = {"55P03", "40P01"}  # lock_not_available, deadlock_detected
_TRIES, _LONGEST_PAUSE = 200, 2.0


async def migrate(url: str) -> None:
    """Upgrade the database at this URL to the newest schema; nothing happens if it has it.

    Several processes may do so at once: one migrates, the others wait. On SQLite it is all or nothing. On PostgreSQL, where others
    work meanwhile, each revision is a transaction of its own that never keeps them waiting: it gives way after half a second and
    tries again. Raises ``Unavailable`` if that does not help for some minutes; what was done until then stays, and is fit for use.
    """
    transactions = connect(url, patient=True)
    try:
        if not url.startswith("postgresql"):
            await transactions.write(upgrade)
            return
        tries = 0
        while True:
            try:
                if not await transactions.write(step):
                    return
                tries = 0
            except Unavailable as error:
                tries += 1
                cause = getattr(error.__cause__, "orig", error.__cause__)
                if getattr(cause, "sqlstate", None) not in _IN_THE_WAY or tries == _TRIES:
                    raise
                await asyncio.sleep(min(0.05 * 2**tries, _LONGEST_PAUSE))
    finally:
        await transactions.close()


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Upgrade within the transaction of this connection."""
    command.upgrade(_config(connection), revision)


def step(connection: Connection) -> bool:
    """Upgrade by one revision within the transaction of this connection, to PostgreSQL. False if there is none left."""
    # Who else migrates is waited for, however long it takes; who works is not.
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    config = _config(connection)
    if MigrationContext.configure(connection).get_current_revision() == ScriptDirectory.from_config(config).get_current_head():
        return False
    command.upgrade(config, "+1")
    return True


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
