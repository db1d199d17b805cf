"""Bringing a database to the schema of this version, from a command line or within a process."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from adapters.transactions import connect

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any number will do, as long as every process that migrates takes the same.
_ADVISORY_LOCK = 7_104_922_301


async def migrate(url: str) -> None:
    """Upgrade the database at this URL to the newest schema; nothing happens if it has it.

    Several processes may do so at once: one migrates, the others wait. All or nothing on both databases.
    """
    transactions = connect(url, patient=True)
    try:
        await transactions.write(upgrade)
    finally:
        await transactions.close()


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Upgrade within the transaction of this connection."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
