"""Drafts that nobody changes any more."""

from temporalio import activity

from activities.failures import translated
from domain.drafts import DraftReaper
from domain.quarantine import SweepBounds, Swept


class DraftActivities:
    def __init__(self, drafts: DraftReaper) -> None:
        self._drafts = drafts

    @activity.defn(name="sweep_drafts")
    @translated
    async def sweep_drafts(self, bounds: SweepBounds) -> Swept:
        return await self._drafts.sweep_drafts(bounds.batch)
