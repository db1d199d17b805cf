"""The free numbers as they lie in their index: what can be asked of it in one statement.

The index holds only what is free, ``(tenant, pool, grade, free_e164)``; every question is a few seeks in it, on both databases.
"""

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, Connection, String, TextClause, bindparam, text

from domain.numbers import Grade, GradedNumber

LONGEST = 15  # digits of an E.164 number
_HIGHEST = 0  # the place of the highest number, of whose own place nothing is known
_IN_ORDER, _BACKWARDS = "free_e164", "free_e164 DESC"


def _seek(grade: str, start: str, past: str, order: str = _IN_ORDER, most: str = ":wanted") -> str:
    """The one question of this module: the first free numbers of one grade in one range, by the index that is in their order."""
    return (
        f"SELECT free_e164, numbers.grade FROM numbers WHERE tenant_id = :tenant AND pool = :pool AND numbers.grade = {grade}"  # noqa: S608
        f" AND free_e164 >= {start} AND free_e164 < {past} ORDER BY {order} LIMIT {most}"
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


def beyond(prefix: str) -> str:
    """The least text greater than every text that begins with ``prefix``."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


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

    def sift(self, connection: Connection, start: str, past: str, segments: tuple[str, ...], size: int) -> "Sifted | None":
        """Look at the next ``size`` numbers of each grade for those that hold these digits; ``None`` if there are no numbers."""
        terms = {"start": start, "past": past} | {f"like{at}": f"%{segment}%" for at, segment in enumerate(segments)}
        rows = self._rows(connection, _sieve(len(segments), connection.dialect.name), {}, terms, size)
        looked_at = [row for row in rows if row[2] != _HIGHEST]
        if not looked_at:
            return None
        ends = [e164 for e164, _, place in looked_at if place == size]
        seen = min(ends) + "0" if ends else past
        found = _numbers((e164, grade) for e164, grade, _ in looked_at if e164 < seen)
        return Sifted(min(row[0] for row in looked_at), max(row[0] for row in rows), found, seen)

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
        low, high = (int(e164[1:].ljust(LONGEST, "0")) for e164 in (lowest[0].e164, highest))
        points = (low + secrets.randbelow(high - low + 1) for _ in range(count))
        return [f"+{point:0{LONGEST}d}"[: len(highest)] for point in points]

    def first_of(self, connection: Connection, count: int, start: str, looked_at: int) -> tuple[str | None, str, int]:
        """Among the next free numbers: the first of ``count`` consecutive ones, the last one looked at, and how many there were."""
        terms = {
            **{f"grade{at}": grade for at, grade in enumerate(self.grades)},
            "tenant": self.tenant,
            "pool": self.pool,
            "start": start,
            "past": self.past,
            "count": count,
            "wanted": looked_at,
        }
        first, last, size = connection.execute(_islands(len(self.grades)), terms).one()
        return first, last or "", size

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
        rows = self._rows(connection, statements[connection.dialect.name], lists, more, wanted)
        return _numbers(rows)[:most]

    def _rows(
        self, connection: Connection, statement: TextClause, lists: dict[str, list[str]], more: dict[str, str], wanted: int
    ) -> list[tuple[Any, ...]]:
        terms = {"tenant": self.tenant, "pool": self.pool, "wanted": wanted, **more}
        if connection.dialect.name == "postgresql":
            return [tuple(row) for row in connection.execute(statement, terms | lists | {"grades": list(self.grades)})]
        terms |= {name: json.dumps(values) for name, values in lists.items()}
        return [tuple(row) for grade in self.grades for row in connection.execute(statement, terms | {"grade": grade})]


@dataclass(frozen=True)
class Sifted:
    """``first`` and ``last``: the ends of what is free at all. ``found`` may hold the digits, and is all up to before ``seen``."""

    first: str
    last: str
    found: list[GradedNumber]
    seen: str


def _numbers(rows: Iterable[tuple[Any, ...]]) -> list[GradedNumber]:
    # Not validated again: they come from our own rows.
    return [GradedNumber.model_construct(e164=e164, grade=Grade(grade)) for e164, grade in sorted(set(rows))]


@cache
def _sieve(segments: int, kind: str) -> TextClause:
    """Of the next free numbers of each grade: the first, the last if there may be more, and those that hold all digits between;
    and the highest of all."""
    grade = "g.grade" if kind == "postgresql" else ":grade"
    seek, highest = _seek(grade, ":start", ":past"), _seek(grade, ":start", ":past", _BACKWARDS, "1")
    held = " AND ".join(f"free_e164 LIKE :like{at}" for at in range(segments))
    sifted = (
        "SELECT free_e164, grade, place FROM (SELECT free_e164, grade, row_number() OVER (ORDER BY free_e164) AS place"  # noqa: S608
        f" FROM ({seek}) s) p WHERE place IN (1, :wanted) OR ({held})"
        f" UNION ALL SELECT free_e164, grade, {_HIGHEST} FROM ({highest}) h"
    )
    if kind == "sqlite":
        return text(sifted)
    return _lists(f"SELECT n.* FROM unnest(:grades) AS g(grade) CROSS JOIN LATERAL ({sifted}) n", "grades")  # noqa: S608


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


def shelf(tenant: str, pool: str, grades: Iterable[Grade], prefix: str | None) -> Shelf:
    """The shelf of these grades; all of it without a prefix."""
    return Shelf(tenant, pool, tuple(dict.fromkeys(grades)), prefix or "+", beyond(prefix or "+"))
