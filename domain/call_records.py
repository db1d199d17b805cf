"""Call records: every call that was answered, for those who bill elsewhere (S2-30)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.base import Value


class CallRecord(Value):
    """One answered call of an account. ``began_at`` is when it was answered (UTC); ``seconds`` is how long it lasted.

    ``line`` is the line's name on the switch. ``caller`` is the number that the call showed, E.164, empty if it had none;
    ``called`` is what was dialled, after the account's dialling rules.
    """

    id: int
    account_id: str
    line: str
    caller: str
    called: str
    began_at: datetime
    seconds: int

    @property
    def position(self) -> tuple[int, int]:
        """Where it is in the order of records."""
        return int(self.began_at.timestamp()), self.id


class CallRecords(Protocol):
    """What the switch has recorded."""

    async def call_records(
        self, account_id: str, begin: datetime, end: datetime, after: tuple[int, int] | None, most: int
    ) -> Sequence[CallRecord]:
        """Calls answered from ``begin`` on and before ``end``, in their order, those behind the position ``after``.

        Raises ``Unavailable``.
        """
