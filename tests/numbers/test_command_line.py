"""The commands for numbers and baskets, against the API of a shop that listens on a port."""

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvicorn

from tests import cli
from tests.numbers.conftest import DRAMA, TENANT, Shop

Dialtone = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
async def dialtone(shop: Shop, tmp_path: Path) -> AsyncIterator[Dialtone]:
    async for run in listening_shop(shop, tmp_path):
        yield run


async def listening_shop(shop: Shop, tmp_path: Path) -> AsyncIterator[Dialtone]:
    """The command line, speaking to the API of this shop."""
    listening = socket.create_server(("127.0.0.1", 0))
    transport = shop.http._transport
    server = uvicorn.Server(uvicorn.Config(transport.app, log_config=None, access_log=False))  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve([listening]))

    async def run(*arguments: str, by: str = "admin", given: str | None = None) -> subprocess.CompletedProcess[str]:
        env = {"DIALTONE_URL": f"http://127.0.0.1:{listening.getsockname()[1]}", "DIALTONE_API_KEY": shop.keys[by]}
        return await cli.dialtone(arguments, tmp_path, env, given)

    yield run
    server.should_exit = True
    await serving


@pytest.mark.requirement("S3-18", "S3-19", "S3-20", "S3-24")
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_numbers_are_imported_with_their_grades_searched_and_put_into_a_basket(shop: Shop, dialtone: Dialtone) -> None:
    rows = "\n".join(f"0121 496 {at:04d},spare,{'gold' if at == 37 else ''}" for at in range(50))
    imported = await dialtone(
        "numbers", "import", "-", "--white-label", TENANT.slug, "--grade-column", "3", by="platform", given=rows
    )
    assert (imported.returncode, imported.stdout.strip()) == (0, "50"), imported.stderr
    found = await dialtone("numbers", "search", "--prefix", "0121 496", "--contains", "3", "--contains", "7", "--grade", "gold")
    assert found.stdout.split("\t")[:2] == [DRAMA[37], "gold"]
    nothing = await dialtone("numbers", "search", "--contains", "999")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "No free number matches" in nothing.stderr
    wrong = await dialtone("numbers", "search", "--pick", "best")
    assert wrong.returncode == 1
    basket = (await dialtone("baskets", "open")).stdout.strip()
    added = await dialtone("baskets", "add", basket, DRAMA[37], "0121 496 0001")
    assert [line.split("\t")[0] for line in added.stdout.splitlines()] == [DRAMA[1], DRAMA[37]]
    assert "Held for another 14:" in added.stderr or "Held for another 15:00" in added.stderr
    left = json.loads((await dialtone("baskets", "remove", basket, DRAMA[1], "--json")).stdout)
    assert [number["e164"] for number in left["pricing"]["numbers"]] == [DRAMA[37]]
    assert (await dialtone("baskets", "discard", basket)).returncode == 0
    gone = await dialtone("baskets", "show", basket)
    assert gone.returncode == 1
    assert "Open another one" in gone.stderr
    assert (await dialtone("numbers", "release", DRAMA[1])).returncode == 1
