"""Moving a customer to another white label, in our own records."""

from temporalio import activity

from activities.failures import translated
from domain.calling import CallingWrite
from domain.transfers import Transfer, TransferRecords


class TransferActivities:
    def __init__(self, records: TransferRecords) -> None:
        self._records = records

    @activity.defn(name="transfer_customer")
    @translated
    async def transfer_customer(self, transfer: Transfer) -> CallingWrite:
        return await self._records.transfer(transfer)
