"""Accounts that are there already: what they are, and whether something can be added to them (S3-03, S3-08)."""

from collections.abc import Sequence
from typing import Protocol

from domain.base import Value
from domain.billing import LowBalanceAlert, TaxCode
from domain.calling import Calling, SuspensionReason
from domain.customer import Customer
from domain.errors import Refused
from domain.money import Currency
from domain.orders import AccountKind, AccountType, Administration, Payer, Segment


class AccountRecord(Value):
    """An active account as an order for it, or a change of it, must know it. Money in minor units of ``currency``.

    ``onboarding_id`` is the order that opened it; ``plan`` of ``price_list`` decides its charges now (S2-20). ``services`` and ``numbers`` are what it
    has. ``postings`` says whether a ledger has an entry for it, ``ordering`` whether an order for it is under way, whose money may be
    held or authorised.
    """

    account_id: str
    tenant_id: str
    kind: AccountKind
    status: str
    account_number: str | None
    currency: Currency
    balance_minor: int
    held_minor: int
    credit_limit_minor: int
    account_type: AccountType
    payer: Payer
    administration: Administration
    segment: Segment
    onboarding_id: str
    customer: Customer
    low_balance_alert: LowBalanceAlert | None
    taxes: tuple[TaxCode, ...] | None
    tax_rate_basis_points: int | None
    plan: str
    price_list: str
    calling: Calling
    services: int
    numbers: int
    postings: bool
    has_pin: bool = False
    version: int = 0
    """How often its details were changed."""
    ordering: bool = False


def moved_meanwhile() -> Refused:
    """What was asked for of the white label that had the account is not for the one that has it now."""
    return Refused("Somebody has moved this customer meanwhile. Look where it is now.", code="moved_meanwhile")


class AccountBook(Protocol):
    """Reads accounts that are there already."""

    async def record(self, account_id: str, scope: str) -> AccountRecord:
        """One account of this scope. Raises ``NotFound``, and ``Refused`` for one that is not active or was not ordered."""


def may_be_added_to(kind: str, status: str, suspended_for: Sequence[SuspensionReason]) -> Refused | None:
    """Why nothing can be added to such an account; ``None`` if something can."""
    if kind != AccountKind.CUSTOMER:
        return Refused(
            "This account is a reseller, which has customers and no telephones. Name the account of one of its customers.",
            code="account_is_reseller",
        )
    if status == "pending":
        return Refused(
            "The account is not active yet: its own order is still under way, so nothing can be added. Wait until it is active.",
            code="account_not_active",
        )
    if status != "active":
        return Refused("The account was closed, so nothing can be added to it. Order a new one.", code="account_closed")
    if SuspensionReason.FRAUD in suspended_for:
        return Refused(
            "The account is suspended for fraud, so nothing can be added to it. Lift that suspension first.",
            code="account_suspended_for_fraud",
        )
    return None
