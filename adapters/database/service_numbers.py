"""Which numbers each service of an order has: the one answer for records, letters and pages.

An order says what was wished for. What it got is told by what is held for it, and what it had by what it gave back.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from adapters.database.tables import number_releases, numbers
from domain.numbers import HeldNumber, Reservation, stand_ins
from domain.orders import Order

_n, _r = numbers.c, number_releases.c
_HAS = (
    select(_n.onboarding_id, _n.service, _n.e164)
    .where(_n.onboarding_id.in_(bindparam("of", expanding=True)))
    .order_by(_n.service, _n.e164)
)
_HAD = select(_r.onboarding_id, _r.service, _r.e164).where(_r.onboarding_id.in_(bindparam("of", expanding=True)))
_GRADES = select(_n.e164, _n.grade).where(_n.e164.in_(bindparam("of", expanding=True)))


@dataclass(frozen=True)
class OrderNumbers:
    """``had`` are all that an order ever held, with what each stood in for; ``has`` are those that are still its own, in order."""

    order: Order
    had: Reservation
    has: tuple[str, ...]

    def counted(self, position: int) -> tuple[str, ...]:
        """Those that a service had, as its settings count them."""
        return self.had.counted(position, self.order.services[position].numbers)

    def now(self, position: int) -> tuple[str, ...]:
        """Those that it has now, in the same order."""
        return tuple(e164 for e164 in self.counted(position) if e164 in self.has)


def of_orders(connection: Connection, orders: Mapping[str, Order]) -> dict[str, OrderNumbers]:
    """By onboarding. One statement, unless something was substituted, given back, or is not held yet."""
    has: dict[str, set[HeldNumber]] = defaultdict(set)
    for row in connection.execute(_HAS, {"of": list(orders)}):
        has[row.onboarding_id].add(HeldNumber(e164=row.e164, service=row.service))
    had = {of: set(has[of]) for of in orders}
    if other := [of for of, order in orders.items() if not _as_ordered(order, had[of])]:
        for row in connection.execute(_HAD, {"of": other}):
            had[row.onboarding_id].add(HeldNumber(e164=row.e164, service=row.service))
    return {of: _numbers(connection, order, has[of], had[of]) for of, order in orders.items()}


def _as_ordered(order: Order, has: set[HeldNumber]) -> bool:
    named = {number.e164 for number in has}.issuperset(order.explicit_numbers)
    return named and len(has) == order.number_count


def _numbers(connection: Connection, order: Order, has: set[HeldNumber], had: set[HeldNumber]) -> OrderNumbers:
    wished = [set(service.numbers.explicit) for service in order.services]
    got = [{number.e164 for number in had if number.service == position} for position in range(len(wished))]
    strange = [named ^ mine for named, mine in zip(wished, got, strict=True) if named and mine - named]
    grades: dict[str, str] = {}
    if strange:
        grades = {row.e164: row.grade for row in connection.execute(_GRADES, {"of": sorted(set().union(*strange))})}
    pairs = (stand_ins(named, mine, grades) for named, mine in zip(wished, got, strict=True) if named)
    inward = sorted(had, key=lambda number: (number.service, number.e164))
    reservation = Reservation(numbers=tuple(inward), substitutes=tuple(one for some in pairs for one in some))
    return OrderNumbers(order, reservation, tuple(number.e164 for number in inward if number in has))
