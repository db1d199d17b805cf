"""What the demonstration shows: a live timeline per customer at a terminal, plain lines anywhere else."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

_COLOURS = {"active": "green", "expired": "yellow", "failed": "red", "held": "red", "declined": "red", "compensating": "yellow"}
_SHOWN = 5


@dataclass
class _Row:
    name: str
    began: float
    state: str = "ordered"
    moments: list[str] = field(default_factory=list)
    ended: float | None = None


class Show:
    """Told what happens, in whatever order, and shows it."""

    def __init__(self) -> None:
        # On standard error: standard output is for the result.
        self._console = Console(stderr=True, highlight=False)
        self._rows: dict[str, _Row] = {}
        self._began = time.monotonic()

    @property
    def _live(self) -> bool:
        return self._console.is_terminal and self._console.is_interactive

    def add(self, key: str, name: str) -> None:
        """A customer enters."""
        self._rows[key] = _Row(name, time.monotonic())

    def moment(self, key: str, words: str, state: str | None = None) -> None:
        """Something happened; ``state`` is where the onboarding stands now."""
        row = self._rows[key]
        row.state = state or row.state
        row.moments.append(words)
        if not self._live:
            clock = time.monotonic() - self._began
            print(f"{clock:6.1f} s  {row.name:<27} {row.state:<20} {words}", file=sys.stderr, flush=True)

    def over(self, key: str) -> float:
        """The onboarding has ended; returns how many seconds it took."""
        row = self._rows[key]
        row.ended = row.ended or time.monotonic()
        return row.ended - row.began

    def say(self, words: str) -> None:
        self._console.print(words, markup=False)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show the timelines while the block runs."""
        if not self._live:
            yield
            return
        with Live(console=self._console, get_renderable=self._table, refresh_per_second=6):
            yield

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, expand=True, header_style="bold")
        table.add_column("CUSTOMER", no_wrap=True)
        table.add_column("STATE", no_wrap=True)
        table.add_column("SECONDS", justify="right", no_wrap=True)
        table.add_column("TIMELINE", ratio=1)
        for row in self._rows.values():
            seconds = (row.ended or time.monotonic()) - row.began
            state = Text(row.state.replace("_", " "), style=_COLOURS.get(row.state, "cyan"))
            told = " > ".join((["..."] if len(row.moments) > _SHOWN else []) + row.moments[-_SHOWN:])
            table.add_row(row.name, state, f"{seconds:.1f}", Text(told))
        return table
