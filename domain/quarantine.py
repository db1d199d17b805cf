"""Quarantine: how long a number rests after its customer gave it back, so that nobody is called for somebody else."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from domain.base import Value
from domain.numbers import Assignment

Days = Annotated[int, Field(ge=1, le=730)]
DEFAULT_DAYS = {"person": 90, "organisation": 180}
"""Where neither law nor white label says more: a consumer's number, a business's (research, field 6.4; 47 CFR 52.15(f))."""
_NUISANCE_DAYS = {"+61": 365}
_MINIMUM_DAYS = {
    # 47 CFR 64.1200(l), in force since 27 July 2020: 45 days after permanent disconnection. The plan is shared by other
    # countries, which are treated alike: a number alone does not say which it is. Toll-free: 45 days as well, 52.103.
    "+1": 45,
    # Australia: six months; twelve if disconnected for nuisance calls (Numbering Plan 2015).
    "+61": 183,
}
_TOLL_FREE_MOST = 120
_TOLL_FREE = tuple(f"+1{code}" for code in (800, 833, 844, 855, 866, 877, 888))


def minimum_days(e164: str, *, nuisance: bool = False) -> int:
    """The least that the number's country asks for; 0 where no period was found (United Kingdom).

    ``nuisance``: it was disconnected because of calls meant for a former holder.
    """
    table = _MINIMUM_DAYS | (_NUISANCE_DAYS if nuisance else {})
    return max((days for code, days in table.items() if e164.startswith(code)), default=0)


def rest_days(
    e164: str,
    kind: Literal["organisation", "person"],
    *,
    asked: int | None = None,
    policy: int | None = None,
    nuisance: bool = False,
) -> int:
    """How many days the number rests: as asked, else as the white label's policy says, else the default; never below the law.

    North American toll-free numbers rest 45 to 120 days (47 CFR 52.103), so the default is cut to that for them.
    """
    default = DEFAULT_DAYS[kind]
    if e164.startswith(_TOLL_FREE):
        default = min(default, _TOLL_FREE_MOST)
    return max(asked or policy or default, minimum_days(e164, nuisance=nuisance))


class Release(Value):
    """Take a number from its customer, and let it rest until ``until`` (UTC). ``reason`` is for the record."""

    number: Assignment
    released_at: datetime
    until: datetime
    actor: str
    reason: str | None = None


class Reclaim(Value):
    """Give a resting number back to whom it was taken from."""

    number: Assignment
    actor: str
    at: datetime


class NumberOutcome(Value):
    """How an act upon a number ended: done, or the code and the sentence of the answer that was no."""

    done: bool
    code: str | None = None
    reason: str | None = None


class Swept(Value):
    """What one sweep freed. ``things`` are baskets, holds or numbers; ``more``: there may be others, ask again."""

    things: int = 0
    numbers: int = 0
    more: bool = False


class SweepBounds(Value):
    """How much one run of the reaper does: ``batches`` of each kind, ``batch`` things at a time in one transaction."""

    batch: int = 200
    batches: int = 25


class Hold(Value):
    """What one onboarding holds under one key."""

    onboarding_id: str
    key: str


class OverdueAsked(Value):
    """Ask for at most ``most`` overdue holds, of onboardings after this one."""

    most: int
    after: str | None = None


class ReaperReport(Value):
    """What one run of the reaper ended and freed, and how many overdue holds it left because their onboarding still runs."""

    baskets: int = 0
    holds: int = 0
    holds_kept: int = 0
    rested: int = 0
    drafts: int = 0
    more: bool = False
