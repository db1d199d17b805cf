"""A customer after the order: what is known, and what can be changed (S3-61, S5-07, S5-24, S5-26)."""

from domain.base import Value
from domain.billing import LowBalanceAlert
from domain.customer import Customer


class CustomerDetails(Value):
    """Who the customer is now, and who is told when the money runs low."""

    customer: Customer
    low_balance_alert: LowBalanceAlert | None = None
