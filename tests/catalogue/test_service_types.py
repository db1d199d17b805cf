"""Kinds of service: what they are, what they cost, who may have them."""

import uuid

import pytest

from tests.catalogue.conftest import EXTENSION, TENANT, body, errors, get, lines, quoted
from tests.numbers.conftest import DRAMA, Exchange, Shop


@pytest.mark.requirement("S3-14")
async def test_the_type_of_each_service_is_chosen_and_the_first_is_meant_where_none_is(store: Shop) -> None:
    quote = await quoted(store, services=[{}, {"type": "extension"}, {"type": "extension"}])
    assert quote["service_types"] == ["line", "extension", "extension"]
    assert await errors(store, services=[{}, {"type": "fax"}]) == {"unknown_service_type": "/services/1/type"}
    gone = TENANT.model_copy(
        update={"service_types": (*TENANT.service_types[:2], TENANT.service_types[2].model_copy(update={"withdrawn": True}))}
    )
    await store.database.admin.put_tenant(gone, credit_limit_minor=10_000_000)
    assert "service_type_withdrawn" in await errors(store, services=[{"type": "trunk"}])
    assert [kind["code"] for kind in (await get(store, "/v1/service-types"))["items"]] == ["line", "extension"]
    assert (await get(store, "/v1/service-types/trunk"))["withdrawn"] is True


@pytest.mark.requirement("S3-17")
async def test_the_details_of_a_service_type_and_its_price_can_be_read_before_it_is_ordered(store: Shop) -> None:
    shown = await get(store, "/v1/service-types/extension")
    assert (shown["name"], shown["description"]) == (EXTENSION.name, EXTENSION.description)
    assert (shown["devices"], shown["most_channels"], shown["needs_number"], shown["applies"]) == (
        1,
        2,
        False,
        ["max_channels"],
    )
    assert shown["price"] == {
        "price_list": "standard", "version": "2026-12", "plan": "office-20", "currency": "GBP",
        "setup_minor": 500, "period_minor": 300,
    }  # fmt: skip
    assert (await get(store, "/v1/service-types/extension", price_list="partner"))["price"]["period_minor"] == 800
    assert (await get(store, "/v1/service-types/line", plan="office-50"))["price"]["period_minor"] == 3500
    assert (await get(store, "/v1/service-types/line", price_list="master"))["price"]["period_minor"] == 0
    assert (await store.ask("GET", "/v1/service-types/fax")).status_code == 404
    wrong = await store.ask("GET", "/v1/service-types", params={"plan": "none-such"})
    assert (wrong.status_code, wrong.json()["errors"][0]["parameter"]) == (422, "plan")


@pytest.mark.requirement("S2-08")
async def test_a_residential_customer_has_the_types_for_residential_customers_only(store: Shop) -> None:
    found = await errors(store, segment="residential", services=[{}, {"type": "extension"}])
    assert found == {"not_in_segment": "/services/1/type"}
    assert await errors(store, services=[{}, {"type": "extension"}]) == {}


async def test_a_service_has_what_its_type_includes_and_no_more(store: Shop) -> None:
    await store.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    assert await errors(store, services=[{"type": "trunk"}]) == {"number_needed": "/services/0/numbers"}
    extension = {"type": "extension", "numbers": {"explicit": [DRAMA[1]]}}
    assert await errors(store, services=[extension]) == {"beyond_type": "/services/0/numbers"}
    for channels in (0, 3):
        many = {"type": "extension", "max_channels": channels}
        assert await errors(store, services=[many]) == {"beyond_type": "/services/0/max_channels"}
    shown = {"type": "extension", "caller_id": DRAMA[1]}
    found = await errors(store, services=[{"numbers": {"explicit": [DRAMA[1]]}}, shown])
    assert found == {"setting_not_of_type": "/services/1/caller_id"}


@pytest.mark.requirement("S2-22", "S2-23")
async def test_extensions_are_charged_for_and_refused_beyond_what_the_account_can_bear(works: Exchange) -> None:
    two = [{"type": "extension"}] * 2
    quote = await quoted(works, services=two)
    assert lines(quote) == {"Office 20, set-up": 2500, "Extension, set-up": 1000, "Extension, first month": 600}
    own = {"payer": "self", "account_type": "postpaid", "credit_limit_minor": quote["total_minor"]}
    for services, end in ((two, ("active", None)), (two * 2, ("declined", "insufficient_headroom"))):
        order = body(services=services, **own)
        order["customer"]["name"] = f"Customer {uuid.uuid4()}"
        answer = await works.ask("POST", "/v1/onboardings", key=str(uuid.uuid4()), json=order)
        assert answer.status_code == 202, answer.text
        await works.client.get_workflow_handle(f"onboarding/{answer.json()['id']}").result()
        view = await get(works, f"/v1/onboardings/{answer.json()['id']}")
        assert (view["state"], view["outcome"]["code"]) == end
