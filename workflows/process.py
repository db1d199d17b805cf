"""The platform's duties, kept apart from the business: run a step to its real end, wait for people, leave when told to."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError
from temporalio.exceptions import TimeoutError as StepTimeout

from activities.mails import MailActivities
from activities.records import RecordActivities
from domain.keys import step_key
from domain.mails import MailKind, MailOrder
from domain.onboarding import OnboardingInput, Outcome, Progress, State, Step
from workflows import options
from workflows.decisions import Decisions
from workflows.saga import Saga, ended

S = TypeVar("S")
V = TypeVar("V")
R = TypeVar("R")
Handle = workflow.ActivityHandle[Any]


class Leaving(Exception):
    """The onboarding ends otherwise than active, for a reason that is an answer. Everything is undone."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class Process(Decisions):
    """Steps, waits and letters, for the business process to be written in."""

    def __init__(self, onboarding: OnboardingInput, saga: Saga) -> None:
        super().__init__(onboarding, saga)
        self._beside_it: set[asyncio.Task[Any]] = set()
        # One writer at a time: a state written beside a step must not overtake the one that the step writes.
        self._pen = asyncio.Lock()
        self._undelivered: list[int] = []

    # Steps

    async def _settle(
        self, *handles: Handle, unless: Callable[[], bool] = lambda: False, left_behind: Callable[[], bool] = lambda: False
    ) -> list[Any]:
        """Wait until every one of the steps has really ended; results and errors in order.

        A cancellation, ours or Temporal's, or ``unless``, asks the running steps to stop, once, and still waits for their end:
        beside the process, without results, where they are ``left_behind``.
        Steps are cancelled here and nowhere else: two requests in one workflow task end in non-determinism (sdk-python#1813).
        """
        try:
            await workflow.wait_condition(
                lambda: self._cancellation is not None or unless() or all(handle.done() for handle in handles)
            )
        except asyncio.CancelledError:
            if workflow.cancellation_reason() is None:
                raise  # not a cancellation: the run leaves this worker's cache
        for handle in handles:
            if not handle.done():
                handle.cancel()
        results = _results_of(handles)
        if not all(handle.done() for handle in handles) and left_behind():
            self._beside(results)
            return []
        return await results

    def _leave_if_cancelled(self) -> None:
        """Cancellation is a state, not an event: a cancel that met a step which then succeeded is found here."""
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError
        if self._cancellation is not None:
            raise Leaving(Outcome(state=State.CANCELLED, code="cancelled", reason=self._cancellation.reason))

    async def _steps(
        self, *handles: Handle, unless: Callable[[], bool] = lambda: False, left_behind: Callable[[], bool] = lambda: False
    ) -> list[Any]:
        """The results of steps that run at once. Raises the first error when all have ended."""
        results = await self._settle(*handles, unless=unless, left_behind=left_behind)
        self._leave_if_cancelled()
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results

    async def _step(self, method: Callable[[S, V], Awaitable[R]], value: V, config: workflow.ActivityConfig, summary: str) -> R:
        """One step outside our database."""
        result: R = (await self._steps(begin(method, value, config, summary)))[0]
        return result

    async def _record_step(
        self,
        method: Callable[[S, V], Awaitable[R]],
        make: Callable[[Progress], V],
        event: str,
        *,
        durable: bool = False,
        **detail: str,
    ) -> R:
        """One step inside our database, which writes the journal in the same transaction.

        ``durable``: not before history has what led to it.
        """
        async with self._pen:
            entry = self._journal.note(event, **detail)
            progress = self._journal.progress()
            try:
                if durable:
                    result = await self._step(method, make(progress), options.RECORDS_AT_LENGTH, event.replace("_", " "))
                else:
                    result = await self._own_step(method, make(progress))
            except BaseException:
                self._journal.strike(entry)
                raise
            self._journal.written(progress)
            return result

    async def _record(self) -> None:
        """Write the journal, when no step is about to do so."""
        async with self._pen:
            progress = self._journal.progress()
            await self._own_step(RecordActivities.record_progress, progress)
            self._journal.written(progress)

    async def _own_step(self, method: Callable[[S, V], Awaitable[R]], value: V) -> R:
        """A step in our database: at once as a local activity, or, where that fails for long, as one that costs no history."""
        try:
            result: R = (await self._steps(workflow.start_local_activity_method(method, value, **options.RECORDS)))[0]
        except FailureError as error:
            if is_final(error):
                raise
            return await self._step(method, value, options.RECORDS_AT_LENGTH, "our database is out of order")
        return result

    async def _record_at_length(self) -> None:
        """Write the journal, however long it takes and whatever is cancelled meanwhile."""
        async with self._pen:
            progress = self._journal.progress()
            await self._own_step_at_length(RecordActivities.record_progress, progress)
            self._journal.written(progress)

    async def _own_step_at_length(self, method: Callable[[S, V], Awaitable[Any]], value: V) -> None:
        try:
            await workflow.execute_local_activity_method(method, value, **options.RECORDS)
        except FailureError as error:
            if is_final(error):
                raise
            await begin(method, value, options.UNDO, "our database is out of order")

    # People

    async def _wait(
        self,
        ready: Callable[[], bool],
        deadline: datetime,
        reminders: Sequence[datetime] = (),
        remind: Callable[[int], None] | None = None,
    ) -> bool:
        """Wait for a person. True when ``ready``; False when the deadline has passed; reminds on the way, at most once each."""
        numbered = [(number, at) for number, at in enumerate(reminders, 1) if workflow.now() < at < deadline]

        def over() -> bool:
            return ready() or self._cancellation is not None

        while not over():
            number, until = numbered[0] if numbered else (0, deadline)
            left = max(until - workflow.now(), timedelta(0))
            try:
                await workflow.wait_condition(
                    over, timeout=left, timeout_summary=f"reminder {number}" if number else "deadline"
                )
            except TimeoutError:
                if not number:
                    break
                numbered.pop(0)
                if remind:
                    remind(number)
        self._leave_if_cancelled()
        return ready()

    def _letter(
        self, kind: MailKind, *, to_operators: bool = False, code: str | None = None, name: str | None = None
    ) -> MailOrder:
        onboarding, generation = self._onboarding.id, self._journal.generation
        return MailOrder(
            key=step_key(onboarding, f"{Step.SEND_MAIL}:{name or kind}", generation),
            kind=kind,
            onboarding_id=onboarding,
            to="operators" if to_operators else "customer",
            generation=generation,
            code=code,
        )

    def _post(self, letter: MailOrder) -> None:
        """Send a letter beside the process. A letter that cannot be sent is noted, and undoes nothing."""
        self._beside(self._deliver(letter))

    def _beside(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something beside the process; the run does not end before it has."""
        task = asyncio.create_task(work)
        self._beside_it.add(task)
        task.add_done_callback(self._beside_it.discard)

    async def _deliver(self, letter: MailOrder) -> None:
        try:
            await begin(MailActivities.send_mail, letter, options.MAIL, letter.kind.replace("_", " "))
        except FailureError as error:
            if letter.notification is None:
                self._journal.note("mail_failed", mail=letter.kind, code=failure_code(error))
            else:
                # Somebody chose to write to this very recipient, so somebody must learn that it did not arrive.
                self._undelivered.append(letter.notification)
                places = ",".join(str(place) for place in sorted(self._undelivered))
                self._journal.note(
                    "mail_failed", mail=letter.kind, code=failure_code(error), notification=str(letter.notification)
                )
                self._journal.call(f"notification_failed:{places}")
            await self._record_at_length()

    async def _all_said(self) -> None:
        """Wait for what goes on beside the process, and for the callers of our updates to have their answers."""
        await workflow.wait_condition(lambda: not self._beside_it and workflow.all_handlers_finished())


def begin(
    method: Callable[[S, V], Awaitable[R]], value: V, config: workflow.ActivityConfig, summary: str
) -> "workflow.ActivityHandle[R]":
    """Start one activity with the options of its kind; the summary is what Temporal's timeline shows (no personal data)."""
    named: workflow.ActivityConfig = {**config, "summary": summary}
    return workflow.start_activity_method(method, value, **named)


def cause_of(error: BaseException) -> BaseException:
    """What made a step fail. An activity's failure comes wrapped, a local activity's does not."""
    return error.cause if isinstance(error, ActivityError) and error.cause else error


def is_final(error: BaseException) -> bool:
    """Whether asking again cannot help: an answer, or something broken for good."""
    cause = cause_of(error)
    return isinstance(cause, ApplicationError) and cause.non_retryable


def failure_code(error: BaseException) -> str:
    """The stable code behind a failed step: the domain error's, or what kind of failure it was."""
    cause = cause_of(error)
    if isinstance(cause, ApplicationError) and cause.type:
        return cause.type
    return "timed_out" if isinstance(cause, StepTimeout) else "broken"


async def _results_of(handles: Sequence[Handle]) -> list[Any]:
    await ended(handles)
    return [_result_of(handle) for handle in handles]


def _result_of(handle: Handle) -> Any:
    try:
        return handle.result()
    except (FailureError, asyncio.CancelledError) as error:
        return error
