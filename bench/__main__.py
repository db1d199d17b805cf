"""``python -m bench``: measure, show a table, and print one line of JSON last.

Takes about five minutes; with ``FULL=1`` five times as many onboardings are parked. Name subjects to measure only them.
"""

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import psutil
from rich.console import Console

from bench import claims, onboardings, parked, posts, report
from bench.laboratory import Laboratory, laboratory

# In this order: the last one leaves the worker stopped.
_ON_THE_STACK: dict[str, Callable[[Laboratory], Coroutine[Any, Any, dict[str, float]]]] = {
    "onboardings": onboardings.measure,
    "parked": parked.measure,
    "posts": posts.measure,
}
_SUBJECTS = [*_ON_THE_STACK, "claims"]


def measure(subjects: list[str], say: Callable[[str], None]) -> dict[str, float]:
    """The figures of these subjects, in one run."""
    figures: dict[str, float] = {"load_before": os.getloadavg()[0]}
    if chosen := [name for name in _ON_THE_STACK if name in subjects]:
        say("Starting the local stack ...")
        with laboratory() as lab:
            for name in chosen:
                began = time.monotonic()
                say(f"Measuring {name} ...")
                figures |= asyncio.run(_ON_THE_STACK[name](lab))
                say(f"  {time.monotonic() - began:.0f} s")
    if "claims" in subjects:
        say("Measuring claims ...")
        figures |= asyncio.run(claims.measure())
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Dialtone on this machine.")
    parser.add_argument("subjects", nargs="*", choices=[*_SUBJECTS, []], help="what to measure (default: everything)")
    subjects = parser.parse_args().subjects or _SUBJECTS
    began = time.monotonic()
    figures = measure(subjects, lambda text: print(text, file=sys.stderr, flush=True))
    figures |= {"seconds": time.monotonic() - began}
    Console().print(f"{platform.machine()}, {psutil.cpu_count()} processors, Python {platform.python_version()}")
    report.show(figures, Console())
    print(report.line(figures))


if __name__ == "__main__":
    main()
