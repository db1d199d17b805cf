"""A bulk run: starts one onboarding for each row of a file, no faster than it was told, and can be paused and cancelled.

It knows neither orders nor onboardings, only how many: rows and what became of them are in our database, which decides what is
next. So its history stays small, and being killed, reset or continued as new starts nothing twice.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

with workflow.unsafe.imports_passed_through():
    from activities.bulk import BulkActivities
    from domain.bulk import BatchDone, BatchOrder, BulkInput, BulkProgress, RunNote, RunState, Throttle, batch_size
    from domain.onboarding import Decision

from workflows import options
from workflows.process import begin
from workflows.saga import undisturbed

_LOOK_AGAIN = (timedelta(seconds=1), timedelta(seconds=30))
"""How soon it looks again whether onboardings are still being worked on: at first, and at last."""


@workflow.defn(name="bulk")
class BulkWorkflow:
    @workflow.init
    def __init__(self, run: BulkInput) -> None:
        self._run = run
        self._rate, self._at_once = run.rate, run.at_once
        self._paused, self._cancelled = run.paused, False
        self._started, self._left, self._busy = run.started, None if not run.begun else 0, 0
        self._not_before = run.not_before
        self._batches = 0
        self._news = 0
        self._notes = asyncio.Lock()

    @workflow.run
    async def run(self, run: BulkInput) -> BulkProgress:
        try:
            await self._go(run)
        except asyncio.CancelledError:
            if workflow.cancellation_reason() is None:
                raise  # not a cancellation: the run leaves this worker's cache
            # Temporal's own cancel is ours: nothing more is started, and no order is kept for later.
            self._cancelled = True
            await undisturbed(asyncio.create_task(self._note()))
        return self._progress()

    async def _go(self, run: BulkInput) -> None:
        if not run.begun:
            await self._note()
        patience = _LOOK_AGAIN[0]
        while not self._cancelled:
            # A cancel that met a step which then succeeded is found here, and nowhere else.
            if workflow.cancellation_reason() is not None:
                raise asyncio.CancelledError
            if self._paused:
                await workflow.wait_condition(lambda: self._cancelled or not self._paused)
            elif self._not_before is not None and self._not_before > workflow.now():
                await self._wait(self._not_before - workflow.now(), "no faster than this")
            elif self._batches >= run.most_batches or workflow.info().is_continue_as_new_suggested():
                await self._continue()
            else:
                # Whatever is cancelled meanwhile: what was begun to be started is started, and written down.
                done = await undisturbed(asyncio.create_task(self._batch()))
                if done.started:
                    patience = _LOOK_AGAIN[0]
                elif done.left:
                    await self._wait(patience, "as many are being worked on as may be")
                    patience = min(patience * 2, _LOOK_AGAIN[1])
                if not done.left and await self._finished():
                    break
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _batch(self) -> BatchDone:
        began = workflow.now()
        order = BatchOrder(run_id=self._run.run_id, most=batch_size(self._rate), at_once=self._at_once)
        done = await begin(BulkActivities.start_rows, order, options.BATCH, f"up to {order.most} rows")
        self._batches += 1
        self._started += done.started
        self._left, self._busy = done.left, done.busy
        if done.started:
            self._not_before = began + timedelta(minutes=done.started / self._rate)
        return done

    async def _finished(self) -> bool:
        """Whether the run is over. Somebody may have corrected a row meanwhile: then it goes on."""
        news = self._news
        over = await begin(BulkActivities.finish_run, self._run.run_id, options.UNDO, "finish")
        return over and news == self._news

    async def _wait(self, time: timedelta, why: str) -> None:
        """Wait, but not when it is decided meanwhile that everything is different."""
        changed = self._changed()
        try:
            await workflow.wait_condition(changed, timeout=time, timeout_summary=why)
        except TimeoutError:
            return

    def _changed(self) -> Callable[[], bool]:
        before = (self._rate, self._at_once, self._paused, self._cancelled, self._news)
        return lambda: before != (self._rate, self._at_once, self._paused, self._cancelled, self._news)

    async def _continue(self) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._cancelled or self._paused:
            return
        workflow.continue_as_new(
            BulkInput(
                run_id=self._run.run_id,
                rate=self._rate,
                at_once=self._at_once,
                begun=True,
                started=self._started,
                not_before=self._not_before,
                most_batches=self._run.most_batches,
            )
        )

    async def _note(self) -> None:
        # One after the other, and each writes what is true when its turn comes.
        async with self._notes:
            note = RunNote(run_id=self._run.run_id, state=self._state, rate=self._rate, at_once=self._at_once)
            await begin(BulkActivities.note_run, note, options.UNDO, note.state)

    @property
    def _state(self) -> RunState:
        if self._cancelled:
            return RunState.CANCELLED
        return RunState.PAUSED if self._paused else RunState.RUNNING

    def _progress(self) -> BulkProgress:
        return BulkProgress(
            run_id=self._run.run_id,
            state=self._state,
            rate=self._rate,
            at_once=self._at_once,
            started=self._started,
            left=self._left,
            busy=self._busy,
        )

    @workflow.query(name="progress", description="How many rows were started, and how fast it goes")
    def query_progress(self) -> BulkProgress:
        return self._progress()

    # Every answer is given when our records have it: whoever reads them next sees what was decided.

    @workflow.update(name="pause", description="Start nothing more for now; what was started goes on")
    async def pause(self, decision: Decision) -> BulkProgress:  # noqa: ARG002 - who it was is in the history
        self._paused = True
        await self._note()
        return self._progress()

    @pause.validator
    def _may_pause(self, decision: Decision) -> None:  # noqa: ARG002 - the SDK asks for the handler's signature
        self._expect_alive()
        if self._paused:
            _refuse("already_paused", "This run is paused already.")

    @workflow.update(name="resume", description="Go on")
    async def resume(self, decision: Decision) -> BulkProgress:  # noqa: ARG002 - who it was is in the history
        self._paused = False
        await self._note()
        return self._progress()

    @resume.validator
    def _may_resume(self, decision: Decision) -> None:  # noqa: ARG002 - the SDK asks for the handler's signature
        self._expect_alive()
        if not self._paused:
            _refuse("not_paused", "This run is not paused; it goes on by itself.")

    @workflow.update(name="cancel", description="Start nothing more; what was started stays")
    async def cancel(self, decision: Decision) -> BulkProgress:  # noqa: ARG002 - who it was is in the history
        self._cancelled = True
        await self._note()
        return self._progress()

    @cancel.validator
    def _may_cancel(self, decision: Decision) -> None:  # noqa: ARG002 - the SDK asks for the handler's signature
        self._expect_alive()

    @workflow.update(name="throttle", description="Go faster or slower")
    async def throttle(self, throttle: Throttle) -> BulkProgress:
        if throttle.rate and self._not_before:
            # The rest of the wait was reckoned by the old rate.
            self._not_before = workflow.now() + (self._not_before - workflow.now()) * (self._rate / throttle.rate)
        self._rate = throttle.rate or self._rate
        self._at_once = throttle.at_once or self._at_once
        await self._note()
        return self._progress()

    @throttle.validator
    def _may_throttle(self, throttle: Throttle) -> None:
        self._expect_alive()
        if throttle.rate is None and throttle.at_once is None:
            _refuse("nothing_to_change", "Say what to change: rate or at_once.")

    @workflow.signal(name="look_again", description="There is a row to be started that was not there before")
    def look_again(self) -> None:
        self._news += 1

    def _expect_alive(self) -> None:
        if self._cancelled:
            _refuse("already_cancelled", "This run was cancelled: nothing more is started.")


def _refuse(code: str, message: str) -> NoReturn:
    raise ApplicationError(message, type=code, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
