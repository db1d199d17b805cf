"""Steps inside our own records. Short and idempotent: fit to run as local activities."""

from temporalio import activity

from activities.failures import translated
from domain.onboarding import Progress
from domain.ports import OnboardingRecords
from domain.steps import Amendment, GoLive, Opening, Undo


class RecordActivities:
    def __init__(self, records: OnboardingRecords) -> None:
        self._records = records

    @activity.defn(name="open_account")
    @translated
    async def open_account(self, opening: Opening) -> None:
        await self._records.open_account(opening)

    @activity.defn(name="register_onboarding")
    @translated
    async def register_onboarding(self, opening: Opening) -> None:
        await self._records.register(opening)

    @activity.defn(name="close_account")
    @translated
    async def close_account(self, undo: Undo) -> None:
        await self._records.close_account(undo)

    @activity.defn(name="record_progress")
    @translated
    async def record_progress(self, progress: Progress) -> None:
        await self._records.record(progress)

    @activity.defn(name="amend_onboarding")
    @translated
    async def amend_onboarding(self, amendment: Amendment) -> None:
        await self._records.amend(amendment)

    @activity.defn(name="go_live")
    @translated
    async def go_live(self, order: GoLive) -> None:
        await self._records.go_live(order)

    @activity.defn(name="withdraw")
    @translated
    async def withdraw(self, undo: Undo) -> None:
        await self._records.withdraw(undo)
