"""What the embedded gateway's program is run in, with a program that does everything that must be prevented."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import starter.local.stripe_edge

CONFINE = Path(starter.local.stripe_edge.__file__).with_name("confine.py")

SHARED = Path("/tmp/dialtone-test-clerk.pickle")

CLERK = f"""
import os, pickle, socket, sys

class Store(dict):
    def __setitem__(self, name, value):
        super().__setitem__(name, value)
        with open("{SHARED}", "wb") as file:
            pickle.dump(self, file)
            if "cut-while-writing" in sys.argv:
                file.flush()
                os._exit(1)
        if "cut-while-loading" in sys.argv:
            os._exit(1)

store = Store()
if "write" in sys.argv:
    for name in "abc":
        store[name] = len(name)
elif "cut-while-writing" in sys.argv:
    store["z"] = 1
elif "listen" in sys.argv:
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("::", 0))
    listener.listen()
    listener.accept()[0].sendall(b"here")
else:
    with open("{SHARED}", "rb") as file:
        print(" ".join(pickle.load(file)))
"""


@pytest.fixture
def short_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dialtone-") as directory:
        yield Path(directory)


@pytest.fixture
def command(tmp_path: Path, short_dir: Path) -> Callable[..., list[str]]:
    (tmp_path / "clerk.py").write_text(CLERK)
    return lambda *arguments, keep="yes": [
        sys.executable, str(CONFINE), str(short_dir / "socket"), str(tmp_path / "private"), keep, "clerk", *arguments,
    ]  # fmt: skip


@pytest.fixture
def run(command: Callable[..., list[str]], tmp_path: Path) -> Callable[..., str]:
    def run(*arguments: str, keep: str = "yes") -> str:
        env = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            command(*arguments, keep=keep), env=env, capture_output=True, text=True, timeout=20, check=False
        ).stdout.strip()

    return run


def test_what_is_written_to_the_shared_directory_lands_in_a_private_one(run, tmp_path):
    run("write")
    assert run("read") == "a b c"
    assert not SHARED.exists()
    assert (tmp_path / "private" / SHARED.name).stat().st_mode & 0o077 == 0
    assert (tmp_path / "private").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("cut", ["cut-while-writing", "cut-while-loading"])
def test_a_power_cut_leaves_the_last_whole_file(run, cut):
    run("write")
    run(cut)
    assert run("read") == "a b c"


def test_what_is_not_to_be_kept_is_not_written(run, tmp_path):
    run("write", keep="no")
    assert not (tmp_path / "private" / SHARED.name).exists()


def test_what_listens_on_every_interface_is_reached_by_its_owner_only(command, tmp_path, short_dir):
    path = short_dir / "socket"
    with subprocess.Popen(command("listen"), env={**os.environ, "PYTHONPATH": str(tmp_path)}) as clerk:
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.settimeout(10)
            while visitor.connect_ex(str(path)):
                assert clerk.poll() is None
            assert visitor.recv(10) == b"here"
        assert path.stat().st_mode & 0o077 == 0
