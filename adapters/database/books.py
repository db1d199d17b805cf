"""Our part of the ledgers of truth, read on one snapshot for an audit."""

from sqlalchemy import Connection, func, select

from adapters.database.statements import now
from adapters.database.tables import (
    accounts,
    calling,
    ledger_entries,
    ledger_holds,
    mail_log,
    number_releases,
    numbers,
    onboardings,
)
from adapters.transactions import Transactions
from domain.books import AccountBook, Books, CallingBook, EntryBook, HoldBook, LetterBook, NumberBook, OrderBook
from domain.keys import line_name
from domain.notifications import writes_to_customer
from domain.rules import means_kind

_a, _e, _o = accounts.c, ledger_entries.c, onboardings.c

_ORDERS = (
    select(_o.id, _o.tenant_id, _o.account_id, _a.status, _o.state, _o.order, _o.quote, _o.terms, _o.updated_at)
    .join(accounts, _a.id == _o.account_id, isouter=True)
    .order_by(_o.created_at, _o.id)
)
# What lies in baskets belongs to no order yet.
_NUMBERS = select(numbers).where(numbers.c.onboarding_id.is_not(None)).order_by(numbers.c.e164)
_RELEASED = (
    select(number_releases.c.onboarding_id, func.count())
    .where(number_releases.c.reclaimed_at.is_(None))
    .group_by(number_releases.c.onboarding_id)
)
_ENTERED = select(_e.account_id, func.sum(_e.amount_minor).label("amount_minor")).group_by(_e.account_id).subquery("entered")
_ACCOUNTS = (
    select(_a.id, _a.balance_minor, _a.held_minor, func.coalesce(_ENTERED.c.amount_minor, 0).label("entries_minor"))
    .join(_ENTERED, _ENTERED.c.account_id == _a.id, isouter=True)
    .order_by(_a.opened_at, _a.id)
)
_ENTRIES = (
    select(_e.account_id, _e.onboarding_id, func.sum(_e.amount_minor).label("amount_minor"))
    .where(_e.onboarding_id.is_not(None))
    .group_by(_e.account_id, _e.onboarding_id)
    .order_by(_e.onboarding_id, _e.account_id)
)
_HOLDS = select(ledger_holds).order_by(ledger_holds.c.created_at, ledger_holds.c.key)
_LETTERS = select(mail_log).order_by(mail_log.c.sent_at, mail_log.c.key)
_CALLINGS = (
    select(calling.c.calling, calling.c.version)
    .join(accounts, _a.id == calling.c.account_id)
    .where(_a.status == "active")
    .order_by(calling.c.account_id)
)


class OurBooks:
    """Reads orders, held numbers, accounts, holds, entries and letters; the other ledgers are left for their adapters."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def read(self) -> Books:
        """The books of our database. Reads every row: meant for an audit, not for a request."""
        return await self._transactions.read(_read)


def _read(connection: Connection) -> Books:
    released: dict[str, int] = dict(connection.execute(_RELEASED).all())
    return Books(
        read_at=now(),
        orders=tuple(
            OrderBook(
                id=row.id,
                tenant_id=row.tenant_id,
                account_id=row.account_id,
                account_status=row.status,
                state=row.state,
                administration=row.order.administration,
                means=means_kind(row.order),
                total_minor=row.quote.total_minor,
                currency=row.quote.currency,
                number_count=row.order.number_count - released.get(row.id, 0),
                lines=tuple(line_name(row.id, position) for position in range(len(row.order.services))),
                activated=row.terms is not None,
                updated_at=row.updated_at,
                welcomed=writes_to_customer(row.order.notifications, welcome=row.order.welcomes),
                adds=row.order.account_id is not None,
            )
            for row in connection.execute(_ORDERS)
        ),
        numbers=tuple(NumberBook.model_validate(dict(row)) for row in connection.execute(_NUMBERS).mappings()),
        accounts=tuple(AccountBook.model_validate(dict(row)) for row in connection.execute(_ACCOUNTS).mappings()),
        holds=tuple(HoldBook.model_validate(dict(row)) for row in connection.execute(_HOLDS).mappings()),
        entries=tuple(EntryBook.model_validate(dict(row)) for row in connection.execute(_ENTRIES).mappings()),
        callings=tuple(
            CallingBook(rights=row.calling.model_copy(update={"version": row.version}).rights)
            for row in connection.execute(_CALLINGS)
        ),
        letters=tuple(LetterBook.model_validate(dict(row)) for row in connection.execute(_LETTERS).mappings()),
    )
