"""The embedded mail relay of development: keeps every message, shows it, delivers nothing."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from starter.local.inbox.store import Message

__all__ = ["Message", "RunningInbox", "start_inbox"]

_ROOT = Path(__file__).parents[3]
_START_SECONDS = 20.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class RunningInbox:
    """An inbox in a process of its own. SMTP without encryption or login on ``smtp_port``, pages and JSON at ``url``."""

    smtp_port: int
    url: str
    _process: asyncio.subprocess.Process
    _http: httpx.AsyncClient

    async def messages(self, to: str = "", limit: int = 200) -> list[Message]:
        """What came, newest first: all of it, or what was sent to an address."""
        answer = await self._http.get("/api/messages", params={"to": to, "limit": limit, "full": True})
        answer.raise_for_status()
        return [Message.from_dict(content) for content in answer.json()["messages"]]

    async def wait_for(
        self, to: str, *, kind: str = "", subject: str = "", count: int = 1, seconds: float = 10.0
    ) -> list[Message]:
        """The messages to an address, oldest first, as soon as there are ``count`` of this kind with this in the subject.

        Raises ``TimeoutError`` with what came instead.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            everything = await self.messages(to)
            wanted = [one for one in everything if kind in {"", one.kind} and subject in one.subject]
            if len(wanted) >= count:
                return wanted[::-1]
            if asyncio.get_running_loop().time() > deadline:
                came = ", ".join(repr(one.subject) for one in everything) or "nothing"
                raise TimeoutError(
                    f"Of {count} messages wanted, {len(wanted)} came within {seconds} seconds. To this address: {came}."
                )
            await asyncio.sleep(0.05)

    async def fault(self, kind: str, count: int) -> None:
        """Misbehave the next ``count`` times: ``down``, ``busy``, ``refuse``, ``lost`` (see ``sink.FAULTS``)."""
        (await self._http.post("/api/faults", json={"kind": kind, "count": count})).raise_for_status()

    async def clear(self) -> None:
        """Delete everything."""
        (await self._http.delete("/api/messages")).raise_for_status()

    async def stop(self) -> None:
        """End the process. The messages stay in the state directory."""
        await self._http.aclose()
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
        await self._process.communicate()


def _prepared(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory.absolute()


async def start_inbox(state_dir: Path, smtp_port: int = 0, http_port: int = 0) -> RunningInbox:
    """Start an inbox and return when it listens. Port 0 takes a free one. It ends with this process, however that ends.

    Raises ``RuntimeError`` if it does not start; what it said is in ``state_dir/inbox.log``.
    """
    state_dir = await asyncio.to_thread(_prepared, state_dir)
    command = [sys.executable, "-m", "starter.local.inbox", "--with-parent", "--state-dir", str(state_dir)]
    command += ["--smtp-port", str(smtp_port), "--http-port", str(http_port)]
    log = state_dir / "inbox.log"
    with log.open("ab") as complaints:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=_ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=complaints
        )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
        ports = json.loads(line)
    except (TimeoutError, ValueError) as error:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        raise RuntimeError(f"The inbox did not start. What it said is in {log}.") from error
    url = f"http://127.0.0.1:{ports['http_port']}"
    # Without the proxies of the environment: they cannot reach this machine's loopback.
    return RunningInbox(ports["smtp_port"], url, process, httpx.AsyncClient(base_url=url, trust_env=False, timeout=10))
