"""Starting the rows of a bulk run, a batch at a time, and writing down how the run stands."""

import asyncio

from temporalio import activity

from activities.failures import translated
from domain.bulk import BatchDone, BatchOrder, BulkRows, NewRow, OnboardingStarts, RunNote

_TOGETHER = 10
"""Rows that are started at once. Each such handful is written down before the next begins."""


class BulkActivities:
    def __init__(self, rows: BulkRows, starts: OnboardingStarts) -> None:
        self._rows = rows
        self._starts = starts

    @activity.defn(name="start_rows")
    @translated
    async def start_rows(self, order: BatchOrder) -> BatchDone:
        claimed = await self._rows.claim(order)
        for first in range(0, len(claimed.rows), _TOGETHER):
            handful = claimed.rows[first : first + _TOGETHER]
            await asyncio.gather(*(self._start(row) for row in handful))
            await self._rows.started(order.run_id, [row.number for row in handful])
            activity.heartbeat()
        return BatchDone(started=len(claimed.rows), left=claimed.left - len(claimed.rows), busy=claimed.busy)

    async def _start(self, row: NewRow) -> None:
        # What waits to be started has an order: the table says so.
        assert row.begin is not None
        await self._starts.start(row.begin)

    @activity.defn(name="note_run")
    @translated
    async def note_run(self, note: RunNote) -> None:
        await self._rows.note(note)

    @activity.defn(name="finish_run")
    @translated
    async def finish_run(self, run_id: str) -> bool:
        return await self._rows.finish(run_id)
