"""Numbers: one holder each, all or nothing, and the same cost however many there are."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Select, Update, text

from adapters.database import Database, stock
from adapters.database import numbers as statements
from domain.errors import NumberUnavailable
from domain.numbers import Grade, NumberState, grade_of
from domain.onboarding import Step
from tests.adapters.database.conftest import TENANT
from tests.adapters.database.steps import DRAMA, Case, described, named
from tests.builders import a_tenant, paid_by_parent

STANDARD = [e164 for e164 in DRAMA if grade_of(e164) is Grade.STANDARD]
OTHER = a_tenant(id="other", slug="other")


async def opened(database: Database, name: str = "Ada's Bakery") -> Case:
    case = Case(paid_by_parent(name=name))
    await database.records.open_account(case.opening())
    return case


async def test_next_gives_the_lowest_numbers_of_the_grade(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:100])
    case = await opened(database)
    reservation = await database.numbers.reserve(case.reservation(described(3), described(1, grade=Grade.BRONZE), described(2)))
    assert reservation.of_service(0) == tuple(STANDARD[:3])
    assert [grade_of(e164) for e164 in reservation.of_service(1)] == [Grade.BRONZE]
    assert reservation.of_service(2) == tuple(STANDARD[3:5])


async def test_named_and_described_numbers_of_one_order_never_overlap(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:100])
    case = await opened(database)
    reservation = await database.numbers.reserve(
        case.reservation(described(2), named(STANDARD[1], STANDARD[0]), described(1, prefix="+4412149600"))
    )
    assert reservation.of_service(1) == tuple(STANDARD[:2])
    every = [number.e164 for number in reservation.numbers]
    assert len(set(every)) == 5


async def test_all_or_nothing(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, STANDARD[:3])
    case = await opened(database)
    for selections in ((named(STANDARD[0]), described(3)), (named(STANDARD[0], "+441214999999"),), (described(4),)):
        with pytest.raises(NumberUnavailable):
            await database.numbers.reserve(case.reservation(*selections))
    assert (await database.books.read()).numbers == ()
    assert len((await database.numbers.reserve(case.reservation(described(3)))).numbers) == 3


async def test_a_refusal_is_not_remembered_so_that_another_choice_can_be_made(database: Database) -> None:
    case = await opened(database)
    with pytest.raises(NumberUnavailable):
        await database.numbers.reserve(case.reservation(described(1)))
    await database.admin.import_numbers(TENANT.id, STANDARD[:1])
    assert len((await database.numbers.reserve(case.reservation(described(1)))).numbers) == 1


async def test_of_64_orders_for_the_last_10_numbers_10_win_and_no_number_has_two_holders(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, STANDARD[:10])
    cases = [await opened(database, f"Customer {number}") for number in range(64)]
    answers = await asyncio.gather(
        *(database.numbers.reserve(case.reservation(described(1))) for case in cases), return_exceptions=True
    )
    won = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert {type(answer) for answer in answers if isinstance(answer, BaseException)} == {NumberUnavailable}
    assert sorted(number.e164 for answer in won for number in answer.numbers) == STANDARD[:10]
    assert Counter(number.e164 for number in (await database.books.read()).numbers).most_common(1)[0][1] == 1


async def test_of_many_orders_for_the_same_named_numbers_one_wins_whatever_the_order_of_naming(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, STANDARD[:4])
    cases = [await opened(database, f"Customer {number}") for number in range(24)]
    wanted = [named(*STANDARD[:4]), named(*reversed(STANDARD[:4]))]
    answers = await asyncio.gather(
        *(database.numbers.reserve(case.reservation(wanted[at % 2])) for at, case in enumerate(cases)),
        return_exceptions=True,
    )
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert {type(answer) for answer in answers if isinstance(answer, BaseException)} == {NumberUnavailable}


async def test_orders_that_take_and_give_back_at_once_lose_no_number(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, STANDARD[:12])

    async def take_and_give_back(name: str) -> None:
        case = await opened(database, name)
        try:
            await database.numbers.reserve(case.reservation(described(3, pick="random"), named(STANDARD[5])))
        except NumberUnavailable:
            return
        await database.numbers.release(case.undo(Step.RESERVE_NUMBERS))

    await asyncio.gather(*(take_and_give_back(f"Customer {number}") for number in range(40)))
    page = await database.reader.search_numbers(TENANT.id, None, NumberState.AVAILABLE, 100, None)
    assert [number.e164 for number in page.items] == STANDARD[:12]


async def test_another_white_labels_numbers_cannot_be_taken(database: Database) -> None:
    await database.admin.put_tenant(OTHER)
    await database.admin.import_numbers(OTHER.id, STANDARD[:5])
    case = await opened(database)
    for selection in (named(STANDARD[0]), described(1)):
        with pytest.raises(NumberUnavailable):
            await database.numbers.reserve(case.reservation(selection))
    assert await database.catalogue.grades(TENANT.id, STANDARD[:5]) == {}
    assert await database.catalogue.grades(OTHER.id, [*STANDARD[:2], "+441214999999"]) == dict.fromkeys(
        STANDARD[:2], Grade.STANDARD
    )


async def test_random_numbers_come_from_the_whole_range_and_wrap_round_its_end(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, STANDARD[:200])
    first = []
    for turn in range(12):
        case = await opened(database, f"Customer {turn}")
        reservation = await database.numbers.reserve(case.reservation(described(10, pick="random")))
        first.append(reservation.of_service(0))
    assert len({e164 for picked in first for e164 in picked}) == 120
    assert len({picked[0] for picked in first}) == 12
    # 80 are left. Whoever asks for all of them gets them, wherever the search begins.
    case = await opened(database, "The rest")
    assert len((await database.numbers.reserve(case.reservation(described(80, pick="random")))).numbers) == 80


async def test_the_holder_and_the_time_of_a_hold_are_shown(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, STANDARD[:2])
    case = await opened(database)
    order = case.reservation(described(1))
    await database.numbers.reserve(order)
    held, free = (await database.reader.search_numbers(TENANT.id, None, None, 10, None)).items
    assert (held.state, held.held_until) == (NumberState.HELD, order.until)
    assert (free.state, free.held_until) == (NumberState.AVAILABLE, None)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.sampled_from(["reserve", "release"]),
            st.lists(
                st.one_of(
                    st.lists(st.sampled_from(STANDARD[:8]), min_size=1, max_size=3, unique=True).map(lambda e: named(*e)),
                    st.builds(described, st.integers(1, 4), pick=st.sampled_from(["next", "random"])),
                ),
                min_size=1,
                max_size=3,
            ),
        ),
        max_size=12,
    )
)
async def test_whatever_orders_do_every_number_has_one_holder_or_none(database: Database, doings: list) -> None:
    await database.admin.import_numbers(TENANT.id, STANDARD[:8])
    cases = [Case(paid_by_parent(name=f"Customer {number}")) for number in range(5)]
    mine: dict[str, set[str]] = {}
    for at, doing, selections in doings:
        case = cases[at]
        await database.records.register(case.opening())
        try:
            if doing == "release":
                await database.numbers.release(case.undo(Step.RESERVE_NUMBERS))
                mine[case.id] = set()
            else:
                names = [e164 for selection in selections for e164 in selection.explicit]
                if len(set(names)) == len(names):
                    mine[case.id] = {n.e164 for n in (await database.numbers.reserve(case.reservation(*selections))).numbers}
        except (NumberUnavailable, KeyError):
            pass
        except Exception as error:
            if type(error).__name__ != "KeyClosed":
                raise
    held = {(number.onboarding_id, number.e164) for number in (await database.books.read()).numbers}
    assert {(case.id, e164) for case in cases for e164 in mine.get(case.id, set())} == {
        pair for pair in held if pair[0] in {case.id for case in cases}
    }
    assert len(held) == len({e164 for _, e164 in held})
    for case in cases:
        await database.numbers.release(case.undo(Step.RESERVE_NUMBERS))


TERMS = {
    "tenant": TENANT.id,
    "pool": "public",
    "pools": ["public"],
    "basket": None,
    "grade": "standard",
    "first": "+44121",
    "past": "+44122",
    "wanted": 3,
    "chosen": ["+44121"],
    "moment": "2026-01-01 00:00:00+00",
    "after": "",
    "most": 200,
}


def plan(connection: Connection, statement: Select[Any] | Update, terms: dict[str, Any] = TERMS) -> str:
    """How the database would run it without knowing the values, as it does with a statement that is prepared once."""
    compiled = statement.compile(dialect=connection.dialect).construct_expanded_state(terms)
    values = tuple(compiled.positional_parameters)
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled.statement}", values).all()
    else:
        connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        connection.exec_driver_sql(f"PREPARE probe AS {compiled.statement}")
        rows = connection.exec_driver_sql(f"EXPLAIN EXECUTE probe({', '.join(map(repr, values))})").all()
        connection.exec_driver_sql("DEALLOCATE probe")
    return "\n".join(" ".join(map(str, row)) for row in rows)


async def test_a_claim_walks_the_index_of_free_numbers_and_nothing_else(database: Database) -> None:
    """Even where the primary key looks good to a planner: one white label, one grade, hardly anything sold."""
    await database.admin.import_numbers(TENANT.id, (f"+44121{number:07d}" for number in range(0, 10_000_000, 1_000)))

    def plans(connection: Connection) -> list[str]:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE numbers")
        return [plan(connection, statement) for statement in (statements._DESCRIBED, statements._ENDS)]

    described_plan, ends_plan = await database._transactions.write(plans)
    assert described_plan.count("ix_numbers_free") == 1, described_plan
    assert ends_plan.count("ix_numbers_free") == 2, ends_plan
    for words in ("Seq Scan", "SCAN numbers", "Sort", "TEMP B-TREE", "Bitmap"):
        assert words not in described_plan + ends_plan, described_plan + ends_plan


async def test_overdue_holds_are_read_from_the_index_of_holds_by_their_end(database: Database) -> None:
    """Whatever is sold: an installation has a few holds at a time, and every number that was ever ordered has an onboarding."""
    await database.admin.import_numbers(TENANT.id, (f"+44121{number:07d}" for number in range(0, 10_000_000, 1_000)))

    def overdue_plan(connection: Connection) -> str:
        connection.exec_driver_sql(
            "UPDATE numbers SET state = 'assigned', held_by = 'k', onboarding_id = e164, service = 0 WHERE e164 < '+441219900000'"
        )
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE numbers")
        return plan(connection, stock._OVERDUE)

    found = await database._transactions.write(overdue_plan)
    assert "ix_numbers_held_until" in found, found
    for words in ("ix_numbers_holder", "Seq Scan", "SCAN numbers"):
        assert words not in found, found


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)  # SQLite has one writer at a time: nobody to wait for
async def test_an_order_by_description_does_not_wait_for_one_that_is_just_taking_a_number(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, STANDARD[:2])
    case = await opened(database)
    taken, done = asyncio.Event(), asyncio.Event()

    async def somebody_slow() -> None:
        async with database._transactions._engine.begin() as connection:
            await connection.execute(text("SELECT 1 FROM numbers WHERE e164 = :n FOR UPDATE"), {"n": STANDARD[0]})
            taken.set()
            await done.wait()

    slow = asyncio.create_task(somebody_slow())
    await taken.wait()
    async with asyncio.timeout(20):
        reservation = await database.numbers.reserve(case.reservation(described(1)))
    done.set()
    await slow
    assert reservation.of_service(0) == (STANDARD[1],)
