"""Card payments for tests: a customer at the hosted page, and orders to pay."""

import uuid
from urllib.parse import parse_qs, urlsplit

from adapters.payments.card_page import StripeCardPage
from domain.keys import step_key
from domain.money import Money
from domain.payments import PaymentMeans, PaymentOrder
from starter.local.stripe_edge.customer import CardNotTaken, card_in

__all__ = ["CardNotTaken", "card_in", "left_card", "order_with", "session_in"]

SDK_WARNING = "ignore:Use 'content=:DeprecationWarning"
"""stripe 16.1 hands its form to httpx 0.28 as ``data``; with warnings as errors every POST would fail as a broken connection."""

WORKS = "4242424242424242"
DECLINES_AT_CHARGE = "4000000000000341"
REFUSED_AT_ENTRY = "4000000000000002"
ASKS_AT_CHARGE = "4000002760003184"

RETURN_URL = "https://shop.example/back"
CANCEL_URL = "https://shop.example/cancelled"


async def left_card(
    page: StripeCardPage,
    gateway_url: str,
    number: str = WORKS,
    onboarding_id: str | None = None,
    merchant: str | None = None,
) -> PaymentMeans:
    """The means of payment after a customer has been at the gateway's page with a card of this number."""
    onboarding_id = onboarding_id or str(uuid.uuid4())
    back = await card_in(gateway_url, await page.begin(onboarding_id, 1, RETURN_URL, CANCEL_URL, merchant), number)
    means = await page.finished(session_in(back), onboarding_id, merchant)
    assert means is not None
    return means


def session_in(url: str) -> str:
    return parse_qs(urlsplit(url).query)["session"][0]


def order_with(means: PaymentMeans, minor: int = 1999, generation: int = 1, onboarding_id: str | None = None) -> PaymentOrder:
    """An order to pay under a key that no other test has."""
    onboarding_id = onboarding_id or str(uuid.uuid4())
    return PaymentOrder(
        key=step_key(onboarding_id, "payment", generation),
        onboarding_id=onboarding_id,
        amount=Money(minor=minor, currency="GBP"),
        means=means,
    )
