"""What the switch holds of a number beside the line that it rings: where its calls go on to, and the lines whose calls show it.

Such a row has the number as its ``uuid`` and is of the line that it was written for. When the number is given back it is
set to rest: under another attribute, which the switch does not read. It wakes if the number returns to the same customer, and
goes once somebody else has had it.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, String, bindparam, text

_RESTING = {"forward": "resting_forward", "caller_id": "resting_caller_id"}
ATTRIBUTES = frozenset(_RESTING) | frozenset(_RESTING.values())
_OF_ONE_LINE = ("forward", _RESTING["forward"])

# Whoever writes of a line or of a number follows whoever did before: by the rows of keys, as a step and its undo do.
_HOLD = text("INSERT INTO dialtone_line_keys (key) VALUES (:key) ON CONFLICT (key) DO UPDATE SET key = excluded.key")
_NOTED = text("SELECT DISTINCT uuid FROM usr_preferences WHERE username = :username AND uuid <> ''")
_MOVE = text(
    "UPDATE usr_preferences SET attribute = :after WHERE uuid = :number AND attribute = :before"
    # Every line may show a number, and one line alone forwards it.
    " AND (attribute IN ('caller_id', 'resting_caller_id') OR username = :username)"
)
# A line shows one number: what it was set up with since is newer than what rests.
_OUTDATED = text(
    "DELETE FROM usr_preferences WHERE uuid = :number AND attribute = 'resting_caller_id' AND EXISTS (SELECT 1 FROM"
    " usr_preferences p WHERE p.username = usr_preferences.username AND p.domain = usr_preferences.domain"
    " AND p.attribute = 'caller_id')"
)
_FORGET = text(
    "DELETE FROM usr_preferences WHERE username = :username AND domain = :domain AND"
    " (attribute = 'resting_caller_id' OR (attribute = 'resting_forward' AND uuid IN :numbers))"
).bindparams(bindparam("numbers", expanding=True, type_=String))
_OF_NUMBERS = text(
    "SELECT p.id, p.username, p.domain, p.attribute, (SELECT a.value FROM usr_preferences a WHERE a.username = p.username"
    " AND a.domain = p.domain AND a.attribute = 'account') AS account FROM usr_preferences p"
    " WHERE p.uuid IN :numbers AND p.attribute IN :attributes"
).bindparams(bindparam("numbers", expanding=True), bindparam("attributes", sorted(ATTRIBUTES), expanding=True))
_DROP = text("DELETE FROM usr_preferences WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))
_ACCOUNT_OF = text(
    "SELECT value FROM usr_preferences WHERE username = :username AND domain = :domain AND attribute = 'account'"
)


def hold(connection: Connection, username: str, numbers: Iterable[str]) -> None:
    """Lock the line, then the numbers in their order: all who write rows of a number do, before they look at what is there."""
    connection.execute(_HOLD, [{"key": f"setup:{username}"}, *_keys(numbers)])


def hold_all(connection: Connection, username: str, numbers: Iterable[str] = ()) -> None:
    """The same, with every number of which something is written at the line."""
    hold(connection, username, ())
    noted = connection.execute(_NOTED, {"username": username}).scalars()
    if keys := _keys((*numbers, *noted)):
        connection.execute(_HOLD, keys)


def _keys(numbers: Iterable[str]) -> list[dict[str, str]]:
    return [{"key": f"number:{number}"} for number in sorted(set(numbers))]


def forget_resting(connection: Connection, username: str, domain: str, numbers: Sequence[str]) -> None:
    """What rests at the line of these numbers, and whichever one it showed: it is set up anew."""
    connection.execute(_FORGET, {"username": username, "domain": domain, "numbers": list(numbers)})


def at_rest(attribute: str) -> str:
    """The attribute under which the switch does not read it."""
    return _RESTING[attribute]


def rest(connection: Connection, number: str, username: str) -> None:
    """The number is not forwarded by the line, and shown by no line, until it wakes."""
    for attribute, resting in _RESTING.items():
        connection.execute(_MOVE, {"number": number, "username": username, "before": attribute, "after": resting})


def wake(connection: Connection, number: str, username: str, domain: str) -> None:
    """What rests of the number is as it was before, if it is the line's or of another line of its account."""
    drop_foreign(connection, [number], username, domain)
    connection.execute(_OUTDATED, {"number": number})
    for attribute, resting in _RESTING.items():
        connection.execute(_MOVE, {"number": number, "username": username, "before": resting, "after": attribute})


def drop_foreign(connection: Connection, numbers: Sequence[str], username: str, domain: str) -> None:
    """Remove what others have left of the numbers of this line: of other lines, and if it is shown, of other accounts."""
    if not numbers:
        return
    account = connection.scalar(_ACCOUNT_OF, {"username": username, "domain": domain})
    foreign = [
        row.id
        for row in connection.execute(_OF_NUMBERS, {"numbers": list(numbers)})
        if (row.username, row.domain) != (username, domain) and (row.attribute in _OF_ONE_LINE or row.account != account)
    ]
    if foreign:
        connection.execute(_DROP, {"ids": foreign})
