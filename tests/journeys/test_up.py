"""``dialtone up`` as a person runs it: says where everything is, and leaves nothing behind however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest

from starter.local.ports import Ports
from starter.local.stack import ROOT
from tests.ports import free_base


@contextmanager
def up(state: Path, base: int) -> Iterator[subprocess.Popen[str]]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DIALTONE_", "TEMPORAL_"))}
    command = [sys.executable, "-m", "starter.cli", "up", "--json", "--port-base", str(base), "--state-dir", str(state)]
    # A shell lets what it starts in the background ignore Ctrl-C, and whatever that starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        command, env=env | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        signal.signal(signal.SIGINT, before)
        try:
            yield process
        finally:
            process.kill()


def announced(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    facts: dict[str, Any] = json.loads(process.stdout.readline())
    return facts


def gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def wait_until(what: Callable[[], bool], seconds: float = 40.0) -> bool:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.05)
    return what()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_whatever_ends_it_nothing_is_left_running(number: signal.Signals, status: int, tmp_path: Path) -> None:
    base = free_base()
    with up(tmp_path / "state", base) as process:
        facts = announced(process)
        assert len(facts["pids"]) >= 6
        answer = httpx.get(
            f"{facts['urls']['web']}/v1/onboardings",
            headers={"Authorization": f"Bearer {facts['api_keys']['operator']}"},
            trust_env=False,
        )
        assert answer.status_code == 200
        process.send_signal(number)
        assert process.wait(60) == status
    assert wait_until(lambda: all(gone(pid) for pid in facts["pids"].values()))
    for field in fields(Ports):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", getattr(Ports.above(base), field.name))) != 0, field.name


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux shows what a process was told")
def test_what_it_keeps_and_what_it_tells_its_processes_is_nobody_elses(tmp_path: Path) -> None:
    state = tmp_path / "shared"
    state.mkdir(mode=0o755)  # a directory that was there before, and is not ours to close
    with up(state, free_base()) as process:
        facts = announced(process)
        secrets = {file.read_text().strip() for file in state.glob("*.secret")}
        assert len(secrets) == 2
        said = {name: Path(f"/proc/{pid}/cmdline").read_text() for name, pid in facts["pids"].items()}
        told = {name: Path(f"/proc/{pid}/environ").read_text() for name, pid in facts["pids"].items()}
        assert not [name for name, line in said.items() if any(secret in line for secret in secrets)]
        assert {name for name, env in told.items() if any(secret in env for secret in secrets)} == {"worker", "web", "gateway"}
        readable = {str(path.relative_to(state)) for path in state.rglob("*") if path.lstat().st_mode & 0o077}
        assert readable == set()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_a_part_that_dies_stops_the_others_and_is_named(tmp_path: Path) -> None:
    with up(tmp_path / "state", free_base()) as process:
        facts = announced(process)
        os.kill(facts["pids"]["inbox"], signal.SIGKILL)
        assert process.wait(60) == 1
        assert process.stderr is not None
        assert "inbox has ended by itself" in process.stderr.read()
    assert wait_until(lambda: all(gone(pid) for pid in facts["pids"].values()))


def test_a_taken_port_is_a_sentence_and_nothing_is_started(tmp_path: Path) -> None:
    base = free_base()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 20))
        taken.listen()
        with up(tmp_path / "state", base) as process:
            assert process.wait(60) == 1
            assert process.stderr is not None
            said = process.stderr.read()
    assert f"Port {base + 20}, where gateway would listen, is taken" in said
    assert "--port-base" in said
    assert "Traceback" not in said
