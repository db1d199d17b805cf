"""The numbers of a draft: picked, held, priced, and told of when they are gone."""

import asyncio
from datetime import timedelta

import pytest

from tests.drafts.conftest import PAID, TENANT, Desk, codes, picked, section
from tests.numbers.conftest import DRAMA

GOLD = "+441214960049"


@pytest.mark.requirement("S3-30", "S3-31", "S3-32")
async def test_searching_and_adding_is_repeated_all_listed_are_added_and_some_removed_again(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:60])
    draft = await desk.ready()
    first = await desk.found(count=3)
    assert picked((await desk.add(draft, *first)).json()) == first
    listed = await desk.found(count=4, contains="5")
    both = (await desk.add(draft, *listed)).json()
    assert picked(both) == sorted(first + listed), "earlier picks stay"
    assert section(both, "numbers")["entered"]["services"][0]["numbers"]["explicit"] == first + listed
    assert not {*first, *listed} & {*await desk.found(count=100)}, "nobody else is offered them"
    again = (await desk.add(draft, first[0])).json()
    assert again["revision"] == both["revision"], "a number that is there already changes nothing"
    for number in listed:
        left = (await desk.ask("DELETE", f"/v1/drafts/{draft}/numbers/{number}")).json()
    assert picked(left) == first
    assert {*listed} <= {*await desk.found(count=100)}


@pytest.mark.requirement("S3-33", "S3-34", "S3-35")
async def test_the_price_follows_every_number_and_every_choice_of_billing(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:60], {GOLD: "gold"})  # type: ignore[dict-item]
    draft = await desk.ready()
    priced = (await desk.add(draft, DRAMA[1], GOLD)).json()
    prices = {
        number["e164"]: (number["setup_minor"], number["period_minor"]) for number in priced["basket"]["pricing"]["numbers"]
    }
    assert prices == {DRAMA[1]: (0, 200), GOLD: (9_900, 200)}
    assert priced["price"]["net_minor"] == 2500 + 1500 + 2 * 200 + 9_900
    other = await desk.save(draft, "billing", PAID | {"plan": "office-50"})
    assert other["price"]["net_minor"] == 2500 + 3500 + 2 * 150 + 9_900
    assert other["basket"]["pricing"]["plan"] == "office-50"
    taxed = await desk.save(draft, "billing", PAID | {"plan": "office-50", "tax_rate_basis_points": 0})
    assert taxed["price"]["total_minor"] == other["price"]["net_minor"]
    without = (await desk.ask("DELETE", f"/v1/drafts/{draft}/numbers/{GOLD}")).json()
    assert without["price"]["net_minor"] == 2500 + 3500 + 150


async def test_the_numbers_of_a_draft_are_priced_on_the_list_that_the_draft_is_priced_on(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    free = {"name": "Free", "position": 9, "plans": [{"code": "nothing", "name": "Nothing", "period_minor": 0}]}
    assert (await desk.ask("PUT", "/v1/price-lists/zero", json=free)).status_code == 200
    draft = await desk.ready()
    await desk.add(draft, DRAMA[1])
    chosen = await desk.save(draft, "billing", PAID | {"price_list": "zero"})
    priced = chosen["basket"]["pricing"]
    assert (chosen["price"]["net_minor"], chosen["price"]["price_list_code"]) == (0, "zero")
    assert (priced["price_list_code"], priced["plan"]) == ("zero", "nothing")
    assert [one["period_minor"] for one in priced["numbers"]] == [0]
    unreadable = await desk.save(draft, "billing", PAID | {"price_list": "zero", "plan": "no-such"})
    assert (unreadable["price"], unreadable["basket"]["pricing"]["price_list_code"]) == (None, "zero")


async def test_the_settings_of_the_numbers_behind_a_removed_one_stay_theirs(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    draft = await desk.ready()
    await desk.add(draft, *DRAMA[:3])
    settings = [{"number": at, "destination": "forward", "forward_to": f"+44121496099{at}"} for at in range(3)]
    await desk.save(draft, "settings", {"services": [{"settings": settings}]})
    left = (await desk.ask("DELETE", f"/v1/drafts/{draft}/numbers/{DRAMA[1]}")).json()
    kept = section(left, "settings")["entered"]["services"][0]["settings"]
    assert [(one["number"], one["forward_to"]) for one in kept] == [(0, "+441214960990"), (1, "+441214960992")]


async def test_all_or_none_are_added_and_those_that_cannot_be_had_are_pointed_at(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    theirs, mine = await desk.ready(), await desk.ready()
    await desk.add(theirs, DRAMA[2])
    refused = await desk.add(mine, DRAMA[1], DRAMA[2])
    assert (refused.status_code, [error["pointer"] for error in refused.json()["errors"]]) == (409, ["/numbers/1"])
    unchanged = await desk.draft(mine)
    assert (picked(unchanged), section(unchanged, "numbers")["state"]) == ([], "empty")
    assert await desk.state(DRAMA[1]) == "available"
    missing = await desk.add(mine, DRAMA[1], service=1)
    assert (missing.status_code, missing.json()["code"]) == (409, "no_such_service")


async def test_numbers_that_were_typed_are_held_where_they_can_be_and_told_of_where_not(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    theirs, mine = await desk.ready(), await desk.ready()
    await desk.add(theirs, DRAMA[2])
    typed = {"services": [{"numbers": {"explicit": ["0121 496 0001", "0121 496 0002"]}}]}
    saved = await desk.save(mine, "numbers", typed)
    assert picked(saved) == [DRAMA[1]]
    assert section(saved, "numbers")["entered"] == typed, "as it was typed"
    (finding,) = section(saved, "numbers")["findings"]
    assert (finding["code"], finding["pointer"]) == ("number_unavailable", "/services/0/numbers/explicit/1")
    assert (await desk.submit(mine)).status_code == 422
    await desk.ask("DELETE", f"/v1/drafts/{mine}/numbers/{DRAMA[2]}")
    assert (await desk.submit(mine)).status_code == 202


async def test_an_expired_basket_is_opened_anew_and_numbers_that_are_gone_are_findings(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    draft, quick = await desk.ready(), await desk.ready()
    old = (await desk.add(draft, DRAMA[1], DRAMA[2])).json()["basket"]
    await desk.clock(timedelta(hours=3))
    looked = await desk.draft(draft)
    assert (looked["basket"], codes(looked, "numbers")) == (None, ["number_not_held"] * 2), "looking takes nothing"
    await desk.database.stock.sweep_baskets(10)
    assert (await desk.add(quick, DRAMA[2])).status_code == 200
    assert codes(await desk.draft(draft), "numbers") == ["number_not_held", "number_unavailable"]
    anew = await desk.go(draft, "next")
    assert (picked(anew), codes(anew, "numbers")) == ([DRAMA[1]], ["number_unavailable"])
    assert anew["basket"]["id"] != old["id"]
    assert anew["basket"]["seconds_left"] > 14 * 60
    assert section(anew, "numbers")["entered"]["services"][0]["numbers"]["explicit"] == [DRAMA[1], DRAMA[2]]


async def test_of_many_drafts_that_want_the_last_numbers_each_number_has_one(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:4])
    drafts = [await desk.ready() for _ in range(12)]
    answers = await asyncio.gather(*(desk.add(draft, DRAMA[at % 4]) for at, draft in enumerate(drafts)))
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [409] * 8
    held = [picked(await desk.draft(draft)) for draft in drafts]
    assert sorted(number for numbers in held for number in numbers) == DRAMA[:4]


async def test_a_basket_is_opened_anew_also_by_what_changes_nothing_else(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    draft = await desk.ready()
    await desk.add(draft, DRAMA[1])
    for _ in range(2):
        await desk.clock(timedelta(hours=3))
        unchanged = await desk.ask("DELETE", f"/v1/drafts/{draft}/numbers/{DRAMA[4]}")
        assert (unchanged.status_code, picked(unchanged.json())) == (200, [DRAMA[1]])
    await desk.clock(timedelta(hours=3))
    submitted = await desk.submit(draft)
    assert submitted.status_code == 202, submitted.text
    (begun,) = desk.counter.taken.values()
    assert begun.order.basket is not None
    assert (await desk.ask("GET", f"/v1/baskets/{begun.order.basket}")).json()["pricing"]["numbers"][0]["e164"] == DRAMA[1]
