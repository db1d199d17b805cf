"""Relays: the embedded inbox in a process of its own, and servers in the test's own loop that do what they are told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr

from adapters.mail import SmtpMailer, mailer
from adapters.mail.relay import Limits
from adapters.settings import Settings
from starter.local.inbox import RunningInbox
from tests.adapters.mail.samples import SECRETS
from tests.mailbox import running_inbox

Answer = str | Callable[[], Awaitable[str]]


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[RunningInbox]:
    async with running_inbox(tmp_path / "inbox") as running:
        yield running


@dataclass
class TestRelay:
    """A server whose answers a test sets: ``on_rcpt`` and ``on_data`` are used once each, then all is well again."""

    __test__ = False

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    sessions: list[SMTP] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    on_mail: list[Answer] = field(default_factory=list)
    on_rcpt: list[Answer] = field(default_factory=list)
    on_data: list[Answer] = field(default_factory=list)

    async def _answer(self, answers: list[Answer], default: str) -> str:
        if not answers:
            return default
        answer = answers.pop(0)
        return answer if isinstance(answer, str) else await answer()

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._answer(self.on_mail, "250 OK")
        if answer.startswith("250"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._answer(self.on_rcpt, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        self.taken.append(message_from_bytes(envelope.content, policy=policy.default))
        self.encrypted.append(session.ssl is not None)
        return await self._answer(self.on_data, "250 OK")

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data == LoginPassword(b"dialtone", b"s3cret"), handled=False)

    def hang_up(self) -> None:
        """Close every connection without a word, as a relay that restarts."""
        for session in self.sessions:
            if session.transport is not None:
                session.transport.abort()


StartRelay = Callable[..., Awaitable[TestRelay]]
MakeMailer = Callable[..., SmtpMailer]


@pytest.fixture
async def start_relay() -> AsyncIterator[StartRelay]:
    servers: list[tuple[asyncio.Server, TestRelay]] = []

    async def start(*, implicit_tls: ssl.SSLContext | None = None, port: int = 0, **options: Any) -> TestRelay:
        relay, loop = TestRelay(), asyncio.get_running_loop()
        if options.pop("login", False):
            options |= {"authenticator": relay.authenticate, "auth_required": True}

        def session() -> SMTP:
            relay.sessions.append(SMTP(relay, loop=loop, **{"hostname": "relay.test", "enable_SMTPUTF8": True, **options}))
            return relay.sessions[-1]

        server = await loop.create_server(session, "127.0.0.1", port, ssl=implicit_tls)
        relay.port = server.sockets[0].getsockname()[1]
        servers.append((server, relay))
        return relay

    yield start
    for server, relay in servers:
        server.close()
        relay.hang_up()
    await asyncio.sleep(0)


@pytest.fixture
async def make_mailer() -> AsyncIterator[MakeMailer]:
    made: list[SmtpMailer] = []

    def make(port: int, *, tls: ssl.SSLContext | None = None, limits: Limits | None = None, **settings: Any) -> SmtpMailer:
        if "smtp_password" in settings:
            settings["smtp_password"] = SecretStr(settings["smtp_password"])
        configured = Settings(smtp_port=port, **settings)
        one = SmtpMailer(configured, SECRETS, tls=tls, limits=limits) if limits else mailer(configured, SECRETS, tls=tls)
        made.append(one)
        return one

    yield make
    for one in made:
        await one.close()


@dataclass(frozen=True)
class Certificates:
    """An authority of the test's own, a relay's certificate for 127.0.0.1, and a client that trusts it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def certificates_for(name: str) -> Certificates:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(name).configure_cert(server)
    authority.configure_trust(client)
    return Certificates(server, client)


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return certificates_for("127.0.0.1")
