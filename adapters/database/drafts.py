"""Drafts: the row of the draft is locked first, then its basket, then numbers in numeric order."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, literal, or_, select, tuple_, update

from adapters.database import baskets, page_tokens, tables
from adapters.database.statements import PerDialect, now
from adapters.database.tables import drafts, numbers
from adapters.transactions import Transactions
from domain import keys
from domain.baskets import Basket, NewBasket
from domain.drafts import Draft, DraftState, Edit, Kept, Wish
from domain.errors import NotFound, NumberUnavailable
from domain.numbers import PUBLIC
from domain.quarantine import Swept
from domain.views import Page

_d, _n = drafts.c, numbers.c
_LARGEST_PAGE = 100

_OPEN = PerDialect(drafts, lambda insert: insert.on_conflict_do_nothing(index_elements=[_d.id]))
_READ = select(_d.draft).where(_d.id == bindparam("of"))
_LOCK = _READ.with_for_update()
_WRITE = (
    update(drafts)
    .where(_d.id == bindparam("of"))
    .values(
        state=bindparam("new_state"),
        changed_at=bindparam("new_changed_at"),
        ends_at=bindparam("new_ends_at"),
        draft=bindparam("new_draft"),
    )
)
_FREE = select(_n.e164).where(
    _n.e164.in_(bindparam("named", expanding=True)),
    _n.tenant_id == bindparam("tenant"),
    _n.pool.in_(bindparam("pools", expanding=True)),
    # What still lies in the draft's last basket, whose time is over, is as good as free to it.
    or_(_n.state == "available", and_(_n.state == "held", _n.basket_id == bindparam("basket"))),
)
_OVER = (
    select(_d.id, _d.draft)
    .where(_d.ends_at <= bindparam("moment"))
    .order_by(_d.ends_at, _d.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_POOL = update(tables.baskets).where(tables.baskets.c.id == bindparam("of")).values(pool=bindparam("new_pool"))


class DraftStore:
    """``domain.drafts.Drafts``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def open(self, draft: Draft) -> Kept:
        def work(connection: Connection) -> Kept:
            row = {"id": draft.id, "tenant_id": draft.tenant_id, "person": draft.person, "state": draft.state.value}
            times = {"changed_at": draft.changed_at, "ends_at": draft.expires_at}
            connection.execute(_OPEN.on(connection), row | times | {"draft": draft})
            return Kept(draft=_draft(connection.execute(_READ, {"of": draft.id}).first()))

        return await self._transactions.write(work)

    async def get(self, draft_id: str, named: Callable[[Draft], Collection[str]]) -> Kept:
        def work(connection: Connection) -> Kept:
            draft = _draft(connection.execute(_READ, {"of": draft_id}).first())
            if draft.state is not DraftState.OPEN:
                return Kept(draft=draft)
            basket = baskets.seen(connection, draft.tenant_id, draft.basket_id) if draft.basket_id else None
            return _kept(connection, draft, basket, named(draft))

        return await self._transactions.read(work)

    async def change(self, draft_id: str, edit: Edit) -> Kept:
        def work(connection: Connection) -> Kept:
            before = _draft(connection.execute(_LOCK, {"of": draft_id}).first())
            wish = edit(before)
            draft, basket = _with_basket(connection, wish)
            if draft != before:
                _write(connection, draft)
            return _kept(connection, draft, basket, wish.numbers or ())

        return await self._transactions.write(work)

    async def page(
        self, tenant_id: str, person: str | None, state: DraftState | None, page_size: int, page_token: str | None
    ) -> Page[Draft]:
        filters = ("drafts", tenant_id, person, state)
        size = min(page_size, _LARGEST_PAGE)
        query = select(_d.draft).where(_d.tenant_id == tenant_id).order_by(_d.changed_at.desc(), _d.id.desc()).limit(size + 1)
        if person is not None:
            query = query.where(_d.person == person)
        if state is not None:
            query = query.where(_d.state == state.value)
        if page_token is not None:
            changed_at, last = page_tokens.read(filters, page_token, 2)
            moment = page_tokens.moment(changed_at)
            query = query.where(
                tuple_(_d.changed_at, _d.id) < tuple_(literal(moment, _d.changed_at.type), literal(last, _d.id.type))
            )

        def work(connection: Connection) -> Sequence[Draft]:
            return connection.execute(query).scalars().all()

        found = await self._transactions.read(work)
        shown = tuple(found[:size])
        more = len(found) > size
        token = page_tokens.make(filters, (shown[-1].changed_at.isoformat(), shown[-1].id)) if more else None
        return Page(items=shown, next_page_token=token)

    async def sweep_drafts(self, most: int) -> Swept:
        """``domain.drafts.DraftReaper``."""

        def work(connection: Connection) -> Swept:
            over = connection.execute(_OVER, {"moment": now(), "most": most}).all()
            freed = sum(_expire(connection, row.draft) for row in over)
            return Swept(things=len(over), numbers=freed, more=len(over) == most)

        return await self._transactions.write(work)


def _draft(row: Row[Any] | None) -> Draft:
    if row is None:
        raise NotFound("There is no such draft, or it is not yours to see.")
    draft: Draft = row.draft
    return draft


def _write(connection: Connection, draft: Draft) -> None:
    state = {"new_state": draft.state.value, "new_draft": draft}
    connection.execute(_WRITE, {"of": draft.id, "new_changed_at": draft.changed_at, "new_ends_at": draft.expires_at, **state})


def _with_basket(connection: Connection, wish: Wish) -> tuple[Draft, Basket | None]:
    """What the change makes of the draft and its basket. The basket is opened when it is first needed, and anew if it is over."""
    draft = wish.draft
    if draft.state in {DraftState.DISCARDED, DraftState.EXPIRED}:
        _let_go(connection, draft)
        return draft, None
    if wish.numbers is None:
        return draft, baskets.seen(connection, draft.tenant_id, draft.basket_id) if draft.basket_id else None
    row = baskets.locked_if_usable(connection, draft.tenant_id, draft.basket_id) if draft.basket_id else None
    # As an order may take them: what is there for everybody, and what is kept for the very customer that it adds to.
    pool = baskets.own_pool(connection, draft.tenant_id, draft.account_id)
    if row is not None and row.pool != pool:
        connection.execute(_POOL, {"of": row.id, "new_pool": pool})
        row = baskets.locked_if_usable(connection, draft.tenant_id, row.id)
    if row is None and not wish.numbers:
        return draft, None
    if row is None:
        # Until it is swept, the old one keeps its numbers from the new one.
        _let_go(connection, draft)
        basket_id = keys.draft_basket_id(draft.id, draft.basket_id)
        fresh = NewBasket(id=basket_id, tenant_id=draft.tenant_id, created_by=draft.changed_by, pool=pool)
        row = baskets.begun(connection, fresh)
    basket = baskets.hold_exactly(connection, row, wish.numbers)
    held = {number.e164 for number in basket.numbers}
    if missing := tuple(e164 for e164 in wish.must if e164 not in held):
        raise NumberUnavailable(
            "Not every one of these numbers can be had: somebody else has it, or it rests. Nothing was added. Choose others.",
            numbers=missing,
        )
    return draft.model_copy(update={"basket_id": basket.id, "pool": pool}), basket


def _kept(connection: Connection, draft: Draft, basket: Basket | None, named: Collection[str]) -> Kept:
    kept = Kept(draft=draft, basket=basket)
    if loose := sorted(set(named) - kept.held):
        terms = {"named": loose, "tenant": draft.tenant_id, "pools": [PUBLIC, draft.pool], "basket": draft.basket_id or ""}
        return kept.model_copy(update={"free": frozenset(connection.execute(_FREE, terms).scalars())})
    return kept


def _let_go(connection: Connection, draft: Draft) -> int:
    if draft.basket_id is None:
        return 0
    baskets.lock(connection, draft.tenant_id, draft.basket_id)
    return baskets.empty(connection, draft.basket_id)


def _forget(connection: Connection, draft: Draft) -> None:
    if draft.state is not DraftState.SUBMITTED:
        _let_go(connection, draft)
    connection.execute(delete(drafts).where(_d.id == draft.id))


def _expire(connection: Connection, draft: Draft) -> int:
    """The next thing in the life of a draft whose time is over. Returns how many numbers became free."""
    if draft.state is not DraftState.OPEN:
        _forget(connection, draft)
        return 0
    _write(
        connection,
        draft.model_copy(update={"state": DraftState.EXPIRED, "revision": draft.revision + 1, "changed_at": now()}),
    )
    return _let_go(connection, draft)
