"""What most tests need: one real Temporal server for the session, and builders with good defaults."""

import gc
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from starter.local.processes import Guard
from starter.local.temporal_server import RunningTemporal, start_temporal_server
from tests import requirements


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = requirements.rows()
    for item in items:
        requirements.note(item, known)


Tell = Callable[["sys.UnraisableHookArgs"], object]


def passing_over_interrupts(tell: Tell) -> Tell:
    """Tell of all that is raised where nobody can catch it, but not of where Temporal's deadlock detector strikes.

    It interrupts a workflow that has not yielded for 2 s of the clock, so a machine that stands still for as long is enough, and the
    interrupt may land in whatever finalizer runs then. The task is tried again; a workflow that does hang never ends, and its test fails.
    """

    def told(unraisable: "sys.UnraisableHookArgs") -> None:
        if unraisable.exc_type.__name__ != "_InterruptDeadlockError":
            tell(unraisable)

    return told


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    sys.unraisablehook = passing_over_interrupts(sys.unraisablehook)


def pytest_collection_finish() -> None:
    # What is imported and collected by now stays: never looked through again. It is most of the heap, and looking through it took 0.5 s of
    # every 2 s, and as much as 2 s at once on a busy machine, for which Temporal takes a workflow for deadlocked.
    gc.collect()
    gc.freeze()


LONGEST = 300
"""Seconds that one test may take. What waits for something that does not come must not keep everybody waiting."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    def give_up(*_: object) -> None:
        pytest.fail(f"{item.name} did not end within {LONGEST} s.", pytrace=True)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTemporal]:
    """The real server, in memory, with time skipping allowed for those workflows that ask for it."""
    log: Path = tmp_path_factory.mktemp("temporal") / "server.log"
    dynamic = [
        "frontend.WorkflowTimeSkippingEnabled=true",
        # Now and then (1 run in 240 under load) the server forgets to wake who waits for a workflow's end: the history had ended
        # after 3 s, the answer came when the long poll was over, after 20.
        'history.longPollExpirationInterval="3s"',
    ]
    with Guard() as guard:
        server = start_temporal_server(
            guard=guard, log=log, extra=[part for value in dynamic for part in ("--dynamic-config-value", value)]
        )
        yield server
        server.stop()
