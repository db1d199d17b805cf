"""The embedded gateway refuses what Stripe refuses, keeps to itself, and survives a power cut."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest
import stripe

from adapters.payments.card_page import StripeCardPage
from adapters.payments.stripe import StripeGateway
from adapters.payments.stripe_api import StripeApi
from domain.payments import PaymentState
from starter.local.processes import StackError
from starter.local.stripe_edge import RunningGateway, start_gateway
from tests.adapters.payments.conftest import API_KEY
from tests.stripe import CANCEL_URL, DECLINES_AT_CHARGE, RETURN_URL, SDK_WARNING, left_card, order_with

pytestmark = pytest.mark.filterwarnings(SDK_WARNING)


@pytest.fixture
async def sdk(embedded: RunningGateway) -> AsyncIterator[stripe.StripeClient]:
    api = StripeApi(API_KEY, embedded.url, timeout=5)
    yield api.client
    await api.close()


@pytest.fixture
async def held(gateway, page, embedded) -> str:
    return (await gateway.authorise(order_with(await left_card(page, embedded.url)))).reference


SHARED = Path("/tmp/localstripe.pickle")
"""Where localstripe keeps its payments unless it is prevented."""


def written_at(file: Path) -> int | None:
    return file.stat().st_mtime_ns if file.exists() else None


async def refused(call) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as raised:
        await call
    return raised.value


async def test_what_was_cancelled_is_not_captured_and_not_cancelled_again(sdk, held):
    await sdk.v1.payment_intents.cancel_async(held)
    for verb in (sdk.v1.payment_intents.capture_async, sdk.v1.payment_intents.cancel_async):
        error = await refused(verb(held))
        assert (error.http_status, error.code) == (400, "payment_intent_unexpected_state")


async def test_what_is_not_captured_is_not_refunded(sdk, held):
    assert (await refused(sdk.v1.refunds.create_async({"payment_intent": held}))).code == "payment_intent_unexpected_state"


async def test_a_capture_is_refunded_in_parts_up_to_its_amount_and_no_further(sdk, held):
    await sdk.v1.payment_intents.capture_async(held)
    await sdk.v1.refunds.create_async({"payment_intent": held, "amount": 500})
    assert (await refused(sdk.v1.refunds.create_async({"payment_intent": held, "amount": 1500}))).http_status == 400
    assert (await sdk.v1.refunds.create_async({"payment_intent": held})).amount == 1499
    assert (await refused(sdk.v1.refunds.create_async({"payment_intent": held}))).code == "charge_already_refunded"


async def test_one_key_with_other_parameters_is_an_error_and_a_replay_says_so(sdk):
    options = {"idempotency_key": os.urandom(8).hex()}
    first = await sdk.v1.customers.create_async({"name": "a"}, options)
    again = await sdk.v1.customers.create_async({"name": "a"}, options)
    assert (again.id, again.last_response.headers["idempotent-replayed"]) == (first.id, "true")
    assert isinstance(await refused(sdk.v1.customers.create_async({"name": "b"}, options)), stripe.IdempotencyError)


async def test_a_request_refused_for_its_parameters_does_not_use_up_its_key(sdk):
    options = {"idempotency_key": os.urandom(8).hex()}
    await refused(sdk.v1.customers.create_async({"nonsense": "a"}, options))
    assert (await sdk.v1.customers.create_async({"name": "a"}, options)).name == "a"


async def test_a_decline_is_told_as_stripe_tells_it_and_replayed(sdk, page, embedded):
    means = await left_card(page, embedded.url, DECLINES_AT_CHARGE)
    fields = {"amount": 100, "currency": "gbp", "customer": means.customer, "payment_method": means.reference, "confirm": True}
    options = {"idempotency_key": os.urandom(8).hex()}
    errors = [await refused(sdk.v1.payment_intents.create_async(fields, options)) for _ in range(2)]
    assert [type(error) for error in errors] == [stripe.CardError] * 2
    assert (errors[0].code, errors[0].error.decline_code, errors[0].error.type) == (
        "card_declined",
        "generic_decline",
        "card_error",
    )
    assert errors[0].error.payment_intent.status == "requires_payment_method"
    assert errors[1].headers["idempotent-replayed"] == "true"


async def test_parameters_that_this_version_of_the_api_no_longer_has_are_refused(sdk, page, embedded):
    means = await left_card(page, embedded.url)
    fields = {"amount": 100, "currency": "gbp", "customer": means.customer, "payment_method": means.reference}
    error = await refused(sdk.v1.payment_intents.create_async({**fields, "payment_method_types": ["card"]}))
    assert error.code == "payment_method_types_no_longer_supported"
    session = {"mode": "setup", "customer": means.customer, "success_url": RETURN_URL, "currency": "gbp"}
    error = await refused(sdk.v1.checkout.sessions.create_async({**session, "payment_method_types": ["card"]}))
    assert (error.code, error.param) == ("parameter_unknown", "payment_method_types")


async def test_a_card_of_another_customer_is_not_charged(sdk, page, embedded):
    mine, theirs = await left_card(page, embedded.url), await left_card(page, embedded.url)
    fields = {"amount": 100, "currency": "gbp", "customer": mine.customer, "payment_method": theirs.reference, "confirm": True}
    assert (await refused(sdk.v1.payment_intents.create_async(fields))).param == "payment_method"


@pytest.mark.parametrize("key", ["", "Bearer sk_live_real", "Basic c2tfdGVzdA=="])
async def test_only_a_test_key_is_let_in(embedded, key):
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{embedded.url}/v1/payment_intents?customer=cus_1", headers={"Authorization": key})
    assert answer.status_code == 401


async def test_another_name_for_this_machine_is_not_answered(embedded):
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{embedded.url}/_edge/objects", headers={"Host": "evil.example"})).status_code == 421


@pytest.mark.parametrize("path", ["/_config/data", "/v1/charges", "/v1/nonsense", "/js.stripe.com/v3/"])
async def test_what_the_product_does_not_use_is_not_passed_on(embedded, path):
    async with httpx.AsyncClient(headers={"Authorization": API_KEY.get_secret_value()}) as http:
        for method in ("GET", "DELETE", "POST"):
            answer = await http.request(
                method, embedded.url + path, headers={"Authorization": f"Bearer {API_KEY.get_secret_value()}"}
            )
            assert answer.status_code in (404, 405)


@pytest.mark.parametrize("wish", [{"verb": "dance", "kind": "hang"}, {"verb": "void", "kind": "x"}, {"verb": "void"}, []])
async def test_a_fault_that_cannot_be_is_refused(embedded, wish):
    async with httpx.AsyncClient() as http:
        assert (await http.post(f"{embedded.url}/_edge/faults", json=wish)).status_code == 400
        assert (await http.post(f"{embedded.url}/_edge/faults", content=b"{}")).status_code == 415


async def test_the_gateway_behind_the_edge_listens_on_no_network_and_the_edge_only_on_loopback(embedded):
    def listening(process):
        tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        return [
            connection.laddr.ip
            for each in tree
            for connection in each.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]

    assert listening(embedded.upstream) == []
    assert listening(embedded.edge) == ["127.0.0.1"]


async def test_everything_survives_a_power_cut_and_nothing_lies_in_the_shared_directory(tmp_path: Path):
    before = written_at(SHARED)
    running = await start_gateway(tmp_path / "state")
    page, gateway = StripeCardPage.connect(API_KEY, running.url), StripeGateway.connect(API_KEY, running.url)
    means = await left_card(page, running.url)
    captured, voided = order_with(means, 100), order_with(means, 200)
    for order in (captured, voided):
        await gateway.authorise(order)
    await gateway.capture(captured)
    await gateway.void(voided)
    visit = await page.begin("onboarding", 1, RETURN_URL, CANCEL_URL)
    port = int(running.url.rpartition(":")[2])
    running.kill()

    running = await start_gateway(tmp_path / "state", port=port)
    try:
        assert (await gateway.find(captured)).state is PaymentState.CAPTURED
        assert (await gateway.authorise(captured)).state is PaymentState.CAPTURED
        assert (await gateway.find(voided)).state is PaymentState.VOIDED
        assert await page.begin("onboarding", 1, RETURN_URL, CANCEL_URL) == visit
        assert len((await running.objects())["payment_intents"]) == 2
    finally:
        await gateway.close()
        await page.close()
        await running.stop()
    assert written_at(SHARED) == before
    store = tmp_path / "state" / "localstripe" / "localstripe.pickle"
    assert store.stat().st_mode & 0o077 == 0


async def test_a_port_that_is_taken_is_said_and_leaves_nothing_running(embedded, tmp_path):
    with pytest.raises(StackError, match="taken by another program"):
        await start_gateway(tmp_path, port=int(embedded.url.rpartition(":")[2]))
