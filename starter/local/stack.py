"""The local stack: every server that Dialtone needs, on this machine, each in a process of its own.

    with Stack(Path(".dialtone"), Ports.above()) as stack:
        ...                     # everything answers: stack.urls, stack.api_keys

Started in the order in which they need each other and stopped in the reverse one. Whatever ends this process, SIGKILL
included, ends them too (``starter.local.guard``). What they know is in the state directory, so an onboarding that is under
way when the stack stops goes on when it starts again.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.database import migrate
from adapters.settings import Settings
from adapters.voice.tables import create_tables
from starter.local.ports import Ports
from starter.local.processes import Guard, ManagedProcess, StackError, wait_until_healthy
from starter.local.state import EXAMPLES, StateDirectory
from starter.local.stripe_edge import RunningGateway, start_gateway
from starter.local.temporal_server import is_ready, server_command
from starter.seed import seed

TASK_QUEUE = "onboarding"
ROOT = Path(__file__).parents[2]
_KAMAILIO_CONFIGURATION = ROOT / "deploy" / "kamailio" / "kamailio.cfg"
_OURS = ("worker", "web")
_DRAIN_SECONDS = 40.0  # the worker gives its running steps 30
_STOP_SECONDS = 10.0
_UPTIME = {"jsonrpc": "2.0", "method": "core.uptime", "id": 1}


@dataclass(frozen=True)
class _Part:
    """One process: its command line, and how to tell that it does its work."""

    name: str
    command: list[str]
    healthy: Callable[[], bool]


class Stack:
    """The local stack on a state directory. ``say`` is told, in sentences, what a person should know.

    Everything here blocks: call it from a thread if there is an event loop. Raises ``StackError`` with the way out.
    """

    def __init__(
        self, state_dir: Path, ports: Ports, *, examples: Path = EXAMPLES, say: Callable[[str], None] | None = None
    ) -> None:
        if os.environ.get("DIALTONE_ENVIRONMENT") == "production":
            raise StackError(
                "The local stack is for development and this environment says production. Unset DIALTONE_ENVIRONMENT."
            )
        self.ports = ports
        self.state = StateDirectory(state_dir)
        self._examples = examples
        self._say = say or (lambda _: None)
        self._processes: dict[str, ManagedProcess] = {}
        self._resources = ExitStack()
        self._guard: Guard | None = None
        self.environment = self._own_environment()
        self._gateway: RunningGateway | None = None
        self._parts = self._define_parts()

    @property
    def urls(self) -> dict[str, str]:
        """Where a person looks, by name."""
        ports = self.ports
        return {
            "web": f"http://127.0.0.1:{ports.web}",
            "inbox": f"http://127.0.0.1:{ports.inbox}",
            "temporal": f"http://127.0.0.1:{ports.temporal_ui}",
            "gateway": f"http://127.0.0.1:{ports.gateway}",
        }

    @property
    def api_keys(self) -> dict[str, str]:
        """API keys in clear, by name: operator, approver, and one per white label."""
        return self.state.api_keys

    @property
    def settings(self) -> Settings:
        """What the processes of the stack are told, as one value."""
        fields = {
            name.removeprefix("DIALTONE_").lower(): value
            for name, value in self.environment.items()
            if name.startswith("DIALTONE_")
        }
        return Settings.model_validate(fields)

    def start(self) -> None:
        """Start everything that is not running, prepare the databases, and return when all of it answers."""
        try:
            self._resources.enter_context(self.state.locked())
            self._guard = self._resources.enter_context(Guard())
            self.ports.require_free()
            # Under the lock: a stack that runs here already keeps its own.
            self.state.keep_environment(self.environment)
            self._keep_temporal_profile()
            outside = [name for name in self._parts if name not in _OURS]
            for name in outside:
                self._launch(name)
            asyncio.run(self._prepare())
            for name in outside:
                self._await(name)
            for name in _OURS:
                self._launch(name)
            for name in _OURS:
                self._await(name)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything, the worker first: it lets running steps end while what they need is still there."""
        with self._resources:
            for name in sorted(self._processes, key=lambda name: _OURS.index(name) if name in _OURS else len(_OURS)):
                self.stop_part(name)
            self._stop_gateway()

    def start_part(self, name: str) -> None:
        """Start one part again and wait until it answers."""
        if name == "gateway":
            asyncio.run(self._start_gateway())
        else:
            self._launch(name)
            self._await(name)

    def stop_part(self, name: str) -> None:
        """Ask one part to end, and wait until it has."""
        if name == "gateway":
            self._stop_gateway()
        else:
            self._processes.pop(name).stop(_DRAIN_SECONDS if name == "worker" else _STOP_SECONDS)

    def kill_part(self, name: str) -> None:
        """End one part at once (SIGKILL), as a power cut would."""
        if name == "gateway" and self._gateway is not None:
            self._gateway.kill()
            self._gateway = None
        else:
            self._processes.pop(name).kill()

    def pids(self) -> dict[str, int]:
        """The process id of each process that runs."""
        return {name: process.pid for name, process in self._running().items()}

    def failed_part(self) -> StackError | None:
        """What to tell if a part has ended by itself; ``None`` while all run."""
        for process in self._running().values():
            if process.returncode is not None:
                return StackError(f"{process.name} has ended by itself (status {process.returncode}).{process.complaint()}")
        return None

    def _running(self) -> dict[str, ManagedProcess]:
        gateway = {} if self._gateway is None else {"gateway": self._gateway.edge, "localstripe": self._gateway.upstream}
        return self._processes | gateway

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _launch(self, name: str) -> None:
        assert self._guard is not None
        part = self._parts[name]
        # The caller's TEMPORAL_* mean another server; what the caller says of Dialtone holds unless the stack must know better,
        # and is told to our own processes only, because secrets are among it.
        ours = name in _OURS
        foreign = ("TEMPORAL_",) if ours else ("TEMPORAL_", "DIALTONE_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        env = inherited | (self.environment if ours else {}) | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        self._processes[name] = ManagedProcess(name, part.command, env=env, log=self.state.log(name), guard=self._guard)

    def _await(self, name: str) -> None:
        wait_until_healthy(self._processes[name], self._parts[name].healthy)

    async def _prepare(self) -> None:
        """What takes a while and needs nothing that was started: databases, example data, the gateway."""
        settings = self.settings

        async def databases() -> None:
            await migrate(settings.database)
            self.state.keep_api_keys(await seed(settings.database, self._examples, self.state.api_keys))

        await asyncio.gather(databases(), create_tables(settings.voice_database), self._start_gateway())

    async def _start_gateway(self) -> None:
        self._gateway = await start_gateway(
            self.state.path / "gateway",
            port=self.ports.gateway,
            webhook_url=f"{self.urls['web']}/webhooks/stripe",
            webhook_secret=self.environment["DIALTONE_STRIPE_WEBHOOK_SECRET"],
            guard=self._guard,
            log_dir=self.state.logs,
        )

    def _stop_gateway(self) -> None:
        if self._gateway is not None:
            asyncio.run(self._gateway.stop())
            self._gateway = None

    def _own_environment(self) -> dict[str, str]:
        state, ports = self.state, self.ports
        variables = {
            "DIALTONE_ENVIRONMENT": "development",
            "DIALTONE_STATE_DIR": str(state.path),
            "DIALTONE_BASE_URL": f"http://127.0.0.1:{ports.web}",
            "DIALTONE_SECRET": state.secret("installation"),
            "DIALTONE_TASK_QUEUE": TASK_QUEUE,
            "DIALTONE_SMTP_HOST": "127.0.0.1",
            "DIALTONE_SMTP_PORT": str(ports.smtp),
            "DIALTONE_SMTP_TLS": "none",
            "DIALTONE_STRIPE_API_BASE": f"http://127.0.0.1:{ports.gateway}",
            "DIALTONE_STRIPE_API_KEY": "sk_test_dialtone",
            "DIALTONE_STRIPE_WEBHOOK_SECRET": f"whsec_{state.secret('webhook')}",
            "DIALTONE_INBOX_URL": f"http://127.0.0.1:{ports.inbox}",
            "TEMPORAL_ADDRESS": f"127.0.0.1:{ports.temporal}",
            "TEMPORAL_NAMESPACE": "default",
            # Instead of the profile in the caller's home directory, which may mean a cloud.
            "TEMPORAL_CONFIG_FILE": str(self._temporal_profile),
        }
        if url := os.environ.get("DIALTONE_DATABASE_URL"):
            variables["DIALTONE_DATABASE_URL"] = url
        if _kamailio() is not None:
            variables["DIALTONE_VOICE_RPC_URL"] = f"http://127.0.0.1:{ports.sip_rpc}/RPC"
        return variables

    @property
    def _temporal_profile(self) -> Path:
        return self.state.path / "temporal.toml"

    def _keep_temporal_profile(self) -> None:
        address = f"127.0.0.1:{self.ports.temporal}"
        self._temporal_profile.write_text(f'[profile.default]\naddress = "{address}"\nnamespace = "default"\n')

    def _define_parts(self) -> dict[str, _Part]:
        ports, path = self.ports, self.state.path
        python = sys.executable
        temporal = server_command(database_file=path / "temporal.db", port=ports.temporal, ui_port=ports.temporal_ui)
        inbox = [python, "-m", "starter.local.inbox", "--state-dir", str(path / "inbox")]
        inbox += ["--smtp-port", str(ports.smtp), "--http-port", str(ports.inbox)]
        parts = [
            _Part("temporal", temporal, lambda: asyncio.run(is_ready(f"127.0.0.1:{ports.temporal}"))),
            _Part("inbox", inbox, lambda: _answers(f"http://127.0.0.1:{ports.inbox}/api/health")),
            _Part("worker", [python, "-m", "worker"], self._worker_polls),
            _Part(
                "web",
                [python, "-m", "starter.cli", "web", "--port", str(ports.web)],
                lambda: _answers(f"http://127.0.0.1:{ports.web}/readyz"),
            ),
        ]
        kamailio = _kamailio()
        if kamailio is None:
            self._say("Kamailio is not installed here: lines are written to its tables, but no telephone can register.")
        else:
            rpc = self.environment["DIALTONE_VOICE_RPC_URL"]
            parts.append(_Part("kamailio", self._kamailio_command(kamailio), lambda: _answers(rpc, _UPTIME)))
        return {part.name: part for part in parts}

    def _kamailio_command(self, program: str) -> list[str]:
        run = self.state.path / "kamailio"
        run.mkdir(exist_ok=True, mode=0o700)
        command = [program, "-DD", "-E", "-f", str(_KAMAILIO_CONFIGURATION), "-m", "32", "-M", "4"]
        command += ["-Y", str(run), "-w", str(run), "-P", str(run / "kamailio.pid")]
        command += ["-A", f"SIP_PORT={self.ports.sip}", "-A", f"RPC_PORT={self.ports.sip_rpc}", "-A", "WORKERS=2"]
        return [*command, "-A", f'DBURL="sqlite:///{self.state.path / "kamailio.db"}"']

    def _worker_polls(self) -> bool:
        """Whether Temporal has seen this very worker ask for work. An earlier one stays listed for minutes."""
        return asyncio.run(_polls(self.environment["TEMPORAL_ADDRESS"], self._processes["worker"].pid))


def _kamailio() -> str | None:
    return shutil.which("kamailio", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


def _answers(url: str, body: Mapping[str, object] | None = None) -> bool:
    """Whether the address answers with success: a GET, or a POST of ``body`` as JSON."""
    try:
        # Without the proxies of the environment: they cannot reach this machine's loopback.
        with httpx.Client(timeout=5.0, trust_env=False) as http:
            return (http.get(url) if body is None else http.post(url, json=body)).is_success
    except httpx.TransportError:
        return False


async def _polls(address: str, pid: int) -> bool:
    try:
        client = await Client.connect(address)
        request = DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=TASK_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        pollers = (await client.workflow_service.describe_task_queue(request)).pollers
    except (RPCError, RuntimeError):
        return False
    return any(poller.identity.startswith(f"{pid}@") for poller in pollers)
