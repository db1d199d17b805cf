"""Idempotency keys as Stripe honours them: https://docs.stripe.com/api/idempotent_requests."""

import hashlib
from collections.abc import Awaitable, Callable

from aiohttp import web

from starter.local.stripe_edge.accounts import account_of
from starter.local.stripe_edge.errors import Refusal
from starter.local.stripe_edge.records import Records, StoredAnswer

# Refused before anything was executed: the same key may be tried again with better luck or better parameters.
_NOT_KEPT = frozenset({400, 401, 403, 404, 409, 429, 503})


class Idempotency:
    def __init__(self, records: Records) -> None:
        self._records = records
        self._in_flight: set[tuple[str, str]] = set()

    async def once(self, request: web.Request, handle: Callable[[], Awaitable[web.Response]]) -> web.Response:
        """Execute the request, or replay what its key was answered within the last 24 hours. Raises ``Refusal``."""
        key = request.headers.get("Idempotency-Key")
        if key is None or request.method != "POST":
            return await handle()
        if len(key) > 255:
            raise Refusal(400, "An idempotency key has at most 255 characters.", "idempotency_error")
        connected = account_of(request)
        whose = request.headers.get("Authorization", "") + (f"\n{connected}" if connected else "")
        account = hashlib.sha256(whose.encode()).hexdigest()
        fingerprint = hashlib.sha256(request.path.encode() + b"\n" + await request.read()).hexdigest()
        known = self._records.answer(account, key)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise Refusal(400, "This key was used before with other parameters.", "idempotency_error")
            return web.Response(
                status=known.status,
                text=known.body,
                content_type="application/json",
                headers={"Idempotent-Replayed": "true", "Stripe-Should-Retry": "false"},
            )
        if (account, key) in self._in_flight:
            raise Refusal(
                409,
                "Another request with this key is still being worked on.",
                "idempotency_error",
                code="idempotency_key_in_use",
            )
        self._in_flight.add((account, key))
        try:
            response = await handle()
            if response.status not in _NOT_KEPT:
                self._records.keep_answer(account, key, StoredAnswer(fingerprint, response.status, response.text or ""))
            return response
        finally:
            self._in_flight.discard((account, key))
