"""Reads JSON that people wrote: RFC 8259, which has no ``NaN``, and nothing that cannot be written again."""

import json
import math
from typing import Any, NoReturn

_MOST_DIGITS = 1_000
"""Fewer than Python refuses with a sentence of its own."""


def json_of(text: str) -> Any:
    """What the text says. Raises ``ValueError`` with a sentence for everything that is not JSON, however it is not."""
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None
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
