"""Finding free numbers: every question is a few seeks in the index that holds only what is free.

How digits are found without a scan is told in docs/decisions/number-search.md.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain, islice

import phonenumbers
from sqlalchemy import ARRAY, Connection, String, TextClause, bindparam, text

from domain.numbers import Grade, GradedNumber, NumberSearch
from domain.segments import Holding, holding

_LONGEST = 15  # digits of an E.164 number
_FIRST, _MOST = 64, 2048
REACH = 100_000
"""How many free numbers are looked at for a block: where none lies among so many, another prefix or fewer at once help more."""

_FREE = "tenant_id = :tenant AND pool = :pool AND grade = :grade"
_PAGE = text(
    f"SELECT free_e164 FROM numbers WHERE {_FREE} AND free_e164 >= :start AND free_e164 < :past"  # noqa: S608, a constant
    " ORDER BY free_e164 LIMIT :wanted"
)
_LAST = text(
    f"SELECT free_e164 FROM numbers WHERE {_FREE} AND free_e164 >= :start AND free_e164 < :past"  # noqa: S608, a constant
    " ORDER BY free_e164 DESC LIMIT 1"
)
# The free numbers of many ranges at once, given up as soon as enough are found: one seek for each range that is looked at.
_RANGES = {
    "postgresql": text(
        "SELECT n.free_e164 FROM unnest(:starts, :pasts) AS r(start, past) CROSS JOIN LATERAL ("  # noqa: S608, a constant
        f"SELECT free_e164 FROM numbers WHERE {_FREE} AND free_e164 >= r.start AND free_e164 < r.past"
        " ORDER BY free_e164 LIMIT :wanted) n LIMIT :wanted"
    ).bindparams(bindparam("starts", type_=ARRAY(String)), bindparam("pasts", type_=ARRAY(String))),
    "sqlite": text(
        "SELECT n.free_e164 FROM json_each(:starts) s CROSS JOIN json_each(:pasts) p ON p.key = s.key"  # noqa: S608, a constant
        f" CROSS JOIN numbers n INDEXED BY ix_numbers_free WHERE {_FREE} AND n.free_e164 >= s.value AND n.free_e164 < p.value"
        " LIMIT :wanted"
    ),
}
# The first free number at or after each of many points.
_POINTS = {
    "postgresql": text(
        f"SELECT (SELECT free_e164 FROM numbers WHERE {_FREE} AND free_e164 >= p.point AND free_e164 < :past"  # noqa: S608
        " ORDER BY free_e164 LIMIT 1) FROM unnest(:points) AS p(point)"
    ).bindparams(bindparam("points", type_=ARRAY(String))),
    "sqlite": text(
        f"SELECT (SELECT free_e164 FROM numbers WHERE {_FREE} AND free_e164 >= p.value AND free_e164 < :past"  # noqa: S608
        " ORDER BY free_e164 LIMIT 1) FROM json_each(:points) p"
    ),
}
_CODES = {f"+{code}" for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE}


def beyond(prefix: str) -> str:
    """The least text greater than every text that begins with ``prefix``."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def country_of(e164: str) -> str:
    """The plus and the country calling code. What no plan knows has one digit of code, so that nothing is ever left out."""
    return next((e164[:end] for end in (2, 3, 4) if e164[:end] in _CODES), e164[:2])


def longest(country: str) -> int:
    """The most characters that a number of this calling code has, with its plus and code."""
    code = int(country[1:])
    lengths = [0]
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ()):
        if region == "001":
            plan = phonenumbers.PhoneMetadata.metadata_for_nongeo_region(code)
        else:
            plan = phonenumbers.PhoneMetadata.metadata_for_region(region)
        if plan is not None and plan.general_desc is not None:
            lengths += plan.general_desc.possible_length
    known = len(country) + max(lengths)
    return min(known, 1 + _LONGEST) if max(lengths) else 1 + _LONGEST


@dataclass(frozen=True)
class Shelf:
    """The free numbers of one grade in one pool, from the first to before the last text."""

    tenant: str
    pool: str
    grade: Grade
    first: str
    past: str

    def page(self, connection: Connection, start: str, past: str, wanted: int) -> list[str]:
        terms = {"tenant": self.tenant, "pool": self.pool, "grade": self.grade}
        found = connection.execute(_PAGE, terms | {"start": start, "past": past, "wanted": wanted})
        return list(found.scalars())

    def in_ranges(self, connection: Connection, ranges: Sequence[tuple[str, str]], wanted: int) -> list[str]:
        starts, pasts = [first for first, _ in ranges], [past for _, past in ranges]
        lists = {"starts": starts, "pasts": pasts}
        return self._ask(connection, _RANGES, lists, {"wanted": wanted})

    def near(self, connection: Connection, points: list[str]) -> list[str]:
        return self._ask(connection, _POINTS, {"points": points}, {"past": self.past})

    def random_points(self, connection: Connection, count: int) -> list[str]:
        """Points between the lowest and the highest free number: two seeks, whatever lies between."""
        lowest = self.page(connection, self.first, self.past, 1)
        if not lowest:
            return []
        terms = {"tenant": self.tenant, "pool": self.pool, "grade": self.grade, "start": self.first, "past": self.past}
        highest = connection.execute(_LAST, terms).scalar_one()
        low, high = (int(e164[1:].ljust(_LONGEST, "0")) for e164 in (lowest[0], highest))
        points = (low + secrets.randbelow(high - low + 1) for _ in range(count))
        return [f"+{point:0{_LONGEST}d}"[: len(highest)] for point in points]

    def _ask(
        self, connection: Connection, statements: dict[str, TextClause], lists: dict[str, list[str]], more: dict[str, object]
    ) -> list[str]:
        kind = connection.dialect.name
        terms = {"tenant": self.tenant, "pool": self.pool, "grade": self.grade, **more}
        given = lists if kind == "postgresql" else {name: json.dumps(values) for name, values in lists.items()}
        rows = connection.execute(statements[kind], terms | given).scalars()
        return sorted({e164 for e164 in rows if e164 is not None})


def shelf(tenant: str, pool: str, grade: Grade, prefix: str | None) -> Shelf:
    """The shelf of a grade; all of it without a prefix."""
    return Shelf(tenant, pool, grade, prefix or "+", beyond(prefix or "+"))


def walk(connection: Connection, on: Shelf, segments: tuple[str, ...], start: str, past: str, wanted: int) -> Iterator[str]:
    """The free numbers from ``start`` to before ``past`` that hold all segments, ascending, as they are asked for.

    ``wanted`` is how many will probably be taken: so many are fetched at once.
    """
    if not segments:
        while page := on.page(connection, start, past, wanted):
            yield from page
            if len(page) < wanted:
                return
            start = page[-1] + "0"
        return
    digits, size = holding(segments), _FIRST
    while page := on.page(connection, start, past, size):
        country = country_of(page[0])
        start = max(start, page[0])
        found, start = _leap(connection, on, digits, country, start, min(past, beyond(country)), page, size, wanted)
        yield from found
        if start >= past:
            return
        size = min(size * 2, _MOST)


def _leap(
    connection: Connection,
    on: Shelf,
    digits: Holding,
    country: str,
    start: str,
    past: str,
    page: list[str],
    size: int,
    wanted: int,
) -> tuple[list[str], str]:
    """What matches in the next stretch of one country, and where the stretch ends.

    The stretch is the longer of two: the page of numbers that exist, and as many ranges of numbers that would match. One is
    long where few exist, the other where few match, so neither a sparse stock nor a rare segment is walked step by step.
    """
    here = [e164 for e164 in page if e164 < past]
    seen = past if len(here) < len(page) or len(page) < size else here[-1] + "0"
    matching = [e164 for e164 in here if digits.within(e164[len(country) :])]
    if len(matching) >= wanted or seen == past:
        return matching, seen
    prefix = max((on.first, country), key=len)
    ranges = list(islice(digits.ranges(country, prefix, longest(country), start), size))
    reached = past if len(ranges) < size else min(ranges[-1][1], past)
    if reached <= seen:
        return matching, seen
    ranges = [(first, min(end, past)) for first, end in ranges if first < past]
    found = on.in_ranges(connection, ranges, wanted)
    # With as many as were wanted the ranges were given up early: what lies behind the last one was not looked at.
    return found, found[-1] + "0" if len(found) == wanted else reached


def search(connection: Connection, tenant: str, wish: NumberSearch) -> list[GradedNumber]:
    """Free numbers that match everything that was wished for, ``wish.count`` at most (S3-27); a block whole or not at all."""
    shelves = [shelf(tenant, wish.pool, grade, wish.prefix) for grade in dict.fromkeys(wish.grades or Grade)]
    if wish.pick == "block":
        return block(connection, shelves, wish.contains, wish.count)
    if wish.pick == "random":
        return _scattered(connection, shelves, wish.contains, wish.count)
    found = merge(
        *(_graded(on, walk(connection, on, wish.contains, on.first, on.past, wish.count)) for on in shelves), key=_e164
    )
    return list(islice(found, wish.count))


def _e164(number: GradedNumber) -> str:
    return number.e164


def _graded(on: Shelf, numbers: Iterator[str]) -> Iterator[GradedNumber]:
    return (GradedNumber.model_construct(e164=e164, grade=on.grade) for e164 in numbers)


def _scattered(connection: Connection, shelves: list[Shelf], segments: tuple[str, ...], count: int) -> list[GradedNumber]:
    """Numbers from many random places; where so many are not met, from one place on and round the end."""
    found: list[GradedNumber] = []
    for on in shelves:
        points = on.random_points(connection, 1 if segments else count)
        if not points:
            continue
        picked = dict.fromkeys([] if segments else on.near(connection, points))
        onward = walk(connection, on, segments, points[0], on.past, count)
        for e164 in chain(onward, walk(connection, on, segments, on.first, points[0], count)):
            if len(picked) >= count:
                break
            picked.setdefault(e164)
        found += _graded(on, iter(picked))
    return sorted(secrets.SystemRandom().sample(found, min(count, len(found))), key=_e164)


def block(
    connection: Connection, shelves: Sequence[Shelf], segments: tuple[str, ...], count: int, start: str = ""
) -> list[GradedNumber]:
    """The lowest ``count`` consecutive free numbers at or after ``start``; none if there are none within ``REACH``."""
    size = max(256, 4 * count)
    streams = (_graded(on, walk(connection, on, segments, max(on.first, start), on.past, size)) for on in shelves)
    run: list[GradedNumber] = []
    for number in islice(merge(*streams, key=_e164), REACH):
        follows = run and len(run[-1].e164) == len(number.e164) and int(number.e164) == int(run[-1].e164) + 1
        run = [*run, number] if follows else [number]
        if len(run) == count:
            return run
    return []
