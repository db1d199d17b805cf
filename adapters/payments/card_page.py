"""Stripe's hosted page in setup mode: the customer leaves a card there, and we get a reference to it, never the card."""

import hashlib
import json
import time

import stripe
from pydantic import AnyHttpUrl, SecretStr
from stripe import Customer, PaymentMethod, SetupIntent
from stripe.checkout import Session

from adapters.payments.stripe_api import StripeApi, on_account
from domain.errors import Refused, Unavailable
from domain.payments import CardVisit, MeansKind, PaymentMeans

_VISITS = 10
"""Sessions that one generation may use up in a day. More is a page reloaded by a machine."""

_TOLERANCE_SECONDS = 300


class StripeCardPage:
    """Implements ``domain.ports.HostedCardPage``. Remembers nothing: what was begun is asked of Stripe."""

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    @classmethod
    def connect(cls, api_key: SecretStr, api_base: AnyHttpUrl | str | None = None, *, timeout: float = 5.0) -> "StripeCardPage":
        """``timeout`` is for one request, in seconds. One retry, because a person is waiting for the page."""
        return cls(StripeApi(api_key, api_base, timeout=timeout, retries=1))

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def begin(
        self, onboarding_id: str, generation: int, return_url: str, cancel_url: str, merchant: str | None = None
    ) -> str:
        """The URL to send the browser to. It comes back to ``return_url`` with ``session=<id>`` added to the query.

        The same arguments give the same visit while it is open, then a new one. The customer and the card are kept on the
        account ``merchant``. Raises ``Unavailable``.
        """
        mark = hashlib.sha256(f"{return_url}\n{cancel_url}".encode()).hexdigest()[:12]
        async with self._api.asking("card page"):
            customer = await self._api.client.v1.customers.create_async(
                {"metadata": {"onboarding_id": onboarding_id}}, options=on_account(merchant, f"{onboarding_id}:card_customer")
            )
            for visit in range(1, _VISITS + 1):
                session = await self._session(
                    onboarding_id, generation, customer, return_url, cancel_url, f"{mark}:{visit}", merchant
                )
                if session.status == "open" and session.url:
                    return session.url
        raise Unavailable(
            "This order has opened the card page too often today; try again tomorrow.",
            code="card_page_exhausted",
            retry_after=3600.0,
        )

    async def finished(self, session: str, onboarding_id: str, merchant: str | None = None) -> PaymentMeans | None:
        """The card that the visit left, or ``None`` if it is not finished, not this onboarding's, or never was on this account."""
        async with self._api.asking("card visit"):
            try:
                visit = await self._api.client.v1.checkout.sessions.retrieve_async(
                    session, {"expand": ["setup_intent"]}, options=on_account(merchant)
                )
            except stripe.InvalidRequestError as error:
                if error.http_status == 404:
                    return None
                raise
        setup = visit.setup_intent
        if visit.client_reference_id != onboarding_id or visit.status != "complete":
            return None
        if not isinstance(setup, SetupIntent) or setup.status != "succeeded" or setup.payment_method is None:
            return None
        customer = visit.customer
        return PaymentMeans(
            kind=MeansKind.CARD,
            reference=setup.payment_method.id if isinstance(setup.payment_method, PaymentMethod) else setup.payment_method,
            customer=customer.id if isinstance(customer, Customer) else customer,
            merchant=merchant,
        )

    async def _session(
        self,
        onboarding_id: str,
        generation: int,
        customer: Customer,
        return_url: str,
        cancel_url: str,
        mark: str,
        merchant: str | None,
    ) -> Session:
        """The visit of this mark as it is now: begun, or seen again.

        Stripe keeps an open session for 24 hours and forgets keys no sooner, so a key that is known finds its session and a
        key that is forgotten had a session that has expired. The addresses are in the key because one key with other
        parameters is an error.
        """
        sessions = self._api.client.v1.checkout.sessions
        tag = {"onboarding_id": onboarding_id, "generation": str(generation)}
        session = await sessions.create_async(
            {
                "mode": "setup",
                "customer": customer.id,
                "allowed_payment_method_types": ["card"],
                "client_reference_id": onboarding_id,
                "success_url": f"{return_url}{'&' if '?' in return_url else '?'}session={{CHECKOUT_SESSION_ID}}",
                "cancel_url": cancel_url,
                "metadata": tag,
                "setup_intent_data": {"metadata": tag},
            },
            options=on_account(merchant, f"{onboarding_id}:card_page:{generation}:{mark}"),
        )
        headers = session.last_response.headers if session.last_response else {}
        # A replayed answer shows the session as it was when it began.
        if headers.get("idempotent-replayed") != "true":
            return session
        return await sessions.retrieve_async(session.id, options=on_account(merchant))


class StripeWebhooks:
    """What Stripe reports about card visits. A report is only a hint: the visit is read again before it counts."""

    def __init__(self, secret: SecretStr) -> None:
        self._secret = secret

    def visit(self, body: bytes, signature: str) -> CardVisit | None:
        """See ``read_webhook``."""
        return read_webhook(body, signature, self._secret)


def read_webhook(payload: bytes, signature: str, secret: SecretStr) -> CardVisit | None:
    """The completed card visit in a webhook, ``None`` for any other event. ``payload`` is the body as it came.

    ``secret`` is one signing secret or several with commas between: at Stripe an endpoint listens either to the platform's own
    account or to connected ones, so an installation that has both has two endpoints, each with its secret. Raises ``Refused`` if the signature is wrong, more than five minutes old or as much too early, or what it signs is no event.
    """
    secrets = (one.strip() for one in secret.get_secret_value().split(","))
    if not any(_genuine(payload, signature, one) for one in secrets if one):
        raise Refused(
            "This report does not carry a current signature of the card gateway, so it was not believed.", code="bad_signature"
        )
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise Refused("This report is signed, but no JSON object. The card gateway sends none like it.", code="bad_request")
    data = event.get("data")
    session = data.get("object") if isinstance(data, dict) else None
    if event.get("type") != "checkout.session.completed" or not isinstance(session, dict) or session.get("mode") != "setup":
        return None
    reference, onboarding = session.get("id"), session.get("client_reference_id")
    if not isinstance(reference, str) or not isinstance(onboarding, str):
        return None
    return CardVisit(session=reference, onboarding_id=onboarding)


def _genuine(payload: bytes, signature: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(payload, signature, secret, _TOLERANCE_SECONDS)
        # The SDK looks at the past only: a report that is dated ahead could be repeated for as long.
        return _signed_at(signature) <= time.time() + _TOLERANCE_SECONDS
    except (stripe.SignatureVerificationError, UnicodeDecodeError, ValueError):
        return False


def _signed_at(signature: str) -> int:
    """The time that the signature covers: the first ``t=`` of the header, as the SDK reads it."""
    stamps = (value for name, _, value in (item.partition("=") for item in signature.split(",")) if name == "t")
    return int(next(stamps, ""))
