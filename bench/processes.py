"""What processes use: CPU time and memory, with whatever they started."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process, its children that run and those that have ended."""
    used = 0.0
    for process in _family(pid):
        times = process.cpu_times()
        used += times.user + times.system + times.children_user + times.children_system
    return used


def resident_bytes(pid: int) -> int:
    """Memory of a process alone, in RAM."""
    resident: int = psutil.Process(pid).memory_info().rss
    return resident


@dataclass
class Meter:
    """CPU time of named processes, from ``Meter(...)`` to ``read``."""

    pids: Mapping[str, int]
    _before: dict[str, float] = field(init=False)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._before = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        self._began = time.perf_counter()

    def read(self) -> tuple[float, dict[str, float]]:
        """Wall seconds, and the CPU seconds of each process."""
        wall = time.perf_counter() - self._began
        return wall, {name: cpu_seconds(pid) - self._before[name] for name, pid in self.pids.items()}
