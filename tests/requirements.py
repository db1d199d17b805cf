"""``python -m tests.requirements``: run the tests that prove rows of docs/requirements.md, and show which rows are proven.

A row is proven when at least one test that is marked with it ran, and all of them passed. Further arguments go to pytest.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

PAGE = Path(__file__).parents[1] / "docs" / "requirements.md"
_ROW = re.compile(r"^\| (S\d-\d\d) \| (.+) \|$", re.MULTILINE)
_PROPERTY = "requirement"


def rows() -> dict[str, str]:
    """Every row and what it says."""
    return dict(_ROW.findall(PAGE.read_text()))


def note(item: pytest.Item, known: dict[str, str]) -> None:
    """Let the reports of a test carry its rows, also from one process to another. Raises ``pytest.UsageError`` for no such row."""
    claimed = [row for mark in item.iter_markers("requirement") for row in mark.args]
    if unknown := [row for row in claimed if row not in known]:
        raise pytest.UsageError(f"{item.nodeid} claims rows that docs/requirements.md does not have: {', '.join(unknown)}")
    if claimed:
        item.user_properties.append((_PROPERTY, claimed))


class Ledger:
    """Collects, from the reports, which tests spoke for which row."""

    def __init__(self) -> None:
        self.passed: dict[str, set[str]] = defaultdict(set)
        self.failed: dict[str, set[str]] = defaultdict(set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("[")[0]
        for kind, claimed in report.user_properties:
            for row in claimed if kind == _PROPERTY and isinstance(claimed, list) else ():
                if not report.passed:
                    self.failed[row].add(name)
                elif report.when == "call":
                    self.passed[row].add(name)

    def proven(self, row: str) -> bool:
        return bool(self.passed[row]) and not self.failed[row]


def show(ledger: Ledger, known: dict[str, str], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("row", "what must be true", "proven by", "result"):
        table.add_column(column, overflow="fold")
    for row, text in known.items():
        tests = sorted(ledger.passed[row] | ledger.failed[row])
        names = "\n".join(test.removeprefix("tests/") for test in tests)
        result = "[green]proven[/]" if ledger.proven(row) else "[red]not proven[/]" if tests else "[dim]open[/]"
        table.add_row(row, text, names, result)
    console.print(table)
    console.print(f"{sum(map(ledger.proven, known))} of {len(known)} proven", highlight=False)


def main() -> int:
    known, ledger = rows(), Ledger()
    status = pytest.main(["-m", "requirement", "-q", *sys.argv[1:]], plugins=[ledger])
    console = Console() if sys.stdout.isatty() else Console(width=200)
    show(ledger, known, console)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
