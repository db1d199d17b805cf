"""The timeline as server-sent events: nothing is lost over a reconnect, nothing is held between two looks."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from domain.views import OnboardingReader, TimelineEvent
from starter.problems import Problem

LOOK_EVERY = 0.5
PING_EVERY = 15.0
LONGEST = 300.0
"""Seconds after which a stream ends and the client comes back where it was: a key that was revoked does not come back."""
_RETRY_MS = 2_000
MOST_PER_KEY = 20
"""Streams that one API key may have open at a time in this process: each looks at the database twice a second."""


class Streams:
    """Counts the open streams of each principal."""

    def __init__(self) -> None:
        self._open = Counter[str]()

    def open(self, principal_id: str, content: AsyncIterator[bytes]) -> StreamingResponse:
        """A response that streams ``content`` and is counted until it ends. Raises the 429 ``Problem`` beyond ``MOST_PER_KEY``."""
        if self._open[principal_id] >= MOST_PER_KEY:
            raise Problem(
                "too_many_streams",
                f"This key has {MOST_PER_KEY} event streams open already. Close one, or ask for JSON.",
                headers={"Retry-After": "5"},
            )
        self._open[principal_id] += 1
        return _Counted(content, partial(self._close, principal_id))

    def _close(self, principal_id: str) -> None:
        self._open[principal_id] -= 1
        if not self._open[principal_id]:
            del self._open[principal_id]


class _Counted(StreamingResponse):
    def __init__(self, content: AsyncIterator[bytes], on_end: Callable[[], None]) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(content, media_type="text/event-stream", headers=headers)
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Here and not in the content: that is never begun if the client has gone already.
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


def frame(event: TimelineEvent) -> bytes:
    """One entry; its id is the sequence number, which the browser sends back as Last-Event-ID."""
    return f"id: {event.sequence}\nevent: {event.event}\ndata: {event.model_dump_json()}\n\n".encode()


async def stream(
    reader: OnboardingReader,
    onboarding_id: str,
    after: int,
    closing: asyncio.Event,
    look_every: float = LOOK_EVERY,
    longest: float = LONGEST,
) -> AsyncIterator[bytes]:
    """Entries after a sequence number as they are written, until the onboarding has ended, the process closes or the stream
    is ``longest`` seconds old.

    Every look is a query of its own, so no database session is held by somebody who only watches.
    """
    yield f"retry: {_RETRY_MS}\n\n".encode()
    began = pinged = time.monotonic()
    ended = False
    while True:
        events = await reader.timeline(onboarding_id, after)
        for event in events:
            after = event.sequence
            yield frame(event)
        # One more look after the final state: the letter that says goodbye is noted a moment later.
        if ended and not events:
            return
        ended = ended or any(event.state.is_final for event in events)
        if time.monotonic() - began >= longest:
            return
        if time.monotonic() - pinged >= PING_EVERY:
            pinged = time.monotonic()
            yield b": ping\n\n"
        try:
            async with asyncio.timeout(look_every):
                await closing.wait()
        except TimeoutError:
            continue
        return
