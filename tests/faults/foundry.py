"""Worker processes on demand: real ones, to be killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starter.local.processes import Guard

ROOT = Path(__file__).parents[2]


@dataclass(eq=False)
class WorkerProcess:
    """One worker process."""

    _started: "Future[int]" = field(default_factory=Future)
    _ended: "Future[int]" = field(default_factory=Future)

    @property
    def pid(self) -> int:
        return self._started.result(10)

    @property
    def alive(self) -> bool:
        return not self._ended.done()

    def kill(self) -> None:
        """SIGKILL. Nothing happens if it is dead already."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: it does nothing any more, and does not know it."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was, as if no time had passed."""
        os.kill(self.pid, signal.SIGCONT)

    async def ended(self) -> int:
        """Wait until the process is gone. Its exit status: minus the signal's number if one killed it."""
        return await asyncio.shield(
            asyncio.wrap_future(self._ended)
        )  # to stop waiting does not take the answer away from others


class Foundry:
    """The program that forks workers (``tests.faults.worker``), for as long as the tests last."""

    def __init__(self, guard: Guard, log: Path) -> None:
        with log.open("ab") as complaints:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.worker"],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, start_new_session=True,
                env={name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "DIALTONE_"))},
            )  # fmt: skip
        guard.watch(self._process.pid)
        self._guard = guard
        self._workers: dict[str, WorkerProcess] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(
        self, *, settings: Mapping[str, Any], environment: Mapping[str, str], port: int, log: Path, tuning: Mapping[str, int]
    ) -> WorkerProcess:
        """Fork a worker; it asks the director at ``port``. ``tuning`` goes to the SDK's worker."""
        token, worker = str(uuid.uuid4()), WorkerProcess()
        self._workers[token] = worker
        order = {"token": token, "settings": settings, "environment": environment, "port": port, "log": str(log)}
        order["tuning"] = dict(tuning)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return worker

    def close(self) -> None:
        """End every worker, and the program."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._listener.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._guard.forget(self._process.pid)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            worker = self._workers[said["token"]]
            if "started" in said:
                worker._started.set_result(said["started"])
            else:
                worker._ended.set_result(said["ended"])
