"""Reads JSON that people wrote: RFC 8259, which has no ``NaN``, and nothing that cannot be written again."""

import json
import math
from collections import Counter
from typing import Any, NoReturn

_MOST_DIGITS = 1_000
"""Fewer than Python refuses with a sentence of its own."""


class NameTwice(json.JSONDecodeError):
    """An object that has a name twice: which of the two counts is not said, and readers differ (RFC 8259 section 4)."""

    BEGINS = "A field is there twice: "

    def __init__(self, name: str) -> None:
        super().__init__(f"{self.BEGINS}{name[:80].encode('utf-8', 'replace').decode()}. Leave one of them out.", "", 0)


def each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs; for ``object_pairs_hook`` of ``json``. Raises ``NameTwice``."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NameTwice(next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1))
    return found


def json_of(text: str) -> Any:
    """What the text says. Raises ``ValueError`` with a sentence for everything that is not JSON, however it is not."""
    try:
        return json.loads(
            text, parse_constant=_no_number, parse_float=_finite, parse_int=_whole, object_pairs_hook=each_name_once
        )
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None
    except NameTwice as error:
        raise ValueError(error.msg) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"It is not well-formed JSON: line {error.lineno}, column {error.colno}.") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"It is not well-formed JSON: {text} is no number there.")


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"It has a number that is too large: {text[:20]}.")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"It has a number that is too large: {text[:20]}.")
    return number
