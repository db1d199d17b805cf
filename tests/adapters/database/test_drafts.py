"""Drafts over both databases: one row, one basket, one winner."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.database import Database
from domain.drafts import Draft, DraftState, Edit, Wish, changed
from domain.errors import NotFound, NumberUnavailable, Refused
from tests.adapters.database.conftest import TENANT

NUMBERS = tuple(f"+44121496{at:04d}" for at in range(8))
NOW = datetime.now(UTC)


def a_draft(name: str, **more: Any) -> Draft:
    who = {"person": "ada", "created_by": "key-1", "created_at": NOW, "changed_by": "key-1", "changed_at": NOW}
    return Draft(id=name, tenant_id=TENANT.id, **(who | more))


def wanting(*numbers: str, **more: Any) -> Edit:
    return lambda draft: Wish(draft=changed(draft, "key-2", datetime.now(UTC)), numbers=numbers, **more)


async def test_a_draft_is_kept_as_it_is_and_opened_once(database: Database) -> None:
    entered = {"plan": None, "customer.name": "\x00\u202eø😀", "services": 2, "services.numbers": {"1": [1.5, {"a": []}]}}
    await database.drafts.open(a_draft("one", entered=entered))
    again = await database.drafts.open(a_draft("one", entered={}))
    assert again.draft == a_draft("one", entered=entered)
    assert (await database.drafts.get("one", lambda _: ())).draft.entered == entered
    with pytest.raises(NotFound):
        await database.drafts.get("none", lambda _: ())
    with pytest.raises(NotFound):
        await database.drafts.change("none", wanting())


async def test_of_many_changes_at_once_none_is_lost(database: Database) -> None:
    await database.drafts.open(a_draft("one"))

    def counting(draft: Draft) -> Wish:
        entered = {"count": draft.entered.get("count", 0) + 1}
        return Wish(draft=changed(draft, "key-1", datetime.now(UTC), entered=entered))

    await asyncio.gather(*(database.drafts.change("one", counting) for _ in range(20)))
    draft = (await database.drafts.get("one", lambda _: ())).draft
    assert (draft.entered, draft.revision) == ({"count": 20}, 21)


async def test_the_basket_holds_exactly_what_is_named_as_far_as_it_can_be_had(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, NUMBERS)
    for name in ("one", "two"):
        await database.drafts.open(a_draft(name))
    assert (await database.drafts.change("one", wanting())).basket is None, "opened when it is first needed"
    first = await database.drafts.change("one", wanting(*NUMBERS[:3]))
    assert first.held == set(NUMBERS[:3])
    second = await database.drafts.change("two", wanting(*NUMBERS[2:5]))
    assert (second.held, second.free) == (set(NUMBERS[3:5]), frozenset())
    fewer = await database.drafts.change("one", wanting(NUMBERS[0], NUMBERS[7]))
    assert (fewer.held, fewer.basket and fewer.basket.id) == ({NUMBERS[0], NUMBERS[7]}, first.basket and first.basket.id)
    looked = await database.drafts.get("two", lambda _: NUMBERS[2:5])
    assert (looked.held, looked.free) == (set(NUMBERS[3:5]), {NUMBERS[2]}), "looking takes nothing"
    with pytest.raises(NumberUnavailable) as refused:
        await database.drafts.change("two", wanting(*NUMBERS, must=NUMBERS[:2]))
    assert refused.value.numbers == (NUMBERS[0],)
    assert (await database.drafts.get("two", lambda _: NUMBERS[:2])).free == {NUMBERS[1]}, "all or none"


async def test_a_change_that_is_refused_changes_neither_draft_nor_basket(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, NUMBERS)
    await database.drafts.open(a_draft("one", submitting={"somebody": NOW}))
    with pytest.raises(Refused):
        await database.drafts.change("one", wanting(*NUMBERS))
    kept = await database.drafts.get("one", lambda _: NUMBERS)
    assert (kept.draft.revision, kept.basket, kept.free) == (1, None, set(NUMBERS))


async def test_what_is_over_expires_then_goes_and_two_sweeps_at_once_do_it_once(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, NUMBERS)
    old = NOW - timedelta(days=31)
    for at in range(6):
        await database.drafts.open(a_draft(f"old-{at}", changed_at=old))
        long_ago = wanting(NUMBERS[at])
        await database.drafts.change(
            f"old-{at}",
            lambda draft, edit=long_ago: Wish(draft=draft, numbers=edit(draft).numbers),  # type: ignore[misc]
        )
    await database.drafts.open(a_draft("young"))
    await database.drafts.open(a_draft("ended", changed_at=old, state=DraftState.SUBMITTED, onboarding_id="x"))
    swept = await asyncio.gather(*(database.drafts.sweep_drafts(4) for _ in range(3)))
    assert (sum(one.things for one in swept), sum(one.numbers for one in swept)) == (7, 6)
    page = await database.drafts.page(TENANT.id, None, DraftState.EXPIRED, 100, None)
    assert {draft.id for draft in page.items} == {f"old-{at}" for at in range(6)}
    with pytest.raises(NotFound):
        await database.drafts.get("ended", lambda _: ())
    assert (await database.drafts.sweep_drafts(10)).things == 0
    assert (await database.drafts.get("young", lambda _: NUMBERS)).free == set(NUMBERS)
