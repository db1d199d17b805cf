"""Baskets: one holder each, priced, for a while."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.numbers.conftest import DRAMA, TENANT, Exchange, Shop

GOLD = "+441214960049"


async def put(shop: Shop, basket: dict[str, Any], *numbers: str) -> Any:
    return await shop.ask("PUT", f"/v1/baskets/{basket['id']}/numbers", json={"numbers": numbers})


def numbers_of(basket: dict[str, Any]) -> list[str]:
    return [number["e164"] for number in basket["pricing"]["numbers"]]


@pytest.mark.requirement("S3-28", "S3-29", "S3-31", "S3-32")
async def test_numbers_are_added_singly_and_severally_stay_and_are_removed_again(shop: Shop) -> None:
    await shop.database.admin.import_numbers(TENANT.id, DRAMA[:20])
    basket = await shop.basket(DRAMA[5])
    basket = (await put(shop, basket, DRAMA[1], DRAMA[9], "+44 121 496 0005")).json()
    assert numbers_of(basket) == [DRAMA[1], DRAMA[5], DRAMA[9]], "earlier picks stay, and a repeated one is no second one"
    assert not {*numbers_of(basket)} & {*await shop.found(count=100)}, "nobody else is offered them"
    removed = await shop.ask("DELETE", f"/v1/baskets/{basket['id']}/numbers/{DRAMA[5]}")
    assert numbers_of(removed.json()) == [DRAMA[1], DRAMA[9]]
    assert DRAMA[5] in await shop.found(count=100)
    assert (await shop.ask("DELETE", f"/v1/baskets/{basket['id']}")).status_code == 204
    assert await shop.found(count=100) == DRAMA[:20]
    gone = await shop.ask("GET", f"/v1/baskets/{basket['id']}")
    assert (gone.status_code, gone.json()["code"]) == (409, "basket_gone")


@pytest.mark.requirement("S3-33", "S3-34", "S3-35")
async def test_the_pricing_list_follows_every_change_of_numbers_and_of_billing(shop: Shop) -> None:
    await shop.database.admin.import_numbers(TENANT.id, DRAMA[:100], {GOLD: "gold"})  # type: ignore[dict-item]
    basket = await shop.basket(DRAMA[1], GOLD)
    pricing = basket["pricing"]
    assert {number["e164"]: (number["setup_minor"], number["period_minor"]) for number in pricing["numbers"]} == {
        DRAMA[1]: (0, 200), GOLD: (9_900, 200),
    }  # fmt: skip
    assert (pricing["net_minor"], pricing["tax_minor"], pricing["total_minor"]) == (10_300, 2_060, 12_360)
    cheaper = (await shop.ask("PATCH", f"/v1/baskets/{basket['id']}", json={"plan": "office-50"})).json()["pricing"]
    assert (cheaper["plan"], cheaper["net_minor"]) == ("office-50", 10_200)
    without = (await shop.ask("DELETE", f"/v1/baskets/{basket['id']}/numbers/{GOLD}")).json()["pricing"]
    assert without["net_minor"] == 150
    unknown = await shop.ask("PATCH", f"/v1/baskets/{basket['id']}", json={"plan": "gold-plated"})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/plan")


async def test_of_64_baskets_for_the_last_10_numbers_10_win_one_each(shop: Shop) -> None:
    await shop.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    baskets = [await shop.basket() for _ in range(64)]
    answers = await asyncio.gather(*(put(shop, basket, DRAMA[at % 10]) for at, basket in enumerate(baskets)))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert sorted(e164 for basket in won for e164 in numbers_of(basket)) == DRAMA[:10]
    lost = [answer for answer in answers if answer.status_code != 200]
    assert {(answer.status_code, answer.json()["code"]) for answer in lost} == {(409, "number_unavailable")}


async def test_all_or_nothing_and_the_ones_that_cannot_be_had_are_pointed_at(shop: Shop) -> None:
    await shop.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    await shop.basket(DRAMA[3])
    mine = await shop.basket(DRAMA[0])
    answer = await put(shop, mine, DRAMA[1], DRAMA[3], "+442079460999")
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (409, ["/numbers/1", "/numbers/2"])
    assert numbers_of((await shop.ask("GET", f"/v1/baskets/{mine['id']}")).json()) == [DRAMA[0]]
    crossed = await asyncio.gather(*(put(shop, mine, *order) for order in (DRAMA[1:3], DRAMA[2:0:-1]) * 8))
    assert {answer.status_code for answer in crossed} == {200}
    unreadable = await put(shop, mine, "0121 496 0004")
    assert (unreadable.status_code, unreadable.json()["errors"][0]["pointer"]) == (422, "/numbers/0")


async def test_a_basket_is_held_15_minutes_after_each_change_and_two_hours_at_most(shop: Shop) -> None:
    await shop.database.admin.import_numbers(TENANT.id, DRAMA[:20])
    basket = await shop.basket(DRAMA[0])
    opened = datetime.fromisoformat(basket["created_at"])
    assert (
        timedelta(minutes=14, seconds=50)
        < datetime.fromisoformat(basket["expires_at"]) - opened
        < timedelta(minutes=15, seconds=50)
    )
    await shop.clock(timedelta(minutes=14))
    looked = (await shop.ask("GET", f"/v1/baskets/{basket['id']}")).json()
    assert 0 < looked["seconds_left"] <= 60, "looking does not prolong"
    for turn in range(1, 10):  # the last one 118 minutes after the opening
        changed = await put(shop, basket, DRAMA[turn])
        assert changed.status_code == 200
        left = changed.json()["seconds_left"]
        assert left > 14 * 60 if turn < 9 else 60 < left <= 120
        await shop.clock(timedelta(minutes=13 if turn < 9 else 3))
    late = await put(shop, basket, DRAMA[19])
    assert (late.status_code, late.json()["code"]) == (409, "basket_gone")


async def test_a_basket_is_the_white_labels_and_nobody_elses(shop: Shop) -> None:
    await shop.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    basket = await shop.basket(DRAMA[0])
    path = f"/v1/baskets/{basket['id']}"
    assert (await shop.ask("GET", path, by="colleague")).status_code == 200
    for method, where in (("GET", path), ("DELETE", path), ("DELETE", f"{path}/numbers/{DRAMA[0]}")):
        assert (await shop.ask(method, where, by="other")).status_code == 404
    assert (await shop.ask("PUT", f"{path}/numbers", by="other", json={"numbers": [DRAMA[1]]})).status_code == 404
    assert (await shop.ask("PUT", f"{path}/numbers", by="auditor", json={"numbers": [DRAMA[1]]})).status_code == 403
    assert numbers_of((await shop.ask("GET", path)).json()) == [DRAMA[0]]


async def test_a_repeated_opening_is_the_same_basket(shop: Shop) -> None:
    first, again, new = [await shop.ask("POST", "/v1/baskets", key=key, json={}) for key in ("a", "a", "b")]
    assert first.json()["id"] == again.json()["id"] != new.json()["id"]
    assert first.headers["Location"] == f"/v1/baskets/{first.json()['id']}"


async def test_a_basket_holds_100_numbers_at_most(shop: Shop) -> None:
    await shop.database.admin.import_numbers(TENANT.id, DRAMA[:110])
    basket = await shop.basket(*DRAMA[:99])
    full = await put(shop, basket, *DRAMA[99:102])
    assert (full.status_code, full.json()["code"]) == (409, "basket_full")
    assert len(numbers_of((await shop.ask("GET", f"/v1/baskets/{basket['id']}")).json())) == 99


async def test_an_order_takes_its_numbers_over_from_its_basket_and_the_rest_goes_free(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    basket = await exchange.basket(DRAMA[1], DRAMA[2], DRAMA[3])
    ended = await exchange.order({"explicit": [DRAMA[1], DRAMA[2], DRAMA[8]]}, basket=basket["id"])
    assert (ended["state"], ended["numbers"]) == ("active", [DRAMA[1], DRAMA[2], DRAMA[8]])
    assert [await exchange.state(DRAMA[at]) for at in (1, 3)] == ["assigned", "available"]
    assert (await exchange.ask("GET", f"/v1/baskets/{basket['id']}")).json()["code"] == "basket_gone"


async def test_what_lies_in_somebody_elses_basket_cannot_be_ordered(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    theirs, mine = await exchange.basket(DRAMA[1]), await exchange.basket(DRAMA[2])
    for changes in ({}, {"basket": mine["id"]}):
        ended = await exchange.order({"explicit": [DRAMA[1]]}, substitutes="refuse", **changes)
        assert (ended["state"], ended["outcome"]["code"]) == ("rejected", "number_unavailable")
    assert numbers_of((await exchange.ask("GET", f"/v1/baskets/{theirs['id']}")).json()) == [DRAMA[1]]
    unknown = {"basket": "00000000-0000-4000-8000-000000000000"}
    with pytest.raises(AssertionError, match="basket_unknown"):
        await exchange.order({"explicit": [DRAMA[1]]}, **unknown)


async def test_a_key_opens_one_basket_for_one_body_whatever_becomes_of_the_basket(shop: Shop) -> None:
    first = await shop.ask("POST", "/v1/baskets", key="k", json={"plan": "office-20"})
    other = await shop.ask("POST", "/v1/baskets", key="k", json={"plan": "office-50"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    await shop.ask("PATCH", f"/v1/baskets/{first.json()['id']}", json={"plan": "office-50"})
    again = await shop.ask("POST", "/v1/baskets", key="k", json={"plan": "office-20"})
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert again.json()["pricing"]["plan"] == "office-50", "as it is by now"
