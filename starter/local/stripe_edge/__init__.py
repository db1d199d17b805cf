"""The embedded card gateway: localstripe behind an edge of ours. For development and tests; refused in production.

This module starts the two as processes. It imports neither aiohttp nor localstripe, which only the ``local`` dependency
group installs; localstripe is GPL and is only ever run as a program (docs/decisions/payments-embedded-gateway.md).
"""

import asyncio
import importlib.util
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from starter.local.processes import Guard, ManagedProcess, StackError, free_ports, require_free

WEBHOOK_SECRET = "DIALTONE_STRIPE_WEBHOOK_SECRET"  # noqa: S105 - its name
"""The variable in which the edge finds what it signs its reports with; the web process reads the same one."""

_CONFINE = Path(__file__).with_name("confine.py")
_START_SECONDS = 40.0
_SOCKET_SECONDS = 0.02


@dataclass(frozen=True)
class RunningGateway:
    """A gateway that answers at ``url``, as Stripe would at https://api.stripe.com."""

    url: str
    edge: ManagedProcess
    upstream: ManagedProcess
    _socket_dir: Path
    _own_guard: Guard | None

    async def stop(self) -> None:
        """End both processes, the edge first. What happened stays in the state directory."""
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self.edge.stop()
        self.upstream.stop()
        self._clean()

    def kill(self) -> None:
        """SIGKILL both: what a power cut does to them."""
        self.edge.kill()
        self.upstream.kill()
        self._clean()

    def _clean(self) -> None:
        shutil.rmtree(self._socket_dir, ignore_errors=True)
        if self._own_guard is not None:
            self._own_guard.close()

    async def add_fault(self, verb: str, kind: str, count: int = 1) -> None:
        """The next ``count`` requests of a verb suffer: see ``faults.py`` for verbs and kinds."""
        await self._ask("POST", "/_edge/faults", json={"verb": verb, "kind": kind, "count": count})

    async def clear_faults(self) -> None:
        await self._ask("DELETE", "/_edge/faults")

    async def forget_idempotency_keys(self) -> None:
        """What 24 hours do."""
        await self._ask("DELETE", "/_edge/answers")

    async def objects(self) -> dict[str, list[dict[str, Any]]]:
        """``payment_intents`` (with ``refunds`` and ``amount_refunded``) and ``sessions``: the gateway's own books."""
        books: dict[str, list[dict[str, Any]]] = await self._ask("GET", "/_edge/objects")
        return books

    async def _ask(self, method: str, path: str, **how: Any) -> Any:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
            return (await http.request(method, self.url + path, **how)).raise_for_status().json()


async def start_gateway(
    state_dir: Path,
    *,
    port: int = 0,
    webhook_url: str | None = None,
    webhook_secret: str = "whsec_dialtone_development",  # noqa: S107 - Settings' own default, refused in production
    persistent: bool = True,
    guard: Guard | None = None,
    log_dir: Path | None = None,
) -> RunningGateway:
    """Start both processes and return once the edge answers. ``port`` 0: a free one.

    ``state_dir`` holds everything that survives a restart. ``persistent=False`` forgets the payments when it ends and saves
    the time of writing all of them after every change. ``guard`` ends the processes if this one dies; without one it has its own.
    Raises ``StackError`` if the dependency group ``local`` is not installed, the port is taken or nothing comes up.
    """
    for module in ("localstripe", "aiohttp"):
        if importlib.util.find_spec(module) is None:
            raise StackError(
                f"The Python package `{module}` is missing, so the embedded card gateway cannot be started. Run `make install`, "
                "which installs the dependency group `local`, or set DIALTONE_STRIPE_API_KEY and unset DIALTONE_STRIPE_API_BASE."
            )
    port = port or free_ports(1)[0]
    require_free(port, "the embedded card gateway")
    socket_dir = _prepare(state_dir)
    upstream_command, edge_command = _commands(socket_dir / "gateway", state_dir, port, persistent)
    edge_command += ["--webhook-url", webhook_url] if webhook_url else []
    logs = log_dir or state_dir
    own_guard = None if guard is not None else Guard()
    watch = guard or own_guard
    assert watch is not None
    started: list[ManagedProcess] = []
    url = f"http://127.0.0.1:{port}"
    try:
        upstream = ManagedProcess("localstripe", upstream_command, env=os.environ, log=logs / "localstripe.log", guard=watch)
        started.append(upstream)
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(socket_dir / "gateway"):
            await _still_starting(upstream, deadline)
        # In the environment, because everybody on this machine can read a command line.
        env = {**_environment(), WEBHOOK_SECRET: webhook_secret}
        edge = ManagedProcess("The card gateway's edge", edge_command, env=env, log=logs / "stripe-edge.log", guard=watch)
        started.append(edge)
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            while not await _healthy(http, url):
                await _still_starting(edge, deadline)
    except BaseException:
        for process in reversed(started):
            process.kill()
        shutil.rmtree(socket_dir, ignore_errors=True)
        if own_guard is not None:
            own_guard.close()
        raise
    return RunningGateway(url=url, edge=edge, upstream=upstream, _socket_dir=socket_dir, _own_guard=own_guard)


def _prepare(state_dir: Path) -> Path:
    """Make the directories; returns the one for the socket.

    That one is not below the state directory: a socket's path has at most 108 characters, and a project can lie deep.
    """
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Path(tempfile.mkdtemp(prefix="dialtone-"))


def _commands(address: Path, state_dir: Path, port: int, persistent: bool) -> tuple[list[str], list[str]]:
    """The command lines of localstripe, confined to ``address``, and of the edge in front of it."""
    state_dir = state_dir.absolute()
    confined = [str(_CONFINE), str(address), str(state_dir / "localstripe"), "yes" if persistent else "no"]
    upstream = [sys.executable, "-I", *confined, "localstripe.server", *([] if persistent else ["--from-scratch"])]
    edge = [sys.executable, "-m", "starter.local.stripe_edge", "--port", str(port), "--upstream", f"unix:{address}"]
    return upstream, [*edge, "--state-dir", str(state_dir)]


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _environment() -> Mapping[str, str]:
    """The one of this process, with our packages to be found wherever it was started from."""
    root = str(Path(__file__).parents[3])
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{known}" if known else root}


async def _still_starting(process: ManagedProcess, deadline: float) -> None:
    if process.returncode is not None:
        raise StackError(f"{process.name} ended while starting (status {process.returncode}).{process.complaint()}")
    if time.monotonic() > deadline:
        raise StackError(f"{process.name} did not answer within {_START_SECONDS:.0f} seconds.{process.complaint()}")
    await asyncio.sleep(_SOCKET_SECONDS)


async def _healthy(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/_edge/health")).is_success
    except httpx.TransportError:
        return False
