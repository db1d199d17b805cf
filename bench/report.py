"""The figures as a table for people, and as one line of JSON for machines."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.figures import rounded


@dataclass(frozen=True)
class Goal:
    """What a figure should be: at least ``least`` or at most ``most``."""

    figure: str
    meaning: str
    least: float | None = None
    most: float | None = None

    def reached(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"


GOALS = (
    Goal("throughput_vs_empty", "onboardings a second, beside a workflow of the same shape that does nothing", least=0.8),
    Goal("throughput_vs_dbos", "onboardings a second, beside as many empty steps on DBOS Transact", least=1.0),
    Goal("latency_vs_dbos", "one onboarding from start to end, beside the same", most=2.0),
    Goal("post_vs_start", "POST to 202, 95th percentile, beside a bare start", most=2.0),
    Goal("post_vs_start_concurrent", "the same with 8 at a time", most=2.0),
    Goal("claim_cost_ratio_sqlite", "a claim among 1,000,000 numbers, beside one among 1,000 (SQLite)", most=1.5),
    Goal("claim_cost_ratio_postgresql", "the same on PostgreSQL", most=1.5),
    Goal("bytes_per_parked_beyond_cache", "worker memory for one more that waits, cache full (bytes)", most=2000),
    Goal("wake_seconds", "the slowest to wake, from the press of the button (seconds)", most=1.0),
    Goal("events_per_onboarding", "events in the history of an onboarding", most=75),
    Goal("history_bytes_per_onboarding", "bytes in the history of an onboarding", most=20_000),
)
"""The goals; figures that have none are raw."""


def show(figures: Mapping[str, float], console: Console) -> None:
    """The goals that were measured, then every raw figure."""
    goals = Table(title="Goals", show_edge=False)
    for heading in ("figure", "measured", "goal", ""):
        goals.add_column(heading, justify="right" if heading == "measured" else "left")
    for goal in GOALS:
        if goal.figure in figures:
            value = figures[goal.figure]
            mark = "[green]reached[/]" if goal.reached(value) else "[red]missed[/]"
            goals.add_row(f"{goal.figure}\n[dim]{goal.meaning}[/]", f"{value:.4g}", str(goal), mark)
    raw = Table(title="Raw figures", show_edge=False)
    raw.add_column("figure")
    raw.add_column("measured", justify="right")
    known = {goal.figure for goal in GOALS}
    for name, value in figures.items():
        if name not in known:
            raw.add_row(name, f"{value:,.4g}")
    console.print(raw)
    console.print()
    console.print(goals)


def line(figures: Mapping[str, float]) -> str:
    """Everything on one line of JSON."""
    return json.dumps(rounded(figures))
