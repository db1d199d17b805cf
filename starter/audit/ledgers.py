"""The books, indexed by what the checks ask for."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from domain.books import Books, ChargeBook, HoldBook, OrderBook
from domain.onboarding import State

# In these states the switch may hold lines of the order, in part or whole, and a payment may be authorised or captured.
IN_THE_MAKING = frozenset({State.PROVISIONING, State.HELD, State.COMPENSATING})

Found = tuple[str, str]


@dataclass(frozen=True)
class Ledgers:
    """The books, indexed by what the checks ask for."""

    books: Books
    due_after: timedelta

    @cached_property
    def orders(self) -> dict[str, OrderBook]:
        return {order.id: order for order in self.books.orders}

    def active(self) -> Iterator[OrderBook]:
        return (order for order in self.books.orders if order.state is State.ACTIVE)

    def undone(self) -> Iterator[OrderBook]:
        """Finished, and not active: nothing may be left of these."""
        return (order for order in self.books.orders if order.state.is_final and order.state is not State.ACTIVE)

    def charges(self) -> dict[str, list[ChargeBook]]:
        found: dict[str, list[ChargeBook]] = defaultdict(list)
        for charge in self.books.charges or ():
            found[charge.onboarding_id or ""].append(charge)
        return found

    def holds(self) -> dict[str, list[HoldBook]]:
        found: dict[str, list[HoldBook]] = defaultdict(list)
        for hold in self.books.holds:
            found[hold.onboarding_id].append(hold)
        return found
