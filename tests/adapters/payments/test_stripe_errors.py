"""Stripe's documented errors, spoken by a server that says one thing, through the real SDK."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.payments.stripe import StripeGateway
from domain.errors import DialtoneError, PaymentDeclined, Refused, Unavailable
from domain.payments import MeansKind, PaymentMeans
from tests.adapters.payments.conftest import API_KEY
from tests.stripe import SDK_WARNING, order_with

pytestmark = pytest.mark.filterwarnings(SDK_WARNING)

PAYMENT = order_with(PaymentMeans(kind=MeansKind.CARD, reference="pm_1", customer="cus_1"))

EMPTY = {"object": "list", "data": [], "has_more": False, "url": "/v1/payment_intents"}


def answer(status: int, body: Any, **headers: str) -> bytes:
    text = body if isinstance(body, str) else json.dumps(body)
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(text)}", "Connection: close"]
    return "\r\n".join([*lines, *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()), "", text]).encode()


def error(status: int, kind: str, code: str | None = None, headers: dict[str, str] | None = None, **fields: str) -> bytes:
    body = {"type": kind, "code": code, "message": "Mr Smith's card 4242", **fields}
    return answer(status, {"error": body}, Request_Id="req_1", **(headers or {}))


@asynccontextmanager
async def stripe_that_says(*answers: bytes, trickle: bool = False) -> AsyncIterator[StripeGateway]:
    """A gateway whose requests are answered with these, in turn; the last one again and again."""
    waiting = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        try:
            if trickle:
                for byte in reply:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.1)
            writer.write(reply)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    timeout = 0.4 if trickle else 20.0
    gateway = StripeGateway.connect(API_KEY, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=timeout)
    try:
        yield gateway
    finally:
        await gateway.close()
        server.close()
        await asyncio.sleep(0)


async def refusal(*answers: bytes, trickle: bool = False) -> DialtoneError:
    async with stripe_that_says(*answers, trickle=trickle) as gateway:
        with pytest.raises(DialtoneError) as raised:
            await gateway.authorise(PAYMENT)
    return raised.value


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (error(402, "card_error", "card_declined", decline_code="insufficient_funds"), PaymentDeclined, "insufficient_funds"),
        (error(402, "card_error", "card_declined", decline_code="generic_decline"), PaymentDeclined, "card_declined"),
        (error(402, "card_error", "expired_card"), PaymentDeclined, "expired_card"),
        (error(402, "card_error", "authentication_required"), PaymentDeclined, "authentication_required"),
        (
            error(402, "card_error", "card_declined", decline_code="authentication_required"),
            PaymentDeclined,
            "authentication_required",
        ),
        (error(400, "invalid_request_error", "resource_missing", param="payment_method"), PaymentDeclined, "card_missing"),
        (error(400, "invalid_request_error", "amount_too_small"), Refused, "amount_too_small"),
        (error(400, "invalid_request_error", "charge_disputed"), Refused, "charge_disputed"),
        (error(400, "invalid_request_error", "parameter_unknown"), Unavailable, "gateway_misconfigured"),
        (error(400, "invalid_request_error", "payment_intent_unexpected_state"), Unavailable, "payment_moved"),
        (error(400, "idempotency_error"), Unavailable, "gateway_misconfigured"),
        (error(401, "invalid_request_error"), Unavailable, "gateway_misconfigured"),
        (error(403, "invalid_request_error"), Unavailable, "gateway_misconfigured"),
        (error(404, "invalid_request_error", "resource_missing"), Unavailable, "gateway_misconfigured"),
        (error(409, "idempotency_error", "idempotency_key_in_use"), Unavailable, "gateway_busy"),
        (error(429, "invalid_request_error", "rate_limit"), Unavailable, "gateway_busy"),
        (error(500, "api_error"), Unavailable, "gateway_error"),
        (answer(502, "<html>Bad gateway</html>"), Unavailable, "gateway_error"),
        (answer(200, "not json"), Unavailable, "gateway_error"),
        (b"nonsense", Unavailable, "gateway_unreachable"),
    ],
)
async def test_an_error_of_the_vendor_becomes_one_of_ours(reply: bytes, kind: type[DialtoneError], code: str) -> None:
    raised = await refusal(answer(200, EMPTY), reply)
    assert (type(raised), raised.code) == (kind, code)


async def test_how_long_to_wait_is_taken_from_the_answer() -> None:
    raised = await refusal(error(429, "invalid_request_error", headers={"Retry_After": "7"}))
    assert isinstance(raised, Unavailable)
    assert raised.retry_after == 7.0


async def test_nothing_of_the_vendors_message_ends_in_ours_or_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="adapters"):
        raised = await refusal(error(400, "invalid_request_error", "parameter_unknown"))
    assert raised.__cause__ is None
    assert raised.__suppress_context__
    assert "Smith" not in str(raised) + caplog.text
    assert "req_1" in caplog.text
    assert "check the API key" in caplog.text


async def test_an_answer_that_trickles_in_is_given_up_all_the_same() -> None:
    raised = await refusal(answer(200, EMPTY), trickle=True)
    assert raised.code == "gateway_timeout"


async def test_a_gateway_that_is_not_there_is_unavailable() -> None:
    gateway = StripeGateway.connect(API_KEY, "http://127.0.0.1:9", timeout=20.0)
    with pytest.raises(Unavailable) as raised:
        await gateway.find(PAYMENT)
    assert raised.value.code == "gateway_unreachable"
    await gateway.close()


INTENT = {
    "object": "payment_intent",
    "id": "pi_1",
    "amount": 1999,
    "currency": "gbp",
    "metadata": {"dialtone_key": PAYMENT.key},
}


def holding(**fields: Any) -> bytes:
    return answer(200, {**EMPTY, "data": [{**INTENT, "latest_charge": None, "cancellation_reason": None, **fields}]})


async def test_an_intent_the_bank_has_not_decided_on_is_waited_for() -> None:
    assert (await refusal(holding(status="processing"))).code == "payment_undecided"


@pytest.mark.parametrize("status", ["failed", "canceled"])
async def test_a_refund_that_the_bank_returns_is_not_taken_for_one(status: str) -> None:
    charge = {"object": "charge", "id": "ch_1", "refunded": False}
    refund = answer(200, {"object": "refund", "id": "re_1", "status": status})
    async with stripe_that_says(holding(status="succeeded", latest_charge=charge), refund) as gateway:
        with pytest.raises(Refused) as raised:
            await gateway.refund(PAYMENT)
    assert raised.value.code == "refund_failed"


async def test_of_two_intents_under_one_key_the_one_that_holds_money_counts(caplog: pytest.LogCaptureFixture) -> None:
    failed = {**INTENT, "id": "pi_0", "status": "requires_payment_method", "latest_charge": None, "cancellation_reason": None}
    held = {**failed, "id": "pi_1", "status": "requires_capture"}
    async with stripe_that_says(answer(200, {**EMPTY, "data": [failed, held]})) as gateway:
        found = await gateway.find(PAYMENT)
    assert found is not None
    assert found.reference == "pi_1"
    async with stripe_that_says(answer(200, {**EMPTY, "data": [held, {**held, "id": "pi_2"}]})) as gateway:
        await gateway.find(PAYMENT)
    assert "more than once: pi_1, pi_2" in caplog.text
