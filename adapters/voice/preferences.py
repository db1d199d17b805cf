"""Rows of ``usr_preferences``: what Kamailio looks up by a line's name, or by a uuid of ours."""

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, text


class Preference(NamedTuple):
    """One row. ``uuid`` is empty for what is of the line alone, and the number for what is of one of its numbers."""

    attribute: str
    value: str
    uuid: str = ""


_OF_LINE = text("SELECT id, uuid, attribute, value FROM usr_preferences WHERE username = :username AND domain = :domain")
_OF_UUID = text("SELECT id, attribute, value FROM usr_preferences WHERE uuid = :uuid AND attribute IN ('rights', 'dial_rules')")
_ADD = text(
    "INSERT INTO usr_preferences (uuid, username, domain, attribute, value, last_modified)"
    " VALUES (:uuid, :username, :domain, :attribute, :value, :now)"
)
_DROP = text("DELETE FROM usr_preferences WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))
# What rests of a number that was given back is not of the line's setting up (``number_settings``).
_OURS = frozenset({"max_channels", "caller_id", "account", "forward", "setup_version"})


def put(connection: Connection, username: str, domain: str, wanted: AbstractSet[Preference]) -> None:
    """Make the line's rows equal to these. Attributes that are not ours stay: the switch may serve other purposes too."""
    rows = connection.execute(_OF_LINE, {"username": username, "domain": domain})
    there = [(row.id, Preference(row.attribute, row.value, row.uuid)) for row in rows if row.attribute in _OURS]
    _replace(connection, username, domain, there, wanted)


def put_by_uuid(connection: Connection, uuid: str, wanted: AbstractSet[Preference]) -> None:
    """Make the rows of a uuid that say rights and rules of dialling equal to these."""
    rows = connection.execute(_OF_UUID, {"uuid": uuid})
    _replace(connection, "", "", [(row.id, Preference(row.attribute, row.value, uuid)) for row in rows], wanted)


def _replace(
    connection: Connection, username: str, domain: str, there: list[tuple[int, Preference]], wanted: AbstractSet[Preference]
) -> None:
    kept: set[Preference] = set()
    surplus: list[int] = []
    for number, row in there:
        if row in wanted and row not in kept:
            kept.add(row)
        else:
            surplus.append(number)
    if surplus:
        connection.execute(_DROP, {"ids": surplus})
    now = datetime.now(UTC).replace(tzinfo=None)  # the column has no time zone
    if missing := [{**row._asdict(), "username": username, "domain": domain, "now": now} for row in sorted(wanted - kept)]:
        connection.execute(_ADD, missing)
