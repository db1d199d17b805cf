"""A number that was given back rests, goes back to whom it was taken from, and is free when its date has come."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from domain.quarantine import minimum_days, rest_days
from tests.numbers.conftest import DRAMA, TENANT, Exchange

AMERICAN = "+12125550100"


@pytest.mark.parametrize(
    ("e164", "nuisance", "days"),
    [("+12125550100", False, 45), ("+18005550100", False, 45), ("+61255500100", False, 183), ("+61255500100", True, 365), (DRAMA[0], False, 0)],
)  # fmt: skip
def test_a_country_has_its_minimum(e164: str, nuisance: bool, days: int) -> None:
    assert minimum_days(e164, nuisance=nuisance) == days
    for asked in (None, 1, 400):
        assert rest_days(e164, "person", asked=asked, policy=1, nuisance=nuisance) >= max(days, asked or 1)


def test_consumers_and_businesses_rest_differently_and_toll_free_not_too_long() -> None:
    assert (rest_days(DRAMA[0], "person"), rest_days(DRAMA[0], "organisation")) == (90, 180)
    assert rest_days(DRAMA[0], "person", policy=200) == 200
    assert rest_days("+18005550100", "organisation") == 120


async def test_a_number_that_is_given_back_rings_no_more_and_rests(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    customer = await exchange.order({"explicit": [DRAMA[1], DRAMA[2]]})
    assert len(await exchange.rings(DRAMA[1])) == 2
    given = await exchange.ask("POST", f"/v1/numbers/{DRAMA[1]}/release", json={"reason": "Customer asked"})
    assert given.status_code == 200, given.text
    number = given.json()["number"]
    assert number["state"] == "quarantined"
    rests = datetime.fromisoformat(number["quarantined_until"]) - datetime.now(UTC)
    assert timedelta(days=179) < rests <= timedelta(days=180)
    assert (await exchange.rings(DRAMA[1]), len(await exchange.rings(DRAMA[2]))) == ([], 2)
    assert DRAMA[1] not in await exchange.found(count=100)
    refused = await exchange.order({"explicit": [DRAMA[1]]}, substitutes="refuse")
    assert (refused["state"], refused["outcome"]["code"]) == ("rejected", "number_unavailable")
    events = (await exchange.ask("GET", f"/v1/onboardings/{customer['id']}/events")).json()["items"]
    assert events[-1]["event"] == "number_released"
    assert DRAMA[1] not in str(events), "a timeline carries no personal data"
    again = await exchange.ask("POST", f"/v1/numbers/{DRAMA[1]}/release", json={})
    assert (again.status_code, again.json()["code"]) == (409, "number_not_assigned")
    (order,) = [book for book in (await exchange.database.books.read()).orders if book.id == customer["id"]]
    assert order.number_count == 1, "an audit expects what is left"


async def test_its_next_customer_has_nothing_of_the_former_ones_settings_and_the_former_has_them_back(
    exchange: Exchange,
) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    forwarded = {"settings": [{"number": 0, "destination": "forward", "forward_to": "+447700900123"}]}
    former = await exchange.order({"explicit": [DRAMA[1], DRAMA[2]]}, service=forwarded)
    settings = await exchange.settings_of(DRAMA[1])
    assert settings == ["caller_id", "forward"]
    await exchange.ask("POST", f"/v1/numbers/{DRAMA[1]}/release", json={"days": 1})
    assert await exchange.settings_of(DRAMA[1]) == []
    await exchange.ask("POST", f"/v1/numbers/{DRAMA[1]}/reclaim", json={"account_id": former["account_id"]})
    assert await exchange.settings_of(DRAMA[1]) == settings
    await exchange.ask("POST", f"/v1/numbers/{DRAMA[1]}/release", json={"days": 1})
    await exchange.clock(timedelta(days=2))
    await exchange.reap()
    assert (await exchange.order({"explicit": [DRAMA[1]]}))["state"] == "active"
    assert await exchange.settings_of(DRAMA[1]) == ["caller_id"], "its new customer's own"


async def test_the_law_is_a_floor(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, [AMERICAN])
    await exchange.order({"explicit": [AMERICAN]})
    short = await exchange.ask("POST", f"/v1/numbers/{AMERICAN}/release", json={"days": 44})
    assert (short.status_code, short.json()["errors"][0]["code"]) == (422, "quarantine_too_short")
    assert await exchange.state(AMERICAN) == "assigned"
    assert (await exchange.ask("POST", f"/v1/numbers/{AMERICAN}/release", json={"days": 45})).status_code == 200


async def test_only_the_former_customer_may_reclaim_it_and_it_rings_again(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    former, other = await exchange.order({"explicit": [DRAMA[1]]}), await exchange.order({"explicit": [DRAMA[5]]})
    line = await exchange.rings(DRAMA[1])
    await exchange.ask("POST", f"/v1/numbers/{DRAMA[1]}/release", json={})
    path = f"/v1/numbers/{DRAMA[1]}/reclaim"
    denied = await exchange.ask("POST", path, json={"account_id": other["account_id"]})
    assert (denied.status_code, denied.json()["code"]) == (409, "not_former_customer")
    assert (await exchange.ask("POST", path, by="other", json={"account_id": former["account_id"]})).status_code == 404
    back = await exchange.ask("POST", path, json={"account_id": former["account_id"]})
    assert (back.status_code, back.json()["number"]["state"]) == (200, "assigned")
    assert await exchange.rings(DRAMA[1]) == line
    assert (await exchange.ask("GET", f"/v1/onboardings/{former['id']}")).json()["numbers"] == [DRAMA[1]]
    assert (await exchange.ask("POST", f"/v1/numbers/{DRAMA[1]}/release", json={})).status_code == 200, "and given back again"


async def test_a_number_whose_line_is_gone_rests_on(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    former = await exchange.order({"explicit": [DRAMA[1]]})
    await exchange.ask("POST", f"/v1/numbers/{DRAMA[1]}/release", json={})

    await exchange.switch._transactions.write(lambda connection: connection.execute(text("DELETE FROM subscriber")))
    back = await exchange.ask("POST", f"/v1/numbers/{DRAMA[1]}/reclaim", json={"account_id": former["account_id"]})
    assert (back.status_code, back.json()["code"]) == (409, "line_missing")
    assert (await exchange.state(DRAMA[1]), await exchange.rings(DRAMA[1])) == ("quarantined", [])


async def test_of_many_acts_upon_one_number_at_once_one_is_carried_out(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    await exchange.order({"explicit": [DRAMA[1]]})
    answers = await asyncio.gather(*(exchange.ask("POST", f"/v1/numbers/{DRAMA[1]}/release", json={}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert await exchange.state(DRAMA[1]) == "quarantined"


async def test_a_free_or_foreign_number_cannot_be_given_back(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:2])
    for by, status in (("admin", 409), ("other", 404), ("auditor", 403)):
        assert (await exchange.ask("POST", f"/v1/numbers/{DRAMA[0]}/release", by=by, json={})).status_code == status
