"""Undoing, newest first, until everything is undone. Knows nothing of telephones.

The undo is registered *before* its step and takes our key, so it is safe whether the step was done, half done or never
begun: "never heard of it" is success. An undo that keeps failing is reported as stuck and kept trying; the others go on,
except those that need it first. Nothing but success or a person's word ends it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError

T = TypeVar("T")


def ends_workflow(error: BaseException) -> bool:
    """Whether an onboarding may be undone for this error: only Temporal's failures and cancellation.

    Anything else is a bug (or the cache evicting us), and must block the workflow task instead of moving money.
    """
    return isinstance(error, FailureError | asyncio.CancelledError)


async def ended(tasks: "Sequence[asyncio.Task[Any]]") -> None:
    """Wait until every task has ended, however often the waiting is cancelled meanwhile."""
    while not all(task.done() for task in tasks):
        with suppress(asyncio.CancelledError):
            await workflow.wait(tasks)


async def undisturbed(task: "asyncio.Task[T]") -> T:
    """The task's result, however often the waiting is cancelled meanwhile."""
    await ended([task])
    return task.result()


@dataclass(eq=False)
class _Undo:
    name: str
    start: Callable[[], "workflow.ActivityHandle[Any]"]
    needs: frozenset[str]
    handle: "workflow.ActivityHandle[Any] | None" = None
    stuck: bool = False
    again: bool = False
    resolved: bool = False

    @property
    def ended(self) -> bool:
        return self.resolved or (self.handle is not None and self.handle.done())

    @property
    def done(self) -> bool:
        return self.resolved or (
            self.handle is not None and self.handle.done() and not self.handle.cancelled() and self.handle.exception() is None
        )


class Saga:
    """The undos of one run.

    ``patience`` is how long an undo may keep failing before ``stuck`` is called with its name; ``undone`` is called with
    the name of each that succeeded. Both must not block.
    """

    def __init__(self, patience: timedelta, stuck: Callable[[str], None], undone: Callable[[str], None]) -> None:
        self._undos: list[_Undo] = []
        self._patience = patience
        self._report_stuck = stuck
        self._report_undone = undone

    def add(self, name: str, start: Callable[[], "workflow.ActivityHandle[Any]"], needs: frozenset[str] = frozenset()) -> None:
        """Register an undo. ``needs`` names undos that must have succeeded first, where they are registered at all."""
        self._undos.append(_Undo(name, start, needs))

    def close(self) -> None:
        """The point of no return: from here only forward."""
        self._undos.clear()

    @property
    def stuck(self) -> tuple[str, ...]:
        return tuple(undo.name for undo in self._undos if undo.stuck and not undo.done)

    def resolve(self, name: str, *, resolved: bool) -> None:
        """A person has dealt with a stuck undo by hand (``resolved``), or wants it tried again now."""
        for undo in self._undos:
            if undo.name == name and undo.stuck:
                undo.resolved, undo.again = resolved, not resolved

    async def undo_all(self) -> None:
        """Return when everything is undone. Runs once; must itself be protected from cancellation by ``undisturbed``."""
        pending = self._undos[::-1]
        while pending:
            blocked_by = {undo.name for undo in pending}
            undo = next((undo for undo in pending if not undo.stuck and not undo.needs & blocked_by), None)
            if undo is None:
                await workflow.wait_condition(lambda: any(undo.stuck and (undo.done or undo.again) for undo in pending))
                for waiting in pending:
                    if waiting.handle and not waiting.handle.done() and (waiting.again or waiting.resolved):
                        waiting.handle.cancel()
                    if waiting.again:
                        waiting.handle, waiting.stuck, waiting.again = None, False, False
            else:
                await self._try(undo)
            for finished in [undo for undo in pending if undo.done]:
                pending.remove(finished)
                self._report_undone(finished.name)

    async def _try(self, undo: _Undo) -> None:
        undo.handle = undo.handle or undo.start()
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: undo.ended, timeout=self._patience, timeout_summary=f"{undo.name}: a person is called after this"
            )
        if not undo.done:
            undo.stuck = True
            self._report_stuck(undo.name)
