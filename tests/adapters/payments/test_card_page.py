"""The hosted card page and its reports, through the real SDK, filled in over HTTP as a customer without JavaScript would."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import stripe
from pydantic import SecretStr

from adapters.payments.card_page import StripeCardPage, StripeWebhooks, read_webhook
from adapters.payments.stripe_api import StripeApi
from domain.errors import Refused, Unavailable
from domain.payments import CardVisit, MeansKind
from starter.local.stripe_edge import RunningGateway, start_gateway
from tests.adapters.payments.conftest import API_KEY
from tests.stripe import (
    CANCEL_URL,
    REFUSED_AT_ENTRY,
    RETURN_URL,
    SDK_WARNING,
    WORKS,
    CardNotTaken,
    card_in,
    left_card,
    session_in,
)

pytestmark = pytest.mark.filterwarnings(SDK_WARNING)


@pytest.fixture
def onboarding() -> str:
    return str(uuid.uuid4())


async def test_a_visit_brings_the_customer_back_with_a_card_of_theirs(page, embedded, onboarding):
    url = await page.begin(onboarding, 1, f"{RETURN_URL}?step=card", CANCEL_URL)
    back = await card_in(embedded.url, url, "4242 4242 4242 4242")
    assert back.startswith(f"{RETURN_URL}?step=card&session=cs_")
    means = await page.finished(session_in(back), onboarding)
    assert (means.kind, means.reference[:3], means.customer[:4]) == (MeansKind.CARD, "pm_", "cus_")


async def test_the_same_visit_is_given_while_it_is_open_and_a_new_one_after_it(page, embedded, onboarding):
    first = await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL)
    assert await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL) == first
    await card_in(embedded.url, first, WORKS)
    second = await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL)
    assert second != first
    assert await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL) == second
    assert await page.begin(onboarding, 2, RETURN_URL, CANCEL_URL) not in (first, second)


async def test_an_expired_visit_is_replaced(page, embedded, onboarding):
    first = await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL)
    api = StripeApi(API_KEY, embedded.url, timeout=5)
    await api.client.v1.checkout.sessions.expire_async(first.rpartition("/")[2])
    await api.close()
    assert await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL) != first
    with pytest.raises(CardNotTaken, match="expired"):
        await card_in(embedded.url, first, WORKS)


async def test_a_visit_begun_ten_times_at_once_is_one(page, onboarding):
    answers = await asyncio.gather(
        *[page.begin(onboarding, 1, RETURN_URL, CANCEL_URL) for _ in range(10)], return_exceptions=True
    )
    assert len({answer for answer in answers if isinstance(answer, str)}) == 1
    assert all(isinstance(answer, str | Unavailable) for answer in answers), answers


async def test_a_changed_address_begins_a_new_visit_and_is_no_error(page, onboarding):
    first = await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL)
    assert await page.begin(onboarding, 1, "https://other.example/back", CANCEL_URL) != first


async def test_visits_are_bounded(page, embedded, onboarding):
    for _ in range(10):
        await card_in(embedded.url, await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL), WORKS)
    with pytest.raises(Unavailable) as refused:
        await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL)
    assert refused.value.code == "card_page_exhausted"


async def test_a_visit_counts_only_when_finished_and_only_for_its_own_onboarding(page, embedded, onboarding):
    url = await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL)
    session = url.rpartition("/")[2]
    assert await page.finished(session, onboarding) is None
    await card_in(embedded.url, url, WORKS)
    assert await page.finished(session, onboarding) is not None
    assert await page.finished(session, str(uuid.uuid4())) is None
    assert await page.finished("cs_test_invented", onboarding) is None
    assert await page.finished("../payment_intents", onboarding) is None


async def test_a_card_refused_on_the_page_leaves_the_visit_open_for_another(page, embedded, onboarding):
    url = await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL)
    with pytest.raises(CardNotTaken, match="refused"):
        await card_in(embedded.url, url, REFUSED_AT_ENTRY)
    assert await page.finished(url.rpartition("/")[2], onboarding) is None
    assert await page.finished(session_in(await card_in(embedded.url, url, WORKS)), onboarding) is not None


async def test_sending_the_page_twice_leaves_one_card(page, embedded, onboarding):
    url = await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL)
    form = {"number": WORKS, "expiry": "12/34", "cvc": "123"}
    async with httpx.AsyncClient() as browser:
        sent = await asyncio.gather(*[browser.post(url, data=form) for _ in range(4)])
        again = await browser.get(url)
    assert {answer.headers["location"] for answer in sent} == {f"{RETURN_URL}?session={url.rpartition('/')[2]}"}
    assert "Card saved" in again.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"number": "4111111111111111"}, "never takes a real card"),
        ({"number": ""}, "Enter a card number"),
        ({"expiry": "01/20"}, "in the future"),
        ({"expiry": "13/34"}, "like 12/34"),
        ({"expiry": "soon"}, "like 12/34"),
        ({"cvc": "12"}, "three digits"),
        ({"cvc": "١٢٣"}, "three digits"),
    ],
)
async def test_what_is_wrong_is_said_and_the_number_is_not_repeated(page, onboarding, fields, said):
    url = await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL)
    form = {"number": "4111111111111111", "expiry": "12/34", "cvc": "123", **fields}
    async with httpx.AsyncClient() as browser:
        sent = await browser.post(url, data=form)
    assert sent.status_code == 422
    assert said in sent.text
    assert "4111111111111111" not in sent.text
    assert sent.text.count('aria-invalid="true"') == sent.text.count('class="error"') >= 1


async def test_a_page_that_never_was_is_said_not_to_be_there(embedded):
    async with httpx.AsyncClient() as browser:
        for answer in (await browser.get(f"{embedded.url}/c/pay/x"), await browser.post(f"{embedded.url}/c/pay/x", data={})):
            assert answer.status_code == 404
            assert "Page not found" in answer.text


async def test_the_page_lets_nothing_foreign_in_and_leads_only_back(page, onboarding):
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL))
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' https://shop.example;" in policy
    assert "<script" not in answer.text


# Reports

SECRET = SecretStr("whsec_test")


def report(secret: str = "whsec_test", at: float | None = None, **fields: object) -> tuple[bytes, str]:
    session = {"object": "checkout.session", "id": "cs_1", "mode": "setup", "client_reference_id": "onboarding", **fields}
    body = json.dumps(
        {"object": "event", "type": fields.pop("event", "checkout.session.completed"), "data": {"object": session}}
    )
    return body.encode(), stripe.WebhookSignature.generate_signature_header(body, secret, int(at or time.time()))


def test_a_signed_report_names_the_visit():
    assert read_webhook(*report(), SECRET) == CardVisit(session="cs_1", onboarding_id="onboarding")
    assert StripeWebhooks(SECRET).visit(*report()) == CardVisit(session="cs_1", onboarding_id="onboarding")


def test_a_report_may_be_signed_with_the_old_and_the_new_secret():
    body, new = report()
    old = report("whsec_old")[1].partition("v1=")[2]
    assert read_webhook(body, f"{new},v1={old}", SECRET) is not None


def test_of_two_endpoints_each_has_its_own_secret():
    both = SecretStr("whsec_test, whsec_connect")
    for secret in ("whsec_test", "whsec_connect"):
        assert read_webhook(*report(secret), both) is not None
    for secret in ("whsec_test, whsec_connect", "whsec_other", ""):
        with pytest.raises(Refused):
            read_webhook(*report(secret), both)


def test_without_a_secret_nothing_is_believed():
    for nothing in ("", ","):
        with pytest.raises(Refused):
            read_webhook(*report(""), SecretStr(nothing))


@pytest.mark.parametrize(
    "fields", [{"event": "charge.succeeded"}, {"mode": "payment"}, {"client_reference_id": None}, {"id": 7}]
)
def test_other_reports_are_none_of_ours(fields):
    assert read_webhook(*report(**fields), SECRET) is None


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        report("whsec_other"),
        report(at=time.time() - 301),
        report(at=time.time() + 86_400),  # written when tests are collected, read much later
        (report()[0], ""),
        (report()[0], "t=now,v1=x"),
        (report()[0] + b" ", report()[1]),
        (b"\xff", report()[1]),
    ],
    ids=["other secret", "stale", "from the future", "none", "nonsense", "changed", "not text"],
)
def test_a_report_without_a_current_signature_is_refused(body, signature):
    with pytest.raises(Refused) as refused:
        read_webhook(body, signature, SECRET)
    assert refused.value.code == "bad_signature"


@pytest.mark.parametrize("body", ["[]", "null", '"text"', "7", "no json", "[" * 100_000])
def test_what_is_signed_and_no_event_is_a_bad_request(body):
    with pytest.raises(Refused) as refused:
        read_webhook(body.encode(), stripe.WebhookSignature.generate_signature_header(body, "whsec_test"), SECRET)
    assert refused.value.code == "bad_request"


def test_clocks_may_differ_by_minutes():
    assert read_webhook(*report(at=time.time() + 240), SECRET) is not None
    assert read_webhook(*report(at=time.time() - 240), SECRET) is not None


@pytest.fixture
async def listener() -> AsyncIterator[tuple[str, asyncio.Queue[tuple[bytes, str]]]]:
    """A product that takes a report at the second attempt."""
    taken: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()
    attempts = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(
            line.lower().split(": ", 1) if i else ("", "") for i, line in enumerate(head.split("\r\n")) if ": " in line
        )
        body = await reader.readexactly(int(headers["content-length"]))
        writer.write(f"HTTP/1.1 {500 if attempts == 1 else 204} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        if attempts > 1:
            await taken.put((body, headers["stripe-signature"]))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhooks/stripe", taken
    server.close()


async def test_the_embedded_gateway_reports_a_visit_until_it_is_taken_even_over_a_restart(
    tmp_path: Path, listener: tuple[str, asyncio.Queue[tuple[bytes, str]]], onboarding: str
):
    url, taken = listener
    nowhere = "http://127.0.0.1:9/"
    running: RunningGateway = await start_gateway(tmp_path, webhook_url=nowhere, webhook_secret="whsec_test")
    page = StripeCardPage.connect(API_KEY, running.url)
    try:
        await card_in(running.url, await page.begin(onboarding, 1, RETURN_URL, CANCEL_URL), WORKS)
    finally:
        await page.close()
        running.kill()
    running = await start_gateway(tmp_path, webhook_url=url, webhook_secret="whsec_test")
    try:
        body, signature = await asyncio.wait_for(taken.get(), 10)
    finally:
        await running.stop()
    visit = read_webhook(body, signature, SECRET)
    assert visit is not None
    assert visit.onboarding_id == onboarding


async def test_the_report_of_a_connected_account_names_it_and_is_read_like_any_other(
    tmp_path: Path, listener: tuple[str, asyncio.Queue[tuple[bytes, str]]], onboarding: str
):
    url, taken = listener
    running = await start_gateway(tmp_path, webhook_url=url, webhook_secret="whsec_test", persistent=False)
    page = StripeCardPage.connect(API_KEY, running.url)
    try:
        means = await left_card(page, running.url, onboarding_id=onboarding, merchant="acct_1North")
        body, signature = await asyncio.wait_for(taken.get(), 10)
        assert json.loads(body)["account"] == "acct_1North"
        visit = read_webhook(body, signature, SECRET)
        assert visit is not None
        assert await page.finished(visit.session, visit.onboarding_id, "acct_1North") == means
    finally:
        await page.close()
        await running.stop()
