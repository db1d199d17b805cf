"""Signed reports to the product, repeated until they are taken."""

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from typing import Any

import aiohttp

from starter.local.stripe_edge.records import Records

log = logging.getLogger(__name__)

_PAUSES = (0.0, 1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds before each attempt."""


def signature(secret: str, body: str, at: int) -> str:
    """The header ``Stripe-Signature``: https://docs.stripe.com/webhooks#verify-manually."""
    mac = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def event(kind: str, thing: dict[str, Any], account: str | None = None) -> dict[str, Any]:
    """What is reported about a thing. Events of connected accounts name theirs."""
    return {
        **({"account": account} if account is not None else {}),
        "id": f"evt_{secrets.token_hex(12)}",
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": thing},
    }


class Webhooks:
    """Delivers what ``Records`` holds for delivery. Without a URL nothing is sent."""

    def __init__(self, records: Records, url: str | None, secret: str) -> None:
        self._records = records
        self._url = url
        self._secret = secret
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: set[str] = set()
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    def deliver(self) -> None:
        """Begin to deliver everything that is waiting: at the start, and whenever something was added."""
        for event_id, body in self._records.deliveries():
            if self._url is None:
                self._records.delivered(event_id)
            elif event_id not in self._under_way:
                self._under_way.add(event_id)
                task = asyncio.create_task(self._deliver(self._url, event_id, body))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()

    async def _deliver(self, url: str, event_id: str, body: str) -> None:
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            headers = {"Stripe-Signature": signature(self._secret, body, int(time.time())), "Content-Type": "application/json"}
            try:
                async with self._http.post(url, data=body.encode(), headers=headers, allow_redirects=False) as response:
                    if response.status < 300:
                        self._records.delivered(event_id)
                        break
                    log.warning("The webhook %s was answered with %s.", event_id, response.status)
            except (aiohttp.ClientError, TimeoutError) as error:
                log.warning("The webhook %s could not be delivered: %s.", event_id, type(error).__name__)
        else:
            self._records.delivered(event_id)
            log.error("The webhook %s was given up after %s attempts.", event_id, len(_PAUSES))
        self._under_way.discard(event_id)
