"""What the CLI prints: data on standard output, everything else on standard error, colour only for a terminal."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.money import Money

# Rich itself leaves out colour and animation when NO_COLOR is set or the output is no terminal.
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """Tell the person something that is not the data asked for."""
    err.print(message, markup=False)


def suggest(command: str) -> None:
    """Name the next command that makes sense."""
    err.print(f"Next: {command}", markup=False, style="dim")


def print_json(value: Any) -> None:
    """One JSON document, on one line: easy to pipe, line by line for streams."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def print_text(text: str) -> None:
    """Text that has its line ends already."""
    sys.stdout.write(text)
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for a terminal; tab-separated lines without a heading for a pipe."""
    if not sys.stdout.isatty():
        print_lines(["\t".join(row) for row in rows])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        # As it is: what a customer is called is no markup, and must neither hide what it says nor break the table.
        table.add_row(*map(Text, row))
    Console().print(table)


def print_list(
    found: Sequence[dict[str, Any]], columns: Sequence[str], row: Callable[[dict[str, Any]], Sequence[str]], *, as_json: bool
) -> None:
    """What a list holds: a JSON document a line, or a table."""
    if as_json:
        for one in found:
            print_json(one)
    else:
        print_table(columns, [row(one) for one in found])


def print_facts(facts: Sequence[tuple[str, str | None]]) -> None:
    """Names and values, one a line; those without a value are left out."""
    width = max(len(name) for name, _ in facts)
    print_lines([f"{name:<{width}}  {value}" for name, value in facts if value])


def moment(text: str | None) -> str | None:
    """An API time in the reader's own time zone."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S") if text else None


def amount(minor: int, currency: str) -> str:
    return str(Money(minor=minor, currency=currency))


def entry(event: dict[str, Any]) -> str:
    """A timeline entry as one line."""
    clock = datetime.fromisoformat(event["at"]).astimezone().strftime("%H:%M:%S")
    detail = ", ".join(f"{name} {value}" for name, value in event["detail"].items())
    actor = "" if event["actor"] == "system" else f" by {event['actor']}"
    words = event["event"].replace("_", " ")
    return f"{clock}  {event['state']:<20}  {words}{actor}" + (f" ({detail})" if detail else "")
