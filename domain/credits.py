"""Money paid into an account otherwise than by card: a transfer, cash, goodwill."""

import uuid
from typing import Annotated, Protocol

from pydantic import Field

from domain.base import Value
from domain.customer import Text

MOST_MINOR = 1_000_000_000


class Credit(Value):
    """A payment into an account. ``key`` makes a repetition harmless; ``reference`` is whatever the money is known by."""

    key: str
    account_id: str
    amount_minor: Annotated[int, Field(ge=1, le=MOST_MINOR, strict=True)]
    reference: Text
    actor: str


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


def credit_key(account_id: str, idempotency_key: str) -> str:
    """The ledger's key of a payment into an account."""
    digest = uuid.uuid5(uuid.NAMESPACE_OID, f"credit\n{account_id}\n{idempotency_key}")
    return f"{account_id}:credit:{digest}"
