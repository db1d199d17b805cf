"""Numbers after an onboarding: given back, reclaimed, and freed when nobody speaks for them any more."""

from temporalio import activity

from activities.failures import translated
from domain.ports import NumberRouting, Quarantine, Reaper, Runs
from domain.quarantine import Hold, OverdueAsked, Reclaim, Release, SweepBounds, Swept
from domain.voice import RoutedNumber


class QuarantineActivities:
    def __init__(self, numbers: Quarantine) -> None:
        self._numbers = numbers

    @activity.defn(name="quarantine_number")
    @translated
    async def quarantine_number(self, release: Release) -> None:
        await self._numbers.quarantine(release)

    @activity.defn(name="reclaim_number")
    @translated
    async def reclaim_number(self, reclaim: Reclaim) -> None:
        await self._numbers.reclaim(reclaim)

    @activity.defn(name="relinquish_number")
    @translated
    async def relinquish_number(self, reclaim: Reclaim) -> None:
        await self._numbers.relinquish(reclaim)


class RoutingActivities:
    def __init__(self, switch: NumberRouting) -> None:
        self._switch = switch

    @activity.defn(name="silence_number")
    @translated
    async def silence_number(self, number: RoutedNumber) -> None:
        await self._switch.silence(number)

    @activity.defn(name="ring_number")
    @translated
    async def ring_number(self, number: RoutedNumber) -> None:
        await self._switch.ring(number)


class ReaperActivities:
    def __init__(self, reaper: Reaper, runs: Runs) -> None:
        self._reaper = reaper
        self._runs = runs

    @activity.defn(name="sweep_baskets")
    @translated
    async def sweep_baskets(self, bounds: SweepBounds) -> Swept:
        return await self._reaper.sweep_baskets(bounds.batch)

    @activity.defn(name="sweep_quarantine")
    @translated
    async def sweep_quarantine(self, bounds: SweepBounds) -> Swept:
        return await self._reaper.sweep_quarantine(bounds.batch)

    @activity.defn(name="overdue_holds")
    @translated
    async def overdue_holds(self, asked: OverdueAsked) -> list[Hold]:
        return list(await self._reaper.overdue(asked.most, asked.after))

    @activity.defn(name="ended_onboardings")
    @translated
    async def ended_onboardings(self, onboarding_ids: list[str]) -> list[str]:
        return list(await self._runs.ended(onboarding_ids))

    @activity.defn(name="free_holds")
    @translated
    async def free_holds(self, holds: list[Hold]) -> Swept:
        return await self._reaper.free_holds(holds)
