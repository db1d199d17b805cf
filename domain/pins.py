"""The PIN of an account, after the order: compared with, and set anew."""

from typing import Protocol

from domain.base import Value


class NewPin(Value):
    """A PIN as it is stored: its keyed digest. ``actor`` is who sets it."""

    account_id: str
    digest: str
    actor: str


class Pins(Protocol):
    """What is kept of PINs. Nobody can read one from it."""

    async def digest(self, account_id: str) -> str | None:
        """What is kept of this account's PIN, ``None`` if it has none."""

    async def put(self, new: NewPin) -> None:
        """Set it, and tell the timeline that it was set. Raises ``Refused`` (``account_not_active``)."""
