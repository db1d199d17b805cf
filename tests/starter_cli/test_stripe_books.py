"""The books of a Stripe account, as the audit reads them in production: every page, in Stripe's own shapes."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from adapters.books import charges_at_stripe
from adapters.payments.stripe_api import StripeApi
from domain.books import ChargeBook
from domain.errors import Unavailable


def an_intent(name: str, status: str, **charge: Any) -> dict[str, Any]:
    return {
        "id": name,
        "object": "payment_intent",
        "amount": 6000,
        "amount_received": 6000 if status == "succeeded" else 0,
        "currency": "gbp",
        "status": status,
        "metadata": {"onboarding_id": f"order of {name}"},
        "latest_charge": {"id": f"ch_{name}", "object": "charge", "amount": 6000, "amount_refunded": 0, **charge},
    }


PAGES = {
    None: [an_intent("pi_kept", "succeeded"), an_intent("pi_back", "succeeded", amount_refunded=6000)],
    # Stripe shows the charge of a voided authorisation as refunded, though nothing was ever taken.
    "pi_back": [an_intent("pi_held", "requires_capture"), an_intent("pi_void", "canceled", amount_refunded=6000)],
}


SOLD_BY = {"our own": [], "acct_1Brumtel": [an_intent("pi_shop", "succeeded") | {"metadata": {}}]}
"""What an account also took, for other business than ours."""


@pytest.fixture
def account() -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """The address of an account with four payments on two pages, and what was asked of it."""
    asked: list[dict[str, list[str]]] = []

    class Account(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            whose = self.headers.get("Stripe-Account", "our own")
            asked.append(query | {"account": [whose]})
            last = query.get("starting_after", [None])[0]
            body = {
                "object": "list",
                "url": "/v1/payment_intents",
                "data": [*SOLD_BY[whose], *PAGES[last]],
                "has_more": last is None,
            }
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Account) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


async def test_every_page_is_read_and_each_payment_is_what_it_is(account: tuple[str, list[dict[str, list[str]]]]) -> None:
    url, asked = account
    api = StripeApi(SecretStr("sk_test_x"), url, timeout=5)
    try:
        found = await charges_at_stripe(api)
    finally:
        await api.close()

    def book(name: str, **minor: int) -> ChargeBook:
        amounts = {"authorised_minor": 0, "captured_minor": 0, "refunded_minor": 0} | minor
        return ChargeBook(reference=name, onboarding_id=f"order of {name}", currency="GBP", **amounts)

    assert found == (
        book("pi_kept", captured_minor=6000),
        book("pi_back", captured_minor=6000, refunded_minor=6000),
        book("pi_held", authorised_minor=6000),
        book("pi_void"),
    )
    assert [query["account"] for query in asked] == [["our own"]] * 2
    assert all(query["expand[0]"] == ["data.latest_charge"] for query in asked)


async def test_of_a_white_labels_account_every_page_is_read_and_its_other_business_left_out(
    account: tuple[str, list[dict[str, list[str]]]],
) -> None:
    url, asked = account
    api = StripeApi(SecretStr("sk_test_x"), url, timeout=5)
    try:
        found = await charges_at_stripe(api, "acct_1Brumtel")
    finally:
        await api.close()
    assert [(charge.reference, charge.merchant) for charge in found] == [
        (name, "acct_1Brumtel") for name in ("pi_kept", "pi_back", "pi_held", "pi_void")
    ]
    assert [query["account"] for query in asked] == [["acct_1Brumtel"]] * 2


async def test_an_account_that_does_not_answer_is_unavailable_and_not_empty() -> None:
    api = StripeApi(SecretStr("sk_test_x"), "http://127.0.0.1:9", timeout=2)
    try:
        with pytest.raises(Unavailable):
            await charges_at_stripe(api)
    finally:
        await api.close()
