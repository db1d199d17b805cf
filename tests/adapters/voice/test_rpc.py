"""Forgetting a device: the switch's JSON-RPC may be down, slow or say something else, and the undo is tried again."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from adapters.voice.kamailio import KamailioSwitch
from adapters.voice.tables import create_tables
from domain.errors import Unavailable
from tests.adapters.voice.ground import DOMAIN, SECRETS, line, removal, rows
from tests.ports import free_port

Reply = Callable[[dict[str, object]], tuple[int, str]]


@asynccontextmanager
async def rpc_server(reply: Reply) -> AsyncIterator[str]:
    """A JSON-RPC endpoint that answers as told, at its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/RPC"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
async def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'kamailio.db'}"
    await create_tables(url)
    return url


async def remove_over(rpc_url: str, url: str) -> None:
    switch = KamailioSwitch(url, SECRETS, rpc_url)
    try:
        await switch.provision(line("d1", "+441214960101"))
        await switch.remove(removal(line("d1", "+441214960101")))
    finally:
        await switch.close()


async def test_the_device_is_named_by_user_and_domain(url: str) -> None:
    asked: list[dict[str, object]] = []

    def reply(request: dict[str, object]) -> tuple[int, str]:
        asked.append(request)
        return 200, '{"jsonrpc": "2.0", "result": {}, "id": 1}'

    async with rpc_server(reply) as rpc_url:
        await remove_over(rpc_url, url)
    assert [(request["method"], request["params"]) for request in asked] == [("ul.rm", ["location", f"d1@{DOMAIN}"])]


async def test_a_device_that_was_not_registered_is_a_success(url: str) -> None:
    answer = '{"jsonrpc": "2.0", "error": {"code": 404, "message": "AOR not found"}, "id": 1}'
    async with rpc_server(lambda _: (404, answer)) as rpc_url:
        await remove_over(rpc_url, url)
    assert await rows(url, "subscriber") == []


@pytest.mark.parametrize(
    "answer",
    [
        '{"jsonrpc": "2.0", "error": {"code": 500, "message": "Unable to connect"}, "id": 1}',
        '{"jsonrpc": "2.0", "error": null, "id": 1}',
        "<html>a proxy's error page</html>",
        "[]",
    ],
)
async def test_any_other_answer_is_tried_again_with_the_line_already_gone(url: str, answer: str) -> None:
    async with rpc_server(lambda _: (500, answer)) as rpc_url:
        with pytest.raises(Unavailable, match="did not confirm"):
            await remove_over(rpc_url, url)
    assert await rows(url, "subscriber") == []


async def test_a_switch_that_is_down_is_tried_again_with_the_line_already_gone(url: str) -> None:
    with pytest.raises(Unavailable, match="did not confirm") as failure:
        await remove_over(f"http://127.0.0.1:{free_port()}/RPC", url)
    assert "d1" not in failure.value.message
    assert await rows(url, "subscriber") == []
