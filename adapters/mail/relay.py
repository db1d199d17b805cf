"""Open connections to the mail relay, kept for the next mail: greeting, TLS and login cost more than the mail itself."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiosmtplib

_FAREWELL_SECONDS = 2.0


@dataclass(frozen=True)
class Limits:
    """How long the relay is waited for and how it is shared. Seconds.

    ``total`` bounds one mail with everything it takes, and stays below the time that the activity has (60 s). The answer
    after the final dot has all of it: relays look through a message there (RFC 5321 section 4.5.3.2.6).
    """

    connect: float = 10.0
    command: float = 15.0
    total: float = 50.0
    idle: float = 10.0
    connections: int = 8
    mails_per_connection: int = 100


class Connection:
    """One session with the relay. ``uses`` counts the mails it was taken for: a connection at its first is fresh."""

    def __init__(self, smtp: aiosmtplib.SMTP) -> None:
        self.smtp = smtp
        self.uses = 0
        self.idle_since = 0.0

    @property
    def is_open(self) -> bool:
        return self.smtp.is_connected

    async def leave(self) -> None:
        """Say goodbye as the protocol asks, without waiting for long, and close."""
        with suppress(aiosmtplib.SMTPException, OSError, ValueError):
            await self.smtp.quit(timeout=_FAREWELL_SECONDS)
        self.smtp.close()


class Relay:
    """A small pool of connections: at most ``limits.connections`` at a time, closed after ``limits.idle`` unused.

    The newest is used first, so the others grow idle and close when there is less to send.
    """

    def __init__(self, connect: Callable[[], aiosmtplib.SMTP], limits: Limits) -> None:
        self._connect = connect
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.connections)
        self._idle: list[Connection] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._farewells: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Session"]:
        """A place in the queue, and a connection on demand. It is kept for the next mail if the session was ``settled``.

        Raises ``TimeoutError`` when the mail's time is over, waiting in the queue included.
        """
        deadline = asyncio.get_running_loop().time() + self._limits.total
        async with asyncio.timeout_at(deadline), self._slots:
            session = Session(self, deadline)
            try:
                yield session
            finally:
                session.end()

    def idle(self) -> Connection | None:
        """An idle connection that nobody has closed, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def open(self, session: "Session") -> Connection:
        """A new connection. Raises what aiosmtplib raises when the relay cannot be reached."""
        smtp = self._connect()
        try:
            await smtp.connect(timeout=session.patience(self._limits.connect))
        except BaseException:
            smtp.close()
            raise
        return Connection(smtp)

    def keep(self, connection: Connection) -> None:
        """Give a connection back that is between two mails."""
        if not connection.is_open:
            return
        if self._closed or connection.uses >= self._limits.mails_per_connection:
            self._dismiss(connection)
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self._limits.idle, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        oldest_allowed = time.monotonic() - self._limits.idle
        stale = [each for each in self._idle if each.idle_since <= oldest_allowed]
        self._idle = [each for each in self._idle if each.idle_since > oldest_allowed and each.is_open]
        for connection in stale:
            self._dismiss(connection)
        if self._idle:
            remaining = self._idle[0].idle_since - oldest_allowed
            self._sweeper = asyncio.get_running_loop().call_later(remaining, self._sweep)

    def _dismiss(self, connection: Connection) -> None:
        farewell = asyncio.get_running_loop().create_task(connection.leave())
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)

    async def close(self) -> None:
        """Close every idle connection; one that is at work closes when its mail has ended."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        idle, self._idle = self._idle, []
        for connection in idle:
            self._dismiss(connection)
        await asyncio.gather(*self._farewells, return_exceptions=True)


class Session:
    """The use of one connection for one mail. Unless it ends ``settled``, its connection is in an unknown state: closed."""

    def __init__(self, relay: Relay, deadline: float) -> None:
        self._relay = relay
        self._deadline = deadline
        self._connection: Connection | None = None
        self.settled = False

    async def connection(self, *, fresh: bool = False) -> Connection:
        """The connection to use; ``fresh`` replaces a broken one by a new one."""
        self.end()
        self._connection = (None if fresh else self._relay.idle()) or await self._relay.open(self)
        self._connection.uses += 1
        return self._connection

    def patience(self, at_most: float) -> float:
        """How long the next command may take. Raises ``TimeoutError`` if the mail's time is over.

        The timeout around the session is not enough: ``asyncio.wait_for``, which aiosmtplib waits with, swallows a
        cancellation that meets its result (Python 3.11), and then nobody would count any more.
        """
        left = self._deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise TimeoutError
        return min(left, at_most)

    def end(self) -> None:
        """Give the connection back, or close it."""
        if self._connection is None:
            return
        if self.settled:
            self._relay.keep(self._connection)
        else:
            self._connection.smtp.close()
        self._connection = None


def certificate_error(error: BaseException | None) -> bool:
    """Whether the relay's certificate was not accepted; asyncio and aiosmtplib wrap that differently for each TLS mode."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
