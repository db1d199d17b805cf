"""Checkout Sessions in setup mode: the visit of a customer who leaves a card with the gateway."""

import asyncio
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from starter.local.stripe_edge.accounts import Accounts
from starter.local.stripe_edge.errors import Refusal, missing
from starter.local.stripe_edge.records import Records
from starter.local.stripe_edge.upstream import Pairs, Upstream
from starter.local.stripe_edge.webhooks import Webhooks, event

_KNOWN = frozenset(
    {
        "mode", "customer", "client_reference_id", "success_url", "cancel_url", "metadata", "setup_intent_data", "currency",
        "allowed_payment_method_types", "expires_at", "locale", "expand",
    }
)  # fmt: skip
_OPEN_SECONDS = 24 * 3600

TEST_CARDS = {
    "4242424242424242": "works",
    "4000000000000341": "is accepted here and declined when it is charged",
    "4000002760003184": "is accepted here; its bank wants the cardholder when it is charged, so the charge is declined",
    "4000000000000002": "is refused on this page",
}
"""The numbers that this page takes, and what they do. No other: a real card must never be typed into a simulation."""


class Checkout:
    """``origin`` is where this edge listens: its pages are the gateway's pages."""

    def __init__(self, upstream: Upstream, records: Records, accounts: Accounts, webhooks: Webhooks, origin: str) -> None:
        self._upstream = upstream
        self._records = records
        self._accounts = accounts
        self._webhooks = webhooks
        self._origin = origin
        self._turn = asyncio.Lock()

    async def create(self, form: Pairs, account: str | None) -> dict[str, Any]:
        asked = nested(form)
        if unknown := asked.keys() - _KNOWN:
            raise Refusal(400, f"Received unknown parameter: {min(unknown)}", code="parameter_unknown", param=min(unknown))
        if asked.get("mode") != "setup":
            raise Refusal(400, "This simulated gateway knows Checkout only in setup mode.", param="mode")
        for needed in ("customer", "success_url"):
            if not asked.get(needed):
                raise Refusal(400, f"Missing required param: {needed}.", code="parameter_missing", param=needed)
        if not asked.get("currency") and not asked.get("allowed_payment_method_types"):
            raise Refusal(400, "Missing required param: currency.", code="parameter_missing", param="currency")
        await self._upstream.get(f"/v1/customers/{asked['customer']}")
        self._accounts.require(asked["customer"], account)
        setup = await self._upstream.post("/v1/setup_intents", [("customer", asked["customer"]), ("usage", "off_session")])
        now = int(time.time())
        session = {
            "id": f"cs_test_{secrets.token_urlsafe(24)}",
            "object": "checkout.session",
            "mode": "setup",
            "status": "open",
            "payment_status": "no_payment_required",
            "livemode": False,
            "created": now,
            "expires_at": int(asked.get("expires_at", now + _OPEN_SECONDS)),
            "customer": asked["customer"],
            "client_reference_id": asked.get("client_reference_id"),
            "metadata": asked.get("metadata", {}),
            "success_url": asked["success_url"],
            "cancel_url": asked.get("cancel_url"),
            "setup_intent": setup["id"],
        }
        self._records.keep_session(session)
        return await self._shown(session, form)

    async def retrieve(self, session_id: str, query: Pairs, account: str | None) -> dict[str, Any]:
        return await self._shown(self._own(session_id, account), query)

    async def expire(self, session_id: str, form: Pairs, account: str | None) -> dict[str, Any]:
        session = self._own(session_id, account)
        if session["status"] != "open":
            raise Refusal(400, "Only an open Checkout Session can be expired.")
        session["status"] = "expired"
        self._records.keep_session(session)
        return await self._shown(session, form)

    def visit(self, session_id: str) -> dict[str, Any]:
        """The session as it is now, whosever it is: to a customer the address of the page is enough. Raises ``Refusal``."""
        session = self._records.session(session_id)
        if session is None:
            raise missing("checkout.session", "session")
        if session["status"] == "open" and session["expires_at"] <= time.time():
            session["status"] = "expired"
        return session

    async def accept(self, session_id: str, number: str, month: int, year: int, cvc: str) -> str:
        """Take the card. Returns where the browser goes next; a second press goes there too. Raises ``Refusal``."""
        async with self._turn:
            session = self.visit(session_id)
            if session["status"] == "open":
                await self._keep_card(session, number, month, year, cvc)
                session["status"] = "complete"
                account = self._accounts.owner(session["customer"])
                report = event("checkout.session.completed", await self._shown(session, []), account)
                self._records.keep_session(session, report)
                self._webhooks.deliver()
            elif session["status"] == "expired":
                raise Refusal(410, "This visit has expired.")
        return self.way_back(session)

    def way_back(self, session: dict[str, Any]) -> str:
        return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])

    def sessions(self) -> list[dict[str, Any]]:
        """Every visit, with the connected account that it is on."""
        return [{**session, "account": self._accounts.owner(session["customer"])} for session in self._records.sessions()]

    def _own(self, session_id: str, account: str | None) -> dict[str, Any]:
        session = self.visit(session_id)
        self._accounts.require(session["customer"], account, "checkout.session", "session")
        return session

    async def _keep_card(self, session: dict[str, Any], number: str, month: int, year: int, cvc: str) -> None:
        card = {"number": number, "exp_month": str(month), "exp_year": str(year), "cvc": cvc}
        method = await self._upstream.post(
            "/v1/payment_methods", [("type", "card"), *((f"card[{name}]", value) for name, value in card.items())]
        )
        await self._upstream.post(f"/v1/payment_methods/{method['id']}/attach", [("customer", session["customer"])])
        confirm = f"/v1/setup_intents/{session['setup_intent']}/confirm"
        setup = await self._upstream.post(confirm, [("payment_method", method["id"])])
        if setup["status"] == "requires_action":
            # The customer is at the page: a confirmation that the bank wants is given here and now.
            await self._upstream.post(confirm)

    async def _shown(self, session: dict[str, Any], form: Pairs) -> dict[str, Any]:
        shown = {**session, "url": f"{self._origin}/c/pay/{session['id']}" if session["status"] == "open" else None}
        if ("setup_intent" in {value for name, value in form if name.startswith("expand")}) and session["setup_intent"]:
            shown["setup_intent"] = await self._upstream.get(f"/v1/setup_intents/{session['setup_intent']}")
        return shown


def nested(form: Pairs) -> dict[str, Any]:
    """``a[b][c]=1`` as ``{"a": {"b": {"c": "1"}}}``."""
    tree: dict[str, Any] = {}
    for name, value in form:
        *path, last = re.findall(r"[^\[\]]+", name) or [name]
        node = tree
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise Refusal(400, f"The parameter {name} is both a value and a group.", param=name)
        node[last] = value
    return tree


def read_card(form: dict[str, str]) -> tuple[tuple[str, int, int, str], dict[str, str]]:
    """The card in a submitted page, and what is wrong with it, by field."""
    number = re.sub(r"[\s-]", "", form.get("number", ""))
    cvc = form.get("cvc", "").strip()
    expiry = re.fullmatch(r"\s*(\d{1,2})\s*/?\s*(?:20)?(\d{2})\s*", form.get("expiry", ""))
    month, year = (int(expiry[1]), 2000 + int(expiry[2])) if expiry else (0, 0)
    today = datetime.now(UTC)
    wrong = {}
    if not number:
        wrong["number"] = "Enter a card number"
    elif number not in TEST_CARDS:
        wrong["number"] = "Enter one of the test card numbers below; this page never takes a real card"
    if not 1 <= month <= 12:
        wrong["expiry"] = "Enter the expiry date as month and year, like 12/34"
    elif (year, month) < (today.year, today.month):
        wrong["expiry"] = "Enter an expiry date in the future"
    if not (len(cvc) == 3 and cvc.isascii() and cvc.isdecimal()):
        wrong["cvc"] = "Enter any three digits as the security code"
    return (number, month, year, cvc), wrong
