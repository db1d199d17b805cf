"""The tree of accounts, walked by its parent ids.

``accounts.parent_id`` is the only record of who is below whom, so an account that moves is where it is at once. Walking up
is one statement of as many primary keys as there are levels; walking down visits resellers only, whatever their number of
customers (docs/decisions/tenancy.md has the measurements).
"""

from typing import Any

from sqlalchemy import CTE, Connection, Row, Select, bindparam, literal_column, select, tuple_

from adapters.database import page_tokens
from adapters.database.tables import accounts
from adapters.transactions import Transactions
from domain.accounts import Account, AccountKind
from domain.errors import NotFound
from domain.views import Page

_LARGEST_PAGE = 500
_a = accounts.c
_above = accounts.alias("above")


def ancestors(start: Select[Any]) -> CTE:
    """The accounts that ``start`` selects (``id``, ``parent_id``) and all above them."""
    walk = start.cte("ancestors", recursive=True)
    # UNION drops what was seen before: a circle, if there ever was one, ends.
    return walk.union(select(_above.c.id, _above.c.parent_id).join(walk, _above.c.id == walk.c.parent_id))


def _resellers_below() -> CTE:
    walk = select(_a.id, _a.kind).where(_a.id == bindparam("scope")).cte("below", recursive=True)
    return walk.union(
        select(_above.c.id, _above.c.kind)
        .join(walk, _above.c.parent_id == walk.c.id)
        # Written out, and not a parameter: only so do both databases know that the index of resellers will do.
        .where(_above.c.kind == literal_column("'reseller'"))
    )


_UP = ancestors(select(_a.id, _a.parent_id).where(_a.id == bindparam("of")))
_BELOW = select(_resellers_below())
_COVERS = select(_UP.c.id).where(_UP.c.id == bindparam("scope"))
_GET = select(accounts).where(_a.id == bindparam("of"), select(_UP.c.id).where(_UP.c.id == bindparam("scope")).exists())


def covers(connection: Connection, scope: str, account_id: str) -> bool:
    """Whether the account is ``scope`` or below it."""
    return connection.execute(_COVERS, {"of": account_id, "scope": scope}).first() is not None


def white_labels(connection: Connection, scope: str) -> list[str]:
    """The scope itself if it is the platform or a reseller, and all resellers below it; nothing for a customer."""
    return [row.id for row in connection.execute(_BELOW, {"scope": scope}) if row.kind != AccountKind.CUSTOMER]


class Tree:
    """``domain.accounts.Accounts``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def covers(self, scope: str, account_id: str) -> bool:
        return await self._transactions.read(lambda connection: covers(connection, scope, account_id))

    async def get(self, account_id: str, scope: str) -> Account:
        return await self._transactions.read(lambda connection: _get(connection, account_id, scope))

    async def children(
        self, account_id: str, scope: str, kind: AccountKind | None, page_size: int, page_token: str | None
    ) -> Page[Account]:
        filters = ("accounts", account_id, kind)
        size = min(page_size, _LARGEST_PAGE)
        query = select(accounts).where(_a.parent_id == account_id).order_by(_a.kind, _a.id).limit(size + 1)
        if kind is not None:
            query = query.where(_a.kind == kind)
        if page_token is not None:
            query = query.where(tuple_(_a.kind, _a.id) > tuple_(*page_tokens.read(filters, page_token, 2)))

        def work(connection: Connection) -> list[Row[Any]]:
            _get(connection, account_id, scope)
            return list(connection.execute(query).all())

        rows = await self._transactions.read(work)
        shown = rows[:size]
        token = page_tokens.make(filters, (shown[-1].kind, shown[-1].id)) if len(rows) > size else None
        return Page[Account](items=tuple(_account(row) for row in shown), next_page_token=token)


def _get(connection: Connection, account_id: str, scope: str) -> Account:
    row = connection.execute(_GET, {"of": account_id, "scope": scope}).first()
    if row is None:
        raise NotFound("There is no such account, or it is not yours to see.")
    return _account(row)


def _account(row: Row[Any]) -> Account:
    return Account(
        id=row.id,
        parent_id=row.parent_id,
        kind=AccountKind(row.kind),
        name=row.name,
        status=row.status,
        currency=row.currency,
        opened_at=row.opened_at,
        activated_at=row.activated_at,
    )
