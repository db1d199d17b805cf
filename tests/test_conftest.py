"""The one exception that the tests make from failing for whatever is raised where nobody can catch it."""

import sys

import pytest
from temporalio.worker._workflow import _InterruptDeadlockError

from tests.conftest import passing_over_interrupts


class Finalized:
    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __del__(self) -> None:
        raise self.error


def test_an_interrupt_of_temporals_deadlock_detector_that_lands_in_a_finalizer_fails_no_test() -> None:
    Finalized(_InterruptDeadlockError)


def test_of_whatever_else_is_raised_in_a_finalizer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    tell = passing_over_interrupts(lambda unraisable: told.append(unraisable.exc_type.__name__))
    monkeypatch.setattr(sys, "unraisablehook", tell)
    for error in (RuntimeError, _InterruptDeadlockError, KeyError):
        Finalized(error)
    assert told == ["RuntimeError", "KeyError"]
