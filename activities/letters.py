"""What is decided about letters that were refused, in our own records."""

from temporalio import activity

from activities.failures import translated
from domain.letters import LetterAct, LetterEnd, LetterRecords, LetterTaken


class LetterActivities:
    def __init__(self, records: LetterRecords) -> None:
        self._records = records

    @activity.defn(name="take_up_letter")
    @translated
    async def take_up_letter(self, act: LetterAct) -> LetterTaken:
        return await self._records.take_up(act)

    @activity.defn(name="close_letter")
    @translated
    async def close_letter(self, end: LetterEnd) -> None:
        await self._records.close(end)
