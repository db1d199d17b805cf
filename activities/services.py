"""Changing a service: in our own records, and on the switch."""

from temporalio import activity

from activities.failures import translated
from domain.ports import LineSetups
from domain.services import ServiceChange, ServiceRecord, ServiceRecords


class ServiceActivities:
    def __init__(self, records: ServiceRecords, switch: LineSetups) -> None:
        self._records = records
        self._switch = switch

    @activity.defn(name="change_service")
    @translated
    async def change_service(self, change: ServiceChange) -> ServiceRecord:
        return await self._records.change(change)

    @activity.defn(name="set_up_line")
    @translated
    async def set_up_line(self, service: ServiceRecord) -> None:
        await self._switch.configure(service.setup)

    @activity.defn(name="confirm_service")
    @translated
    async def confirm_service(self, service: ServiceRecord) -> None:
        await self._records.confirm(service.line, service.version)
