"""The edge's routes: Stripe's for the product, pages for the customer, ``/_edge`` for tests and the audit."""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from starter.local.stripe_edge.accounts import Accounts, account_of
from starter.local.stripe_edge.checkout import Checkout
from starter.local.stripe_edge.errors import Refusal
from starter.local.stripe_edge.faults import Faults, suffer
from starter.local.stripe_edge.idempotency import Idempotency
from starter.local.stripe_edge.pages import Pages
from starter.local.stripe_edge.payments import Payments
from starter.local.stripe_edge.records import Records
from starter.local.stripe_edge.upstream import Pairs, Upstream
from starter.local.stripe_edge.webhooks import Webhooks

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class EdgeSettings:
    """``upstream``: ``unix:<path>`` or an origin. ``origin``: where this edge is reached. No webhook URL, no webhooks."""

    upstream: str
    origin: str
    state_dir: Path
    webhook_url: str | None
    webhook_secret: str


class Edge:
    """Everything that lives as long as the server does."""

    def __init__(self, settings: EdgeSettings) -> None:
        self.host = settings.origin.partition("://")[2]
        self.upstream = Upstream(settings.upstream)
        self.records = Records(settings.state_dir / "edge.db")
        self.webhooks = Webhooks(self.records, settings.webhook_url, settings.webhook_secret)
        self.accounts = Accounts(self.records)
        self.payments = Payments(self.upstream, self.records, self.accounts)
        self.checkout = Checkout(self.upstream, self.records, self.accounts, self.webhooks, settings.origin)
        self.idempotency = Idempotency(self.records)
        self.faults = Faults()

    async def close(self) -> None:
        await self.webhooks.close()
        await self.upstream.close()
        self.records.close()

    # Stripe's routes

    async def create_intent(self, request: web.Request) -> web.Response:
        return _json(await self.payments.create(await _form(request), account_of(request)))

    async def list_intents(self, request: web.Request) -> web.Response:
        return _json(await self.payments.list_of_customer(_query(request), account_of(request)))

    async def retrieve_intent(self, request: web.Request) -> web.Response:
        return _json(await self.payments.retrieve(request.match_info["id"], _query(request), account_of(request)))

    async def capture_intent(self, request: web.Request) -> web.Response:
        return _json(await self.payments.capture(request.match_info["id"], await _form(request), account_of(request)))

    async def cancel_intent(self, request: web.Request) -> web.Response:
        return _json(await self.payments.cancel(request.match_info["id"], await _form(request), account_of(request)))

    async def create_refund(self, request: web.Request) -> web.Response:
        return _json(await self.payments.refund(await _form(request), account_of(request)))

    async def create_session(self, request: web.Request) -> web.Response:
        return _json(await self.checkout.create(await _form(request), account_of(request)))

    async def retrieve_session(self, request: web.Request) -> web.Response:
        return _json(await self.checkout.retrieve(request.match_info["id"], _query(request), account_of(request)))

    async def expire_session(self, request: web.Request) -> web.Response:
        return _json(await self.checkout.expire(request.match_info["id"], await _form(request), account_of(request)))

    async def create_customer(self, request: web.Request) -> web.Response:
        customer = await self.upstream.post("/v1/customers", await _form(request))
        self.accounts.keep(customer, account_of(request))
        return _json(customer)

    async def pass_on(self, request: web.Request) -> web.Response:
        """A customer, or something that hangs on one."""
        found = await self.upstream.get(request.path, _query(request))
        whose = found["id"] if request.path.startswith("/v1/customers/") else found["customer"]
        # With ``expand`` the customer is there in full.
        self.accounts.require(whose["id"] if isinstance(whose, dict) else whose, account_of(request), found["object"], "id")
        return _json(found)

    async def unknown(self, request: web.Request) -> web.Response:
        raise Refusal(404, f"Unrecognized request URL ({request.method}: {request.path}).")

    # ours

    async def objects(self, _: web.Request) -> web.Response:
        return _json({"payment_intents": await self.payments.objects(), "sessions": self.checkout.sessions()})

    async def add_fault(self, request: web.Request) -> web.Response:
        # A page of another origin cannot send JSON without asking first, and is not answered.
        if request.content_type != "application/json":
            raise Refusal(415, "A fault is asked for in JSON.")
        try:
            self.faults.add(await request.json())
        except json.JSONDecodeError:
            raise Refusal(400, "This is not JSON.") from None
        return _json({"faults": self.faults.waiting()})

    async def clear_faults(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return _json({"faults": []})

    async def list_faults(self, _: web.Request) -> web.Response:
        return _json({"faults": self.faults.waiting()})

    async def forget_answers(self, _: web.Request) -> web.Response:
        """What 24 hours do: the gateway no longer knows any idempotency key."""
        self.records.forget_answers()
        return _json({})

    async def health(self, _: web.Request) -> web.Response:
        await self.upstream.get("/v1/payment_intents", [("limit", "1")])
        return _json({"status": "ok"})

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Who may ask, faults, idempotency, and refusals in Stripe's form."""
        try:
            _check_host(request, self.host)
            if not request.path.startswith("/v1/"):
                return await handler(request)
            _check_key(request)
            account_of(request)

            async def handle() -> web.Response:
                try:
                    response = await handler(request)
                except Refusal as refusal:
                    return _refused(refusal)
                assert isinstance(response, web.Response)
                return response

            return await suffer(
                self.faults.take(request.match_info.route.name),
                request,
                lambda act: self.idempotency.once(request, act),
                handle,
            )
        except Refusal as refusal:
            return _refused(refusal)


async def build(settings: EdgeSettings) -> web.Application:
    """The application; it opens its files and connections when it starts and closes them when it ends."""
    edge = Edge(settings)
    pages = Pages(edge.checkout)
    app = web.Application(middlewares=[edge.guard], client_max_size=64 * 1024)

    async def running(_: web.Application) -> AsyncIterator[None]:
        await edge.payments.load()
        edge.webhooks.deliver()
        yield
        await edge.close()

    app.cleanup_ctx.append(running)
    intents, sessions = "/v1/payment_intents", "/v1/checkout/sessions"
    app.add_routes(
        [
            web.post(intents, edge.create_intent, name="authorise"),
            web.get(intents, edge.list_intents, name="find", allow_head=False),
            web.get(intents + "/{id}", edge.retrieve_intent, allow_head=False),
            web.post(intents + "/{id}/capture", edge.capture_intent, name="capture"),
            web.post(intents + "/{id}/cancel", edge.cancel_intent, name="void"),
            web.post("/v1/refunds", edge.create_refund, name="refund"),
            web.post(sessions, edge.create_session),
            web.get(sessions + "/{id}", edge.retrieve_session, allow_head=False),
            web.post(sessions + "/{id}/expire", edge.expire_session),
            web.post("/v1/customers", edge.create_customer),
            web.get("/v1/customers/{id}", edge.pass_on, allow_head=False),
            web.get("/v1/setup_intents/{id}", edge.pass_on, allow_head=False),
            web.get("/v1/payment_methods/{id}", edge.pass_on, allow_head=False),
            web.route("*", "/v1/{path:.*}", edge.unknown),
            web.get("/_edge/objects", edge.objects),
            web.get("/_edge/health", edge.health),
            web.get("/_edge/faults", edge.list_faults),
            web.post("/_edge/faults", edge.add_fault),
            web.delete("/_edge/faults", edge.clear_faults),
            web.delete("/_edge/answers", edge.forget_answers),
            web.get("/c/pay/{id}", pages.show, name="card_page"),
            web.post("/c/pay/{id}", pages.submit),
            web.get("/c/page.css", pages.style),
        ]
    )
    return app


def _check_host(request: web.Request, host: str) -> None:
    """Raises ``Refusal`` for another name: a web page elsewhere could have that name resolve to this machine."""
    if request.host not in (host, host.replace("127.0.0.1", "localhost")):
        raise Refusal(421, "This simulated gateway answers only on its own address.")


def _check_key(request: web.Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not key.startswith(("sk_test_", "rk_test_")):
        raise Refusal(401, "A test key is needed, sk_test_...; never send a live key to a simulated gateway.")


def _refused(refusal: Refusal) -> web.Response:
    response = _json(refusal.body, refusal.status)
    if refusal.status == 503:
        response.headers["Retry-After"] = "1"
    if refusal.status in (500, 503):
        # One request, one fault: the SDK's own retries would use up several.
        response.headers["Stripe-Should-Retry"] = "false"
    return response


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response(body, status=status, headers={"Request-Id": f"req_{secrets.token_hex(7)}"})


async def _form(request: web.Request) -> Pairs:
    return parse_qsl(await request.text(), keep_blank_values=True)


def _query(request: web.Request) -> Pairs:
    return list(request.query.items())
