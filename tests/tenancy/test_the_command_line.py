"""The commands for accounts and users, against a web process that listens."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable

import pytest
import uvicorn

from starter.cli import main
from tests.tenancy.conftest import PASSWORD, UPPER, Town

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
async def listening(town: Town) -> AsyncIterator[str]:
    """The town's API at an address of this machine."""
    transport = town.http._transport
    app = transport.app  # type: ignore[attr-defined]
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    # Whoever knocks before the server takes the door over waits there.
    door = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[door]))
    yield f"http://127.0.0.1:{door.getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.fixture
def run(listening: str, town: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``dialtone``; returns status, standard output and standard error. To be called on a thread."""
    monkeypatch.setenv("DIALTONE_URL", listening)
    monkeypatch.setenv("DIALTONE_API_KEY", town.keys["upper"])
    monkeypatch.setenv("NEW_PASSWORD", PASSWORD)
    lock = threading.Lock()

    def command(*arguments: str) -> tuple[int, str, str]:
        with lock:
            capsys.readouterr()
            status = 0
            try:
                main(list(arguments))
            except SystemExit as end:
                status = int(end.code or 0)
            return status, *capsys.readouterr()

    return command


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.requirement("S1-34", "S1-35", "S1-36")
async def test_users_are_listed_created_added_invited_and_removed(town: Town, run: Run) -> None:
    first, second = [(await town.live("upper", name))["account_id"] for name in ("First Ltd", "Second Ltd")]
    who = ("ada@example.com", "--name", "Ada Reed", "--role", "account_administrator")
    status, generated, _ = await asyncio.to_thread(run, "users", "create", first, *who)
    assert status == 0
    assert (await town.sign_in("ada@example.com", generated.strip())).status_code == 201
    status, _, said = await asyncio.to_thread(run, "users", "create", second, *who)
    assert (status, "Add that user" in said.replace("\n", " ")) == (1, True)
    assert (await asyncio.to_thread(run, "users", "add", second, "ada@example.com", "--role", "standard_user"))[0] == 0
    named = ("bob@example.com", "--name", "Bob", "--role", "auditor", "--password-from", "NEW_PASSWORD")
    assert (await asyncio.to_thread(run, "users", "create", second, *named))[0] == 0
    assert (await town.sign_in("bob@example.com")).status_code == 201
    status, _, said = await asyncio.to_thread(run, "users", "create", second, *named[:-1], "NO_SUCH_VARIABLE")
    assert (status, "NO_SUCH_VARIABLE is not set" in said) == (1, True)
    asked = ("users", "invite", second, "eve@example.com", "--name", "Eve", "--role", "auditor")
    assert (await asyncio.to_thread(run, *asked))[0] == 0
    status, listed, _ = await asyncio.to_thread(run, "users", "list", second)
    rows = [line.split("\t") for line in listed.splitlines()]
    assert [(row[1], row[3], row[4]) for row in rows[1:]] == [
        ("ada@example.com", "standard_user", "active"),
        ("bob@example.com", "auditor", "active"),
        ("eve@example.com", "auditor", "invited"),
    ]
    assert (await asyncio.to_thread(run, "users", "remove", second, rows[1][0]))[0] == 0
    status, listed, _ = await asyncio.to_thread(run, "users", "list", second, "--json")
    assert [json.loads(line)["email"] for line in listed.splitlines()][1:] == ["bob@example.com", "eve@example.com"]
    assert (await asyncio.to_thread(run, "users", "remove", second, rows[1][0]))[0] == 1


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.requirement("S2-04", "S2-32")
async def test_switching_prints_a_token_that_acts_in_the_account_only(
    town: Town, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = (await town.live("upper"))["account_id"]
    await town.live("upper", "Second Ltd")
    status, listed, _ = await asyncio.to_thread(run, "accounts", "list", "--kind", "customer")
    assert (status, len(listed.splitlines())) == (0, 2)
    assert account in [line.split("\t")[0] for line in listed.splitlines()]
    status, one, said = await asyncio.to_thread(run, "accounts", "list", "--limit", "1")
    assert (len(one.splitlines()), "raise --limit" in said) == (1, True)
    status, token, _ = await asyncio.to_thread(run, "accounts", "switch", account)
    assert status == 0
    monkeypatch.setenv("DIALTONE_API_KEY", token.strip())
    status, seen, _ = await asyncio.to_thread(run, "list", "--json")
    assert [json.loads(line)["account_id"] for line in seen.splitlines()] == [account]
    assert (await asyncio.to_thread(run, "accounts", "list", "--parent", UPPER.id))[0] == 1
    assert (await asyncio.to_thread(run, "accounts", "switch", UPPER.id))[0] == 1
