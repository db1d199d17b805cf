"""Figures out of samples, and what is said of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench import report
from bench.figures import Round, cpu_ms, over_rounds, paired, percentile, rounded, spread

SECONDS = st.lists(st.floats(min_value=0.001, max_value=100), min_size=1, max_size=50)


def a_round(*seconds: float, whole: float = 1.0, **cpu: float) -> Round:
    return Round(seconds=seconds or (1.0,), whole=whole, cpu=cpu)


@given(SECONDS, st.floats(min_value=1, max_value=100))
def test_so_many_percent_of_the_samples_do_not_exceed_the_percentile(samples: list[float], percent: float):
    value = percentile(samples, percent)
    assert value in samples
    assert sum(sample <= value for sample in samples) >= len(samples) * percent / 100
    assert sum(sample < value for sample in samples) < len(samples) * percent / 100


def test_nothing_measured_is_no_figure():
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 95)


def test_a_machine_that_slows_down_changes_no_ratio():
    ours = [a_round(whole=second) for second in (1.0, 2.0, 8.0)]
    theirs = [a_round(whole=second / 2) for second in (1.0, 2.0, 8.0)]
    assert paired(ours, theirs, lambda each: each.throughput) == 0.5
    assert spread(each.whole for each in ours) == 3.5


def test_a_round_knows_what_one_piece_of_work_took_and_cost():
    measured = a_round(0.1, 0.2, 0.3, 0.4, whole=2.0, worker=0.4)
    assert measured.throughput == 2
    assert (measured.p50, measured.p95) == (0.2, 0.4)
    assert cpu_ms([measured, a_round(0.1, worker=0.3), a_round(0.1, worker=0.2)], "worker") == 200
    assert over_rounds([measured], lambda each: each.p50) == 0.2


def test_figures_claim_four_digits():
    assert rounded({"ratio": 0.123456, "bytes": 123456.0}) == {"ratio": 0.1235, "bytes": 123500.0}


def test_the_last_line_is_json_with_every_figure():
    figures = {goal.figure: 1.0 for goal in report.GOALS} | {"onboarding_worker_cpu_ms": 12.345678}
    assert json.loads(report.line(figures)) == figures | {"onboarding_worker_cpu_ms": 12.35}
    assert "\n" not in report.line(figures)


def test_the_table_says_which_goals_are_reached():
    console = Console(record=True, width=200)
    report.show({"throughput_vs_empty": 0.81, "latency_vs_dbos": 2.5, "empty_per_second": 20.0}, console)
    shown = {row.split()[0]: row for row in console.export_text().splitlines() if row.strip()}
    assert shown["throughput_vs_empty"].rstrip().endswith("reached")
    assert shown["latency_vs_dbos"].rstrip().endswith("missed")
    assert "empty_per_second" in shown
    assert "wake_seconds" not in shown, "what was not measured has no row"
