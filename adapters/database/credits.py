"""Payments into accounts: one entry of the ledger, one of the timeline."""

from sqlalchemy import Connection, bindparam, select

from adapters.database import ledger, progress
from adapters.database.pins import OPENED_BY
from adapters.database.statements import now
from adapters.database.tables import accounts, ledger_entries
from adapters.transactions import Transactions
from domain.credits import Credit, Credited
from domain.errors import Refused
from domain.onboarding import Entry, State

_a, _e = accounts.c, ledger_entries.c
_HOLD = select(_a.status, _a.currency, _a.balance_minor).where(_a.id == bindparam("of")).with_for_update(key_share=True)
_POSTED = select(_e.account_id, _e.amount_minor, _e.reference).where(_e.key == bindparam("of"))


class AccountCredits:
    """``domain.credits.Credits``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def pay_in(self, credit: Credit) -> Credited:
        return await self._transactions.write(lambda connection: pay_in(connection, credit))


def pay_in(connection: Connection, credit: Credit) -> Credited:
    """As ``AccountCredits.pay_in``, within a transaction."""
    moment = now()
    opened_by = connection.execute(OPENED_BY, {"of": credit.account_id}).scalar_one_or_none()
    # With the account's row held, a payment is either there or will be posted by nobody else meanwhile.
    account = connection.execute(_HOLD, {"of": credit.account_id}).first()
    if account is None or account.status != "active":
        raise Refused("The account is not active, so nothing can be paid into it.", code="account_not_active")
    known = connection.execute(_POSTED, {"of": credit.key}).first()
    if known is not None and (known.amount_minor, known.reference) != (credit.amount_minor, credit.reference):
        raise Refused(
            "This Idempotency-Key was used for another payment before. Use a new key for a new payment.",
            code="idempotency_key_reused",
        )
    balance = account.balance_minor
    if known is None:
        balance += credit.amount_minor
        if opened_by is not None:
            detail = {"amount_minor": str(credit.amount_minor), "currency": account.currency}
            detail |= {"approved_by": credit.approved_by} if credit.approved_by else {}
            entry = Entry(key=credit.key, at=moment, event="account_credited", actor=credit.actor, detail=detail)
            progress.append(connection, opened_by, State.ACTIVE, (entry,))
        ledger.enter(
            connection,
            credit.key,
            credit.account_id,
            "payment",
            credit.amount_minor,
            account.currency,
            moment,
            reference=credit.reference,
        )
    return Credited(
        account_id=credit.account_id,
        amount_minor=credit.amount_minor,
        balance_minor=balance,
        currency=account.currency,
        replayed=known is not None,
    )
