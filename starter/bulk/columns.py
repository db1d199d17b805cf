"""The columns that a file of orders may have, taken from the order's own schema: a field that orders get, files have too.

A column is the path of a field, with dots: ``customer.contact.email``. Entries of lists count from 1:
``customer.service_address.lines.1``, ``services.1.numbers.criteria.prefix``. A list of plain values is one column, its values
separated by ``|``. One line is described shorter by ``services.count`` (how many numbers), ``services.prefix`` and so on.
"""

import re
from functools import cache
from typing import Any

from starter.schemas.orders import CreateOnboarding

SHORT = {
    "services.label": "services.1.label",
    "services.max_channels": "services.1.max_channels",
    "services.numbers": "services.1.numbers.explicit",
    "services.count": "services.1.numbers.criteria.count",
    "services.prefix": "services.1.numbers.criteria.prefix",
    "services.grade": "services.1.numbers.criteria.grade",
    "services.pick": "services.1.numbers.criteria.pick",
}
"""Columns that describe the first line without saying which."""
MOST_ENTRIES = 50
_LEFT_OUT = {"white_label", "basket"}
_PLACE = re.compile(r"\.([0-9]{1,9})(?=\.|$)")
"""The position of an entry, as a column names it: in ASCII, as everything in a column's name."""
_SCALARS = {"string", "integer", "number", "boolean"}
_TRUE, _FALSE = {"true", "yes", "y", "1"}, {"false", "no", "n", "0"}


@cache
def columns() -> dict[str, str]:
    """Every column with the kind of its values; ``N`` stands for the position of an entry."""
    schema = CreateOnboarding.model_json_schema()
    found: dict[str, str] = {}

    def walk(node: dict[str, Any], path: str) -> None:
        node = _resolved(node, schema)
        kind = node.get("type")
        if kind == "object" and "properties" in node:
            for name, field in node["properties"].items():
                if path or name not in _LEFT_OUT:
                    walk(field, f"{path}.{name}" if path else name)
        elif kind == "array":
            entry = _resolved(node.get("items", {}), schema)
            # Lines of an address are told apart by their place, and hold every sign.
            if entry.get("type") in _SCALARS and not path.endswith(".lines"):
                found[path] = "list"
            else:
                walk(node.get("items", {}), f"{path}.N")
        else:
            found[path] = kind if isinstance(kind, str) and kind in _SCALARS else "string"

    walk(schema, "")
    return found


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The node itself, behind references and beside null."""
    if "$ref" in node:
        return _resolved(schema["$defs"][node["$ref"].rpartition("/")[2]], schema)
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            return _resolved(choice, schema)
    return node


def known(column: str) -> bool:
    """Whether a file may have this column."""
    full = SHORT.get(column, column)
    return all(1 <= int(place) <= MOST_ENTRIES for place in _PLACE.findall(full)) and _PLACE.sub(".N", full) in columns()


def path_of(column: str) -> tuple[str | int, ...]:
    """Where in the order the column's values go; entries count from 0 there."""
    return tuple(int(part) - 1 if part.isdecimal() else part for part in SHORT.get(column, column).split("."))


def value_of(column: str, cell: str) -> Any:
    """The cell as the order has it. What cannot be one stays text: the order's own check says so, in its own words."""
    kind = columns()[_PLACE.sub(".N", SHORT.get(column, column))]
    text = cell.strip()
    if kind == "list":
        return [part.strip() for part in text.split("|") if part.strip()]
    if kind == "boolean":
        return text.lower() in _TRUE if text.lower() in _TRUE | _FALSE else text
    if kind == "integer" and re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", text):
        return float(text)
    return text
