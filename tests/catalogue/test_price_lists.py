"""Price lists: chosen, changed, kept."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, insert, update

from adapters.crypto import Secrets
from adapters.database.tables import price_list_versions, tenants
from domain.billing import Tax
from domain.calling import RateGroup
from domain.errors import Refused
from domain.price_lists import MOST_PRICE_LISTS, MOST_RATE_GROUPS, MOST_TAXES, MOST_VERSIONS
from tests.catalogue.conftest import TENANT, body, errors, get, lines, quoted, report, waiting_for_its_customer
from tests.numbers.conftest import DRAMA, Exchange, Shop

NEW = {"name": "Spring", "position": 5, "plans": [{"code": "spring", "name": "Spring", "period_minor": 700}]}


def day(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


async def put(shop: Shop, code: str, by: str = "admin", **changes: Any) -> Any:
    return await shop.ask("PUT", f"/v1/price-lists/{code}", by=by, json=NEW | changes)


@pytest.mark.requirement("S3-38", "S2-17")
async def test_an_order_is_priced_on_the_list_that_it_names_or_on_the_first_by_position(store: Shop) -> None:
    assert [one["code"] for one in (await get(store, "/v1/price-lists"))["items"]] == ["standard", "partner", "master", "euro"]
    first, partner = await quoted(store), await quoted(store, price_list="partner")
    assert (first["price_list_code"], first["price_list"], first["net_minor"]) == ("standard", "2026-12", 2500 + 1500)
    assert (partner["price_list_code"], partner["price_list"], partner["net_minor"]) == ("partner", "2026-P", 1000 + 800)
    assert await errors(store, price_list="none-such") == {"unknown_price_list": "/price_list"}
    assert await errors(store, price_list="partner", plan="office-50") == {"unknown_plan": "/plan"}
    assert (await put(store, "spring")).json()["default"] is True
    assert (await quoted(store))["price_list_code"] == "spring", "the first by position"


@pytest.mark.requirement("S3-39", "S3-35")
async def test_the_price_list_of_a_run_prices_every_service_and_number_of_it(store: Shop) -> None:
    await store.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    services = [{"numbers": {"explicit": [number]}} for number in DRAMA[1:4]]
    on = {code: await quoted(store, services=services, price_list=code) for code in ("standard", "partner")}
    assert lines(on["standard"])["Office 20, first month"] == 3 * 1500
    assert lines(on["partner"])["Office 20, first month"] == 3 * 800
    assert lines(on["partner"])["Telephone number, first month"] == 3 * 100
    basket = await store.basket(*DRAMA[1:4])
    assert basket["pricing"]["price_list_code"] == "standard"
    moved = await store.ask("PATCH", f"/v1/baskets/{basket['id']}", json={"price_list": "partner"})
    assert [one["period_minor"] for one in moved.json()["pricing"]["numbers"]] == [100] * 3
    assert (await get(store, f"/v1/baskets/{basket['id']}"))["pricing"]["price_list"] == "2026-P", "and stays so"
    unknown = await store.ask("PATCH", f"/v1/baskets/{basket['id']}", json={"price_list": "none-such"})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/price_list")


async def test_a_price_list_is_sold_on_from_its_first_day_to_its_last(store: Shop) -> None:
    for code, days in {"past": (-9, -1), "next": (1, 9)}.items():
        made = await put(store, code, valid_from=day(days[0]), valid_until=day(days[1]))
        assert (made.json()["valid_now"], made.json()["default"]) == (False, False)
        assert await errors(store, price_list=code) == {"price_list_not_valid": "/price_list"}
    await put(store, "today", valid_from=day(0), valid_until=day(0))
    assert (await quoted(store))["price_list_code"] == "today"
    searched = await store.ask("GET", "/v1/plans", params={"price_list": "next"})
    assert (searched.status_code, searched.json()["errors"][0]["parameter"]) == (422, "price_list")
    backwards = await put(store, "odd", valid_from=day(2), valid_until=day(1))
    assert (backwards.status_code, backwards.json()["errors"][0]["pointer"]) == (422, "/valid_until")


async def test_without_a_valid_price_list_nothing_can_be_ordered_and_it_says_so(store: Shop) -> None:
    for one in (await get(store, "/v1/price-lists"))["items"]:
        assert (await put(store, one["code"], valid_until=day(-1), currency=one["currency"])).status_code == 200
    assert await errors(store) == {"no_price_list": "/price_list"}


async def test_a_change_is_a_new_version_and_the_old_one_can_still_be_read(store: Shop) -> None:
    first = (await put(store, "spring", version="2027-1")).json()
    same = (await put(store, "spring", version="2027-1")).json()
    other = (await put(store, "spring", version="2027-1", name="Spring, dearer")).json()
    assert (first["version"], same["version"], other["version"]) == ("2027-1", "2027-1", "2027-1.2")
    unnamed = (await put(store, "spring", name="Spring, dearer")).json()
    assert unnamed["version"] == "2027-1.2", "the same content is the same version"
    assert (await put(store, "spring", name="Summer")).json()["version"] == day(0)
    was = await get(store, "/v1/price-lists/spring", version="2027-1")
    assert (was["name"], was["version"]) == ("Spring", "2027-1")
    assert was["made_by"] not in {None, "installation", "unknown"}
    assert (await get(store, "/v1/price-lists/spring"))["name"] == "Summer"
    standard = await get(store, "/v1/price-lists/standard", version="2026-12")
    assert standard["made_by"] == "installation"
    missing = await store.ask("GET", "/v1/price-lists/spring", params={"version": "0"})
    assert missing.status_code == 404


async def test_only_whoever_may_manage_prices_changes_them_and_only_their_own(store: Shop) -> None:
    assert (await put(store, "spring", by="auditor")).status_code == 403
    assert (await put(store, "spring", by="other")).status_code == 200
    assert (await store.ask("GET", "/v1/price-lists/spring")).status_code == 404, "it is the other white label's"
    below = await store.ask("GET", "/v1/price-lists", by="other", params={"white_label": TENANT.slug})
    assert below.status_code == 404
    twice = NEW["plans"] * 2  # type: ignore[operator]
    bad = await put(store, "spring", plans=twice, service_types={"none-such": {"period_minor": 1}}, currency="ZZZ")
    assert {(one["code"], one["pointer"]) for one in bad.json()["errors"]} == {
        ("plan_twice", "/plans/1/code"), ("unknown_currency", "/currency"), ("unknown_service_type", "/service_types/none-such"),
    }  # fmt: skip


async def test_installing_the_white_label_again_takes_nothing_away_that_the_api_made(store: Shop) -> None:
    await put(store, "spring")
    await store.ask("POST", "/v1/taxes", json={"code": "levy", "name": "Levy", "rate_basis_points": 150})
    await store.database.admin.put_tenant(TENANT, credit_limit_minor=10_000_000)
    assert (await get(store, "/v1/price-lists/spring"))["name"] == "Spring"
    assert [tax["code"] for tax in (await get(store, "/v1/taxes"))["items"]] == ["levy"]


async def test_a_later_change_of_prices_and_terms_moves_no_order_that_is_open(works: Exchange) -> None:
    waiting = body(administration="customer", payer="self", price_list="partner", terms_accepted=False)
    waiting["customer"]["name"] = f"Customer {uuid.uuid4()}"
    answer = await works.ask("POST", "/v1/onboardings", key=str(uuid.uuid4()), json=waiting)
    assert answer.status_code == 202, answer.text
    path = f"/v1/onboardings/{answer.json()['id']}"
    await waiting_for_its_customer(works, path)
    before = (await get(works, path))["quote"]
    assert (
        await put(works, "partner", plans=[{"code": "office-20", "name": "Dear", "period_minor": 99_999}])
    ).status_code == 200
    later = TENANT.model_copy(update={"terms": TENANT.terms.model_copy(update={"version": "9", "text": "Pay more."})})
    await works.database.admin.put_tenant(later, credit_limit_minor=10_000_000)
    assert (await get(works, path))["quote"] == before
    assert (before["price_list"], before["net_minor"]) == ("2026-P", 1800)
    kept = await works.database.prices.terms(TENANT.id, before["terms_sha256"])
    assert kept == TENANT.terms
    link = Secrets(SecretStr("a secret of the tests that is long enough")).activation_token(answer.json()["id"], 1)
    page = (await works.http.get(f"/activate/{link}")).text
    assert (TENANT.terms.text in page, "Pay more." in page) == (True, False), "what is accepted is what it was quoted on"
    await works.ask("POST", f"{path}/cancel", json={})
    await works.client.get_workflow_handle(f"onboarding/{answer.json()['id']}").result()


@pytest.mark.requirement("S2-18")
async def test_who_bills_elsewhere_is_charged_nothing_here(works: Exchange) -> None:
    ended = await _elsewhere(works)
    assert (ended["state"], ended["charged_minor"], ended["quote"]["total_minor"]) == ("active", 0, 0)
    assert (ended["quote"]["billed_elsewhere"], ended["quote"]["invoicing"]) == (True, "external")
    books = await works.database.books.read()
    assert not [entry for entry in books.entries if entry.onboarding_id == ended["id"]]
    for policy in ("automatic", "from_quote_only"):
        wrong = await errors(works, price_list="master", invoicing={"policy": policy})
        assert wrong == {"invoicing_does_not_match": "/invoicing/policy"}
    assert await errors(works, invoicing={"policy": "external"}) == {"invoicing_does_not_match": "/invoicing/policy"}
    told = (await report(works, price_list="master"))["findings"]
    assert "billed_elsewhere" in {one["code"] for one in told}
    assert (await quoted(works, invoicing={"policy": "from_quote_only"}))["invoicing"] == "from_quote_only"


async def _elsewhere(works: Exchange) -> dict[str, Any]:
    await works.database.admin.import_numbers(TENANT.id, DRAMA[:50], {DRAMA[49]: "gold"})  # type: ignore[dict-item]
    return await works.order({"explicit": [DRAMA[49]]}, price_list="master")


async def test_a_white_label_has_so_many_price_lists_taxes_and_rate_groups_and_no_more(store: Shop) -> None:
    """Each of them is in the settings, which nearly every request reads."""
    prices = TENANT.price_list
    tenant = TENANT.model_copy(
        update={
            "price_lists": tuple(prices.model_copy(update={"code": f"p{at}"}) for at in range(MOST_PRICE_LISTS - 1)),
            "taxes": tuple(Tax(code=f"t{at}", name="T", rate_basis_points=1) for at in range(MOST_TAXES)),
            "rate_groups": tuple(RateGroup(code=f"r{at}", name="R") for at in range(MOST_RATE_GROUPS)),
        }
    )

    def settled(connection: Connection) -> None:
        connection.execute(update(tenants).where(tenants.c.id == TENANT.id).values(settings=tenant))

    await store.database._transactions.write(settled)
    for answer in (
        await put(store, "one-more"),
        await store.ask("POST", "/v1/taxes", json={"code": "more", "name": "More", "rate_basis_points": 1}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "catalogue_full"), answer.text
    for answer in (
        await put(store, "p0"),
        await store.ask("POST", "/v1/taxes", json={"code": "t0", "name": "T", "rate_basis_points": 1}),
    ):
        assert answer.status_code in {200, 201}, answer.text
    await store.database.admin.put_rate_group(TENANT.id, RateGroup(code="r0", name="Changed"))
    with pytest.raises(Refused) as refused:
        await store.database.admin.put_rate_group(TENANT.id, RateGroup(code="one-more", name="More"))
    assert refused.value.code == "catalogue_full"


async def test_a_price_list_has_a_thousand_versions_at_most(store: Shop) -> None:
    def filled(connection: Connection) -> None:
        row = {"tenant_id": TENANT.id, "code": "spring", "made_by": "k", "made_at": datetime.now(UTC)}
        made = [row | {"version": f"v{at}", "price_list": TENANT.price_list} for at in range(MOST_VERSIONS - 1)]
        connection.execute(insert(price_list_versions), made)

    await store.database._transactions.write(filled)
    assert (await put(store, "spring")).status_code == 200
    refused = await put(store, "spring", name="Another")
    assert (refused.status_code, refused.json()["code"]) == (409, "catalogue_full")
    assert (await put(store, "spring")).status_code == 200, "what is there can be put again"
