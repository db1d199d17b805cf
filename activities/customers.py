"""Changing what is known of a customer, in our own records."""

from temporalio import activity

from activities.failures import translated
from domain.customers import CustomerChange, CustomerRecords, CustomerWrite


class CustomerActivities:
    def __init__(self, records: CustomerRecords) -> None:
        self._records = records

    @activity.defn(name="change_customer")
    @translated
    async def change_customer(self, change: CustomerChange) -> CustomerWrite:
        return await self._records.change(change)
