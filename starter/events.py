"""The timeline as server-sent events: nothing is lost over a reconnect, nothing is held between two looks."""

import asyncio
import time
from collections.abc import AsyncIterator

from domain.views import OnboardingReader, TimelineEvent

LOOK_EVERY = 0.5
PING_EVERY = 15.0
LONGEST = 300.0
"""Seconds after which a stream ends and the client comes back where it was: a key that was revoked does not come back."""
_RETRY_MS = 2_000


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
