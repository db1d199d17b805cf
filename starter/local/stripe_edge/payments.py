"""PaymentIntents and refunds: kept by the gateway behind the edge, answered as Stripe would answer."""

import asyncio
from collections import defaultdict
from typing import Any

from starter.local.stripe_edge.accounts import Accounts
from starter.local.stripe_edge.errors import Refusal, declined, missing, unexpected_state
from starter.local.stripe_edge.records import Records
from starter.local.stripe_edge.upstream import Pairs, Upstream

_CANCELLABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action")
_REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")


class Payments:
    """Looks before it passes a request on, because the gateway behind captures what was cancelled and refunds twice."""

    def __init__(self, upstream: Upstream, records: Records, accounts: Accounts) -> None:
        self._upstream = upstream
        self._records = records
        self._accounts = accounts
        self._turn = asyncio.Lock()
        self._of_customer: defaultdict[str | None, list[str]] = defaultdict(list)

    async def load(self) -> None:
        """Learn which payments belong to whom. Asked of the gateway and not kept, so that the two cannot disagree."""
        for intent in await self._upstream.all("/v1/payment_intents"):
            self._of_customer[intent["customer"]].append(intent["id"])

    async def create(self, form: Pairs, account: str | None) -> dict[str, Any]:
        """Raises ``Refusal``, also for a declined card: the intent stays, as at Stripe."""
        fields, expand = _split(form)
        if any(name.startswith("payment_method_types") for name, _ in fields):
            raise Refusal(400, "payment_method_types is no longer supported.", code="payment_method_types_no_longer_supported")
        passed = [(name, value) for name, value in fields if not name.startswith("automatic_payment_methods")]
        # A payment without a customer could not be told apart, so a connected account gets none.
        self._accounts.require(dict(fields).get("customer"), account, status=400)
        await self._check_card(dict(fields))
        async with self._turn:
            try:
                intent = await self._upstream.post("/v1/payment_intents", passed)
            except Refusal as refusal:
                await self._note_failed(refusal)
                raise
            self._of_customer[intent["customer"]].append(intent["id"])
        return self._shown(intent, "latest_charge" in expand)

    async def retrieve(self, intent_id: str, query: Pairs, account: str | None) -> dict[str, Any]:
        return self._shown(await self._own(intent_id, account), "latest_charge" in _split(query)[1])

    async def list_of_customer(self, query: Pairs, account: str | None) -> dict[str, Any]:
        """One customer's payments, newest first, in pages."""
        fields, expand = _split(query)
        asked = dict(fields)
        if unknown := asked.keys() - {"customer", "limit", "starting_after"}:
            raise Refusal(400, f"Received unknown parameter: {min(unknown)}", code="parameter_unknown", param=min(unknown))
        if not asked.get("customer"):
            raise Refusal(
                400, "This simulated gateway lists payments only by customer.", code="parameter_missing", param="customer"
            )
        await self._upstream.get(f"/v1/customers/{asked['customer']}")
        self._accounts.require(asked["customer"], account)
        limit = int(asked.get("limit", "10"))
        ids = self._of_customer[asked["customer"]][::-1]
        start = ids.index(asked["starting_after"]) + 1 if asked.get("starting_after") in ids else 0
        page = [await self._intent(intent_id) for intent_id in ids[start : start + limit]]
        return {
            "object": "list",
            "url": "/v1/payment_intents",
            "has_more": len(ids) > start + limit,
            "data": [self._shown(intent, "data.latest_charge" in expand) for intent in page],
        }

    async def capture(self, intent_id: str, form: Pairs, account: str | None) -> dict[str, Any]:
        _, expand = _split(form, allowed=())
        async with self._turn:
            intent = await self._own(intent_id, account)
            if intent["status"] != "requires_capture":
                raise unexpected_state("capturing", intent["status"])
            captured = await self._upstream.post(f"/v1/payment_intents/{intent_id}/capture")
        return self._shown(captured, "latest_charge" in expand)

    async def cancel(self, intent_id: str, form: Pairs, account: str | None) -> dict[str, Any]:
        fields, expand = _split(form, allowed=("cancellation_reason",))
        reason = dict(fields).get("cancellation_reason")
        if reason is not None and reason not in _REASONS:
            raise Refusal(400, f"cancellation_reason is one of {', '.join(_REASONS)}.", param="cancellation_reason")
        async with self._turn:
            intent = await self._own(intent_id, account)
            if intent["status"] not in _CANCELLABLE:
                raise unexpected_state("cancelling", intent["status"])
            # Before, so that a power cut in between leaves no cancelled payment without its reason.
            self._records.keep_cancellation(intent_id, reason)
            cancelled = await self._upstream.post(f"/v1/payment_intents/{intent_id}/cancel")
        return self._shown(cancelled, "latest_charge" in expand)

    async def refund(self, form: Pairs, account: str | None) -> dict[str, Any]:
        """Pay back what is left of a capture, or ``amount`` of it."""
        fields, _ = _split(form)
        asked = dict(fields)
        if "payment_intent" not in asked:
            raise Refusal(
                400, "This simulated gateway refunds a payment_intent.", code="parameter_missing", param="payment_intent"
            )
        async with self._turn:
            intent = await self._own(asked["payment_intent"], account)
            charge = intent["latest_charge"]
            if intent["status"] != "succeeded" or charge is None:
                raise unexpected_state("refunding", intent["status"])
            left = charge["amount"] - charge["amount_refunded"]
            if left <= 0:
                raise Refusal(400, "This charge has already been refunded.", code="charge_already_refunded")
            amount = int(asked.get("amount", left))
            if not 0 < amount <= left:
                raise Refusal(400, "More than is left of this charge.", param="amount")
            rest = [(name, value) for name, value in fields if name != "amount"]
            refund = await self._upstream.post("/v1/refunds", [*rest, ("amount", str(amount))])
        return {**refund, "object": "refund", "payment_intent": intent["id"]}

    async def objects(self) -> list[dict[str, Any]]:
        """Every payment with its refunds and its connected account, oldest first: what an audit compares our books with."""
        refunds: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for refund in reversed(await self._upstream.all("/v1/refunds")):
            refunds[refund["charge"]].append({name: refund[name] for name in ("id", "amount", "currency", "status")})
        shown = [self._shown(intent, expanded=True) for intent in await self._upstream.all("/v1/payment_intents")]
        for intent in shown:
            charge = intent["latest_charge"] or {}
            intent["account"] = self._accounts.owner(intent["customer"])
            intent["refunds"] = refunds.get(charge.get("id", ""), [])
            intent["amount_refunded"] = sum(refund["amount"] for refund in intent["refunds"])
        return shown

    async def _own(self, intent_id: str, account: str | None) -> dict[str, Any]:
        intent = await self._intent(intent_id)
        self._accounts.require(intent["customer"], account, "payment_intent", "intent")
        return intent

    async def _intent(self, intent_id: str) -> dict[str, Any]:
        return await self._upstream.get(f"/v1/payment_intents/{intent_id}")

    async def _check_card(self, fields: dict[str, str]) -> None:
        """Stripe charges only cards that belong to the customer; the gateway behind charges any."""
        reference = fields.get("payment_method")
        if reference is None:
            return
        try:
            card = await self._upstream.get(f"/v1/payment_methods/{reference}")
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            raise missing("PaymentMethod", "payment_method", status=400) from None
        if card.get("customer") != fields.get("customer"):
            raise Refusal(
                400, "The customer does not have this payment method.", code="resource_missing", param="payment_method"
            )

    async def _note_failed(self, refusal: Refusal) -> None:
        """The answer to a declined payment names only the charge; its intent exists all the same."""
        charge_id = refusal.body["error"].get("charge")
        if refusal.status != 402 or charge_id is None:
            return
        charge = await self._upstream.get(f"/v1/charges/{charge_id}")
        self._of_customer[charge["customer"]].append(charge["payment_intent"])
        refusal.body["error"]["payment_intent"] = self._shown(await self._intent(charge["payment_intent"]), expanded=False)

    def _shown(self, intent: dict[str, Any], expanded: bool) -> dict[str, Any]:
        """An intent as Stripe shows it."""
        status = intent["status"]
        charge = intent["latest_charge"]
        captured = intent["amount"] if status == "succeeded" else 0
        shown = {name: value for name, value in intent.items() if name != "charges"}
        shown["amount_received"] = captured
        shown["amount_capturable"] = intent["amount"] if status == "requires_capture" else 0
        shown["cancellation_reason"], shown["canceled_at"] = None, None
        if status == "canceled":
            shown["cancellation_reason"], shown["canceled_at"] = self._records.cancellation(intent["id"]) or (None, None)
        if (error := intent["last_payment_error"]) is not None:
            shown["last_payment_error"] = {**declined(error.get("charge")).body["error"], **error}
        if charge is not None and not expanded:
            shown["latest_charge"] = charge["id"]
        elif charge is not None:
            released = status == "canceled"
            shown["latest_charge"] = {
                **charge,
                "amount_captured": captured,
                # Stripe shows the charge of a released authorisation as refunded.
                "amount_refunded": charge["amount"] if released else charge["amount_refunded"],
                "refunded": released or (captured > 0 and charge["amount_refunded"] >= charge["amount"]),
            }
        return shown


def _split(form: Pairs, allowed: tuple[str, ...] | None = None) -> tuple[Pairs, set[str]]:
    """The fields of a form without ``expand[...]``, and what is to be expanded. Raises ``Refusal`` for fields not allowed."""
    expand = {value for name, value in form if name.startswith("expand")}
    fields = [(name, value) for name, value in form if not name.startswith("expand")]
    for name, _ in fields:
        if allowed is not None and name not in allowed:
            raise Refusal(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    return fields, expand
