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
    batch: str
    handle: "workflow.ActivityHandle[Any] | None" = None
    stuck: bool = False
    attended: bool = False
    resolved: bool = False

    @property
    def ended(self) -> bool:
        return self.handle is not None and self.handle.done()

    @property
    def done(self) -> bool:
        handle = self.handle
        succeeded = handle is not None and handle.done() and not handle.cancelled() and handle.exception() is None
        return self.resolved or succeeded


class Saga:
    """The undos of one run.

    ``patience`` is how long an undo may keep failing before ``stuck`` is called with the names, and called again every
    ``remind`` while nobody has acted; ``undone`` is called with the name of each that is done. Both must not block.
    """

    def __init__(
        self, patience: timedelta, remind: timedelta, stuck: Callable[[Sequence[str]], None], undone: Callable[[str], None]
    ) -> None:
        self._undos: list[_Undo] = []
        self._patience = patience
        self._remind = remind
        self._report_stuck = stuck
        self._report_undone = undone
        self._attending: list[asyncio.Task[None]] = []

    def add(
        self,
        name: str,
        start: Callable[[], "workflow.ActivityHandle[Any]"],
        needs: frozenset[str] = frozenset(),
        batch: str | None = None,
    ) -> None:
        """Register an undo.

        ``needs`` names undos that must be done first, wherever they are registered. Undos of one ``batch`` are equals: they
        run at once.
        """
        self._undos.append(_Undo(name, start, needs, batch or name))

    def close(self) -> None:
        """The point of no return: from here only forward."""
        self._undos.clear()

    @property
    def stuck(self) -> tuple[str, ...]:
        """What a person must look at, and is not looking at already."""
        return tuple(undo.name for undo in self._undos if undo.stuck and not undo.done and not undo.attended)

    def resolve(self, name: str, *, resolved: bool) -> None:
        """A person has dealt with a stuck undo by hand (``resolved``), or wants it tried again now."""
        for undo in self._undos:
            if undo.name == name and name in self.stuck:
                undo.attended = True
                self._attending.append(asyncio.create_task(self._attend(undo, resolved=resolved)))

    async def undo_all(self) -> None:
        """Return when everything is undone. Runs once; must itself be protected from cancellation by ``undisturbed``."""
        pending = self._undos[::-1]
        while pending:
            first = next((undo for undo in pending if _ready(undo, pending)), None)
            if first is None:
                await self._wait_for_somebody(pending)
            else:
                await self._try([undo for undo in pending if undo.batch == first.batch and _ready(undo, pending)])
            for finished in [undo for undo in pending if undo.done]:
                pending.remove(finished)
                self._report_undone(finished.name)

    async def _try(self, undos: Sequence[_Undo]) -> None:
        for undo in undos:
            undo.handle = undo.handle or undo.start()
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: all(undo.ended for undo in undos),
                timeout=self._patience,
                timeout_summary=f"undoing {undos[0].batch}: a person is called after this",
            )
        failing = [undo for undo in undos if not undo.done]
        for undo in failing:
            undo.stuck = True
        if failing:
            self._report_stuck([undo.name for undo in failing])

    async def _wait_for_somebody(self, pending: Sequence[_Undo]) -> None:
        """Everything left is stuck or needs what is: until the outside recovers or a person has acted."""
        try:
            await workflow.wait_condition(
                lambda: any(undo.done for undo in pending), timeout=self._remind, timeout_summary="stuck: reminder"
            )
        except TimeoutError:
            if self.stuck:
                self._report_stuck(self.stuck)

    async def _attend(self, undo: _Undo, *, resolved: bool) -> None:
        # Not before the running attempt has ended: what a person has done by hand must not be done by the machine as well.
        if undo.handle is not None:
            undo.handle.cancel()
            await ended([undo.handle])
        if resolved or undo.done:
            undo.resolved = True
            return
        undo.handle, undo.attended = None, False
        await self._try([undo])


def _ready(undo: _Undo, pending: Sequence[_Undo]) -> bool:
    return not undo.stuck and not any(other.name in undo.needs for other in pending)
