"""The local stack's directory: its secret, its environment, the API keys it issued. Readable by its owner only."""

import fcntl
import json
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from starter.local.processes import StackError

EXAMPLES = Path(__file__).parents[2] / "examples"


class StateDirectory:
    """Where the local stack keeps what must survive a restart. Made with mode 0700 when first used."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def secret(self, name: str) -> str:
        """A random secret of this installation, made once: 32 bytes in hex."""
        kept = self.path / f"{name}.secret"
        if not kept.exists():
            _write_private(kept, secrets.token_hex(32))
        return kept.read_text().strip()

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which the last stack here ran its processes; empty before the first."""
        return read_environment(self.path)

    def keep_environment(self, variables: Mapping[str, str]) -> None:
        lines = [f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
        _write_private(self.path / "environment", "\n".join(lines) + "\n")

    @property
    def api_keys(self) -> dict[str, str]:
        """The API keys that the stack issued to its owner, by name."""
        return read_api_keys(self.path)

    def keep_api_keys(self, keys: Mapping[str, str]) -> None:
        _write_private(self.path / "keys.json", json.dumps(dict(keys), indent=2) + "\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one stack at a time. Raises ``StackError`` if there is one; the lock ends with the process."""
        descriptor = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StackError(
                    f"A local stack is running already on {self.path}. Use that one, stop it with Ctrl-C where it runs, "
                    "or give this one a directory of its own with --state-dir and ports of its own with --port-base."
                ) from error
            yield
        finally:
            os.close(descriptor)


def read_environment(path: Path) -> dict[str, str]:
    """What ``keep_environment`` wrote there, if anything. Creates nothing."""
    kept = path / "environment"
    if not kept.exists():
        return {}
    pairs = (line.partition("=") for line in kept.read_text().splitlines() if "=" in line)
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


def read_api_keys(path: Path) -> dict[str, str]:
    """What ``keep_api_keys`` wrote there, if anything. Creates nothing."""
    kept = path / "keys.json"
    found: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    return found


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, at no moment readable by others and never half written."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
    draft.replace(file)
