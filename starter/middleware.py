"""Around every request: an id, one log line without personal data, safe headers, and the last net for errors."""

import logging
import time
import traceback
import uuid

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.bulk import MOST_BYTES as MOST_FILE_BYTES
from starter.problems import Problem, respond

MOST_BYTES = 128_000
"""The largest body that is read: an order of thousands of numbers, twice over."""
_MOST_ELSEWHERE = {"/v1/numbers": 1_000_000, "/v1/bulk-runs": MOST_FILE_BYTES}

_log = logging.getLogger("dialtone.http")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def log_unforeseen(error: Exception, request_id: str) -> None:
    """Log what kind of error and where. Not its message: that may quote a customer's data."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    where = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames))
    _log.error("unforeseen error", extra={"request_id": request_id, "error": type(error).__name__, "where": where})


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """A ``receive`` that raises the framework's 413 as soon as the body is known to be too large, and its 415 for one that is
    compressed: read as it is, it would be answered as text that nobody has sent (RFC 9110, 8.4)."""
    most = _MOST_ELSEWHERE.get(scope["path"], MOST_BYTES)
    headers = Headers(scope=scope)
    told, coding = headers.get("content-length", "0"), headers.get("content-encoding", "").strip().lower()
    total = int(told) if told.isdecimal() else 0
    counted = 0

    async def receiving() -> Message:
        nonlocal counted
        if coding not in {"", "identity"}:
            raise HTTPException(415, headers={"Accept-Encoding": "identity"})
        if total <= most:
            message = await receive()
            counted += len(message.get("body", b""))
            if counted <= most:
                return message
        raise HTTPException(413)

    return receiving


class Surroundings:
    """Outermost: what it does holds for every answer, errors included.

    The log names the route's template, never the path: the path of the activation page is the customer's key.
    """

    def __init__(self, app: ASGIApp, base_url: str) -> None:
        self._app = app
        self._base_url = base_url
        self._headers = dict(_HEADERS)
        if base_url.startswith("https:"):
            self._headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, _bounded(scope, receive), sending)
        except Exception as error:  # noqa: BLE001 - the last net
            log_unforeseen(error, request_id)
            if status == 0:
                problem = Problem("internal", "Something unexpected happened. It was logged under this instance's id.")
                await respond(problem, self._base_url, request_id)(scope, receive, sending)
        finally:
            route = scope.get("route")
            facts = {
                "request_id": request_id,
                "method": scope["method"],
                "route": getattr(route, "path", "unknown"),
                "status": status,
                "ms": round((time.perf_counter() - began) * 1000, 1),
                "principal": scope["state"].get("principal_id"),
            }
            _log.info("request", extra=facts)
