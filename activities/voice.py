"""Bringing a line up on the switch, and taking it down."""

from temporalio import activity

from activities.failures import translated
from domain.calling import CallingWrite
from domain.ports import VoiceSwitch
from domain.voice import Line, LineRemoval


class VoiceActivities:
    def __init__(self, switch: VoiceSwitch) -> None:
        self._switch = switch

    @activity.defn(name="provision_line")
    @translated
    async def provision_line(self, line: Line) -> None:
        await self._switch.provision(line)

    @activity.defn(name="remove_line")
    @translated
    async def remove_line(self, removal: LineRemoval) -> None:
        await self._switch.remove(removal)

    @activity.defn(name="allow_calling")
    @translated
    async def allow_calling(self, write: CallingWrite) -> None:
        await self._switch.allow(write)
