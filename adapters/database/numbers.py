"""Telephone numbers: one holder each, found by walking an index that holds only what is free."""

import secrets
from itertools import islice

from sqlalchemy import Connection, bindparam, select, update

from adapters.database import baskets, number_search, progress, step_keys
from adapters.database.shelf import Shelf, beyond, shelf
from adapters.database.statements import now
from adapters.database.tables import numbers
from adapters.transactions import Transactions
from domain.errors import NumberUnavailable
from domain.numbers import PUBLIC, HeldNumber, NumberCriteria, Reservation, Substitute, stand_ins
from domain.steps import ReservationOrder, Undo

_n = numbers.c
_LONGEST = 15  # digits of an E.164 number
_OWN_DIGITS = 6


_FREE = select(_n.free_e164).where(
    _n.tenant_id == bindparam("tenant"),
    _n.pool == bindparam("pool"),
    _n.grade == bindparam("grade"),
    _n.free_e164 >= bindparam("first"),
    _n.free_e164 < bindparam("past"),
)
# Described numbers are never waited for: one that somebody is just taking is passed over.
_DESCRIBED = (
    _FREE.where(_n.free_e164.not_in(bindparam("chosen", expanding=True)))
    .order_by(_n.free_e164)
    .limit(bindparam("wanted"))
    .with_for_update(key_share=True, skip_locked=True)
)
# What was found without a lock is taken if it is still there, and passed over if somebody is just taking it.
_STILL_FREE = (
    select(_n.e164)
    .where(
        _n.e164.in_(bindparam("found", expanding=True)),
        _n.tenant_id == bindparam("tenant"),
        _n.pool == bindparam("pool"),
        _n.state == "available",
    )
    .order_by(_n.e164)
    .with_for_update(key_share=True, skip_locked=True)
)
_ENDS = select(
    _FREE.order_by(_n.free_e164).limit(1).scalar_subquery().label("lowest"),
    _FREE.order_by(_n.free_e164.desc()).limit(1).scalar_subquery().label("highest"),
)
_HOLD = (
    update(numbers)
    .where(_n.e164 == bindparam("number"))
    .values(
        state="held",
        held_by=bindparam("key"),
        held_until=bindparam("until"),
        onboarding_id=bindparam("onboarding"),
        service=bindparam("position"),
        basket_id=None,
    )
)
_HELD = (
    select(_n.e164, _n.service)
    .where(_n.onboarding_id == bindparam("onboarding"), _n.held_by == bindparam("key"))
    .order_by(_n.service, _n.e164)
)
_RELEASE = (
    update(numbers)
    .where(_n.onboarding_id == bindparam("onboarding"), _n.held_by == bindparam("key"), _n.state == "held")
    .values(state="available", held_by=None, held_until=None, onboarding_id=None, service=None)
)
_ASSIGN = (
    update(numbers)
    .where(_n.onboarding_id == bindparam("onboarding"), _n.held_by == bindparam("key"), _n.state == "held")
    .values(state="assigned")
)
_UNASSIGN = update(numbers).where(_n.onboarding_id == bindparam("onboarding"), _n.state == "assigned").values(state="held")


Blocks = dict[NumberCriteria, list[list[str]]]
"""Blocks that were free a moment ago, ascending, by what was wished for."""


class Inventory:
    """``domain.ports.NumberInventory``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def reserve(self, order: ReservationOrder) -> Reservation:
        blocks: Blocks = {}
        if any(selection.criteria and selection.criteria.pick == "block" for selection in order.selections):
            # Looked for before anybody has to wait: a block may be far. What was found is locked and looked at again below.
            blocks = await self._transactions.read(lambda connection: _blocks(connection, order))
        return await self._transactions.write(lambda connection: _reserve(connection, order, blocks))

    async def release(self, undo: Undo) -> None:
        def work(connection: Connection) -> None:
            if step_keys.close(connection, undo.key):
                connection.execute(_RELEASE, {"onboarding": undo.onboarding_id, "key": undo.key})

        await self._transactions.write(work)


def assign(connection: Connection, key: str, onboarding_id: str, reservation: Reservation) -> None:
    """Give the held numbers of a reservation to the customer. Raises ``NumberUnavailable`` unless all are still held."""
    if not reservation.numbers:
        return
    if connection.execute(_ASSIGN, {"onboarding": onboarding_id, "key": key}).rowcount != len(reservation.numbers):
        raise NumberUnavailable("The numbers of this order are not held for it any more, so it cannot go live.")


def unassign(connection: Connection, onboarding_id: str) -> None:
    """Turn assigned numbers back into held ones, under the reservation they came from."""
    connection.execute(_UNASSIGN, {"onboarding": onboarding_id})


def _reserve(connection: Connection, order: ReservationOrder, blocks: Blocks) -> Reservation:
    if step_keys.begin(connection, order.key):
        if order.basket:
            # The basket's row first, as whoever else changes the basket does: so they wait for each other here only.
            baskets.lock(connection, order.tenant_id, order.basket)
        held = _claim(connection, order, blocks)
        if held:
            connection.execute(
                _HOLD,
                [
                    {
                        "number": number.e164,
                        "key": order.key,
                        "until": order.until,
                        "onboarding": order.onboarding_id,
                        "position": number.service,
                    }
                    for number in held
                ],
            )
        if order.basket:
            baskets.empty(connection, order.basket)
    else:
        rows = connection.execute(_HELD, {"onboarding": order.onboarding_id, "key": order.key})
        held = [HeldNumber(e164=row.e164, service=row.service) for row in rows]
    progress.write(connection, order.progress, now())
    return Reservation(numbers=tuple(held), substitutes=_substituted(connection, order, held))


def _claim(connection: Connection, order: ReservationOrder, blocks: Blocks) -> list[HeldNumber]:
    """Lock every number of the order, or raise ``NumberUnavailable``. Named ones first: they are the only ones waited for."""
    named = [e164 for selection in order.selections for e164 in selection.explicit]
    if named:
        terms = {"tenant": order.tenant_id, "named": named, "basket": order.basket, "pools": _pools(order)}
        free = set(connection.execute(baskets.NAMED, terms).scalars())
        if len(free) < len(named) and not order.substitute:
            raise _gone()
        named = [e164 for e164 in named if e164 in free]
    chosen: list[str] = list(named)
    described: dict[NumberCriteria, list[str]] = {}
    for criteria, count in _wanted(order).items():
        if criteria.pool not in _pools(order):
            raise NumberUnavailable("These numbers are kept for another customer. Choose from the public pool.")
        described[criteria] = found = _find(connection, order.tenant_id, criteria, count, chosen, blocks)
        chosen += found
    held = []
    for position, selection in enumerate(order.selections):
        mine = [e164 for e164 in selection.explicit if e164 in named]
        for lost in (e164 for e164 in selection.explicit if e164 not in named):
            mine.append(_substitute(connection, order.tenant_id, lost, chosen))
            chosen.append(mine[-1])
        if selection.criteria:
            stock = described[_kind(selection.criteria)]
            mine, stock[:] = stock[: selection.criteria.count], stock[selection.criteria.count :]
        held += [HeldNumber(e164=e164, service=position) for e164 in sorted(mine)]
    return held


def _gone() -> NumberUnavailable:
    return NumberUnavailable("A number of this order is not available any more. Choose another one.")


def _substitute(connection: Connection, tenant_id: str, lost: str, chosen: list[str]) -> str:
    """Lock the nearest free number of the same grade and place. Raises ``NumberUnavailable`` if there is none."""
    grade = connection.execute(select(_n.grade).where(_n.e164 == lost, _n.tenant_id == tenant_id)).scalar()
    # The digits before the last six are what the number is of: the town, and who issued it.
    for digits in range(1, _OWN_DIGITS + 1) if grade else ():
        prefix = lost[:-digits]
        terms = {"tenant": tenant_id, "pool": PUBLIC, "grade": grade, "first": prefix, "past": beyond(prefix)}
        if found := connection.execute(_DESCRIBED, terms | {"wanted": 1, "chosen": chosen}).scalar():
            return str(found)
    raise _gone()


def _substituted(connection: Connection, order: ReservationOrder, held: list[HeldNumber]) -> tuple[Substitute, ...]:
    """Which of the held numbers stand in for which: told by what is held, so that a repetition tells the same."""
    if not order.substitute:
        return ()
    found: list[Substitute] = []
    for position, selection in enumerate(order.selections):
        mine, named = {number.e164 for number in held if number.service == position}, set(selection.explicit)
        if named - mine:
            query = select(_n.e164, _n.grade).where(_n.e164.in_(named ^ mine))
            found += stand_ins(named, mine, {row.e164: row.grade for row in connection.execute(query)})
    return tuple(found)


def _pools(order: ReservationOrder) -> list[str]:
    """Where the order may take numbers from: what is there for everybody, and what is kept for its customer."""
    return [PUBLIC] if order.account_id is None else [PUBLIC, order.account_id]


def _kind(criteria: NumberCriteria) -> NumberCriteria:
    # Consecutive numbers are only so within the service that asks for them.
    if criteria.pick == "block":
        return criteria
    return criteria.model_copy(update={"count": 1})


def _wanted(order: ReservationOrder) -> dict[NumberCriteria, int]:
    """How many of each description: what several services want alike is looked for once."""
    wanted: dict[NumberCriteria, int] = {}
    for selection in order.selections:
        if selection.criteria:
            kind = _kind(selection.criteria)
            wanted[kind] = wanted.get(kind, 0) + selection.criteria.count
    return wanted


def _find(
    connection: Connection, tenant_id: str, criteria: NumberCriteria, count: int, chosen: list[str], blocks: Blocks
) -> list[str]:
    if criteria.pick == "block":
        return _find_blocks(connection, tenant_id, criteria, count, set(chosen), blocks.get(criteria, []))
    terms = {"tenant": tenant_id, "pool": criteria.pool, "grade": criteria.grade}
    terms |= {"first": criteria.prefix, "past": beyond(criteria.prefix)}

    def seek(first: str, past: str, wanted: int) -> list[str]:
        if criteria.contains:
            return _seek_digits(connection, tenant_id, criteria, first, past, wanted, set(chosen))
        within = terms | {"first": first, "past": past, "wanted": wanted, "chosen": chosen}
        return list(connection.execute(_DESCRIBED, within).scalars())

    start = _random_start(connection, terms) if criteria.pick == "random" else criteria.prefix
    found = seek(start, terms["past"], count)
    if len(found) < count and start != criteria.prefix:
        found += seek(criteria.prefix, start, count - len(found))
    if len(found) < count:
        raise _too_few()
    return found


def _too_few() -> NumberUnavailable:
    return NumberUnavailable("Fewer numbers of this kind are available than were ordered. Ask for fewer, or for another kind.")


def _lock(connection: Connection, tenant_id: str, pool: str, found: list[str]) -> list[str]:
    terms = {"tenant": tenant_id, "pool": pool, "found": found}
    return list(connection.execute(_STILL_FREE, terms).scalars()) if found else []


def _seek_digits(
    connection: Connection, tenant_id: str, criteria: NumberCriteria, first: str, past: str, wanted: int, chosen: set[str]
) -> list[str]:
    """Numbers that hold the segments, found without locks and then locked as far as they are still free."""
    on = shelf(tenant_id, criteria.pool, (criteria.grade,), criteria.prefix)
    walking = (number.e164 for number in number_search.walk(connection, on, criteria.contains, first, past, wanted))
    held: list[str] = []
    # No more are locked than are taken: others pass over a locked number, and would miss the last ones.
    while len(held) < wanted and (found := list(islice(walking, wanted - len(held)))):
        held += _lock(connection, tenant_id, criteria.pool, [e164 for e164 in found if e164 not in chosen])
    return held


def _find_blocks(
    connection: Connection, tenant_id: str, criteria: NumberCriteria, count: int, chosen: set[str], found: list[list[str]]
) -> list[str]:
    """The lowest block of consecutive numbers that can be had; whole, or ``NumberUnavailable``.

    ``count`` is a multiple of the criteria's own where several services want such a block. Those that were ``found`` before
    come first; where one of them cannot be had any more, the next is looked for near it.
    """
    on = shelf(tenant_id, criteria.pool, (criteria.grade,), criteria.prefix)
    if not found:
        raise _too_few()
    taken: list[str] = []
    waiting = list(found)
    start = found[0][0]
    while len(taken) < count:
        numbers = waiting.pop(0) if waiting else _near(connection, on, criteria, start)
        if numbers[0] < start:  # overlaps with what was taken instead of the one before it
            continue
        held = set(_lock(connection, tenant_id, criteria.pool, numbers)) - chosen
        missing = [e164 for e164 in numbers if e164 not in held]
        if missing:
            start = missing[-1] + "0"
            continue
        taken += numbers
        start = numbers[-1] + "0"
    return taken


def _near(connection: Connection, on: Shelf, criteria: NumberCriteria, start: str) -> list[str]:
    run = number_search.block(connection, on, criteria.contains, criteria.count, start, number_search.NEAR)
    if not run:
        raise _too_few()
    return [number.e164 for number in run]


def _blocks(connection: Connection, order: ReservationOrder) -> Blocks:
    """As many blocks as the order wants, where there are so many; taking nothing."""
    found: Blocks = {}
    for criteria, count in _wanted(order).items():
        if criteria.pick != "block" or criteria.pool not in _pools(order):
            continue
        on = shelf(order.tenant_id, criteria.pool, (criteria.grade,), criteria.prefix)
        start, found[criteria] = on.first, []
        for _ in range(count // criteria.count):
            run = [number.e164 for number in number_search.block(connection, on, criteria.contains, criteria.count, start)]
            if not run:
                break
            found[criteria].append(run)
            start = run[-1] + "0"
    return found


def _random_start(connection: Connection, terms: dict[str, str]) -> str:
    """A random point between the lowest and the highest free number of the description: two index seeks, no scan."""
    ends = connection.execute(_ENDS, terms).one()
    if ends.lowest is None:
        return terms["first"]
    low, high = (int(e164[1:].ljust(_LONGEST, "0")) for e164 in (ends.lowest, ends.highest))
    point = low + secrets.randbelow(high - low + 1)
    return f"+{point:0{_LONGEST}d}"[: len(ends.highest)]
