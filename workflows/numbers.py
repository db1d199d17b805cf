"""What happens to numbers after their onboarding: given back, reclaimed, freed."""

import asyncio
from collections.abc import Awaitable, Callable

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.drafts import DraftActivities
    from activities.stock import QuarantineActivities, ReaperActivities, RoutingActivities
    from domain.keys import line_name
    from domain.numbers import Assignment
    from domain.quarantine import Hold, NumberOutcome, OverdueAsked, ReaperReport, Reclaim, Release, SweepBounds, Swept
    from domain.voice import RoutedNumber

from workflows import options
from workflows.process import begin, cause_of, failure_code
from workflows.reversal import is_refusal
from workflows.saga import undisturbed

Sweeping = (
    Callable[[ReaperActivities, SweepBounds], Awaitable[Swept]] | Callable[[DraftActivities, SweepBounds], Awaitable[Swept]]
)


@workflow.defn(name="number_release")
class NumberReleaseWorkflow:
    """A number goes from its customer into quarantine. Off the switch first: one that still rings must not become free.

    There is no way back but ``number_reclaim``, so a cancel changes nothing: it goes on to the end.
    """

    @workflow.run
    async def run(self, release: Release) -> NumberOutcome:
        return await undisturbed(asyncio.create_task(self._release(release)))

    async def _release(self, release: Release) -> NumberOutcome:
        await begin(RoutingActivities.silence_number, _line_of(release.number), options.UNDO, "off the switch")
        try:
            await begin(QuarantineActivities.quarantine_number, release, options.UNDO, "into quarantine")
        except FailureError as error:
            return _refused(error)
        return NumberOutcome(done=True)


@workflow.defn(name="number_reclaim")
class NumberReclaimWorkflow:
    """A resting number goes back to whom it was taken from: into the books first, so that nobody else can have it meanwhile.

    If it cannot ring its line again, it rests as before.
    """

    @workflow.run
    async def run(self, reclaim: Reclaim) -> NumberOutcome:
        return await undisturbed(asyncio.create_task(self._reclaim(reclaim)))

    async def _reclaim(self, reclaim: Reclaim) -> NumberOutcome:
        line = _line_of(reclaim.number)
        try:
            await begin(QuarantineActivities.reclaim_number, reclaim, options.UNDO, "out of quarantine")
        except FailureError as error:
            return _refused(error)
        try:
            await begin(RoutingActivities.ring_number, line, options.SWITCH, "onto the switch")
        except FailureError as error:
            await begin(RoutingActivities.silence_number, line, options.UNDO, "off the switch")
            await begin(QuarantineActivities.relinquish_number, reclaim, options.UNDO, "back into quarantine")
            return _refused(error)
        return NumberOutcome(done=True)


@workflow.defn(name="number_reaper")
class NumberReaperWorkflow:
    """Ends abandoned drafts, frees baskets whose time is over, numbers that have rested, and holds whose onboarding does not run any more.

    Started by a schedule. What one run does is bounded; what is left is for the next. Two at once do each other no harm: every
    sweep is one transaction that frees only what it finds as it expects it.
    """

    @workflow.run
    async def run(self, bounds: SweepBounds) -> ReaperReport:
        drafts = Swept()
        if workflow.patched("sweep-drafts"):
            # Before the baskets: a draft that ends lets go of its own.
            drafts = await self._sweep(DraftActivities.sweep_drafts, bounds, "drafts")
        baskets = await self._sweep(ReaperActivities.sweep_baskets, bounds, "baskets")
        rested = await self._sweep(ReaperActivities.sweep_quarantine, bounds, "quarantine")
        holds, kept, more = await self._holds(bounds)
        return ReaperReport(
            drafts=drafts.things,
            baskets=baskets.things,
            rested=rested.things,
            holds=holds,
            holds_kept=kept,
            more=drafts.more or baskets.more or rested.more or more,
        )

    async def _sweep(self, method: Sweeping, bounds: SweepBounds, summary: str) -> Swept:
        things = numbers = 0
        more = True
        for _ in range(bounds.batches):
            swept: Swept = await begin(method, bounds, options.SWEEP, summary)
            things, numbers, more = things + swept.things, numbers + swept.numbers, swept.more
            if not more:
                break
        return Swept(things=things, numbers=numbers, more=more)

    async def _holds(self, bounds: SweepBounds) -> tuple[int, int, bool]:
        freed = kept = 0
        after: str | None = None
        for _ in range(bounds.batches):
            asked = OverdueAsked(most=bounds.batch, after=after)
            overdue: list[Hold] = await begin(ReaperActivities.overdue_holds, asked, options.SWEEP, "overdue holds")
            if not overdue:
                return freed, kept, False
            ids = sorted({hold.onboarding_id for hold in overdue})
            ended = set(await begin(ReaperActivities.ended_onboardings, ids, options.SWEEP, "which have ended"))
            loose = [hold for hold in overdue if hold.onboarding_id in ended]
            if loose:
                freed += (await begin(ReaperActivities.free_holds, loose, options.SWEEP, "free holds")).things
            kept += len(overdue) - len(loose)
            if len(overdue) < bounds.batch:
                return freed, kept, False
            after = overdue[-1].onboarding_id
        return freed, kept, True


def _line_of(number: Assignment) -> RoutedNumber:
    return RoutedNumber(e164=number.e164, username=line_name(number.onboarding_id, number.service))


def _refused(error: FailureError) -> NumberOutcome:
    """An answer that is no ends the act; what is broken fails it, and stays to be looked at."""
    if not is_refusal(error):
        raise error
    # Not str(): that puts the code before the sentence.
    return NumberOutcome(done=False, code=failure_code(error), reason=getattr(cause_of(error), "message", None))
