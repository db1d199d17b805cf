"""Runs a Python program so that nobody else can reach it: ``python confine.py SOCKET DIRECTORY KEEP MODULE [ARGS...]``.

It knows no program in particular and imports none of ours. Whatever the module listens on becomes the Unix socket SOCKET,
and whatever it opens below /tmp lands in DIRECTORY, which only the owner can read. A file that is written there replaces
the old one when it is complete, so that a power cut leaves the old one and not half of a new one. With KEEP=no, pickles are
not written at all. Standard library only.
"""

import builtins
import io
import os
import pickle
import runpy
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

_SHARED = "/tmp/"  # noqa: S108 - the place that is taken away


class _Replacement(io.BufferedWriter):
    """A file that takes its name when it is complete. One that nothing was written to never does."""

    def __init__(self, path: Path) -> None:
        self._target = path
        self._part = path.with_name(path.name + ".part")
        super().__init__(io.FileIO(self._part, "wb"))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        written = self.tell()
        super().__exit__(kind, error, trace)
        if kind is None and written:
            self._part.replace(self._target)


def _private_files(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    real_open = builtins.open

    def confined_open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, str) and file.startswith(_SHARED):
            path = directory / file.removeprefix(_SHARED)
            return _Replacement(path) if mode == "wb" else real_open(path, mode, *args, **kwargs)
        return real_open(file, mode, *args, **kwargs)

    builtins.open = confined_open


def _private_socket(path: str) -> None:
    class ConfinedSocket(socket.socket):
        def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:  # noqa: A002
            internet = family in (socket.AF_INET, socket.AF_INET6) and fileno is None
            super().__init__(socket.AF_UNIX if internet else family, type, proto, fileno)

        def bind(self, address: Any) -> None:
            super().bind(path if isinstance(address, tuple) else address)

    socket.socket = ConfinedSocket  # type: ignore[misc]


def _careful_pickles(keep: bool) -> None:
    """A program that saves whenever its store changes also saves while it loads it: half a store, once for every object."""
    real_load, real_dump = pickle.load, pickle.dump
    loading = False

    def load(*args: Any, **kwargs: Any) -> Any:
        nonlocal loading
        loading = True
        try:
            return real_load(*args, **kwargs)
        finally:
            loading = False

    def dump(*args: Any, **kwargs: Any) -> None:
        if keep and not loading:
            real_dump(*args, **kwargs)

    pickle.load, pickle.dump = load, dump


def main() -> None:
    """Confine this process, then become the program."""
    path, directory, keep, module, *arguments = sys.argv[1:]
    os.umask(0o077)
    _private_files(Path(directory))
    _private_socket(path)
    _careful_pickles(keep == "yes")
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
