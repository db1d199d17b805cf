"""Money paid into an account otherwise than by card: a transfer, cash, goodwill."""

import uuid
from typing import Annotated, Protocol

from pydantic import Field

from domain.base import Value
from domain.catalogue import Tenant
from domain.customer import Text
from domain.money import Currency

MOST_MINOR = 1_000_000_000


class Credit(Value):
    """A payment into an account. ``key`` makes a repetition harmless; ``reference`` is whatever the money is known by."""

    key: str
    account_id: str
    amount_minor: Annotated[int, Field(ge=1, le=MOST_MINOR, strict=True)]
    reference: Text
    actor: str
    approved_by: str | None = None


class Credited(Value):
    """What the account has afterwards, in minor units."""

    account_id: str
    amount_minor: int
    balance_minor: int
    currency: str
    replayed: bool = False


class Credits(Protocol):
    """Payments into accounts of ours."""

    async def pay_in(self, credit: Credit) -> Credited:
        """Post it, once, and tell the timeline who did. Raises ``Refused``: ``account_not_active``, and
        ``idempotency_key_reused`` for a key that stands for another payment."""


def needs_approval(tenant: Tenant, amount_minor: int, currency: Currency) -> bool:
    """Whether a second person has to agree: one may not give more to spend by a payment than by a credit limit.

    The threshold is in the white label's currency. What is in another one cannot be compared, so a person looks at it.
    """
    most = tenant.approval.credit_limit_over_minor
    return most is not None and amount_minor > (most if currency == tenant.currency else 0)


def credit_key(account_id: str, idempotency_key: str) -> str:
    """The ledger's key of a payment into an account."""
    digest = uuid.uuid5(uuid.NAMESPACE_OID, f"credit\n{account_id}\n{idempotency_key}")
    return f"{account_id}:credit:{digest}"
