"""``python -m starter.local.inbox``: the development inbox as a process of its own."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from starter.local.inbox.pages import application
from starter.local.inbox.sink import Sink, listen
from starter.local.inbox.store import Store


class _Server(uvicorn.Server):
    """uvicorn ends the process by itself on a signal; here the mail side and the store have to be closed too."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(smtp_port: int, http_port: int, state_dir: Path, *, with_parent: bool) -> None:
    """Receive and show mail until SIGTERM, SIGINT, or with ``with_parent`` until standard input ends.

    One line of JSON on standard output says when it listens and where.
    """
    store = Store(state_dir / "inbox.db")
    sink = Sink(store)
    config = uvicorn.Config(application(store, sink), log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    web = _Server(config)

    def stop() -> None:
        web.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if with_parent:
        loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 1024) else stop())
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", http_port))
        listener.listen(128)
        smtp = await listen(sink, smtp_port)
        ports = {"smtp_port": smtp.sockets[0].getsockname()[1], "http_port": listener.getsockname()[1]}
        print(json.dumps(ports), flush=True)
        await web.serve([listener])
        if with_parent:
            loop.remove_reader(sys.stdin.fileno())
        smtp.close()
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m starter.local.inbox", description="A mail relay that keeps everything")
    parser.add_argument("--smtp-port", type=int, default=8425, help="0 takes a free one (default 8425)")
    parser.add_argument("--http-port", type=int, default=8426, help="0 takes a free one (default 8426)")
    parser.add_argument("--state-dir", type=Path, default=Path(".dialtone/inbox"), help="where messages are kept")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    arguments = parser.parse_args()
    try:
        asyncio.run(serve(arguments.smtp_port, arguments.http_port, arguments.state_dir, with_parent=arguments.with_parent))
    except OSError as error:
        sys.exit(f"The inbox cannot start: {error.strerror}. Is another one running? Choose other ports.")


if __name__ == "__main__":
    main()
