"""Where is measured: the local stack in a folder of its own, and beside it whatever it is compared with."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client, WorkflowHandle

from adapters.database import Database
from adapters.temporal import data_converter
from bench import customers
from domain.onboarding import OnboardingInput
from starter.local.ports import Ports
from starter.local.processes import Guard, ManagedProcess
from starter.local.stack import ROOT, Stack
from workflows.starting import start_options


@dataclass(frozen=True)
class Laboratory:
    """The running stack, its white label, and a place for other processes."""

    stack: Stack
    api_key: str
    path: Path
    _guard: Guard

    @property
    def environment(self) -> dict[str, str]:
        """What the processes of the stack are told; what is compared with them is told the same."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "DIALTONE_"))}
        return inherited | self.stack.environment | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

    def launch(self, name: str, module: str, *arguments: str, extra: Mapping[str, str] | None = None) -> ManagedProcess:
        """Start ``python -m module`` beside the stack."""
        command = [sys.executable, "-m", module, *arguments]
        return ManagedProcess(
            name, command, env=self.environment | dict(extra or {}), log=self.path / f"{name}.log", guard=self._guard
        )

    async def connect(self) -> Client:
        """A client as the processes of the stack have it."""
        return await Client.connect(
            self.stack.environment["TEMPORAL_ADDRESS"], data_converter=data_converter(self.stack.settings)
        )


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    """Everything up, everything gone at the end. Blocks: not to be entered on an event loop."""
    with tempfile.TemporaryDirectory(prefix="dialtone-bench-") as folder, Guard() as guard:
        path = Path(folder)
        with Stack(path / "stack", Ports.free()) as stack:
            yield Laboratory(stack, asyncio.run(_move_in(stack.settings.database)), path, guard)


async def _move_in(url: str) -> str:
    database = Database(url)
    try:
        return await customers.move_in(database)
    finally:
        await database.close()


async def start(client: Client, workflow: str, begin: OnboardingInput, task_queue: str) -> "WorkflowHandle[object, object]":
    """Start a workflow with all that the web process starts an onboarding with."""
    return await client.start_workflow(workflow, begin, task_queue=task_queue, **start_options(begin))
