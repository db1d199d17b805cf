"""A real switch and real telephones: Debian's Kamailio with the configuration that ships, and sipp on loopback."""

import asyncio
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import pytest
from sqlalchemy import make_url

from tests.ports import LOOPBACK, free_port

_ROOT = Path(__file__).parents[1]
_SCENARIOS = _ROOT / "tests/adapters/voice/sipp"


def require_sip() -> None:
    """Skip the test where Kamailio or sipp is missing; in CI, where everything must be there, fail it."""
    # Debian keeps servers where an ordinary user's PATH does not look.
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    if missing := [name for name in ("kamailio", "sipp") if shutil.which(name, path=path) is None]:
        reason = f"{' and '.join(missing)} not installed; `make system` as root on Debian or Ubuntu brings what this test needs"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@dataclass(frozen=True)
class Answer:
    """The switch's last word on a request, such as ``403 Forbidden``. True if it was a yes."""

    status: int
    reason: str

    def __bool__(self) -> bool:
        return 200 <= self.status < 300


class Phone:
    """A registered telephone that answers every call, and what it has heard."""

    def __init__(self, log: Path) -> None:
        self._log = log

    @property
    def invites(self) -> list[str]:
        """The calls that came in, as the whole message; each call once."""
        found = {}
        for message in _messages(self._log):
            if message.startswith("INVITE ") and (call := re.search(r"^Call-ID:\s*(\S+)", message, re.MULTILINE)):
                found[call[1]] = message
        return list(found.values())

    @property
    def heard(self) -> list[str]:
        """Every message that came in, in order."""
        return _messages(self._log, "received")

    async def has_answered(self, calls: int) -> None:
        """Wait until that many calls are connected (their ACK came)."""
        async with asyncio.timeout(10):
            while self._acknowledged() < calls:  # noqa: ASYNC110, another process writes the log
                await asyncio.sleep(0.02)

    def _acknowledged(self) -> int:
        return sum(message.startswith("ACK ") for message in _messages(self._log))


class RunningKamailio:
    """Kamailio on free ports over the switch's database, for as long as the ``async with`` lasts.

    ``database_url`` is the SQLAlchemy URL that the adapter was given, absolute if it is a file. The tables must exist.
    With ``gateway`` it has one to the telephone network, at a port where ``gateway()`` answers; ``defines`` are further ones of its configuration.
    """

    def __init__(self, database_url: str, *, gateway: bool = False, defines: Sequence[str] = ()) -> None:
        self._database_url = database_url
        self._defines = defines
        # Kamailio is told this port when it starts and somebody answers there later, so it is kept from others meanwhile.
        self._gateway_port = free_port() if gateway else None
        self._kept = _keep(self._gateway_port)
        self._directory = tempfile.TemporaryDirectory(prefix="kamailio-", ignore_cleanup_errors=True)
        self._run = Path(self._directory.name)
        self._process: asyncio.subprocess.Process | None = None
        self._count = 0
        self.sip_port = free_port()
        self.rpc_url = f"http://{LOOPBACK}:{free_port()}/RPC"

    async def __aenter__(self) -> Self:
        url = make_url(self._database_url)
        secrets: dict[str, str] = {}
        if url.get_backend_name() == "sqlite":
            database = ["-A", f'DBURL="sqlite:///{url.database}"']
        else:
            plain = url.set(drivername="postgres", query={}).render_as_string(hide_password=False)
            database, secrets = ["-A", "WITH_POSTGRESQL"], {"DATABASE_URL": plain}
        rpc_port = httpx.URL(self.rpc_url).port
        defines = ["-A", f"SIP_PORT={self.sip_port}", "-A", f"RPC_PORT={rpc_port}", "-A", "WORKERS=2"]
        if self._gateway_port is not None:
            defines += ["-A", f'GATEWAY="{LOOPBACK}:{self._gateway_port}"']
        defines += [part for define in self._defines for part in ("-A", define)]
        run = str(self._run)
        memory = ["-m", "32", "-M", "4"]
        with (self._run / "log").open("w") as log:
            self._process = await asyncio.create_subprocess_exec(
                shutil.which("kamailio") or "/usr/sbin/kamailio",
                *["-DD", "-E", "-f", str(_ROOT / "deploy/kamailio/kamailio.cfg"), "-w", run, "-Y", run],
                *["-P", f"{run}/pid", *memory, *defines, *database],
                stdout=log,
                stderr=log,
                env={**os.environ, **secrets},
            )
        await self._answering()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 5)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._kept is not None:
            self._kept.close()
        self._directory.cleanup()

    @property
    def log(self) -> str:
        return (self._run / "log").read_text(errors="replace")

    @property
    def gateway_address(self) -> str:
        """Where the gateway to the telephone network is, as ``host:port``."""
        assert self._gateway_port is not None, "this Kamailio was started without a gateway"
        return f"{LOOPBACK}:{self._gateway_port}"

    async def rpc(self, method: str, *parameters: str) -> dict[str, object]:
        """Kamailio's answer to a JSON-RPC request, result or error."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        async with httpx.AsyncClient(trust_env=False) as http:
            answer: dict[str, object] = (await http.post(self.rpc_url, json=request)).json()
        return answer

    async def register(self, username: str, domain: str, password: str, *, port: int = 0, contact: str = "") -> Answer:
        """One REGISTER with digest. ``contact`` is the address that the telephone believes to have, if not its own."""
        port = port or free_port()
        keys = {"user": username, "domain": domain, "contact": contact or f"{LOOPBACK}:{port}"}
        return await self._ask("register", "REGISTER", keys, username, password, port)

    async def call(
        self,
        username: str,
        domain: str,
        password: str,
        callee: str,
        *,
        talk: float = 0.1,
        as_user: str = "",
        scenario: str = "call",
        until: asyncio.Event | None = None,
    ) -> Answer:
        """Call somebody, talk for so many seconds or ``until`` an event, hang up. ``as_user`` puts another name in From."""
        keys = {"user": username, "from": as_user or username, "domain": domain, "callee": callee}
        scenario = scenario if until is None else "talk"
        pause = ("-d", str(int(talk * 1000)))
        return await self._ask(scenario, "INVITE", keys, username, password, free_port(), *pause, until=until)

    @asynccontextmanager
    async def phone(
        self, username: str, domain: str, password: str, *, contact: str = "", scenario: str = "answer"
    ) -> AsyncIterator[Phone]:
        """A telephone of this line: registered, and answering while the ``async with`` lasts."""
        port = free_port()
        answer = await self.register(username, domain, password, port=port, contact=contact)
        if not answer:
            raise AssertionError(f"the telephone could not register: {answer}")
        async with self._answering_at(port, scenario) as phone:
            yield phone

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Phone]:
        """The gateway to the telephone network: answers every call that the switch sends out."""
        assert self._gateway_port is not None, "this Kamailio was started without a gateway"
        assert self._kept is not None, "somebody answers as the gateway already"
        self._kept.close()
        self._kept = None
        try:
            async with self._answering_at(self._gateway_port) as gateway:
                yield gateway
        finally:
            self._kept = _keep(self._gateway_port)

    @asynccontextmanager
    async def _answering_at(self, port: int, scenario: str = "answer") -> AsyncIterator[Phone]:
        log = self._next_log()
        process = await self._sipp(scenario, log, "-p", str(port))
        try:
            while not _bound(port):
                if process.returncode is not None:
                    raise AssertionError(f"sipp did not start answering:\n{log.with_suffix('.out').read_text()}")
                await asyncio.sleep(0.02)
            yield Phone(log)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _ask(
        self,
        scenario: str,
        method: str,
        keys: dict[str, str],
        user: str,
        password: str,
        port: int,
        *more: str,
        until: asyncio.Event | None = None,
    ) -> Answer:
        log = self._next_log()
        arguments = [
            "-m",
            "1",
            "-timeout",
            "60" if until else "15",
            "-timeout_error",
            "-au",
            user,
            "-ap",
            password,
            "-p",
            str(port),
            *more,
        ]
        for name, value in keys.items():
            arguments += ["-key", name, value]
        process = await self._sipp(scenario, log, *arguments)
        async with asyncio.timeout(90 if until else 30):
            if until is not None:
                await _hang_up(process, log, port, until)
            code = await process.wait()
        answer = _final_answer(log, method)
        if answer is None:
            raise AssertionError(
                f"sipp ended with {code} and no answer to {method}:\n{log.with_suffix('.out').read_text()}\n{self.log}"
            )
        as_it_should = code == 0 if scenario == "give_up" else bool(answer) == (code == 0)
        if not as_it_should:
            raise AssertionError(f"sipp ended with {code} after {answer}:\n{log.read_text()}")
        return answer

    async def _sipp(self, scenario: str, log: Path, *arguments: str) -> asyncio.subprocess.Process:
        with log.with_suffix(".out").open("w") as output:
            return await asyncio.create_subprocess_exec(
                shutil.which("sipp") or "sipp",
                *[f"{LOOPBACK}:{self.sip_port}", "-sf", str(_SCENARIOS / f"{scenario}.xml"), "-i", LOOPBACK],
                *["-cp", str(free_port()), "-nostdin", "-trace_msg", "-message_file", str(log), *arguments],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._run,
            )

    def _next_log(self) -> Path:
        self._count += 1
        return self._run / f"sipp-{self._count}.log"

    async def _answering(self) -> None:
        deadline = time.monotonic() + 10
        while True:
            try:
                await self.rpc("core.uptime")
            except httpx.HTTPError:
                if self._process is None or self._process.returncode is not None or time.monotonic() > deadline:
                    raise AssertionError(f"Kamailio did not start:\n{self.log}") from None
                await asyncio.sleep(0.02)
            else:
                return


async def _hang_up(process: asyncio.subprocess.Process, log: Path, port: int, when: asyncio.Event) -> None:
    """Tell a telephone that talks to hang up, once the event has happened; nothing if its call has ended by then."""
    ended, told = asyncio.create_task(process.wait()), asyncio.create_task(when.wait())
    try:
        await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
        with socket.socket(type=socket.SOCK_DGRAM) as teller:
            while not ended.done():
                answered = next((text for text in _messages(log) if re.match(r"SIP/2\.0 200 [^\0]*CSeq: 2 INVITE", text)), None)
                if answered is not None:
                    keep = re.findall(r"^(?:From|To|Call-ID): .*$", answered, re.MULTILINE)
                    lines = ["INFO sip:telephone SIP/2.0", f"Via: SIP/2.0/UDP {LOOPBACK};branch=z9hG4bKinfo", *keep]
                    message = "\r\n".join([*lines, "CSeq: 9 INFO", "Content-Length: 0", "", ""])
                    teller.sendto(message.encode(), (LOOPBACK, port))
                await asyncio.wait({ended}, timeout=0.1)
    finally:
        for task in (ended, told):
            task.cancel()


def _keep(port: int | None) -> socket.socket | None:
    if port is None:
        return None
    kept = socket.socket(type=socket.SOCK_DGRAM)
    kept.bind((LOOPBACK, port))
    return kept


def _bound(port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def _messages(log: Path, direction: str = "") -> list[str]:
    """The SIP messages of a sipp trace, which puts a ruler and a line about each before it; all, or those ``received``."""
    if not log.exists():
        return []
    _, *parts = re.split(r"^-{10,}.*\n(.*)\n\n?", log.read_text(errors="replace"), flags=re.MULTILINE)
    said = zip(parts[::2], parts[1::2], strict=True)
    return [text.replace("\r\n", "\n").lstrip("\n") for about, text in said if text.strip() and direction in about]


def _final_answer(log: Path, method: str) -> Answer | None:
    last = None
    for message in _messages(log):
        status = re.match(r"SIP/2\.0 ([2-6]\d\d) (.*)", message)
        if status and re.search(rf"^CSeq:\s*\d+ {method}\s*$", message, re.MULTILINE):
            last = Answer(int(status[1]), status[2].strip())
    return last
