"""The gateway behind the edge: an unmodified program in a process of its own, spoken to over HTTP only."""

from collections.abc import Iterable
from typing import Any

import aiohttp

from starter.local.stripe_edge.errors import Refusal, declined, missing

Pairs = list[tuple[str, str]]


class Upstream:
    """Speaks to ``address``: ``unix:<path>`` or an ``http://`` origin on this machine."""

    def __init__(self, address: str) -> None:
        unix = address.startswith("unix:")
        self._origin = "http://gateway" if unix else address.rstrip("/")
        connector = aiohttp.UnixConnector(address.removeprefix("unix:")) if unix else aiohttp.TCPConnector()
        self._http = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=30),
            headers={"Authorization": "Bearer sk_test_edge"},
        )

    async def get(self, path: str, query: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
        """Raises ``Refusal``."""
        return await self._ask("GET", path, params=list(query))

    async def post(self, path: str, form: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
        """Raises ``Refusal``."""
        return await self._ask("POST", path, data=list(form))

    async def all(self, path: str) -> list[dict[str, Any]]:
        """Everything of a kind, oldest first."""
        return list((await self.get(path, [("limit", "1000000")]))["data"])

    async def close(self) -> None:
        await self._http.close()

    async def _ask(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        try:
            async with self._http.request(method, self._origin + path, **how) as response:
                body = await response.json() if response.content_type == "application/json" else {}
        except aiohttp.ClientError:
            raise Refusal(503, "The gateway behind the edge does not answer.", "api_error") from None
        if response.status < 400:
            return dict(body)
        error = body.get("error", {})
        if response.status == 402:
            raise declined(error.get("charge"))
        if response.status == 404:
            raise missing(path.removeprefix("/v1/"), "id")
        if response.status >= 500:
            raise Refusal(500, "The gateway behind the edge failed.", "api_error")
        raise Refusal(response.status, error.get("message", "Bad request"), code=error.get("code"))
