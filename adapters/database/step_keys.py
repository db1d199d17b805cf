"""Keys and tombstones: a step happens once, and never after its undo.

The row of a key is the lock that a step and its undo share: both begin by writing it, so one waits for the other. The row
commits together with the effect, so a step that finds it has happened; one that finds it closed arrives after its undo.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, update

from adapters.database.statements import PerDialect, now
from adapters.database.tables import step_keys
from adapters.transactions import Transactions
from domain.errors import KeyClosed

_c = step_keys.c

_BEGIN = PerDialect(
    step_keys,
    lambda insert: (
        insert.values(uses=1, running=0)
        .on_conflict_do_update(index_elements=[_c.key], set_={"uses": _c.uses + 1})
        .returning(_c.uses, _c.result, _c.closed_at)
    ),
)
_CLOSE = PerDialect(
    step_keys,
    lambda insert: (
        insert.values(uses=0, running=0)
        .on_conflict_do_update(
            index_elements=[_c.key], set_={"closed_at": func.coalesce(_c.closed_at, insert.excluded.closed_at)}
        )
        .returning(_c.uses, _c.result, _c.running, _c.started_at)
    ),
)
_ENTER = PerDialect(
    step_keys,
    lambda insert: (
        insert.values(uses=1, running=1)
        .on_conflict_do_update(
            index_elements=[_c.key],
            set_={"uses": _c.uses + 1, "running": _c.running + 1, "started_at": insert.excluded.started_at},
        )
        .returning(_c.closed_at)
    ),
)
_LEAVE = update(step_keys).where(_c.key == bindparam("of"), _c.running > 0).values(running=_c.running - 1)
_CLOSED = select(_c.closed_at).where(_c.key == bindparam("of"))
_REMEMBER = update(step_keys).where(_c.key == bindparam("of")).values(result=bindparam("answer"))


@dataclass(frozen=True)
class Beginning:
    """What a step finds at its key. ``repeated``: it happened before, with ``result`` if there was one to remember."""

    repeated: bool
    result: str | None
    closed: KeyClosed | None


def arrive(connection: Connection, key: str) -> Beginning:
    """Lock the key and look at it. The caller decides what a closed key means."""
    row = connection.execute(_BEGIN.on(connection), {"key": key}).one()
    return Beginning(
        repeated=row.uses > 1,
        result=row.result,
        closed=None if row.closed_at is None else key_closed(),
    )


def begin(connection: Connection, key: str) -> bool:
    """Lock the key for a step. True if the step must act now, false if it has happened. Raises ``KeyClosed``."""
    beginning = arrive(connection, key)
    if beginning.closed:
        raise beginning.closed
    return not beginning.repeated


def remember(connection: Connection, key: str, result: str) -> None:
    """Keep an answer of the step that cannot be read off its effect."""
    connection.execute(_REMEMBER, {"of": key, "answer": result})


def close(connection: Connection, key: str) -> bool:
    """Lock the key for an undo and close it for good. True if the step has happened, so that there may be something to undo."""
    row = connection.execute(_CLOSE.on(connection), {"key": key, "closed_at": now()}).one()
    return bool(row.uses)


def key_closed() -> KeyClosed:
    return KeyClosed("This step arrives after it was undone, so it was not carried out; nothing needs to be done.")


class StepFence:
    """``domain.ports.Fence`` over the same keys, for steps whose effect is outside our database.

    Attempts may overlap: how many are under way is counted, and when the latest began is remembered. An attempt whose
    process died never leaves; an undo then waits for it as for one that hangs, and no longer.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def enter(self, key: str) -> None:
        def work(connection: Connection) -> None:
            if connection.execute(_ENTER.on(connection), {"key": key, "started_at": now()}).scalar_one() is not None:
                raise key_closed()

        await self._transactions.write(work)

    async def leave(self, key: str) -> bool:
        def work(connection: Connection) -> bool:
            connection.execute(_LEAVE, {"of": key})
            return connection.execute(_CLOSED, {"of": key}).scalar_one_or_none() is not None

        return await self._transactions.write(work)

    async def close(self, key: str) -> datetime | None:
        def work(connection: Connection) -> datetime | None:
            row = connection.execute(_CLOSE.on(connection), {"key": key, "closed_at": now()}).one()
            began: datetime | None = row.started_at
            return began if row.running else None

        return await self._transactions.write(work)
