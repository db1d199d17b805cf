"""A customer moves to another white label (S5-25, C12): who may have that done, and what it needs."""

from typing import Protocol

from domain.calling import CallingWrite
from domain.catalogue import Tenant
from domain.customer import LongText
from domain.customers import AccountChange
from domain.existing import AccountRecord
from domain.orders import AccountKind
from domain.rules import Finding


class Transfer(AccountChange):
    """From the white label ``tenant_id`` to the white label ``to``, on a plan of its. Reason and consent are kept in the timeline."""

    to: str
    plan: str
    reason: LongText
    consent: LongText


class TransferRecords(Protocol):
    """Our own records of who is below whom. One transaction."""

    async def transfer(self, transfer: Transfer) -> CallingWrite:
        """Move everything, or nothing, once per key; what the switch must know then.

        Raises ``Refused``: ``orders_under_way``, ``moved_meanwhile``, or the code of what ``findings`` finds.
        """


def findings(account: AccountRecord, to: Tenant, plan: str | None) -> list[Finding]:
    """What makes this transfer impossible."""
    found: list[Finding] = []

    def say(code: str, pointer: str, message: str, fix: str) -> None:
        found.append(Finding(code=code, pointer=pointer, message=message, fix=fix))

    if account.kind is not AccountKind.CUSTOMER:
        say("account_is_reseller", "/to", "Only customers move; a reseller has customers of its own.", "Move them one by one.")
    if account.tenant_id == to.id:
        say("already_there", "/to", "The customer is this white label's already.", "Name another one.")
    if account.currency != to.currency:
        message = f"The account is kept in {account.currency}, and this white label sells in {to.currency}."
        say("currency_differs", "/to", message, "Choose a white label that sells in the account's currency.")
    if to.price_list.plan(plan) is None:
        offered = ", ".join(one.code for one in to.price_list.plans)
        say("unknown_plan", "/plan", "That white label has no such plan.", f"Choose one of: {offered}.")
    return found
