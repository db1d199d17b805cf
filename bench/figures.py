"""Figures out of samples. Everything is a median over rounds: this and every other machine is noisy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")


def percentile(samples: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of the samples do not exceed (nearest rank). Raises ``ValueError`` without samples."""
    if not samples:
        raise ValueError("There is no sample, so there is no percentile: nothing was measured.")
    ordered = sorted(samples)
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(int(rank), 1) - 1]


def over_rounds(rounds: Sequence[T], figure: Callable[[T], float]) -> float:
    """The median of one figure over all rounds."""
    return median(figure(each) for each in rounds)


def paired(left: Sequence[T], right: Sequence[T], figure: Callable[[T], float]) -> float:
    """The median of ``left/right``, round by round: what drifts on the machine during a run drifts in both and cancels."""
    return median(figure(a) / figure(b) for a, b in zip(left, right, strict=True))


def spread(rounds: Iterable[float]) -> float:
    """How far the rounds are apart: (largest - smallest) / median. Above 0.2 the machine was not quiet."""
    values = list(rounds)
    return (max(values) - min(values)) / median(values)


@dataclass(frozen=True)
class Round:
    """One measured round: the seconds of each piece of work, of the whole, and the CPU seconds of each process meanwhile."""

    seconds: tuple[float, ...]
    whole: float
    cpu: Mapping[str, float]

    @property
    def throughput(self) -> float:
        """Pieces of work a second."""
        return len(self.seconds) / self.whole

    @property
    def p50(self) -> float:
        """Seconds."""
        return percentile(self.seconds, 50)

    @property
    def p95(self) -> float:
        """Seconds."""
        return percentile(self.seconds, 95)


def cpu_ms(rounds: Sequence[Round], process: str) -> float:
    """CPU milliseconds that one piece of work cost in a process: the median over the rounds."""
    return median(each.cpu[process] * 1000 / len(each.seconds) for each in rounds)


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Four significant digits: more would claim more than was measured."""
    return {name: float(f"{value:.4g}") for name, value in figures.items()}
