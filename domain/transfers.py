"""A customer moves to another white label (S5-25, C12): who may have that done, and what it needs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.calling import CallingWrite, RateGroup, rate_group_for
from domain.catalogue import PriceList, Tenant
from domain.customer import LongText
from domain.customers import AccountChange, document, spendable
from domain.existing import AccountRecord
from domain.orders import AccountKind, Payer
from domain.rules import Finding, Severity
from domain.services import ServiceRecord


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


def price_list_for(account: AccountRecord, to: Tenant, at: datetime) -> PriceList | None:
    """What the customer buys from then on: the default of the new white label, as for an order (C9), in the account's currency."""
    if account.payer is Payer.PARENT and account.currency != to.currency:
        return None  # the white label pays from an account of its own (S4-27)
    return to.list_for(None, at.date(), account.currency)


def rate_group_of(account: AccountRecord, to: Tenant, at: datetime) -> RateGroup | None:
    """What calls are rated by from then on: the new white label's group of the same code if it has it, else its default."""
    today = at.date()
    return rate_group_for(to.rate_groups, account.calling.rate_group, today) or rate_group_for(to.rate_groups, None, today)


def findings(account: AccountRecord, to: Tenant, plan: str | None, at: datetime) -> list[Finding]:
    """What makes this transfer impossible at that moment (UTC)."""
    found: list[Finding] = []

    def say(code: str, pointer: str, message: str, fix: str) -> None:
        found.append(Finding(code=code, pointer=pointer, message=message, fix=fix))

    if account.kind is not AccountKind.CUSTOMER:
        say("account_is_reseller", "/to", "Only customers move; a reseller has customers of its own.", "Move them one by one.")
    if account.tenant_id == to.id:
        say("already_there", "/to", "The customer is this white label's already.", "Name another one.")
    prices = price_list_for(account, to, at)
    if prices is None and to.list_for(None, at.date()) is None:
        say("no_price_list", "/to", "No price list of that white label is valid today.", "Make one valid there first.")
    elif prices is None:
        message = f"The account is kept in {account.currency}, and this white label sells in {to.currency}."
        say("currency_differs", "/to", message, "Choose a white label that sells in the account's currency.")
    elif prices.plan(plan) is None:
        offered = ", ".join(one.code for one in prices.plans)
        say("unknown_plan", "/plan", "That white label has no such plan.", f"Choose one of: {offered}.")
    if rate_group_of(account, to, at) is None and "no_rate_group" not in account.calling.barred(at):
        message = "That white label has no rate group that is valid today, so the customer could make no calls from then on."
        say("no_rate_group", "/to", message, "Give it one first, or choose another white label.")
    return found


def warnings(account: AccountRecord, services: Sequence[ServiceRecord], to: Tenant) -> list[Finding]:
    """What the new white label has to know of, and what keeps nothing from being moved."""
    found: list[Finding] = []

    def say(code: str, message: str, fix: str) -> None:
        found.append(Finding(code=code, severity=Severity.WARNING, pointer="/to", message=message, fix=fix))

    if account.has_pin:
        say("pin_ends", "The account's PIN is known to the white label that is left, so it ends.", "Agree on a new one.")
    most = to.decided_alone(to.approval.credit_limit_over_minor, account.currency)
    if most is not None and spendable(account, document(account)) > most:
        message = "What the customer may spend stays, and is more than one person decides about at that white label."
        say("credit_limit_needs_approval", message, "Look at the credit limit.")
    sold = {one.code for one in to.service_types}
    if strange := sorted({service.type for service in services if service.type} - sold):
        message = (
            f"That white label does not sell {', '.join(strange)}: such services stay, within what its default type includes."
        )
        say("service_type_not_sold", message, "Add the type there if they are to be changed as before.")
    return found
