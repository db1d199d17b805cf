"""What people read: pages, filters, and nobody else's."""

import base64
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from adapters.database import Database, page_tokens
from domain.errors import NotFound
from domain.numbers import NumberState
from domain.onboarding import State
from domain.views import OnboardingView
from tests.adapters.database.conftest import TENANT
from tests.adapters.database.steps import DRAMA, Case
from tests.builders import a_tenant, paid_by_parent

OTHER = a_tenant(id="other", slug="other", name="Other")
BEGAN = datetime(2026, 3, 29, 0, 59, 59, 123456, tzinfo=UTC)


async def seven(database: Database) -> list[Case]:
    """Seven onboardings, two of them submitted at the same moment, every third of the other white label."""
    await database.admin.put_tenant(OTHER)
    cases = []
    for number in range(7):
        tenant = OTHER if number % 3 == 2 else TENANT
        submitted = BEGAN + timedelta(seconds=min(number, 5))
        case = Case(paid_by_parent(name=f"Customer {number}"), {"tenant": tenant, "submitted_at": submitted})
        await database.records.open_account(case.opening())
        cases.append(case)
    return cases


async def pages(database: Database, tenant_id: str | None, state: State | None, size: int) -> list[OnboardingView]:
    items, token = [], None
    while True:
        page = await database.reader.list(tenant_id, state, size, token)
        assert len(page.items) <= size
        items += page.items
        token = page.next_page_token
        if token is None:
            return items
        assert token == token.strip("=")
        base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_pages_show_everything_once_newest_first(database: Database, size: int) -> None:
    cases = await seven(database)
    shown = await pages(database, None, None, size)
    assert [view.id for view in shown] == [
        case.id for case in sorted(cases, key=lambda case: (case.input.submitted_at, case.id), reverse=True)
    ]
    of_tenant = await pages(database, TENANT.id, None, size)
    assert {view.id for view in of_tenant} == {case.id for case in cases if case.input.tenant_id == TENANT.id}
    await database.records.record(cases[0].progress(State.CANCELLED, "cancelled"))
    assert [view.id for view in await pages(database, TENANT.id, State.CANCELLED, size)] == [cases[0].id]
    assert len(await pages(database, None, State.OPENING, size)) == 6


async def test_what_is_added_meanwhile_neither_repeats_nor_hides_anything(database: Database) -> None:
    cases = await seven(database)
    first = await database.reader.list(None, None, 3, None)
    newer = Case(paid_by_parent(name="Newer"))
    await database.records.open_account(newer.opening())
    rest = await database.reader.list(None, None, 100, first.next_page_token)
    assert {view.id for view in (*first.items, *rest.items)} == {case.id for case in cases}


async def test_a_page_token_of_another_list_or_of_nobody_is_refused(database: Database) -> None:
    await seven(database)
    await database.admin.import_numbers(TENANT.id, DRAMA[:5])
    token = (await database.reader.list(TENANT.id, None, 1, None)).next_page_token
    assert token is not None
    for tenant, state in ((None, None), (OTHER.id, None), (TENANT.id, State.OPENING)):
        with pytest.raises(ValueError, match="page token"):
            await database.reader.list(tenant, state, 1, token)
    for wrong in ("", "x", "!!!", token[:-2], token[2:], token + "AA", "é", "A" * 40, token.swapcase()):
        with pytest.raises(ValueError, match="page token"):
            await database.reader.list(TENANT.id, None, 1, wrong)
        with pytest.raises(ValueError, match="page token"):
            await database.reader.search_numbers(TENANT.id, None, None, 1, wrong)
    with pytest.raises(ValueError, match="at least one"):
        await database.reader.list(None, None, 0, None)


async def test_another_white_labels_onboarding_is_not_found(database: Database) -> None:
    cases = await seven(database)
    assert (await database.reader.get(cases[0].id, TENANT.id)).id == cases[0].id
    assert (await database.reader.get(cases[0].id)).id == cases[0].id
    unknown = None
    for onboarding, tenant in ((cases[0].id, OTHER.id), (cases[2].id, TENANT.id), ("nobody", TENANT.id), ("nobody", None)):
        with pytest.raises(NotFound) as missing:
            await database.reader.get(onboarding, tenant)
        unknown = unknown or missing.value.message
        assert missing.value.message == unknown  # the answer does not tell which it was


async def test_numbers_are_searched_by_prefix_and_state_in_numeric_order(database: Database) -> None:
    await database.admin.put_tenant(OTHER)
    await database.admin.import_numbers(TENANT.id, reversed(DRAMA[:30]))
    await database.admin.import_numbers(OTHER.id, ["+441214960500"])
    case = Case()
    await database.records.open_account(case.opening())
    held = (await database.numbers.reserve(case.reservation())).numbers[0].e164

    async def search(prefix: str | None, state: NumberState | None, size: int = 7) -> list[str]:
        found, token = [], None
        while True:
            page = await database.reader.search_numbers(TENANT.id, prefix, state, size, token)
            found += [number.e164 for number in page.items]
            token = page.next_page_token
            if token is None:
                return found

    assert await search(None, None) == DRAMA[:30]
    assert await search("+44121496001", None) == DRAMA[10:20]
    assert await search("+441214960500", None) == []
    assert await search(None, NumberState.HELD) == [held]
    assert await search("+44121", NumberState.AVAILABLE, 100) == [e164 for e164 in DRAMA[:30] if e164 != held]


async def test_a_time_in_the_hour_of_a_clock_change_comes_back_as_it_went_in(database: Database) -> None:
    cases = await seven(database)
    view = await database.reader.get(cases[0].id)
    assert view.created_at == BEGAN
    assert view.created_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "position",
    [
        ("2026-01-01T00:00:00+00:00", "a\0b"),
        ("2026-01-01T00:00:00+00:00", "\ud800"),
        ("0001-01-01T00:00:00+14:00", "a"),
        ("9999-12-31T23:59:59-14:00", "a"),
        ("2026-01-01T00:00:00", "a"),
        ("yesterday", "a"),
    ],
    ids=str,
)
async def test_a_forged_position_is_a_wrong_token_and_no_trouble_of_the_database(
    database: Database, position: tuple[str, str]
) -> None:
    """The digest keeps mistakes away, not people: anybody can compute it."""
    token = page_tokens.make(("onboardings", TENANT.id, None), position)
    with pytest.raises(ValueError, match=r"Begin again|isoformat"):
        await database.reader.list(TENANT.id, None, 10, token)
    lists = [
        database.reader.search_numbers(
            TENANT.id, None, None, 10, page_tokens.make(("numbers", TENANT.id, None, None), position[1:])
        ),
        database.accounts.children(TENANT.id, TENANT.id, None, 10, page_tokens.make(("accounts", TENANT.id, None), position)),
    ]
    for asked in lists:
        with contextlib.suppress(ValueError):
            await asked
