"""Counting what is tried, so that nobody tries for ever. What is counted is stored as a digest: whose sign-in it was is personal."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, bindparam, case, delete, select, update

from adapters.database.statements import PerDialect, now
from adapters.database.tables import attempts

_FOR = timedelta(minutes=15)
_t = attempts.c
_COUNT = PerDialect(
    attempts,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[_t.counter],
        set_={
            "count": case((_t.until <= bindparam("moment", type_=_t.until.type), 1), else_=_t["count"] + 1),
            "until": case((_t.until <= bindparam("moment", type_=_t.until.type), insert.excluded.until), else_=_t.until),
        },
    ).returning(_t["count"], _t.until),
)


def count(connection: Connection, counters: dict[str, int]) -> timedelta | None:
    """As ``domain.users.Users.attempt``."""
    moment = now()
    # Others clean up too: nobody waits for anybody in that.
    over = select(_t.counter).where(_t.until <= moment).with_for_update(skip_locked=True)
    connection.execute(delete(attempts).where(_t.counter.in_(over)))
    # In the order given. Whoever is over one limit leaves no row under the names after it.
    for name, most in counters.items():
        row = {"counter": _digest(name), "count": 1, "until": moment + _FOR}
        counted, until = connection.execute(_COUNT.on(connection), row | {"moment": moment}).one()
        if counted > most:
            wait: timedelta = until - moment
            return wait
    return None


def give_back(connection: Connection, counters: Sequence[str]) -> None:
    """Count one attempt less under these names."""
    for counter in counters:
        one_less = update(attempts).where(_t.counter == _digest(counter), _t["count"] > 0)
        connection.execute(one_less.values({"count": _t["count"] - 1}))


def forget(connection: Connection, counter: str) -> None:
    """Begin counting anew."""
    connection.execute(delete(attempts).where(_t.counter == _digest(counter)))


def _digest(counter: str) -> str:
    return hashlib.sha256(counter.encode("utf-8", "replace")).hexdigest()
