"""Statements that the two databases spell alike but SQLAlchemy builds apart.

Statements are built once, at import: building one costs more than running it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

# Both have on_conflict_do_nothing() and on_conflict_do_update() with the same meaning.
Insert = postgresql.Insert


class PerDialect:
    """One statement with ``ON CONFLICT``, built for both databases."""

    def __init__(self, table: Table, build: Callable[[Insert], Executable]) -> None:
        insert: Any = sqlite.insert
        self._statements = {"postgresql": build(postgresql.insert(table)), "sqlite": build(insert(table))}

    def on(self, connection: Connection) -> Executable:
        return self._statements[connection.dialect.name]


def now() -> datetime:
    return datetime.now(UTC)
