"""Commands that run something: the local stack, the demonstration, a worker, a web process, the migrations."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs, so that the others start at once

import asyncio
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from adapters.settings import Settings
from starter.cli import output
from starter.cli.api import CommandFailed, state_directory
from starter.cli.local import installation
from starter.local.ports import DEFAULT_BASE, Ports
from starter.local.state import EXAMPLES

PortBase = Annotated[int, typer.Option(min=1024, max=65_000, help="First port; the parts listen at fixed distances above it")]
Examples = Annotated[Path, typer.Option(help="Directory of the example data")]


def _program() -> str:
    """How this program is called from here: it may live in a virtual environment that is not on the path."""
    return "dialtone" if shutil.which("dialtone") else os.path.relpath(Path(sys.executable).with_name("dialtone"))


def _keep_files_private() -> None:
    """What this process and its children write holds customers' data: only its owner may read it, wherever it lies."""
    os.umask(0o077)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end this process as Ctrl-C does: by unwinding, so that everything is stopped on the way."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Nobody who presses Ctrl-C twice keeps us from stopping what we started."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def up(
    port_base: PortBase = DEFAULT_BASE,
    state_dir: Annotated[Path | None, typer.Option(help="Where everything is kept; .dialtone if unset")] = None,
    examples: Examples = EXAMPLES,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print addresses and API keys as one line of JSON when all is up")
    ] = False,
) -> None:
    """Start everything on this machine and leave it running until Ctrl-C.

    What it does is kept: an onboarding that is under way goes on at the next start.
    """
    from starter.local.stack import Stack

    _keep_files_private()
    stack = Stack(state_dir or state_directory(), Ports.above(port_base), examples=examples, say=output.say)
    try:
        with _interruptible():
            output.say("Starting: Temporal, card gateway, mailbox, worker, web ...")
            began = time.monotonic()
            stack.start()
            output.say(f"Up after {time.monotonic() - began:.1f} s. Ctrl-C stops everything.")
            if as_json:
                output.print_json({"urls": stack.urls, "api_keys": stack.api_keys, "pids": stack.pids()})
            else:
                output.print_lines(_greeting(stack.urls, stack.api_keys["operator"], examples))
            while (failed := stack.failed_part()) is None:
                time.sleep(0.5)
            raise failed
    except KeyboardInterrupt:
        output.say("Stopping everything; what is under way goes on at the next start.")
    finally:
        with _uninterrupted():
            stack.stop()


def _greeting(urls: dict[str, str], key: str, examples: Path) -> list[str]:
    order = shlex.quote(os.path.relpath(examples / "orders" / "1-customer-administered.json"))
    return [
        "",
        f"  API documentation  {urls['web']}/docs",
        f"  Mailbox            {urls['inbox']}",
        f"  Temporal           {urls['temporal']}",
        f"  Your API key       {key}",
        "",
        "Start an onboarding:",
        "",
        f"  curl -sS {urls['web']}/v1/onboardings -H 'Authorization: Bearer {key}' \\",
        f"    -H \"Idempotency-Key: $(date +%s%N)\" -H 'Content-Type: application/json' -d @{order}",
        "",
        f"Then open the mailbox and press the link. In another terminal: {_program()} list",
        "",
    ]


def demo(
    keep: Annotated[bool, typer.Option(help="Keep the state directory and say where it is")] = False,
    examples: Examples = EXAMPLES,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome and the audit as JSON")] = False,
) -> None:
    """Onboard six customers on a stack of its own, and audit the books. Ends by itself; status 0 if all is as it should be."""
    from starter.cli.checks import print_report as print_audit
    from starter.demo import print_report, run_demo

    _keep_files_private()
    with _interruptible():
        report = run_demo(examples, keep=keep, uninterrupted=_uninterrupted)
    if as_json:
        output.print_json(report.as_dict())
    else:
        print_report(report)
        output.print_lines(["", "Audit of the ledgers of truth: database, card gateway, switch, mailbox, Temporal", ""])
        if report.audit is not None:
            print_audit(report.audit)
        output.say(f"{report.seconds:.0f} s in all.")
    if not report.passed:
        raise CommandFailed("Not everything went as it should: see above.")


def worker() -> None:
    """Run a worker until SIGTERM or Ctrl-C; it lets running steps end."""
    # A process of its own to the last byte: worker.py is the composition root, and nothing of ours may be around it.
    installation()
    os.execv(sys.executable, [sys.executable, "-m", "worker"])  # noqa: S606 - our own program, no shell


def web(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on")] = 8400,
) -> None:
    """Run the web process (API and pages) until SIGTERM or Ctrl-C."""
    from starter.app import serve

    settings = installation()
    if refusals := settings.refusals_to_listen_on(host):
        raise CommandFailed(f"Not started: others than this machine could reach {host}, and " + "; ".join(refusals) + ".")
    asyncio.run(serve(settings, host, port))


def migrate() -> None:
    """Bring the databases to the schema of this version. May be repeated; safe beside running processes."""
    from adapters.database import migrate as migrate_database
    from adapters.voice.tables import create_tables

    async def run(settings: Settings) -> None:
        await migrate_database(settings.database)
        await create_tables(settings.voice_database)

    _keep_files_private()
    settings = installation()
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    asyncio.run(run(settings))
    output.say("The databases have the schema of this version.")
