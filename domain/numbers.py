"""Telephone numbers: how they are asked for, how memorable they are, how they are held."""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from domain.base import Value
from domain.customer import E164


class Grade(StrEnum):
    """How memorable a number is (S3-20); the grade decides its set-up charge (S3-21). Rarest first."""

    PLATINUM = "platinum"
    GOLD = "gold"
    SILVER = "silver"
    BRONZE = "bronze"
    STANDARD = "standard"


def _run(digits: str) -> bool:
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
    return steps in ({1}, {9})


def grade_of(e164: str) -> Grade:
    """Grade a number by the rarest pattern in its last six digits (research, field 6.3).

    Shares over all six-digit endings: platinum 0.003 %, gold 0.17 %, silver 0.54 %, bronze 5.1 %, standard 94.2 %.
    """
    d = e164[-6:]
    a, b = d[:3], d[3:]
    if len(set(d)) == 1 or _run(d):
        return Grade.PLATINUM
    five_alike = max(d.count(digit) for digit in set(d)) == 5
    if a == b or (len(set(a)) == len(set(b)) == 1) or d[:2] * 3 == d or five_alike:
        return Grade.GOLD
    pairs = d[0] == d[1] and d[2] == d[3] and d[4] == d[5]
    if len(set(d[2:])) == 1 or _run(d[2:]) or d == d[::-1] or pairs or d.endswith("000"):
        return Grade.SILVER
    two_pairs = d[2] == d[3] and d[4] == d[5]
    if len(set(b)) == 1 or _run(b) or two_pairs or d[2:4] == d[4:6] or d.endswith("00"):
        return Grade.BRONZE
    return Grade.STANDARD


PUBLIC = "public"
"""The pool of what a white label offers to everybody (S3-25); every other pool is an account, whose numbers it holds (S3-26)."""
Pool = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
        description="`public`, or the account for which numbers are kept: only that customer's orders may take those",
    ),
]
Segments = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[0-9]{1,10}$")], ...],
    Field(max_length=4, description="Digits that must all occur in the national number; they may overlap", examples=[["737"]]),
]
Pick = Literal["next", "random", "block"]


class NumberCriteria(Value):
    """Numbers by description. The grade is part of the description because it is part of the price.

    ``pick``: the lowest ones (S3-22), from a random place (S3-23), or ``count`` consecutive ones.
    """

    count: Annotated[int, Field(ge=1, le=100)] = 1
    prefix: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{0,13}$", description="E.164 prefix", examples=["+44121"])]
    grade: Grade = Grade.STANDARD
    pick: Pick = "next"
    contains: Segments = ()
    pool: Pool = PUBLIC


class NumberSearch(Value):
    """What somebody who chooses numbers looks for (S3-18 to S3-26). Whatever is unset matches everything."""

    count: Annotated[int, Field(ge=1, le=100)] = 10
    prefix: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{0,13}$")] | None = None
    grades: tuple[Grade, ...] = ()
    pick: Pick = "next"
    contains: Segments = ()
    pool: Pool = PUBLIC


class GradedNumber(Value):
    """A number and how memorable it is."""

    e164: E164
    grade: Grade


class NumberSelection(Value):
    """Either numbers by name or numbers by description, never both."""

    explicit: Annotated[tuple[E164, ...], Field(max_length=100)] = ()
    criteria: NumberCriteria | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "NumberSelection":
        if self.explicit and self.criteria:
            raise ValueError("name the numbers or describe them, not both")
        if len(set(self.explicit)) != len(self.explicit):
            raise ValueError("the same number is named twice")
        return self

    @property
    def count(self) -> int:
        return len(self.explicit) or (self.criteria.count if self.criteria else 0)


class HeldNumber(Value):
    """One number held for one service of an order."""

    e164: E164
    service: int = Field(description="Position of the service in the order, from 0")


class Substitute(Value):
    """A number that was lost to somebody else, and the one of its grade that is held in its place."""

    lost: E164
    given: E164


class Reservation(Value):
    """What an order holds. The whole order is held or nothing is."""

    numbers: tuple[HeldNumber, ...] = ()
    substitutes: tuple[Substitute, ...] = ()

    def of_service(self, position: int) -> tuple[str, ...]:
        return tuple(number.e164 for number in self.numbers if number.service == position)

    def instead_of(self, e164: str) -> str:
        """The number itself, or the one that is held in its place."""
        return next((one.given for one in self.substitutes if one.lost == e164), e164)

    def counted(self, position: int, wished: NumberSelection) -> tuple[str, ...]:
        """A service's numbers as its settings count them: in the order in which they were named, else by their digits."""
        return tuple(self.instead_of(e164) for e164 in wished.explicit) or self.of_service(position)


def stand_ins(named: Collection[str], had: Collection[str], grades: Mapping[str, str]) -> tuple[Substitute, ...]:
    """Which of the numbers that a service had stand in for those that it named and did not get.

    By grade, and within it by their digits: so it is told by what is held, and whoever asks, whenever, is told the same.
    """
    lost, given = sorted(set(named) - set(had)), sorted(set(had) - set(named))
    pairs = []
    for grade in sorted({grades.get(e164, "") for e164 in lost}):
        alike = [[e164 for e164 in some if grades.get(e164, "") == grade] for some in (lost, given)]
        pairs += list(zip(*alike, strict=False))
    # Grades may have been changed since.
    paired = {e164 for pair in pairs for e164 in pair}
    pairs += zip((e for e in lost if e not in paired), (e for e in given if e not in paired), strict=False)
    return tuple(Substitute(lost=one, given=other) for one, other in pairs)


class NumberState(StrEnum):
    """The life of a number in the inventory."""

    AVAILABLE = "available"
    HELD = "held"
    ASSIGNED = "assigned"
    QUARANTINED = "quarantined"


class NumberRecord(Value):
    """A number as the inventory shows it to operators."""

    e164: E164
    grade: Grade
    state: NumberState
    held_until: datetime | None = None
    quarantined_until: datetime | None = None
    pool: Pool = PUBLIC


class Assignment(Value):
    """Whose number it is: the onboarding that it came with, and which of its services it rings (from 0)."""

    e164: E164
    tenant_id: str
    account_id: str
    onboarding_id: str
    service: int
    kind: Literal["organisation", "person"] = "organisation"
    """Whose it was decides how long it rests (``domain.quarantine``)."""
