"""The official SDK, set up once, and its errors in the words of the product."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import stripe
from pydantic import AnyHttpUrl, SecretStr
from stripe import RequestOptions

from domain.errors import DialtoneError, PaymentDeclined, Refused, Unavailable

log = logging.getLogger(__name__)

# Stripe's "invalid request" family mixes our mistakes with answers about this one payment. These are answers.
_ANSWERS = {
    "amount_too_small": "The amount is below the least that the card gateway takes in this currency.",
    "amount_too_large": "The amount is above the most that the card gateway takes in this currency.",
    "charge_disputed": "The bank has taken this payment back in a dispute, so it cannot be refunded as well.",
    "refund_disputed_payment": "The bank has taken this payment back in a dispute, so it cannot be refunded as well.",
    "charge_expired_for_capture": "The authorisation has lapsed at the bank and can no longer be captured.",
    "capture_charge_authorization_expired": "The authorisation has lapsed at the bank and can no longer be captured.",
}

# The payment is in another state than we saw a moment ago: somebody else acted. Every verb looks first, so asking again settles it.
_MOVED = frozenset({"payment_intent_unexpected_state", "charge_already_captured", "charge_already_refunded"})


class StripeApi:
    """A connection to Stripe, or to the embedded gateway of the local stack.

    ``timeout`` in seconds bounds one request with all its parts. ``retries`` are the SDK's own, for callers that nobody
    retries; each carries the same idempotency key.
    """

    def __init__(self, api_key: SecretStr, api_base: AnyHttpUrl | str | None, *, timeout: float, retries: int = 0) -> None:
        self._http = stripe.HTTPXClient(timeout=timeout)
        self.client = stripe.StripeClient(
            api_key.get_secret_value(),
            base_addresses={"api": str(api_base).rstrip("/")} if api_base is not None else {},
            http_client=self._http,
            max_network_retries=retries,
        )
        self._limit = (timeout + 1) * (retries + 1) - 1

    @asynccontextmanager
    async def asking(self, what: str) -> AsyncIterator[None]:
        """Bounds the time of the calls inside and translates their errors. ``what`` names the request for people and logs.

        Raises ``PaymentDeclined`` or ``Refused`` for an answer that is no, ``Unavailable`` for everything else: a gateway that
        is down, busy or set up wrongly. The last one waits too, because a wrong key must not cost a customer the order.
        """
        try:
            # The HTTP client's own timeout starts anew with every byte, so a trickling answer needs this one.
            async with asyncio.timeout(self._limit):
                yield
        except TimeoutError:
            log.warning("The card gateway did not answer in time (%s).", what)
            raise Unavailable(
                "The card gateway did not answer in time; whether it acted is unknown until it is asked.",
                code="gateway_timeout",
            ) from None
        except stripe.StripeError as error:
            # Not chained: the vendor's error carries response bodies, and causes end in workflow histories.
            raise translate(error, what) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call]


def on_account(merchant: str | None, idempotency_key: str | None = None) -> RequestOptions:
    """The options of a request to this connected account (a direct charge of Stripe Connect), or to the key's own if unset.

    Stripe keeps the idempotency keys of each account apart.
    """
    options: RequestOptions = {} if merchant is None else {"stripe_account": merchant}
    return options if idempotency_key is None else {**options, "idempotency_key": idempotency_key}


def translate(error: stripe.StripeError, what: str) -> DialtoneError:
    """The vendor's error in our words; logs what an operator needs to find it at the vendor."""
    if isinstance(error, stripe.CardError):
        return declined(error.error.decline_code if error.error else None, error.code)
    log.warning(
        "The card gateway refused or failed (%s): %s, status %s, code %s, request %s.",
        what,
        type(error).__name__,
        error.http_status,
        error.code,
        error.request_id,
    )
    retry_after = _seconds(error)
    if isinstance(error, stripe.RateLimitError):
        return Unavailable(
            "The card gateway asks us to slow down; try again later.", code="gateway_busy", retry_after=retry_after
        )
    if isinstance(error, stripe.APIConnectionError):
        return Unavailable(
            "The card gateway cannot be reached or did not answer in time; whether it acted is unknown until it is asked.",
            code="gateway_unreachable",
        )
    if error.code in _MOVED:
        return Unavailable("The payment changed while we acted on it; ask again.", code="payment_moved", retry_after=1.0)
    if isinstance(error, stripe.InvalidRequestError) and error.code in _ANSWERS:
        return Refused(_ANSWERS[error.code], code=error.code)
    if isinstance(error, stripe.InvalidRequestError) and error.code == "resource_missing" and error.param == "payment_method":
        return PaymentDeclined("The gateway no longer has this card; another card is needed.", code="card_missing")
    if isinstance(
        error, stripe.InvalidRequestError | stripe.AuthenticationError | stripe.PermissionError | stripe.IdempotencyError
    ):
        log.error("The card gateway does not accept how we asked (%s): check the API key and the account's settings.", what)
        return Unavailable(
            "The card gateway does not accept our request: the API key, the account's settings or this program is wrong. "
            "The payment waits; an operator must look at the log.",
            code="gateway_misconfigured",
        )
    if error.http_status == 409:
        return Unavailable(
            "An earlier request for the same payment is still being worked on; try again shortly.",
            code="gateway_busy",
            retry_after=retry_after,
        )
    return Unavailable(
        "The card gateway failed; whether it acted is unknown until it is asked.", code="gateway_error", retry_after=retry_after
    )


def declined(decline_code: str | None, error_code: str | None) -> PaymentDeclined:
    """A bank's no. The bank's own reason where it gave one, else what the gateway calls it."""
    reason = decline_code if decline_code not in (None, "", "generic_decline") else error_code
    code = (reason or "card_declined").lower()
    if code in ("authentication_required", "payment_intent_authentication_failure"):
        return authentication_required()
    return PaymentDeclined("The bank declined the card; another card, or a word with the bank, is needed.", code=code)


def authentication_required() -> PaymentDeclined:
    """The bank wants the cardholder's confirmation, and no cardholder is present when we charge."""
    return PaymentDeclined(
        "The bank wants the cardholder to confirm this payment, which is not possible while nobody is at the page; "
        "the card has to be entered again, or another one.",
        code="authentication_required",
    )


def _seconds(error: stripe.StripeError) -> float | None:
    value = (error.headers or {}).get("retry-after") or ""
    return float(value) if value.isascii() and value.isdecimal() else None
