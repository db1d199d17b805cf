"""Records the histories that every later version must replay: ``make histories`` or ``python -m tests.histories.record``.

One file for each scene, of real runs on a real server against simulated ports, into a folder named after the release. What is
there stays as it is: a change of a workflow goes behind ``workflow.patched`` until the replay of the old ones is green. Only
scenes without a file are recorded; to replace one on purpose, delete its file.
"""

import asyncio
import json
import logging
import sys
import tempfile
import tomllib
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkipper

from adapters.settings import Settings
from starter.local.processes import Guard
from starter.local.temporal_server import start_temporal_server
from tests.histories.others import OTHERS, AnyHandle, Shelf
from tests.histories.scenes import SCENES
from tests.simulators import World
from tests.workflows.conftest import Office
from worker import onboarding_worker

HERE = Path(__file__).parent
VERSION = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["project"]["version"]


def without_traces(part: Any) -> Any:
    """The same without stack traces, which name folders of this machine; replay does not look at them."""
    if isinstance(part, dict):
        return {key: without_traces(value) for key, value in part.items() if key != "stackTrace"}
    return [without_traces(value) for value in part] if isinstance(part, list) else part


async def record(handle: AnyHandle, name: str, folder: Path) -> None:
    """Wait for one play to end and keep its history."""
    try:
        outcome = await handle.result()
    except WorkflowFailureError as error:
        ended = type(error.cause).__name__
    else:
        ended = outcome.model_dump_json(exclude_none=True)
    history = without_traces((await handle.fetch_history()).to_json_dict())
    (folder / f"{name}.json").write_text(json.dumps(history, separators=(",", ":")) + "\n")
    print(f"{name}: {ended}, {len(history['events'])} events")


async def record_missing(address: str, folder: Path) -> None:
    # Without an identity of its own the client writes this machine's name into every history.
    client = await Client.connect(address, data_converter=pydantic_data_converter, identity="recorder")
    missing = [name for name in [*SCENES, *OTHERS] if not (folder / f"{name}.json").exists()]
    # The workers end together: one that ends within 10 s of a local activity makes the SDK (1.35) print a panic that means nothing.
    async with AsyncExitStack() as workers:
        for name in missing:
            world, shelf = World(), Shelf()
            office = Office(client, TimeSkipper(client), f"recording-{uuid.uuid4()}", world)
            methods = [*world.activities(), *shelf.activities()]
            await workers.enter_async_context(onboarding_worker(client, Settings(task_queue=office.task_queue), methods))
            handle: AnyHandle = await SCENES[name].play(office) if name in SCENES else await OTHERS[name].play(office, shelf)
            await record(handle, name, folder)
    print(f"{len(missing)} new of {len(SCENES) + len(OTHERS)} histories in {folder.relative_to(Path.cwd())}", file=sys.stderr)


def main() -> None:
    logging.disable(logging.CRITICAL)  # scenes fail on purpose
    folder = HERE / VERSION
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, Guard() as guard:
        server = start_temporal_server(guard=guard, log=Path(scratch) / "server.log")
        try:
            asyncio.run(record_missing(server.address, folder))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
