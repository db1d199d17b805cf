"""Changing whether an account may call, in our own records."""

from temporalio import activity

from activities.failures import translated
from domain.calling import CallingChange, CallingWrite
from domain.ports import CallingRecords


class CallingActivities:
    def __init__(self, records: CallingRecords) -> None:
        self._records = records

    @activity.defn(name="change_calling")
    @translated
    async def change_calling(self, change: CallingChange) -> CallingWrite:
        return await self._records.change(change)

    @activity.defn(name="confirm_calling")
    @translated
    async def confirm_calling(self, write: CallingWrite) -> None:
        await self._records.confirm(write.calling.account_id, write.calling.version)
