"""Finding free numbers: every question is a few seeks in the index that holds only what is free.

How digits are found without a scan is told in docs/decisions/number-search.md.
"""

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice

import phonenumbers
from sqlalchemy import ARRAY, Connection, String, TextClause, bindparam, text

from domain.numbers import Grade, GradedNumber, NumberSearch
from domain.segments import Holding, holding

_LONGEST = 15  # digits of an E.164 number
_FIRST, _MOST = 64, 1024
REACH = 100_000
"""How many free numbers are looked at for a block: where none lies among so many, another prefix or fewer at once help more."""
NEAR = 5_000
"""The same where others wait meanwhile, and for a block of numbers that hold digits, which the database cannot look for."""
_STRETCH = 20_000

_IN_ORDER, _BACKWARDS = "free_e164", "free_e164 DESC"


def _seek(grade: str, start: str, past: str, order: str = _IN_ORDER) -> str:
    """The one question of this module: the first free numbers of one grade in one range, by the index that is in their order."""
    return (
        f"SELECT free_e164, numbers.grade FROM numbers WHERE tenant_id = :tenant AND pool = :pool AND numbers.grade = {grade}"  # noqa: S608
        f" AND free_e164 >= {start} AND free_e164 < {past} ORDER BY {order} LIMIT :wanted"
    )


_LISTS = {name: bindparam(name, type_=ARRAY(String)) for name in ("grades", "starts", "pasts", "points")}


def _lists(statement: str, *names: str) -> TextClause:
    return text(statement).bindparams(*(_LISTS[name] for name in names))


def _of_every_grade(start: str, past: str, order: str = _IN_ORDER) -> str:
    seek = _seek("g.grade", start, past, order)
    return f"SELECT n.* FROM unnest(:grades) AS g(grade) CROSS JOIN LATERAL ({seek}) n ORDER BY {order} LIMIT :wanted"  # noqa: S608


# PostgreSQL answers for all grades and ranges in one round; SQLite has no LATERAL, and no round to save.
_PAGE = {
    "postgresql": _lists(_of_every_grade(":start", ":past"), "grades"),
    "sqlite": text(_seek(":grade", ":start", ":past")),
}
_LAST = {
    "postgresql": _lists(_of_every_grade(":start", ":past", _BACKWARDS), "grades"),
    "sqlite": text(_seek(":grade", ":start", ":past", _BACKWARDS)),
}
# The free numbers of many ranges at once, given up as soon as enough are found: one seek for each range that is looked at.
_RANGES = {
    "postgresql": _lists(
        "SELECT m.* FROM unnest(:starts, :pasts) AS r(start, past) CROSS JOIN LATERAL"  # noqa: S608
        f" ({_of_every_grade('r.start', 'r.past')}) m LIMIT :wanted",
        "grades", "starts", "pasts",
    ),
    "sqlite": text(
        "SELECT n.free_e164, n.grade FROM json_each(:starts) s CROSS JOIN json_each(:pasts) p ON p.key = s.key"
        " CROSS JOIN numbers n INDEXED BY ix_numbers_free WHERE tenant_id = :tenant AND pool = :pool AND grade = :grade"
        " AND n.free_e164 >= s.value AND n.free_e164 < p.value LIMIT :wanted"
    ),
}  # fmt: skip
# The first free number of each grade at or after each of many points.
_POINTS = {
    "postgresql": _lists(
        "SELECT n.* FROM unnest(:points) AS p(point) CROSS JOIN unnest(:grades) AS g(grade) CROSS JOIN LATERAL"  # noqa: S608
        f" ({_seek('g.grade', 'p.point', ':past')}) n",
        "grades", "points",
    ),
    "sqlite": text(
        "SELECT n.free_e164, n.grade FROM json_each(:points) p CROSS JOIN numbers n INDEXED BY ix_numbers_free"
        " WHERE tenant_id = :tenant AND pool = :pool AND grade = :grade AND n.free_e164 = (SELECT m.free_e164 FROM numbers m"
        " INDEXED BY ix_numbers_free WHERE m.tenant_id = :tenant AND m.pool = :pool AND m.grade = :grade"
        " AND m.free_e164 >= p.value AND m.free_e164 < :past ORDER BY m.free_e164 LIMIT 1)"
    ),
}  # fmt: skip
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
    """The free numbers of some grades in one pool, from the first to before the last text."""

    tenant: str
    pool: str
    grades: tuple[Grade, ...]
    first: str
    past: str

    def page(self, connection: Connection, start: str, past: str, wanted: int) -> list[GradedNumber]:
        """The lowest from ``start`` to before ``past``."""
        return self._ask(connection, _PAGE, {}, {"start": start, "past": past}, wanted, wanted)

    def in_ranges(self, connection: Connection, ranges: Sequence[tuple[str, str]], wanted: int) -> list[GradedNumber]:
        """The lowest that lie in ascending ranges."""
        lists = {"starts": [first for first, _ in ranges], "pasts": [past for _, past in ranges]}
        return self._ask(connection, _RANGES, lists, {}, wanted, wanted)

    def near(self, connection: Connection, points: list[str]) -> list[GradedNumber]:
        """The next ones of each grade after these points."""
        return self._ask(connection, _POINTS, {"points": points}, {"past": self.past}, 1)

    def random_points(self, connection: Connection, count: int) -> list[str]:
        """Points between the lowest and the highest free number: two seeks, whatever lies between."""
        ends = {"start": self.first, "past": self.past}
        lowest = self._ask(connection, _PAGE, {}, ends, 1)
        if not lowest:
            return []
        highest = self._ask(connection, _LAST, {}, ends, 1)[-1].e164
        low, high = (int(e164[1:].ljust(_LONGEST, "0")) for e164 in (lowest[0].e164, highest))
        points = (low + secrets.randbelow(high - low + 1) for _ in range(count))
        return [f"+{point:0{_LONGEST}d}"[: len(highest)] for point in points]

    def _ask(
        self,
        connection: Connection,
        statements: dict[str, TextClause],
        lists: dict[str, list[str]],
        more: dict[str, str],
        wanted: int,
        most: int | None = None,
    ) -> list[GradedNumber]:
        """The lowest ``most``, of ``wanted`` from each place that is asked."""
        kind = connection.dialect.name
        terms = {"tenant": self.tenant, "pool": self.pool, "wanted": wanted, **more}
        if kind == "postgresql":
            rows = connection.execute(statements[kind], terms | lists | {"grades": list(self.grades)}).all()
        else:
            terms |= {name: json.dumps(values) for name, values in lists.items()}
            rows = [row for grade in self.grades for row in connection.execute(statements[kind], terms | {"grade": grade})]
        found = sorted({tuple(row) for row in rows})[:most]
        # Not validated again: they come from our own rows.
        return [GradedNumber.model_construct(e164=e164, grade=Grade(grade)) for e164, grade in found]


def shelf(tenant: str, pool: str, grades: Iterable[Grade], prefix: str | None) -> Shelf:
    """The shelf of these grades; all of it without a prefix."""
    return Shelf(tenant, pool, tuple(dict.fromkeys(grades)), prefix or "+", beyond(prefix or "+"))


def walk(
    connection: Connection, on: Shelf, segments: tuple[str, ...], start: str, past: str, wanted: int
) -> Iterator[GradedNumber]:
    """The free numbers from ``start`` to before ``past`` that hold all segments, ascending, as they are asked for.

    ``wanted`` is how many will probably be taken: so many are fetched at once.
    """
    if not segments:
        while page := on.page(connection, start, past, wanted):
            yield from page
            if len(page) < wanted:
                return
            start = page[-1].e164 + "0"
        return
    digits, size = holding(segments), _FIRST
    country = country_of(on.first)
    if country in _CODES:
        # Where so few can match at all, it is not worth while to look at what exists first.
        ranges = list(islice(_ranges(digits, on, country, start, past), size))
        if len(ranges) < size:
            yield from _in_ranges(connection, on, ranges, wanted)
            return
    while page := on.page(connection, start, past, size):
        country, start = country_of(page[0].e164), max(start, page[0].e164)
        found, start = _leap(connection, on, digits, country, start, min(past, beyond(country)), page, size, wanted)
        yield from found
        if start >= past:
            return
        size = min(size * 4, _MOST)


def _ranges(digits: Holding, on: Shelf, country: str, start: str, past: str) -> Iterator[tuple[str, str]]:
    prefix = max((on.first, country), key=len)
    for first, end in digits.ranges(country, prefix, longest(country), start):
        if first >= past:
            return
        yield first, min(end, past)


def _in_ranges(connection: Connection, on: Shelf, ranges: list[tuple[str, str]], wanted: int) -> Iterator[GradedNumber]:
    while ranges:
        found = on.in_ranges(connection, ranges, wanted)
        yield from found
        if len(found) < wanted:
            return
        after = found[-1].e164 + "0"
        ranges = [(max(first, after), end) for first, end in ranges if end > after]


def _leap(
    connection: Connection,
    on: Shelf,
    digits: Holding,
    country: str,
    start: str,
    past: str,
    page: list[GradedNumber],
    size: int,
    wanted: int,
) -> tuple[list[GradedNumber], str]:
    """What matches in the next stretch of one country, and where the stretch ends.

    The stretch is the longer of two: the page of numbers that exist, and as many ranges of numbers that would match. One is
    long where few exist, the other where few match, so neither a sparse stock nor a rare segment is walked step by step.
    """
    here = [number for number in page if number.e164 < past]
    seen = past if len(here) < len(page) or len(page) < size else here[-1].e164 + "0"
    matching = [number for number in here if digits.within(number.e164[len(country) :])]
    if len(matching) >= wanted or seen == past:
        return matching, seen
    ranges = list(islice(_ranges(digits, on, country, start, past), size))
    reached = past if len(ranges) < size else ranges[-1][1]
    if reached <= seen:
        return matching, seen
    found = on.in_ranges(connection, ranges, wanted)
    # With as many as were wanted the ranges were given up early: what lies behind the last one was not looked at.
    return found, found[-1].e164 + "0" if len(found) == wanted else reached


def search(connection: Connection, tenant: str, wish: NumberSearch) -> list[GradedNumber]:
    """Free numbers that match everything that was wished for, ``wish.count`` at most (S3-27); a block whole or not at all."""
    on = shelf(tenant, wish.pool, wish.grades or Grade, wish.prefix)
    if wish.pick == "block":
        return block(connection, on, wish.contains, wish.count)
    if wish.pick == "random":
        return _scattered(connection, on, wish.contains, wish.count)
    return list(islice(walk(connection, on, wish.contains, on.first, on.past, wish.count), wish.count))


def _scattered(connection: Connection, on: Shelf, segments: tuple[str, ...], count: int) -> list[GradedNumber]:
    """Numbers from many random places; where so many are not met, from one place on and round the end."""
    points = on.random_points(connection, 1 if segments else count)
    if not points:
        return []
    # Several times as many as wanted, of which chance takes some: what follows a gap would be met again and again otherwise.
    enough = 4 * count
    found = dict.fromkeys([] if segments else on.near(connection, points))
    onward = walk(connection, on, segments, points[0], on.past, enough)
    for number in chain(onward, walk(connection, on, segments, on.first, points[0], enough)):
        if len(found) >= enough:
            break
        found.setdefault(number)
    chosen = secrets.SystemRandom().sample(list(found), min(count, len(found)))
    return sorted(chosen, key=lambda number: number.e164)


def block(
    connection: Connection, on: Shelf, segments: tuple[str, ...], count: int, start: str = "", reach: int = REACH
) -> list[GradedNumber]:
    """The lowest ``count`` consecutive free numbers at or after ``start``; none if there are none within ``reach``."""
    start = max(on.first, start)
    if segments:
        return _block_with(connection, on, segments, count, start, min(reach, NEAR))
    looked_at = 0
    while looked_at < reach:
        first, last, size = connection.execute(
            _islands(len(on.grades)),
            {
                **{f"grade{at}": grade for at, grade in enumerate(on.grades)},
                "tenant": on.tenant,
                "pool": on.pool,
                "start": start,
                "past": on.past,
                "count": count,
                "wanted": _STRETCH,
            },
        ).one()
        if first is not None:
            wanted = [f"+{number}" for number in range(int(first), int(first) + count)]
            there = {number.e164: number for number in on.near(connection, wanted)}
            if gone := [e164 for e164 in wanted if e164 not in there]:  # taken since: this may be no snapshot
                start = gone[-1] + "0"
                continue
            return [there[e164] for e164 in wanted]
        if size < _STRETCH:
            return []
        looked_at += size
        # A block may begin among the last of this stretch.
        start = max(start + "0", last[:1] + str(int(last) - count + 2).zfill(len(last) - 1))
    return []


def _block_with(
    connection: Connection, on: Shelf, segments: tuple[str, ...], count: int, start: str, reach: int
) -> list[GradedNumber]:
    run: list[GradedNumber] = []
    for number in islice(walk(connection, on, segments, start, on.past, max(256, 4 * count)), reach):
        follows = run and len(run[-1].e164) == len(number.e164) and int(number.e164) == int(run[-1].e164) + 1
        run = [*run, number] if follows else [number]
        if len(run) == count:
            return run
    return []


@cache
def _islands(grades: int) -> TextClause:
    """In the next stretch of free numbers: where its first block begins, its last number, and how many there are."""
    seeks = " UNION ALL ".join(
        f"SELECT free_e164 FROM ({_seek(f':grade{at}', ':start', ':past')}) g{at}"  # noqa: S608
        for at in range(grades)
    )
    return text(
        f"WITH stretch AS (SELECT free_e164 FROM ({seeks}) s ORDER BY free_e164 LIMIT :wanted),"  # noqa: S608
        # Of consecutive numbers each is as far from its place in the row as the one before it.
        " placed AS (SELECT free_e164, length(free_e164) AS size, CAST(substr(free_e164, 2) AS BIGINT)"
        " - row_number() OVER (PARTITION BY length(free_e164) ORDER BY free_e164) AS island FROM stretch)"
        " SELECT (SELECT min(b.first) FROM (SELECT min(free_e164) AS first FROM placed GROUP BY size, island"
        " HAVING count(*) >= :count) b), (SELECT max(free_e164) FROM stretch), (SELECT count(*) FROM stretch)"
    )
