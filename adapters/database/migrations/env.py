"""Alembic's entry: on the connection that ``migrate`` hands over, or, from Alembic's own command line, on the database of
``DIALTONE_DATABASE_URL``.
"""

import asyncio
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from adapters.database.tables import Json, UtcDateTime, metadata
from adapters.settings import Settings
from adapters.transactions import connect


def rendered(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """How a column type is written in a new migration: what the database has, not our class, which may change or go."""
    if kind == "type" and isinstance(item, Json):
        return "sa.Text()"
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, render_item=rendered)
    with context.begin_transaction():
        context.run_migrations()


async def run_from_command_line() -> None:
    transactions = connect(Settings().database)
    try:
        await transactions.write(run)
    finally:
        await transactions.close()


if context.is_offline_mode():
    raise SystemExit("Dialtone's migrations run against a database; leave out --sql.")
handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    asyncio.run(run_from_command_line())
