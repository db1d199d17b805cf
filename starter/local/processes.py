"""Programs as children of ours: one process group each, a log file each, none left behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

GUARD = Path(__file__).with_name("guard.py")
STOP_SECONDS = 15.0


class StackError(Exception):
    """The local stack cannot do what it was asked; the message is a sentence for the person at the terminal."""


class Guard:
    """A small process that outlives this one by as long as it takes to end what this one started."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", str(GUARD)], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def _note(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def watch(self, group: int) -> None:
        self._note(f"+{group}")

    def forget(self, group: int) -> None:
        self._note(f"-{group}")

    def close(self) -> None:
        """End the guard, and with it whatever it still watches."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class ManagedProcess:
    """One program, running. Its output goes to ``log``; it leads a process group of its own, so that a Ctrl-C at the
    terminal reaches only its owner, who ends it in the right order."""

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path, guard: Guard) -> None:
        self.name = name
        self.log = log
        self._guard = guard
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the commands are ours
                list(command), env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        guard.watch(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, or ``None`` while it runs."""
        return self._process.poll()

    def stop(self, grace: float = STOP_SECONDS) -> None:
        """Ask the program to end (SIGTERM), wait ``grace`` seconds, then end its whole group."""
        if self.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        self.kill()

    def kill(self) -> None:
        """End the program and everything it started, at once (SIGKILL)."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._guard.forget(self._process.pid)

    def complaint(self) -> str:
        """What the program said last, for the sentence that tells why it is not running."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        # A program in Go ends its last words with a stack; what went wrong is its panic, and what it logged just before.
        panic = max((at for at, line in enumerate(lines) if line.startswith(("panic: ", "fatal error: "))), default=None)
        last = lines[-1:] if panic is None else lines[max(panic - 1, 0) : panic + 1]
        said = f" It said: {' '.join(line.strip() for line in last)[:300]}" if last else ""
        return f"{said} The whole story is in {self.log}."


def wait_until_healthy(process: ManagedProcess, healthy: Callable[[], bool], seconds: float = 40.0) -> None:
    """Return as soon as ``healthy`` says so.

    Raises ``StackError`` if the process ends or the time is over. ``healthy`` answers ``False`` for "not yet".
    """
    deadline = time.monotonic() + seconds
    while not healthy():
        if process.returncode is not None:
            raise StackError(f"{process.name} ended while starting (status {process.returncode}).{process.complaint()}")
        if time.monotonic() > deadline:
            raise StackError(f"{process.name} did not answer within {seconds:.0f} seconds.{process.complaint()}")
        time.sleep(0.05)


def accepts_connections(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """That many different ports on loopback that nobody has, and that the system gives to nobody for the next minute.

    Whoever is told such a port has to listen with ``SO_REUSEADDR``, as servers do: a closed connection stays behind at each
    port, and for as long as it lies in TIME_WAIT (RFC 9293, 3.6) the system neither gives the port to who asks for any nor
    takes it for a connection. Only looked for and let go, a port is now and then somebody else's before its server listens.
    """
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        for each in listeners:
            with socket.create_connection(each.getsockname()):
                # Who closes first keeps the TIME_WAIT, so the side at the port has to.
                each.accept()[0].close()
        return [each.getsockname()[1] for each in listeners]


def require_free(port: int, what: str) -> None:
    """Raises ``StackError`` with a way out if somebody else listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StackError(
                f"Port {port}, where {what} would listen, is taken by another program. "
                "Stop that program (is another `dialtone up` running?), or choose other ports with --port-base 9400."
            ) from error
