"""The SMTP side: takes every message, and misbehaves when it is told to."""

import asyncio
from collections import Counter
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from starter.local.inbox.store import Store

FAULTS = {
    "down": "the connection is dropped when a message begins",
    "busy": "recipients are put off (451)",
    "refuse": "recipients are refused for good (550)",
    "lost": "the message is taken, but the connection is dropped instead of an answer",
}
_BUSY_TIMES = 2
_TAKEN = "250 2.0.0 Message taken"


class Sink:
    """An aiosmtpd handler, one for all connections.

    ``refuse...@`` is refused for good and ``busy...@`` put off twice, always; ``faults`` counts how many more times each
    other fault will happen.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._put_off: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def _strikes(self, fault: str) -> bool:
        if self.faults[fault] <= 0:
            return False
        self.faults[fault] -= 1
        return True

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._strikes("down"):
            _drop(server)
            return "421 4.3.2 Going down"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        local = address.casefold()
        if local.startswith("refuse") or self._strikes("refuse"):
            return "550 5.1.1 No such mailbox"
        if local.startswith("busy") and self._put_off[local] < _BUSY_TIMES:
            self._put_off[local] += 1
            return "451 4.2.1 Mailbox busy, try again"
        if self._strikes("busy"):
            return "451 4.3.2 Try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content: Any = envelope.content
        self._store.add(envelope.mail_from or "", envelope.rcpt_tos, content)
        if self._strikes("lost"):
            _drop(server)
        return _TAKEN


def _drop(server: SMTP) -> None:
    if isinstance(server.transport, asyncio.WriteTransport):
        server.transport.abort()


async def listen(sink: Sink, port: int) -> asyncio.Server:
    """Start the SMTP server on loopback; port 0 takes a free one."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: SMTP(sink, hostname="inbox.localhost", ident="Dialtone inbox", enable_SMTPUTF8=True, loop=loop),
        "127.0.0.1",
        port,
    )
