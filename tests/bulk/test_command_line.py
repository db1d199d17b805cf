"""The commands for files of orders, against a web process that listens."""

import asyncio
import csv
import io
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvicorn

from tests import cli
from tests.bulk.conftest import Works, a_row, as_csv, sqlite_only

Dialtone = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
async def dialtone(busy: Works, tmp_path: Path) -> AsyncIterator[Dialtone]:
    listening = socket.create_server(("127.0.0.1", 0))
    transport = busy.http._transport
    server = uvicorn.Server(uvicorn.Config(transport.app, log_config=None, access_log=False))  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve([listening]))

    async def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = {"DIALTONE_URL": f"http://127.0.0.1:{listening.getsockname()[1]}", "DIALTONE_API_KEY": busy.keys["admin"]}
        return await cli.dialtone(("bulk", *arguments), tmp_path, env)

    yield run
    server.should_exit = True
    await serving


@sqlite_only
async def test_a_file_is_checked_started_watched_and_looked_at(dialtone: Dialtone, tmp_path: Path) -> None:
    rows = [a_row(number) for number in range(1, 5)]
    (tmp_path / "good.csv").write_bytes(as_csv(rows))
    rows[1]["plan"] = "no-such-plan"
    (tmp_path / "bad.csv").write_bytes(as_csv(rows))
    checked = await dialtone("check", "bad.csv")
    assert checked.returncode == 1
    assert checked.stdout.startswith("row 2 (line 3)  plan: There is no such plan")
    assert (await dialtone("check", "good.csv")).returncode == 0
    stopped = await dialtone("start", "bad.csv")
    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert "Row 2 (line 3, column plan)" in stopped.stderr
    started = await dialtone("start", "bad.csv", "--skip-bad-rows", "--rate", "6000", "--idempotency-key", "once")
    assert started.returncode == 0, started.stderr
    run = started.stdout.strip()
    assert "1 rows are not valid" in started.stderr
    again = await dialtone("start", "bad.csv", "--skip-bad-rows", "--rate", "6000", "--idempotency-key", "once")
    assert (again.stdout.strip(), "accepted before" in again.stderr) == (run, True)
    watched = await dialtone("watch", run)
    # No terminal, so no bar: lines that a log can keep.
    assert (watched.returncode, watched.stdout.splitlines()[-1]) == (0, "finished: 3 started, 0 left")
    seen = json.loads((await dialtone("show", run, "--json")).stdout)
    assert seen["rows"] == {"started": 3, "refused": 1}
    assert "Rows refused" in (await dialtone("show", run)).stdout
    table = [line.split("\t")[:2] for line in (await dialtone("rows", run)).stdout.splitlines()]
    assert table == [["1", "started"], ["2", "refused"], ["3", "started"], ["4", "started"]]
    report = list(csv.DictReader(io.StringIO((await dialtone("rows", run, "--state", "refused", "--csv")).stdout)))
    assert [(line["row"], line["column"], line["code"]) for line in report] == [("2", "plan", "unknown_plan")]
    assert (await dialtone("list")).stdout.split("\t")[:3] == [run, "finished", "4"]
    assert (await dialtone("pause", run)).returncode == 1
    columns = (await dialtone("columns")).stdout
    assert "customer.contact.email\tstring" in columns


@sqlite_only
async def test_a_run_is_paused_slowed_undone_and_cancelled(dialtone: Dialtone, tmp_path: Path) -> None:
    (tmp_path / "many.csv").write_bytes(as_csv([a_row(number) for number in range(1, 41)]))
    run = (await dialtone("start", "many.csv", "--rate", "12")).stdout.strip()
    paused = await dialtone("pause", run)
    assert (paused.returncode, paused.stdout) == (0, "paused\n")
    assert (await dialtone("throttle", run, "--rate", "30", "--at-once", "2")).stdout == "30 a minute, 2 at once\n"
    for _ in range(2):
        assert (await dialtone("undo", run, "40")).stdout == "withdrawn\n"
    assert (await dialtone("undo", run, "41")).returncode == 1
    assert (await dialtone("resume", run)).stdout == "running\n"
    assert (await dialtone("cancel", run)).stdout == "cancelled\n"
    watched = await dialtone("watch", run)
    assert (watched.returncode, "were never started" in watched.stderr) == (1, True)
    assert (await dialtone("show", "2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11")).returncode == 1
