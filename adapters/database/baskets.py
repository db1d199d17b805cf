"""Baskets: every change locks the basket's row first and its numbers after it, in numeric order."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, or_, select, update

from adapters.database.statements import PerDialect, now
from adapters.database.tables import accounts, baskets, numbers
from adapters.transactions import Transactions
from domain.baskets import MOST_NUMBERS, Basket, NewBasket, expiry
from domain.errors import NotFound, NumberUnavailable, Refused
from domain.numbers import PUBLIC, Grade, GradedNumber

_b, _n, _a = baskets.c, numbers.c, accounts.c

_OPEN = PerDialect(baskets, lambda insert: insert.on_conflict_do_nothing(index_elements=[_b.id]))
_READ = select(baskets).where(_b.id == bindparam("of"), _b.tenant_id == bindparam("tenant"))
_LOCK = _READ.with_for_update()
_CONTENTS = select(_n.e164, _n.grade).where(_n.basket_id == bindparam("of")).order_by(_n.e164)
# Named numbers are locked in numeric order and waited for, so two orders for the same ones cannot block each other.
NAMED = (
    select(_n.e164)
    .where(
        _n.e164.in_(bindparam("named", expanding=True)),
        _n.tenant_id == bindparam("tenant"),
        _n.pool.in_(bindparam("pools", expanding=True)),
        # What lies in the basket of the order was never free to others, and is taken even when the basket's time is over.
        or_(_n.state == "available", and_(_n.state == "held", _n.basket_id == bindparam("basket"))),
    )
    .order_by(_n.e164)
    .with_for_update(key_share=True)
)
_PUT_IN = (
    update(numbers)
    .where(_n.e164 == bindparam("number"))
    .values(state="held", held_by=bindparam("key"), held_until=bindparam("until"), basket_id=bindparam("basket"))
)
_FREED = {"state": "available", "held_by": None, "held_until": None, "basket_id": None}
_TAKE_OUT = update(numbers).where(_n.e164 == bindparam("number"), _n.basket_id == bindparam("basket")).values(_FREED)
_EMPTY = update(numbers).where(_n.basket_id == bindparam("basket")).values(_FREED)
_PROLONG = update(numbers).where(_n.basket_id == bindparam("basket")).values(held_until=bindparam("until"))
_SLIDE = update(baskets).where(_b.id == bindparam("of")).values(expires_at=bindparam("until"))
_CLOSE = update(baskets).where(_b.id == bindparam("of"), _b.closed_at.is_(None)).values(closed_at=bindparam("moment"))
_CUSTOMER = select(_a.id).where(
    _a.id == bindparam("of"), _a.parent_id == bindparam("tenant"), _a.kind == "customer", _a.status == "active"
)
_LOCK_CUSTOMER = _CUSTOMER.with_for_update(read=True)
_OVER = (
    select(_b.id)
    .where(_b.closed_at.is_(None), _b.expires_at <= bindparam("moment"))
    .order_by(_b.expires_at, _b.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)


def lock(connection: Connection, tenant_id: str, basket_id: str) -> None:
    """Lock a basket's row, if the tenant has such a basket: for an order that is about to take its numbers."""
    connection.execute(_LOCK, {"of": basket_id, "tenant": tenant_id})


def empty(connection: Connection, basket_id: str) -> int:
    """Let go of what is still in a basket, and close it. Returns how many numbers that were."""
    connection.execute(_CLOSE, {"of": basket_id, "moment": now()})
    return connection.execute(_EMPTY, {"basket": basket_id}).rowcount


def sweep(connection: Connection, most: int) -> list[int]:
    """Close baskets whose time is over, the longest over first. Returns how many numbers each held."""
    over = connection.execute(_OVER, {"moment": now(), "most": most}).scalars().all()
    return [empty(connection, basket_id) for basket_id in over]


def own_pool(connection: Connection, tenant_id: str, account_id: str | None) -> str:
    """The pool of an active customer account of the tenant; the public one for no such account."""
    found = connection.execute(_CUSTOMER, {"of": account_id, "tenant": tenant_id}).scalar() if account_id else None
    return found or PUBLIC


def require_customer(connection: Connection, tenant_id: str, account_id: str, *, lock: bool = False) -> None:
    """Raises ``NotFound`` unless this is an active customer account of the tenant (S2-01); locked, it stays that meanwhile."""
    if connection.execute(_LOCK_CUSTOMER if lock else _CUSTOMER, {"of": account_id, "tenant": tenant_id}).first() is None:
        raise NotFound("There is no such customer account, or it is not yours to see.")


class BasketStore:
    """``domain.ports.Baskets``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def open(self, new: NewBasket) -> Basket:
        def work(connection: Connection) -> Basket:
            _open(connection, new)
            opened = connection.execute(_READ, {"of": new.id, "tenant": new.tenant_id}).first()
            if opened is not None and opened.fingerprint not in {None, new.fingerprint}:
                raise Refused(
                    "This Idempotency-Key opened another basket before, so none was opened now. Use a new key.",
                    code="idempotency_key_reused",
                )
            return _basket(connection, _usable(opened))

        return await self._transactions.write(work)

    async def get(self, tenant_id: str, basket_id: str) -> Basket:
        def work(connection: Connection) -> Basket:
            return _basket(connection, _usable(connection.execute(_READ, {"of": basket_id, "tenant": tenant_id}).first()))

        return await self._transactions.read(work)

    async def add(self, tenant_id: str, basket_id: str, numbers: Sequence[str]) -> Basket:
        return await self._transactions.write(partial(_add, tenant_id, basket_id, sorted(set(numbers))))

    async def remove(self, tenant_id: str, basket_id: str, e164: str) -> Basket:
        def work(connection: Connection) -> Basket:
            row = _locked(connection, tenant_id, basket_id)
            connection.execute(_TAKE_OUT, {"number": e164, "basket": basket_id})
            return _basket(connection, row, _slide(connection, row))

        return await self._transactions.write(work)

    async def choose_plan(self, tenant_id: str, basket_id: str, plan: str | None, price_list: str | None = None) -> Basket:
        def work(connection: Connection) -> Basket:
            row = _locked(connection, tenant_id, basket_id)
            connection.execute(update(baskets).where(_b.id == basket_id).values(plan=plan, price_list=price_list))
            until = _slide(connection, row)
            return _basket(connection, row, until).model_copy(update={"plan": plan, "price_list": price_list})

        return await self._transactions.write(work)

    async def discard(self, tenant_id: str, basket_id: str) -> None:
        def work(connection: Connection) -> None:
            if connection.execute(_LOCK, {"of": basket_id, "tenant": tenant_id}).first() is None:
                raise _not_found()
            empty(connection, basket_id)

        await self._transactions.write(work)


def _add(tenant_id: str, basket_id: str, wanted: list[str], connection: Connection) -> Basket:
    row = _locked(connection, tenant_id, basket_id)
    terms = {"named": wanted, "tenant": tenant_id, "pools": [PUBLIC, row.pool], "basket": basket_id}
    taken = set(connection.execute(NAMED, terms).scalars())
    if missing := tuple(e164 for e164 in wanted if e164 not in taken):
        raise NumberUnavailable(
            "Not every one of these numbers can be had: somebody else has it, or it rests. Nothing was added. Choose others.",
            numbers=missing,
        )
    until = _slide(connection, row)
    put_in = {"key": f"basket:{basket_id}", "until": until, "basket": basket_id}
    connection.execute(_PUT_IN, [{"number": e164, **put_in} for e164 in wanted])
    basket = _basket(connection, row, until)
    if len(basket.numbers) > MOST_NUMBERS:
        raise Refused(f"A basket holds {MOST_NUMBERS} numbers at most. Nothing was added.", code="basket_full")
    return basket


def _locked(connection: Connection, tenant_id: str, basket_id: str) -> Row[Any]:
    return _usable(connection.execute(_LOCK, {"of": basket_id, "tenant": tenant_id}).first())


def _usable(row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise _not_found()
    # The numbers of a basket whose time is over may be freed at any moment, so nothing is promised about them any more.
    if row.closed_at is not None or row.expires_at <= now():
        raise Refused(
            "This basket holds nothing any more: its time is over, it was ordered, or somebody discarded it. Open another one.",
            code="basket_gone",
        )
    return row


def _slide(connection: Connection, row: Row[Any]) -> datetime:
    until = expiry(row.created_at, now())
    connection.execute(_SLIDE, {"of": row.id, "until": until})
    connection.execute(_PROLONG, {"basket": row.id, "until": until})
    return until


def _basket(connection: Connection, row: Row[Any], until: datetime | None = None) -> Basket:
    contents = connection.execute(_CONTENTS, {"of": row.id})
    return Basket(
        id=row.id,
        tenant_id=row.tenant_id,
        pool=row.pool,
        plan=row.plan,
        price_list=row.price_list,
        created_at=row.created_at,
        expires_at=until or row.expires_at,
        numbers=tuple(GradedNumber(e164=number.e164, grade=Grade(number.grade)) for number in contents),
    )


def _not_found() -> NotFound:
    return NotFound("There is no such basket, or it is not yours to see.")


# For drafts, which change their basket in the transaction that changes them


def hold_exactly(connection: Connection, row: Row[Any], wanted: Sequence[str]) -> Basket:
    """Let this locked, usable basket hold these numbers and no others, as far as they can be had."""
    wanted = sorted(set(wanted))[:MOST_NUMBERS]
    terms = {"named": wanted, "tenant": row.tenant_id, "pools": [PUBLIC, row.pool], "basket": row.id}
    inside = [number.e164 for number in connection.execute(_CONTENTS, {"of": row.id})]
    taken = connection.execute(NAMED, terms).scalars().all() if wanted else ()
    # Also what is still wanted, and kept for a customer whom the basket is not for any more.
    if surplus := [e164 for e164 in inside if e164 not in taken]:
        connection.execute(_TAKE_OUT, [{"number": e164, "basket": row.id} for e164 in surplus])
    until = _slide(connection, row)
    if taken:
        put_in = {"key": f"basket:{row.id}", "until": until, "basket": row.id}
        connection.execute(_PUT_IN, [{"number": e164, **put_in} for e164 in taken])
    return _basket(connection, row, until)


def begun(connection: Connection, new: NewBasket) -> Row[Any]:
    """Open an empty basket. Raises ``NotFound`` for the pool of no customer of the tenant."""
    _open(connection, new)
    return _locked(connection, new.tenant_id, new.id)


def _open(connection: Connection, new: NewBasket) -> None:
    if new.pool != PUBLIC:
        require_customer(connection, new.tenant_id, new.pool)
    moment = now()
    times = {"created_at": moment, "expires_at": expiry(moment, moment)}
    connection.execute(_OPEN.on(connection), new.model_dump() | times)


def locked_if_usable(connection: Connection, tenant_id: str, basket_id: str) -> Row[Any] | None:
    """The locked row of a basket that holds something or could; ``None`` if its time is over."""
    row = connection.execute(_LOCK, {"of": basket_id, "tenant": tenant_id}).first()
    return row if row is not None and row.closed_at is None and row.expires_at > now() else None


def seen(connection: Connection, tenant_id: str, basket_id: str) -> Basket | None:
    """The basket as it stands, ``None`` if its time is over."""
    row = connection.execute(_READ, {"of": basket_id, "tenant": tenant_id}).first()
    if row is None or row.closed_at is not None or row.expires_at <= now():
        return None
    return _basket(connection, row)
