"""Starting an onboarding against a real Temporal server, with no worker: orders are accepted and wait."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from domain import keys
from domain.onboarding import OnboardingInput, State
from starter.onboardings import Onboardings
from starter.schemas.orders import CreateOnboarding
from starter.web import create_app
from tests.starter.conftest import BASE, OTHER, TENANT, House, an_order_body, build
from tests.starter.memory import Reader, view_of


async def started(temporal: Client, onboarding_id: str) -> OnboardingInput:
    """What the workflow of this onboarding was started with."""
    handle = temporal.get_workflow_handle(keys.workflow_id(onboarding_id))
    first = await anext(aiter(handle.fetch_history_events()))
    (begin,) = await temporal.data_converter.decode(
        first.workflow_execution_started_event_attributes.input.payloads, [OnboardingInput]
    )
    return begin


async def test_an_order_is_accepted_and_kept_although_no_worker_runs(real_house: House, temporal: Client) -> None:
    response = await real_house.order(key="order-1")

    assert response.status_code == 202
    body = response.json()
    assert body["id"] == keys.onboarding_id(TENANT.id, "order-1")
    assert body["state"] == "opening"
    assert response.headers["Location"] == body["links"]["self"] == f"/v1/onboardings/{body['id']}"
    assert "Idempotent-Replayed" not in response.headers
    begin = await started(temporal, body["id"])
    assert begin.order.customer.contact.telephone == "+441214960001", "national numbers are normalised at the door"
    assert begin.quote.total_minor == (2500 + 1500 + 200) * 120 // 100
    assert (begin.requested_by, begin.requested_person) == ("key:0", "person:0")
    assert begin.schedule == TENANT.schedule


async def test_what_temporal_shows_holds_no_personal_data(real_house: House, temporal: Client) -> None:
    onboarding = (await real_house.order()).json()["id"]

    described = await temporal.get_workflow_handle(keys.workflow_id(onboarding)).describe()

    shown = f"{described.id} {await described.static_summary()} {await described.memo()} {described.typed_search_attributes}"
    for personal in ("Harbour", "Ada", "ada@", "496", "Colmore"):
        assert personal not in shown
    assert (await described.memo())["tenant"] == TENANT.id
    attributes = {pair.key.name: pair.value for pair in described.typed_search_attributes}
    assert attributes == {"OnboardingState": "opening", "TenantId": TENANT.id, "NeedsAttention": False}


async def test_what_needs_no_attention_is_found_by_saying_so(real_house: House, temporal: Client) -> None:
    onboarding = (await real_house.order()).json()["id"]
    query = f"WorkflowId = '{keys.workflow_id(onboarding)}' AND NeedsAttention = false"
    async with asyncio.timeout(10):  # the server's index is a moment behind
        while (await temporal.count_workflows(query)).count != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_an_onboarding_can_be_looked_at_before_its_row_is_written(real_house: House) -> None:
    onboarding = (await real_house.order()).json()["id"]

    response = await real_house.http.get(f"/v1/onboardings/{onboarding}", headers=real_house.by("auditor"))

    assert response.status_code == 200
    assert response.json()["state"] == "opening"
    assert response.json()["order"]["customer"]["name"] == "Harbour Books Ltd"
    other = await real_house.http.get(f"/v1/onboardings/{onboarding}", headers=real_house.by("other"))
    assert other.status_code == 404, "another white label's is not found, row or no row"


async def test_the_same_order_twice_is_one_onboarding(real_house: House) -> None:
    first = await real_house.order(key="twice")
    second = await real_house.order(key="twice")

    assert second.status_code == 202
    assert second.json() == first.json()
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("spelling", ['"quoted-key"', " quoted-key "])
async def test_quotes_and_blanks_around_the_key_do_not_matter(real_house: House, spelling: str) -> None:
    first = await real_house.order(key="quoted-key")
    second = await real_house.order(key=spelling)

    assert second.json()["id"] == first.json()["id"]


async def test_the_same_key_with_another_body_is_refused(real_house: House) -> None:
    await real_house.order(key="reused")
    response = await real_house.order(an_order_body(segment="residential"), key="reused")

    assert response.status_code == 422
    assert response.json()["code"] == "idempotency_key_reused"


async def test_the_same_key_of_another_white_label_is_another_onboarding(real_house: House) -> None:
    ours = await real_house.order(key="shared")
    theirs = await real_house.order(key="shared", by="other")

    assert theirs.status_code == 202
    assert theirs.json()["id"] != ours.json()["id"]
    assert "Idempotent-Replayed" not in theirs.headers


async def test_ten_at_once_are_one_onboarding(real_house: House, temporal: Client) -> None:
    key = f"ten-{uuid.uuid4()}"
    responses = await asyncio.gather(*(real_house.order(key=key) for _ in range(10)))

    assert {response.status_code for response in responses} == {202}
    assert len({response.text for response in responses}) == 1
    assert sum("Idempotent-Replayed" not in response.headers for response in responses) == 1
    query = f"WorkflowId = '{keys.workflow_id(responses[0].json()['id'])}'"
    async with asyncio.timeout(10):
        while not (found := [one async for one in temporal.list_workflows(query)]):  # noqa: ASYNC110 - the list lags
            await asyncio.sleep(0.05)
    assert len(found) == 1


async def test_ten_at_once_with_two_bodies_are_one_onboarding_and_refusals(real_house: House) -> None:
    bodies = [an_order_body(), an_order_body(segment="residential")] * 5
    responses = await asyncio.gather(*(real_house.order(body, key="race") for body in bodies))

    codes = [response.status_code for response in responses]
    assert sorted(codes) == [202] * 5 + [422] * 5
    assert len({response.json()["id"] for response in responses if response.status_code == 202}) == 1


async def test_a_key_from_before_the_history_was_deleted_starts_nothing(real_house: House, temporal: Client) -> None:
    body = CreateOnboarding.model_validate(an_order_body())
    order, _ = body.order("GB")
    assert order is not None
    first = await real_house.order(key="last year")
    begin = await started(temporal, first.json()["id"])
    # Only the row is left, and Temporal is out of reach: the row alone has to answer.
    reader = Reader()
    reader.put(view_of(begin, state=State.ACTIVE))
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)
    onboardings = Onboardings(nowhere, reader, real_house.catalogue, "queue")

    answer = await onboardings.start(
        real_house.identities.known[real_house.keys["admin"]],
        TENANT,
        order,
        idempotency_key="last year",
        fingerprint=begin.fingerprint,
    )

    assert answer.replayed
    assert answer.state is State.ACTIVE


async def test_without_temporal_the_answer_is_503_and_nothing_is_lost(temporal: Client) -> None:
    reader = Reader()
    services, names = build(None, reader)
    nowhere = await Client.connect("127.0.0.1:1", lazy=True, data_converter=pydantic_data_converter)
    queue = f"web-{uuid.uuid4()}"
    headers = {"Authorization": f"Bearer {names['admin']}", "Idempotency-Key": "patient"}
    for client, expected in ((nowhere, 503), (temporal, 202), (temporal, 202)):
        object.__setattr__(services, "onboardings", Onboardings(client, reader, services.catalogue, queue))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(services)), base_url=BASE) as http:
            response = await http.post("/v1/onboardings", json=an_order_body(), headers=headers)
        assert response.status_code == expected
        if expected == 503:
            assert int(response.headers["Retry-After"]) > 0
            assert response.json()["code"] == "temporal_unavailable"
            assert "same Idempotency-Key" in response.json()["detail"]


async def test_an_operator_who_administers_attests_the_terms(real_house: House, temporal: Client) -> None:
    body = an_order_body(administration="operator", payer="parent", account_type="postpaid", terms_accepted=True)

    response = await real_house.order(body)

    terms = (await started(temporal, response.json()["id"])).terms
    assert terms is not None
    assert (terms.version, terms.sha256, terms.capacity) == (TENANT.terms.version, TENANT.terms.sha256, "on_behalf")
    assert terms.accepted_by == "key:0"
    assert (datetime.now(UTC) - terms.accepted_at).total_seconds() < 60


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"plan": "no-such-plan"}, "unknown_plan", "/plan"),
        ({"administration": "operator", "payer": "parent"}, "terms_not_accepted", "/terms_accepted"),
        ({"administration": "operator", "terms_accepted": True}, "nothing_to_pay_with", "/payer"),
        (
            {"services": [{"numbers": {"explicit": ["0121 496 0999"]}}]},
            "number_unknown",
            "/services/0/numbers/explicit/0",
        ),
        (
            {"services": [{"numbers": {"explicit": ["0121 496 0999", "+441214960999"]}}]},
            "number_twice",
            "/services/0/numbers/explicit/1",
        ),
        ({"services": [{"numbers": {"explicit": ["12"]}}]}, "string_too_short", "/services/0/numbers/explicit/0"),
        ({"services": [{"numbers": {"explicit": ["0000"]}}]}, "telephone_invalid", "/services/0/numbers/explicit/0"),
        (
            {"services": [{"numbers": {"criteria": {"prefix": "+44١٢١"}}}]},
            "string_pattern_mismatch",
            "/services/0/numbers/criteria/prefix",
        ),
        ({"surprise": 1}, "extra_forbidden", "/surprise"),
        ({"credit_limit_minor": 1.5}, "int_type", "/credit_limit_minor"),
    ],
)
async def test_an_impossible_order_is_refused_at_the_door(
    real_house: House, changes: dict[str, Any], code: str, pointer: str
) -> None:
    response = await real_house.order(an_order_body(**changes))

    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["code"], error["pointer"]) == (code, pointer)
    assert error["detail"].endswith(".")


@pytest.mark.parametrize(
    "address", ["a..b@example.com", "ada@[127.0.0.1]", "a\u202e@example.com", "a,b@example.com", "ada@host"]
)
@pytest.mark.parametrize("field", ["contact", "billing"])
async def test_an_address_that_no_relay_takes_is_refused_at_the_door(real_house: House, field: str, address: str) -> None:
    body = an_order_body()
    place, name = (body["customer"]["contact"], "email") if field == "contact" else (body["customer"], "billing_email")
    place[name] = address

    response = await real_house.order(body)

    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["pointer"] == ("/customer/contact/email" if field == "contact" else "/customer/billing_email")
    assert address not in response.text


@pytest.mark.requirement("S3-10")
async def test_a_platform_key_names_the_white_label(real_house: House, temporal: Client) -> None:
    nameless = await real_house.order(by="platform")
    unknown = await real_house.order(an_order_body(white_label="nobody"), by="platform")
    named = await real_house.order(an_order_body(white_label="northway"), by="platform")

    assert nameless.status_code == 422
    assert unknown.status_code == 404
    assert (await started(temporal, named.json()["id"])).tenant_id == OTHER.id


@pytest.mark.requirement("S1-01")
async def test_a_white_label_cannot_order_for_another(real_house: House) -> None:
    assert (await real_house.order(an_order_body(white_label=OTHER.slug))).status_code == 404
    assert (await real_house.order(an_order_body(white_label=TENANT.slug))).status_code == 202


async def test_named_numbers_are_priced_by_their_grade(real_house: House, temporal: Client) -> None:
    await real_house.inventory.import_numbers(TENANT.id, ["+441214960960"])
    services = [{"numbers": {"explicit": ["(0121) 496-0960"]}}]

    response = await real_house.order(an_order_body(services=services))

    assert response.status_code == 202
    begin = await started(temporal, response.json()["id"])
    assert begin.order.explicit_numbers == ("+441214960960",)
    assert any("Gold" in line.text for line in begin.quote.lines)
