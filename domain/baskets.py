"""Baskets: numbers held while an order is put together, for as long as somebody is at it and not for ever."""

from datetime import datetime, timedelta

from domain.base import Value
from domain.numbers import PUBLIC, GradedNumber, Pool

HOLD = timedelta(minutes=15)
"""How long after the last change a basket holds its numbers (research, field 6.1)."""
AT_MOST = timedelta(hours=2)
"""How long a basket holds anything at all, however often it is changed."""
MOST_NUMBERS = 100


class Basket(Value):
    """The numbers that one order-to-be holds. Times are UTC; ``expires_at`` is when they are free again by themselves.

    ``pool`` is the customer's whose kept numbers may lie in it, beside public ones.
    """

    id: str
    tenant_id: str
    pool: Pool = PUBLIC
    plan: str | None = None
    price_list: str | None = None
    created_at: datetime
    expires_at: datetime
    numbers: tuple[GradedNumber, ...] = ()


class NewBasket(Value):
    """An empty basket as it is asked for. ``fingerprint`` recognises the request, where there is one of its own."""

    id: str
    tenant_id: str
    created_by: str
    pool: str = PUBLIC
    plan: str | None = None
    price_list: str | None = None
    fingerprint: str | None = None


def expiry(created_at: datetime, now: datetime) -> datetime:
    """When a basket that is changed now expires: it slides, but not past ``AT_MOST``."""
    return min(now + HOLD, created_at + AT_MOST)
