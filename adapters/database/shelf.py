"""The free numbers as they lie in their index: what can be asked of it in one statement.

The index holds only what is free, ``(tenant, pool, grade, free_e164)``; every question is a few seeks in it, on both databases.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, Connection, String, TextClause, bindparam, text

from domain.numbers import Grade, GradedNumber

LONGEST = 15  # digits of an E.164 number
_HIGHEST = 0  # the place of the highest number, of whose own place nothing is known


def _seek(grade: str, start: str, past: str, order: str = "") -> str:
    """The one question of this module: the free numbers of one grade in one range, by the index that is in their order."""
    return (
        f"SELECT free_e164, grade FROM numbers WHERE tenant_id = :tenant AND pool = :pool AND grade = {grade}"  # noqa: S608
        f" AND free_e164 >= {start} AND free_e164 < {past}{order}"
    )


def _merged(kind: str, grades: int, order: str = "free_e164", most: str = ":wanted") -> str:
    """The first free numbers of all grades together: each grade is read only as far as its turn comes.

    Both databases merge what is in order. SQLite puts the index in order itself, and fetches what is limited whole;
    PostgreSQL wants to be told the order, and prefers sorting all that there is to merging what has no limit.
    """
    order = f" ORDER BY {order} LIMIT {most}"
    seeks = [_seek(f":grade{at}", ":start", ":past", order if kind == "postgresql" else "") for at in range(grades)]
    if kind == "postgresql":
        seeks = [f"SELECT * FROM ({seek}) g{at}" for at, seek in enumerate(seeks)]  # noqa: S608
    return " UNION ALL ".join(seeks) + order


_LISTS = {name: bindparam(name, type_=ARRAY(String)) for name in ("grades", "starts", "pasts", "points")}


def _lists(statement: str, *names: str) -> TextClause:
    return text(statement).bindparams(*(_LISTS[name] for name in names))


# The free numbers of many ranges at once, given up as soon as enough are found: one seek for each range that is looked at.
# PostgreSQL answers for all grades in one round; SQLite has no LATERAL, and no round to save.
_RANGES = {
    "postgresql": _lists(
        "SELECT m.* FROM unnest(:starts, :pasts) AS r(start, past) CROSS JOIN LATERAL (SELECT n.* FROM unnest(:grades) AS g(grade)"  # noqa: S608
        f" CROSS JOIN LATERAL ({_seek('g.grade', 'r.start', 'r.past', ' ORDER BY free_e164 LIMIT :wanted')}) n"
        " ORDER BY free_e164 LIMIT :wanted) m LIMIT :wanted",
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
        f" ({_seek('g.grade', 'p.point', ':past', ' ORDER BY free_e164 LIMIT 1')}) n",
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
        return _numbers(self._of_all(connection, _page, start, past, wanted=wanted))

    def sift(self, connection: Connection, start: str, past: str, segments: tuple[str, ...], size: int) -> "Sifted | None":
        """Look at the next ``size`` numbers for those that hold these digits; ``None`` if there are no numbers."""
        held = {f"like{at}": f"%{segment}%" for at, segment in enumerate(segments)}
        rows = self._of_all(connection, _sieve, start, past, len(segments), wanted=size, **held)
        looked_at = [row for row in rows if row[2] != _HIGHEST]
        if not looked_at:
            return None
        found = _numbers((e164, grade) for e164, grade, _ in looked_at)
        seen = found[-1].e164 + "0" if any(place == size for _, _, place in looked_at) else past
        return Sifted(found[0].e164, max(e164 for e164, _, _ in rows), found, seen)

    def in_ranges(self, connection: Connection, ranges: Sequence[tuple[str, str]], wanted: int) -> list[GradedNumber]:
        """The lowest that lie in ascending ranges."""
        lists = {"starts": [first for first, _ in ranges], "pasts": [past for _, past in ranges]}
        return self._ask(connection, _RANGES, lists, wanted=wanted)[:wanted]

    def near(self, connection: Connection, points: list[str]) -> list[GradedNumber]:
        """The next ones of each grade after these points."""
        return self._ask(connection, _POINTS, {"points": points}, past=self.past)

    def random_points(self, connection: Connection, count: int) -> list[str]:
        """Points between the lowest and the highest free number: two seeks of each grade, whatever lies between."""
        ends = self._of_all(connection, _ends, self.first, self.past)
        if not ends:
            return []
        lowest, highest = sorted(e164 for e164, _ in ends)
        low, high = (int(e164[1:].ljust(LONGEST, "0")) for e164 in (lowest, highest))
        points = (low + secrets.randbelow(high - low + 1) for _ in range(count))
        return [f"+{point:0{LONGEST}d}"[: len(highest)] for point in points]

    def first_of(self, connection: Connection, count: int, start: str, looked_at: int) -> tuple[str | None, str, int]:
        """Among the next free numbers: the first of ``count`` consecutive ones, the last one looked at, and how many there were."""
        [(first, last, size)] = self._of_all(connection, _islands, start, self.past, wanted=looked_at, count=count)
        return first, last or "", size

    def _of_all(
        self,
        connection: Connection,
        statement: Callable[..., TextClause],
        start: str,
        past: str,
        *shape: int,
        **terms: str | int,
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement about all grades together, which is written for so many grades once."""
        grades = {f"grade{at}": grade for at, grade in enumerate(self.grades)}
        within = {"tenant": self.tenant, "pool": self.pool, "start": start, "past": past}
        asked = statement(connection.dialect.name, len(self.grades), *shape)
        return [tuple(row) for row in connection.execute(asked, within | grades | terms)]

    def _ask(
        self, connection: Connection, statements: dict[str, TextClause], lists: dict[str, list[str]], **terms: str | int
    ) -> list[GradedNumber]:
        """What many places answer, of each grade."""
        within: dict[str, Any] = {"tenant": self.tenant, "pool": self.pool, **terms}
        if connection.dialect.name == "postgresql":
            asked = [within | lists | {"grades": list(self.grades)}]
        else:
            texts = {name: json.dumps(values) for name, values in lists.items()}
            asked = [within | texts | {"grade": grade} for grade in self.grades]
        statement = statements[connection.dialect.name]
        return _numbers(row for one in asked for row in connection.execute(statement, one))


@dataclass(frozen=True)
class Sifted:
    """``first`` and ``last``: the ends of what is free at all. ``found`` may hold the digits, and is all up to before ``seen``."""

    first: str
    last: str
    found: list[GradedNumber]
    seen: str


def _numbers(rows: Iterable[Iterable[Any]]) -> list[GradedNumber]:
    # Not validated again: they come from our own rows.
    return [GradedNumber.model_construct(e164=e164, grade=Grade(grade)) for e164, grade in sorted({tuple(row) for row in rows})]


@cache
def _page(kind: str, grades: int) -> TextClause:
    return text(_merged(kind, grades))


@cache
def _ends(kind: str, grades: int) -> TextClause:
    """The lowest and the highest free number."""
    lowest, highest = (_merged(kind, grades, order, "1") for order in ("free_e164", "free_e164 DESC"))
    return text(f"SELECT * FROM ({lowest}) l UNION ALL SELECT * FROM ({highest}) h")  # noqa: S608


@cache
def _sieve(kind: str, grades: int, segments: int) -> TextClause:
    """Of the next free numbers: the first, the last if there may be more, and those that hold all digits; and the highest of all."""
    held = " AND ".join(f"free_e164 LIKE :like{at}" for at in range(segments))
    highest = _merged(kind, grades, "free_e164 DESC", "1")
    return text(
        "SELECT free_e164, grade, place FROM (SELECT free_e164, grade, row_number() OVER (ORDER BY free_e164) AS place"  # noqa: S608
        f" FROM ({_merged(kind, grades)}) s) p WHERE place IN (1, :wanted) OR ({held})"
        f" UNION ALL SELECT free_e164, grade, {_HIGHEST} FROM ({highest}) h"
    )


@cache
def _islands(kind: str, grades: int) -> TextClause:
    """In the next stretch of free numbers: where its first block begins, its last number, and how many there are."""
    return text(
        f"WITH stretch AS ({_merged(kind, grades)}),"  # noqa: S608
        # Of consecutive numbers each is as far from its place in the row as the one before it.
        " placed AS (SELECT free_e164, length(free_e164) AS size, CAST(substr(free_e164, 2) AS BIGINT)"
        " - row_number() OVER (PARTITION BY length(free_e164) ORDER BY free_e164) AS island FROM stretch)"
        " SELECT (SELECT min(b.first) FROM (SELECT min(free_e164) AS first FROM placed GROUP BY size, island"
        " HAVING count(*) >= :count) b), (SELECT max(free_e164) FROM stretch), (SELECT count(*) FROM stretch)"
    )


def shelf(tenant: str, pool: str, grades: Iterable[Grade], prefix: str | None) -> Shelf:
    """The shelf of these grades; all of it without a prefix."""
    return Shelf(tenant, pool, tuple(dict.fromkeys(grades)), prefix or "+", beyond(prefix or "+"))
