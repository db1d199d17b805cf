"""The payment gateway port on Stripe's PaymentIntents with manual capture."""

import logging

from pydantic import AnyHttpUrl, SecretStr
from stripe import Charge, PaymentIntent, RequestOptions

from adapters.payments.stripe_api import StripeApi, authentication_required, declined, on_account
from domain.errors import KeyClosed, PaymentDeclined, Refused, Unavailable
from domain.money import Money
from domain.payments import MeansKind, Payment, PaymentOrder, PaymentState

log = logging.getLogger(__name__)

KEY = "dialtone_key"
"""Metadata field that carries our key, so that a payment can be found when the gateway has forgotten its idempotency key."""

# Several intents can carry one key if Stripe forgot the idempotency key after a decline. The one that moved money counts.
_RANK = {"succeeded": 0, "requires_capture": 1, "processing": 2, "requires_action": 3, "canceled": 4}


class StripeGateway:
    """Implements ``domain.ports.PaymentGateway``.

    Every verb looks before it acts: Stripe forgets idempotency keys after 24 hours but never a PaymentIntent, and a replayed
    answer shows the past. The idempotency key covers what looking cannot see, two attempts at the same instant.
    """

    def __init__(self, api: StripeApi) -> None:
        self._api = api
        self._payment_intents = api.client.v1.payment_intents

    @classmethod
    def connect(cls, api_key: SecretStr, api_base: AnyHttpUrl | str | None = None, *, timeout: float = 10.0) -> "StripeGateway":
        """``timeout`` is for one request, in seconds; a verb makes three at most. No retries: the process retries durably."""
        return cls(StripeApi(api_key, api_base, timeout=timeout))

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def authorise(self, payment: PaymentOrder) -> Payment:
        """Reserve the amount on the card.

        Raises ``PaymentDeclined``, also when the same key was declined before; ``KeyClosed`` if it was voided or refunded.
        """
        intent = await self._look(payment) or await self._create(payment)
        if (intent.amount, intent.currency) != (payment.amount.minor, payment.amount.currency.lower()):
            log.error("The key %s was used before for another amount.", payment.key)
            raise Unavailable(
                "The gateway holds another amount under this payment's key; an operator must look.",
                code="gateway_misconfigured",
            )
        if intent.status == "requires_action":
            # Nobody sits at the page any more: the intent would wait for a confirmation that can never come.
            await self._abandon(payment, intent)
            raise authentication_required()
        if (refusal := _refusal(intent)) is not None:
            raise refusal
        state = _state(intent)
        if state in (PaymentState.VOIDED, PaymentState.REFUNDED):
            raise KeyClosed("This payment was released before; it is not made again under the same key.")
        if state is None:
            raise Unavailable("The bank has not decided on this payment yet; ask again shortly.", code="payment_undecided")
        return _payment(payment, intent, state)

    async def capture(self, payment: PaymentOrder) -> Payment:
        """Take what was authorised. Raises ``Refused`` (``payment_unknown``, ``payment_voided``)."""
        intent, state = await self._known(payment)
        if state is PaymentState.VOIDED:
            raise Refused("The authorisation was voided or has lapsed, so there is nothing to capture.", code="payment_voided")
        if state is PaymentState.AUTHORISED:
            async with self._api.asking("capture"):
                await self._payment_intents.capture_async(intent.id, options=_once(payment, "capture"))
            state = PaymentState.CAPTURED
        return _payment(payment, intent, state)

    async def void(self, payment: PaymentOrder) -> Payment:
        """Let go of an authorisation. Raises ``Refused`` (``payment_unknown``, ``payment_captured``: refund that)."""
        intent, state = await self._known(payment)
        if state is PaymentState.CAPTURED:
            raise Refused("The payment is captured already; refund it instead of voiding it.", code="payment_captured")
        if state is PaymentState.AUTHORISED:
            async with self._api.asking("void"):
                await self._payment_intents.cancel_async(intent.id, options=_once(payment, "void"))
            state = PaymentState.VOIDED
        return _payment(payment, intent, state)

    async def refund(self, payment: PaymentOrder) -> Payment:
        """Pay a capture back in full; what was paid back by hand before is not paid again.

        Raises ``Refused`` (``payment_unknown``, ``payment_not_captured``: void that, ``refund_failed``, ``charge_disputed``).
        """
        intent, state = await self._known(payment)
        if state is PaymentState.AUTHORISED:
            raise Refused("The payment is not captured; void it instead of refunding it.", code="payment_not_captured")
        if state is PaymentState.CAPTURED:
            async with self._api.asking("refund"):
                refund = await self._api.client.v1.refunds.create_async(
                    {"payment_intent": intent.id, "metadata": _metadata(payment)}, options=_once(payment, "refund")
                )
            if refund.status in ("failed", "canceled"):
                raise Refused("The bank did not accept the refund; pay the customer back another way.", code="refund_failed")
            state = PaymentState.REFUNDED
        return _payment(payment, intent, state)

    async def find(self, payment: PaymentOrder) -> Payment | None:
        """What Stripe holds under our key, however long ago. An attempt that never held money is ``None``."""
        intent = await self._look(payment)
        state = _state(intent) if intent else None
        return _payment(payment, intent, state) if intent and state else None

    async def _known(self, payment: PaymentOrder) -> tuple[PaymentIntent, PaymentState]:
        intent = await self._look(payment)
        state = _state(intent) if intent else None
        if intent is None or state is None:
            raise Refused("The card gateway holds no payment under this key.", code="payment_unknown")
        return intent, state

    async def _look(self, payment: PaymentOrder) -> PaymentIntent | None:
        """The intent under our key among all of the customer's. Not Stripe's search: that lags behind by up to a minute."""
        async with self._api.asking("find"):
            page = await self._payment_intents.list_async(
                {"customer": _customer(payment), "limit": 100, "expand": ["data.latest_charge"]},
                options=on_account(payment.means.merchant),
            )
            ours = [intent async for intent in page.auto_paging_iter() if _key(intent) == payment.key]
        moved_money = [intent.id for intent in ours if intent.status in ("succeeded", "requires_capture")]
        if len(moved_money) > 1:
            log.error("One payment key holds money more than once: %s. Refund all but one.", ", ".join(moved_money))
        return min(ours, key=lambda intent: _RANK.get(intent.status, len(_RANK)), default=None)

    async def _create(self, payment: PaymentOrder) -> PaymentIntent:
        async with self._api.asking("authorise"):
            intent = await self._payment_intents.create_async(
                {
                    "amount": payment.amount.minor,
                    "currency": payment.amount.currency.lower(),
                    "customer": _customer(payment),
                    "payment_method": payment.means.reference,
                    # A card needs no page to return to; a method that redirects would ask for one and fail.
                    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                    "capture_method": "manual",
                    "confirm": True,
                    "off_session": True,
                    "metadata": _metadata(payment),
                    "expand": ["latest_charge"],
                },
                options=_once(payment, "authorise"),
            )
        headers = intent.last_response.headers if intent.last_response else {}
        if headers.get("idempotent-replayed") == "true":
            # What the first attempt was told may be history: it can have been captured or voided since.
            return await self._look(payment) or intent
        return intent

    async def _abandon(self, payment: PaymentOrder, intent: PaymentIntent) -> None:
        async with self._api.asking("abandon"):
            await self._payment_intents.cancel_async(
                intent.id, {"cancellation_reason": "abandoned"}, options=_once(payment, "abandon")
            )


def _once(payment: PaymentOrder, verb: str) -> RequestOptions:
    return on_account(payment.means.merchant, f"{payment.key}:{verb}")


def _metadata(payment: PaymentOrder) -> dict[str, str]:
    return {KEY: payment.key, "onboarding_id": payment.onboarding_id}


def _key(intent: PaymentIntent) -> str | None:
    return intent.metadata.to_dict().get(KEY)


def _customer(payment: PaymentOrder) -> str:
    if payment.means.kind is not MeansKind.CARD or payment.means.customer is None:
        raise PaymentDeclined("This is not a card that the gateway holds for a customer.", code="card_missing")
    return payment.means.customer


def _state(intent: PaymentIntent) -> PaymentState | None:
    """What the intent is to us, ``None`` if it never held money."""
    if intent.status == "requires_capture":
        return PaymentState.AUTHORISED
    if intent.status == "canceled":
        # First, because Stripe shows the charge of a voided authorisation as refunded.
        return PaymentState.VOIDED if intent.cancellation_reason != "abandoned" else None
    if intent.status == "succeeded":
        charge = intent.latest_charge
        refunded = isinstance(charge, Charge) and charge.refunded
        return PaymentState.REFUNDED if refunded else PaymentState.CAPTURED
    return None


def _refusal(intent: PaymentIntent) -> PaymentDeclined | None:
    """The no that an earlier attempt got, so that it stays a no after Stripe has forgotten the attempt."""
    if intent.status == "canceled" and intent.cancellation_reason == "abandoned":
        return authentication_required()
    if intent.status == "requires_payment_method":
        error = intent.last_payment_error
        return declined(error.decline_code if error else None, error.code if error else None)
    return None


def _payment(payment: PaymentOrder, intent: PaymentIntent, state: PaymentState) -> Payment:
    amount = Money(minor=intent.amount, currency=intent.currency.upper())
    return Payment(key=payment.key, reference=intent.id, amount=amount, state=state)
