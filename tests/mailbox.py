"""The mailbox of the tests: a real inbox in its own process, and what tests want to know of a message."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starter.local.inbox import Message, RunningInbox, start_inbox


@asynccontextmanager
async def running_inbox(state_dir: Path) -> AsyncIterator[RunningInbox]:
    """An inbox for the time of a block."""
    inbox = await start_inbox(state_dir)
    try:
        yield inbox
    finally:
        await inbox.stop()


def customer_link(message: Message) -> str:
    """The one link that a customer's message carries (``/activate/<token>``)."""
    (link,) = [link for link in message.links if "/activate/" in link]
    return link
