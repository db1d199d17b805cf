"""Templates: everything escaped, unknown variables are errors."""

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from domain.money import Money

HERE = Path(__file__).parent


def _when(moment: datetime, time_zone: str) -> str:
    """As people write it, in the customer's own time: ``6 December 2026, 14:00 (Europe/London)``."""
    local = moment.astimezone(ZoneInfo(time_zone))
    return f"{local.day} {local:%B %Y, %H:%M} ({time_zone.replace('_', ' ')})"


def _telephone(e164: str) -> str:
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return e164
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _money(minor: int, currency: str) -> str:
    return str(Money(minor=minor, currency=currency))


def _quoted(text: str) -> Markup:
    """What stands between backquotes, as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just before


_environment = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {"when": _when, "telephone": _telephone, "money": _money, "quoted": _quoted}


def render(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **context: object) -> HTMLResponse:
    """A page from a template and its context."""
    return HTMLResponse(_environment.get_template(template).render(context), status_code=status, headers=headers)
