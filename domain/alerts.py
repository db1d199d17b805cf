"""Telling somebody that the money of an account runs low: once for every time its balance falls below the mark (S4-34)."""

from collections.abc import Sequence
from typing import Protocol

from domain.base import Value
from domain.keys import step_key
from domain.mails import MailKind, MailOrder


class LowBalance(Value):
    """One crossing from above to below, whose letter is due. ``crossing`` counts those of the account, from 1."""

    account_id: str
    onboarding_id: str
    crossing: int

    @property
    def letter(self) -> MailOrder:
        return MailOrder(
            key=step_key(self.onboarding_id, "low_balance", self.crossing),
            kind=MailKind.LOW_BALANCE,
            onboarding_id=self.onboarding_id,
            generation=self.crossing,
        )


class AlertBounds(Value):
    """How many letters one run hands on."""

    most: int = 200


class AlertsHandedOn(Value):
    """How many letters one run handed on."""

    letters: int


class AlertTold(Value):
    """Whether a letter arrived at the relay; ``code`` says why not."""

    told: bool
    code: str | None = None


class UndeliveredAlert(Value):
    """A letter that nobody will get, and why."""

    alert: LowBalance
    code: str


class BalanceAlerts(Protocol):
    """What the ledger has counted. A crossing is noted in the transaction of the posting that crosses."""

    async def due(self, most: int) -> Sequence[LowBalance]:
        """The crossings whose letters nobody has taken on, oldest first."""

    async def handed(self, alerts: Sequence[LowBalance]) -> None:
        """Note that these letters have a workflow. Repeated, it is the same act."""

    async def undelivered(self, undelivered: UndeliveredAlert) -> None:
        """Tell the timeline that a letter did not arrive."""


def workflow_id_of(alert: LowBalance) -> str:
    """One workflow for each crossing, however often it is handed on."""
    return f"low-balance/{alert.account_id}/{alert.crossing}"
