"""The right to call, as the switch reads it: one row per account, to which every line of the account leads.

A change for an account is therefore one row in one transaction, whichever lines there are, and a line that is added later
is under it from its first moment. Versions keep a write that arrives late from undoing a newer one.
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select, text

from adapters.voice.preferences import Preference, put_by_uuid
from adapters.voice.tables import first_calls, usr_preferences
from domain.calling import CallingRights, DialRule, LineName

_p, _f = usr_preferences.c, first_calls.c
_ENDS = {"expires_at": "expires", "rated_until": "rated"}
_VERSION = re.compile(r"(?:^|;)version=(\d+)")

# Writers for one account follow each other, as a line's do: by the row of a key.
_LOCK = text("INSERT INTO dialtone_line_keys (key) VALUES (:key) ON CONFLICT (key) DO UPDATE SET key = excluded.key")
# Lines from before accounts were known on the switch are led to their account by the first change.
_LEAD = text(
    "INSERT INTO usr_preferences (username, domain, attribute, value) SELECT username, domain, 'account', :account"
    " FROM subscriber s WHERE username = :username AND domain = :domain AND NOT EXISTS (SELECT 1 FROM usr_preferences p"
    " WHERE p.username = s.username AND p.domain = s.domain AND p.attribute = 'account')"
)
_LINES_LEFT = text("SELECT 1 FROM usr_preferences WHERE attribute = 'account' AND value = :account LIMIT 1")
_DROP_RIGHTS = text("DELETE FROM usr_preferences WHERE uuid = :account")
_DROP_FIRST_CALL = text("DELETE FROM dialtone_first_calls WHERE account_id = :account")


def put(connection: Connection, rights: CallingRights, lines: Sequence[LineName] = ()) -> None:
    """Write an account's rights unless newer ones are there, and lead those of these lines to it that exist."""
    _lock(connection, rights.account_id)
    stored = _stored(connection, rights.account_id)
    if stored is None or stored <= rights.version:
        put_by_uuid(connection, rights.account_id, _rows(rights))
    for line in lines:
        connection.execute(_LEAD, {"account": rights.account_id, "username": line.username, "domain": line.domain})


def join(connection: Connection, rights: CallingRights) -> None:
    """Write the rights that come with an account's first line. Whatever is there stays: a later line decides nothing."""
    _lock(connection, rights.account_id)
    if _stored(connection, rights.account_id) is None:
        put_by_uuid(connection, rights.account_id, _rows(rights))


def leave(connection: Connection, account_id: str) -> None:
    """Remove what came with the account's lines, if there are no lines any more and nobody has changed it."""
    _lock(connection, account_id)
    if not _stored(connection, account_id) and connection.execute(_LINES_LEFT, {"account": account_id}).first() is None:
        connection.execute(_DROP_RIGHTS, {"account": account_id})
        connection.execute(_DROP_FIRST_CALL, {"account": account_id})


def everything(connection: Connection) -> tuple[CallingRights, ...]:
    """The rights of every account that the switch holds, for an audit."""
    rows = connection.execute(
        select(_p.uuid, _p.attribute, _p.value)
        .where(_p.uuid != "", _p.attribute.in_(("rights", "dial_rules")))
        .order_by(_p.uuid)
    ).all()
    rules = {row.uuid: row.value for row in rows if row.attribute == "dial_rules"}
    return tuple(_read(row.uuid, row.value, rules.get(row.uuid, "")) for row in rows if row.attribute == "rights")


def _read(account_id: str, value: str, rules: str) -> CallingRights:
    """What ``_rows`` wrote."""
    said = dict(part.partition("=")[::2] for part in value.split(";"))
    ends = {name: datetime.fromtimestamp(int(said[key]), UTC) for name, key in _ENDS.items() if key in said}
    return CallingRights(
        account_id=account_id,
        version=int(said.get("version", 0)),
        barred=tuple(said["barred"].split(",")) if "barred" in said else (),
        expires_at=ends.get("expires_at"),
        rated_until=ends.get("rated_until"),
        dial_rules=tuple(
            DialRule(strip=strip, replace=replace)
            for strip, _, replace in (rule.partition(">") for rule in rules.split(";") if rule)
        ),
    )


def first_call(connection: Connection, account_id: str) -> datetime | None:
    """When the switch let the account's first call through (UTC)."""
    seconds = connection.execute(select(_f.at).where(_f.account_id == account_id)).scalar()
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _lock(connection: Connection, account_id: str) -> None:
    connection.execute(_LOCK, {"key": f"account:{account_id}"})


def _stored(connection: Connection, account_id: str) -> int | None:
    """The version of the rights that are there."""
    value = connection.execute(select(_p.value).where(_p.uuid == account_id, _p.attribute == "rights")).scalars().first()
    found = _VERSION.search(value) if value else None
    return int(found[1]) if found else None


def _rows(rights: CallingRights) -> set[Preference]:
    """``rights`` is a list of parameters, as Kamailio's ``param.value`` reads it: at most 128 characters."""
    said = [f"version={rights.version}"]
    if rights.barred:
        said.append(f"barred={','.join(rights.barred)}")
    if rights.expires_at:
        said.append(f"expires={math.ceil(rights.expires_at.timestamp())}")
    if rights.rated_until:
        said.append(f"rated={math.ceil(rights.rated_until.timestamp())}")
    rows = {Preference("rights", ";".join(said), rights.account_id)}
    if rights.dial_rules:
        rules = ";".join(f"{rule.strip}>{rule.replace}" for rule in rights.dial_rules)
        rows.add(Preference("dial_rules", rules, rights.account_id))
    return rows
