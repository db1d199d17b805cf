"""A switch that misbehaves on request, so that refusals and time-outs can be seen without breaking anything."""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from adapters.voice.kamailio import KamailioSwitch
from domain.call_records import CallRecord
from domain.calling import CallingWrite
from domain.errors import ProvisioningRefused, Unavailable
from domain.voice import Line, LineRemoval, LineSetup, RoutedNumber

REJECTED = "0999"
"""A line with a number that ends so is refused for good."""
DONE_THEN_TIMED_OUT = "0998"
"""A line with a number that ends so is made, but the first answer is lost."""
DOWN_TWICE = "0997"
"""For a line with a number that ends so, the switch does not answer the first two times."""

_logger = logging.getLogger(__name__)


class FaultySwitch:
    """The real switch behind magic numbers. For development and tests; refuses to be made in production.

    Remembers its faults per key in this process: a restarted worker shows the temporary ones again.
    """

    def __init__(self, switch: KamailioSwitch, environment: Literal["development", "production"]) -> None:
        if environment == "production":
            raise ValueError("The simulated switch is not fit for production: it refuses customers' lines by their numbers.")
        _logger.warning(
            "Simulated switch faults are on: numbers ending in %s, %s or %s fail on purpose. Never in production.",
            REJECTED,
            DONE_THEN_TIMED_OUT,
            DOWN_TWICE,
        )
        self._switch = switch
        self._faults: Counter[str] = Counter()

    async def provision(self, line: Line) -> None:
        """As the real switch does, but for a magic number. Raises ``ProvisioningRefused`` (``switch_rejected``) too."""
        if _has(line, REJECTED):
            raise ProvisioningRefused(
                "The switch rejects this line (simulated, by its number). Correct the number or give up.",
                code="switch_rejected",
            )
        if _has(line, DOWN_TWICE) and self._strike(line, times=2):
            raise _no_answer()
        await self._switch.provision(line)
        if _has(line, DONE_THEN_TIMED_OUT) and self._strike(line, times=1):
            raise _no_answer()

    async def remove(self, removal: LineRemoval) -> None:
        """As the real switch does: a fault never keeps an effect from being undone."""
        await self._switch.remove(removal)

    async def allow(self, write: CallingWrite) -> None:
        """As the real switch does."""
        await self._switch.allow(write)

    async def first_call(self, account_id: str) -> datetime | None:
        """As the real switch says."""
        return await self._switch.first_call(account_id)

    async def call_records(
        self, account_id: str, begin: datetime, end: datetime, after: tuple[int, int] | None, most: int
    ) -> Sequence[CallRecord]:
        """As the real switch has them."""
        return await self._switch.call_records(account_id, begin, end, after, most)

    async def silence(self, number: RoutedNumber) -> None:
        """As the real switch does."""
        await self._switch.silence(number)

    async def ring(self, number: RoutedNumber) -> None:
        """As the real switch does."""
        await self._switch.ring(number)

    async def configure(self, setup: LineSetup) -> None:
        """As the real switch does."""
        await self._switch.configure(setup)

    async def close(self) -> None:
        """Let go of what the real switch holds."""
        await self._switch.close()

    def _strike(self, line: Line, times: int) -> bool:
        self._faults[line.key] += 1
        return self._faults[line.key] <= times


def _has(line: Line, ending: str) -> bool:
    return any(number.endswith(ending) for number in line.numbers)


def _no_answer() -> Unavailable:
    return Unavailable(
        "The switch did not answer in time (simulated, by the line's number). It is tried again.", code="switch_unavailable"
    )
