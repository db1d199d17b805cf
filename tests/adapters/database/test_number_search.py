"""Searching: only what matches every wish, nothing that matches is missed, and no scan."""

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Pool, TextClause, event, text

from adapters.database import Database, number_search, shelf
from domain.errors import NumberUnavailable
from domain.numbers import PUBLIC, Grade, NumberSearch, grade_of
from tests.adapters.database.conftest import TENANT
from tests.adapters.database.steps import DRAMA, Case, activated, described, named
from tests.builders import a_tenant, paid_by_parent

# Dense and sparse, of several lengths and countries: one, two and three digits of country code.
STOCK = sorted(
    {
        *DRAMA[:300],
        *(f"+4420794{number:05d}" for number in range(0, 100_000, 737)),
        *(f"+1212555{number:04d}" for number in range(100, 200)),
        *(f"+353152{number:05d}" for number in range(0, 300, 3)),
        *(f"+493012345{number:03d}" for number in range(0, 1000, 41)),
        "+4930123450000",
        "+442079412",
    }
)


def matching(wish: NumberSearch, stock: Sequence[str] = STOCK) -> list[str]:
    """Everything that matches, by looking at each."""

    def matches(e164: str) -> bool:
        national = e164[len(number_search.country_of(e164)) :]
        return (
            e164.startswith(wish.prefix or "+")
            and (not wish.grades or grade_of(e164) in wish.grades)
            and all(segment in national for segment in wish.contains)
        )

    return [e164 for e164 in stock if matches(e164)]


WISHES = st.builds(
    NumberSearch,
    count=st.integers(1, 100),
    prefix=st.sampled_from([None, "+4", "+44", "+44121", "+44121496", "+4412149600", "+49", "+35315", "+999"]),
    grades=st.lists(st.sampled_from(list(Grade)), max_size=2, unique=True).map(tuple),
    contains=st.lists(st.text("0123479", min_size=1, max_size=4), max_size=3).map(tuple),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wishes=st.lists(WISHES, min_size=4, max_size=4))
@pytest.mark.requirement("S3-27")
async def test_next_gives_the_lowest_of_all_that_match_every_wish(database: Database, wishes: list[NumberSearch]) -> None:
    if not await database.stock.search(TENANT.id, NumberSearch(count=1)):
        await database.admin.import_numbers(TENANT.id, STOCK)
    for wish in wishes:
        found = [number.e164 for number in await database.stock.search(TENANT.id, wish)]
        assert found == matching(wish)[: wish.count]


async def test_a_walk_with_short_steps_misses_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every hand-over between existing numbers and counted ones, and between countries, is met with steps of two."""
    await database.admin.import_numbers(TENANT.id, STOCK)
    for name, size in {"_FIRST_NUMBERS": 16, "_MOST_NUMBERS": 24, "_FIRST_RANGES": 2, "_MOST_RANGES": 3}.items():
        monkeypatch.setattr(number_search, name, size)
    chance = random.Random(7)
    for _ in range(60):
        contains = tuple("".join(chance.choices("0123479", k=chance.randint(1, 4))) for _ in range(chance.randint(1, 2)))
        wish = NumberSearch(count=chance.choice([1, 2, 5, 100]), contains=contains)
        found = [number.e164 for number in await database.stock.search(TENANT.id, wish)]
        assert found == matching(wish)[: wish.count], wish


@pytest.mark.parametrize("contains", [(), ("4",), ("96", "0")])
@pytest.mark.parametrize("prefix", [None, "+44121", "+353"])
async def test_random_gives_as_many_as_there_are_and_only_what_matches(
    prefix: str | None, contains: tuple[str, ...], database: Database
) -> None:
    await database.admin.import_numbers(TENANT.id, STOCK)
    wish = NumberSearch(count=20, prefix=prefix, contains=contains, pick="random")
    every = set(matching(wish))
    seen: set[str] = set()
    for _ in range(12):
        found = [number.e164 for number in await database.stock.search(TENANT.id, wish)]
        assert len(found) == len(set(found)) == min(20, len(every))
        assert every.issuperset(found)
        seen.update(found)
    assert len(every) <= 20 or len(seen) > 30, "twelve times the same is not chance"


async def test_a_block_is_the_lowest_run_of_consecutive_numbers_or_nothing(database: Database) -> None:
    free = [*range(3), *range(10, 15), *range(20, 30)]
    await database.admin.import_numbers(TENANT.id, [f"+44121496{number:04d}" for number in free])
    for count, first in ((3, 0), (4, 10), (5, 10), (6, 20), (10, 20)):
        found = await database.stock.search(TENANT.id, NumberSearch(count=count, pick="block"))
        assert [number.e164 for number in found] == [f"+44121496{first + more:04d}" for more in range(count)]
    assert await database.stock.search(TENANT.id, NumberSearch(count=11, pick="block")) == []
    narrow = NumberSearch(count=2, pick="block", grades=(Grade.STANDARD,), contains=("2",), prefix="+44121496002")
    pair = [number.e164 for number in await database.stock.search(TENANT.id, narrow)]
    assert int(pair[1]) == int(pair[0]) + 1
    assert {grade_of(e164) for e164 in pair} == {Grade.STANDARD}


async def test_a_block_behind_many_lone_numbers_is_found_in_few_questions_and_outside_of_the_order(database: Database) -> None:
    lone = [f"+44121{number:07d}" for number in range(0, 90_000, 2)]
    block = [f"+44121{number:07d}" for number in range(100_000, 100_005)]
    grades = dict.fromkeys([*lone, *block], Grade.STANDARD)
    await database.admin.import_numbers(TENANT.id, [*lone, *block], grades)
    asked: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    heard: set[Pool] = set()

    def listen(connection: Connection) -> None:
        # On PostgreSQL who reads is heard with whoever writes.
        if connection.engine.pool not in heard:
            heard.add(connection.engine.pool)
            event.listen(connection.engine, "before_cursor_execute", note)

    for run in (database._transactions.write, database._transactions.read):
        await run(listen)
    wish = NumberSearch(count=5, pick="block", grades=(Grade.STANDARD,))
    assert [number.e164 for number in await database.stock.search(TENANT.id, wish)] == block
    case = await opened(database, "Ada")
    asked.clear()
    taken = await database.numbers.reserve(case.reservation(described(5, pick="block")))
    assert [number.e164 for number in taken.numbers] == block
    seeks = [statement for statement in asked if "free_e164 >=" in statement]
    assert len(seeks) <= 6, f"{len(seeks)} questions"
    writing = next(at for at, statement in enumerate(asked) if statement.lstrip().upper().startswith(("INSERT", "UPDATE")))
    assert not [statement for statement in asked[writing:] if "free_e164 >=" in statement], "nobody waits for the search"


async def test_a_block_may_begin_in_one_stretch_and_end_in_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_search, "_FIRST_STRETCH", 4)
    monkeypatch.setattr(number_search, "_LONGEST_STRETCH", 4)
    numbers = [f"+44121496{number:04d}" for number in (*range(0, 14, 2), *range(20, 24), *range(30, 33), *range(40, 50))]
    await database.admin.import_numbers(TENANT.id, numbers, dict.fromkeys(numbers, Grade.STANDARD))
    for count, first in ((2, 20), (4, 20)):
        found = await database.stock.search(TENANT.id, NumberSearch(count=count, pick="block"))
        assert [number.e164 for number in found] == [f"+44121496{first + more:04d}" for more in range(count)]
    assert [
        n.e164 for n in await database.stock.search(TENANT.id, NumberSearch(count=3, pick="block", prefix="+441214960024"))
    ] == []


async def opened(database: Database, name: str) -> Case:
    case = Case(paid_by_parent(name=name))
    await database.records.open_account(case.opening())
    return case


async def test_an_order_takes_numbers_that_hold_its_digits(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA)
    case = await opened(database, "Ada")
    taken = (
        await database.numbers.reserve(case.reservation(described(3, contains=("73",)), described(2, contains=("73",))))
    ).numbers
    expected = matching(NumberSearch(grades=(Grade.STANDARD,), contains=("73",)), DRAMA)[:5]
    assert [number.e164 for number in taken] == expected
    other = await opened(database, "Bob")
    with pytest.raises(NumberUnavailable):
        await database.numbers.reserve(other.reservation(described(100, contains=("737",))))


async def test_of_64_orders_for_the_last_10_numbers_with_a_segment_10_win(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:700])
    last = matching(NumberSearch(grades=(Grade.STANDARD,), contains=("69",)), DRAMA[:700])
    cases = [await opened(database, f"Customer {number}") for number in range(64)]
    wanted = described(1, contains=("69",))
    answers = await asyncio.gather(
        *(database.numbers.reserve(case.reservation(wanted)) for case in cases), return_exceptions=True
    )
    won = [number.e164 for answer in answers if not isinstance(answer, BaseException) for number in answer.numbers]
    assert {type(answer) for answer in answers if isinstance(answer, BaseException)} <= {NumberUnavailable}
    assert sorted(won) == last[: len(won)]
    assert len(won) == min(64, len(last))


async def test_blocks_of_concurrent_orders_do_not_overlap_and_each_is_consecutive(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA, dict.fromkeys(DRAMA, Grade.STANDARD))
    cases = [await opened(database, f"Customer {number}") for number in range(16)]
    answers = await asyncio.gather(*(database.numbers.reserve(case.reservation(described(10, pick="block"))) for case in cases))
    taken = [[int(number.e164) for number in answer.numbers] for answer in answers]
    assert all(block == list(range(block[0], block[0] + 10)) for block in taken)
    assert len({number for block in taken for number in block}) == 160


async def test_two_services_that_want_a_block_get_one_each(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:40], dict.fromkeys(DRAMA, Grade.STANDARD))
    case = await opened(database, "Ada")
    taken = await database.numbers.reserve(
        case.reservation(described(4, pick="block"), named(DRAMA[2]), described(4, pick="block"))
    )
    blocks = [[int(e164) for e164 in taken.of_service(position)] for position in (0, 2)]
    assert all(block == list(range(block[0], block[0] + 4)) for block in blocks)
    assert not set(blocks[0]) & set(blocks[1])


async def test_numbers_of_a_pool_are_found_and_taken_there_only_and_only_by_its_customer(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:50])
    mine, other = await activated(database, Case(paid_by_parent(name="Ada"))), await opened(database, "Bob")
    kept = [e164 for e164 in DRAMA[:50] if grade_of(e164) is Grade.STANDARD][:4]
    await database.stock.keep(TENANT.id, mine.account, kept)
    public = await database.stock.search(TENANT.id, NumberSearch(count=100))
    assert not {number.e164 for number in public} & set(kept)
    found = await database.stock.search(TENANT.id, NumberSearch(count=100, pool=mine.account))
    assert [number.e164 for number in found] == kept
    for wanted in (named(kept[0]), described(1, pool=mine.account)):
        order = other.reservation(wanted).model_copy(update={"account_id": other.account})
        with pytest.raises(NumberUnavailable):
            await database.numbers.reserve(order)
    order = mine.reservation(named(kept[1]), described(2, pool=mine.account)).model_copy(update={"account_id": mine.account})
    held = await database.numbers.reserve(order)
    assert sorted(number.e164 for number in held.numbers) == kept[:3]
    with pytest.raises(NumberUnavailable):
        await database.stock.keep(TENANT.id, PUBLIC, [kept[3], kept[0]])
    await database.stock.keep(TENANT.id, PUBLIC, [kept[3]])
    assert await database.stock.search(TENANT.id, NumberSearch(count=100, pool=mine.account)) == []


async def test_another_white_labels_numbers_are_not_found(database: Database) -> None:
    other = a_tenant(id="other", slug="other")
    await database.admin.put_tenant(other)
    await database.admin.import_numbers(other.id, DRAMA[:50])
    for pick in ("next", "random", "block"):
        assert await database.stock.search(TENANT.id, NumberSearch(contains=("9",), pick=pick)) == []


async def test_every_question_is_sought_in_the_index_of_free_numbers(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, (f"+44121{number:07d}" for number in range(0, 10_000_000, 1_000)))
    lists: dict[str, Any] = {"starts": ["+441211"], "pasts": ["+441212"], "points": ["+441211"], "grades": ["gold"]}
    terms = {"tenant": TENANT.id, "pool": PUBLIC, "grade": "standard", "wanted": 3, "start": "+44121", "past": "+44122"}
    terms |= {"like0": "%12%", "like1": "%34%", "count": 2, **{f"grade{at}": grade for at, grade in enumerate(Grade)}}

    def plans(connection: Connection) -> tuple[list[str], list[str]]:
        kind = connection.dialect.name
        explain = "EXPLAIN QUERY PLAN " if kind == "sqlite" else "EXPLAIN "
        if kind == "postgresql":
            connection.exec_driver_sql("ANALYZE numbers")
        given = terms | (lists if kind == "postgresql" else {name: json.dumps(values) for name, values in lists.items()})

        def plan(statement: TextClause) -> str:
            binds = statement._bindparams
            explained = text(explain + statement.text).bindparams(*(bind for name, bind in binds.items() if name in lists))
            rows = connection.execute(explained, {name: given[name] for name in binds})
            return "\n".join(" ".join(map(str, row)) for row in rows)

        of_all = [shelf._page(kind, 5), shelf._ends(kind, 5), shelf._sieve(kind, 5, 2), shelf._islands(kind, 5)]
        return [plan(shelf._RANGES[kind]), plan(shelf._POINTS[kind])], [plan(statement) for statement in of_all]

    by_grade, of_all = await database._transactions.write(plans)
    for found in by_grade + of_all:
        assert "ix_numbers_free" in found
        assert "pk_numbers" not in found
        assert "Seq Scan" not in found
        assert "SCAN n" not in found
    for found in of_all:
        assert "Merge Append" in found or "MERGE (UNION ALL)" in found, "each grade is read as far as its turn comes"
        assert found.count("ix_numbers_free") >= 5
    assert "->  Sort" not in of_all[0]
    assert "TEMP B-TREE" not in of_all[0]
