"""Faults on demand: what a gateway does on a bad day, for tests and demonstrations."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from starter.local.stripe_edge.errors import Refusal, declined

VERBS = ("authorise", "capture", "void", "refund", "find")
KINDS = ("decline", "hang", "error500", "done_then_timeout", "unavailable")
_HANG_SECONDS = 120.0

Handle = Callable[[], Awaitable[web.Response]]


@dataclass
class Fault:
    verb: str
    kind: str
    left: int


class Faults:
    """Requests of a verb use up its faults in the order in which they were asked for. Not remembered over a restart."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, wish: Any) -> None:
        """``{"verb", "kind", "count"}``. Raises ``Refusal`` for what cannot be."""
        fields = wish if isinstance(wish, dict) else {}
        verb, kind, count = fields.get("verb"), fields.get("kind"), fields.get("count", 1)
        if verb not in VERBS or kind not in KINDS or not isinstance(count, int) or count < 1:
            raise Refusal(
                400, f"A fault has a verb ({', '.join(VERBS)}), a kind ({', '.join(KINDS)}) and a count of 1 or more."
            )
        self._waiting.append(Fault(verb, kind, count))

    def clear(self) -> None:
        self._waiting.clear()

    def waiting(self) -> list[dict[str, Any]]:
        return [{"verb": fault.verb, "kind": fault.kind, "count": fault.left} for fault in self._waiting]

    def take(self, verb: str | None) -> str | None:
        """The kind of fault that this request suffers."""
        for fault in self._waiting:
            if fault.verb == verb:
                fault.left -= 1
                if not fault.left:
                    self._waiting.remove(fault)
                return fault.kind
        return None


async def suffer(
    kind: str | None, request: web.Request, once: Callable[[Handle], Awaitable[web.Response]], handle: Handle
) -> web.Response:
    """Answer as the fault wants it. ``once`` is the idempotency layer around ``handle``.

    A failure in front of the gateway (500, 503, no answer) is not what idempotency keys remember; a decline is.
    """
    if kind == "error500":
        raise Refusal(500, "Something went wrong (a fault that was asked for).", "api_error")
    if kind == "unavailable":
        raise Refusal(503, "Out of service (a fault that was asked for).", "api_error")
    if kind == "hang":
        await _no_answer(request)
    if kind == "decline":
        return await once(_decline)
    response = await once(handle)
    if kind == "done_then_timeout":
        await _no_answer(request)
    return response


async def _decline() -> web.Response:
    refusal = declined()
    return web.json_response(refusal.body, status=refusal.status)


async def _no_answer(request: web.Request) -> None:
    """Wait until the client has given up."""
    for _ in range(int(_HANG_SECONDS / 0.02)):
        if request.transport is None or request.transport.is_closing():
            break
        await asyncio.sleep(0.02)
    raise Refusal(503, "No answer (a fault that was asked for).", "api_error")
