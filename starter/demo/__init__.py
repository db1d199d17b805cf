"""The demonstration: six customers on a stack of its own, played through the API, the mailbox and the pages; then the audit."""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from temporalio.client import Client

from adapters.books import BookReader
from domain.errors import DialtoneError
from domain.money import Money
from starter.audit import AuditReport, audit_installation
from starter.demo.browser import NoSuchForm
from starter.demo.people import CustomerAtHome, Mailbox, Operator, UnexpectedError
from starter.demo.show import Show
from starter.demo.stories import STORIES, Scene, Story
from starter.local.ports import Ports
from starter.local.stack import Stack

_MOST_SECONDS = 100.0
_LETTERS_SECONDS = 15.0


@dataclass(frozen=True)
class Ending:
    """How one story ended. ``wrong`` says what is not as it must be, in sentences."""

    customer: str
    onboarding: str | None
    outcome: str
    numbers: int
    charged: Money | None
    refunded: Money | None
    seconds: float
    wrong: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {name: str(value) if isinstance(value, Money) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class DemoReport:
    """Everything that the demonstration found out. ``audit`` is ``None`` if it did not come to that."""

    endings: tuple[Ending, ...]
    audit: AuditReport | None
    seconds: float

    @property
    def passed(self) -> bool:
        return self.audit is not None and not self.audit.findings and not any(ending.wrong for ending in self.endings)

    def as_dict(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "seconds": round(self.seconds, 1),
            "customers": [ending.as_dict() for ending in self.endings],
            "audit": self.audit.model_dump(mode="json") if self.audit else None,
        }


def run_demo(examples: Path, *, keep: bool, uninterrupted: Callable[[], AbstractContextManager[None]]) -> DemoReport:
    """Start a stack with a directory and ports of its own, play, audit, stop everything.

    The directory is removed unless ``keep`` is set or something went wrong. ``uninterrupted`` guards the stopping.
    Raises ``StackError`` if the stack does not start or a part of it ends.
    """
    began, show = time.monotonic(), Show()
    directory = Path(tempfile.mkdtemp(prefix="dialtone-demo-"))
    report = None
    stack = Stack(directory, Ports.free(), examples=examples, say=show.say)
    try:
        show.say("Starting Temporal, card gateway, mailbox, worker, web ...")
        stack.start()
        show.say(
            f"Up after {time.monotonic() - began:.1f} s: {len(stack.pids())} processes. Onboarding {len(STORIES)} customers."
        )
        endings, audit = asyncio.run(_play(stack, examples, show))
        report = DemoReport(endings, audit, time.monotonic() - began)
    finally:
        with uninterrupted():
            stack.stop()
            if keep or report is None or not report.passed:
                show.say(f"Logs and databases are kept in {directory}.")
            else:
                shutil.rmtree(directory, ignore_errors=True)
    return report


async def _play(stack: Stack, examples: Path, show: Show) -> tuple[tuple[Ending, ...], AuditReport]:
    async with AsyncExitStack() as resources:
        operators = {name: Operator(stack.urls["web"], key) for name, key in stack.api_keys.items()}
        mailbox = Mailbox(stack.urls["inbox"])
        resources.push_async_callback(mailbox.close)
        for operator in operators.values():
            resources.push_async_callback(operator.close)
        with show.running():
            async with asyncio.timeout(_MOST_SECONDS), asyncio.TaskGroup() as group:
                watching = group.create_task(_watch_over(stack))
                playing = [group.create_task(_onboard(story, examples, operators, mailbox, show)) for story in STORIES]
                await asyncio.wait(playing)
                watching.cancel()
        endings = tuple(task.result() for task in playing)
        await _letters_are_out(endings, mailbox, examples)
    client = await Client.connect(stack.environment["TEMPORAL_ADDRESS"])
    audit = await audit_installation(BookReader(stack.settings, stack.urls["inbox"], client), timedelta(0))
    return endings, audit


async def _watch_over(stack: Stack) -> None:
    """Nobody waits for what cannot come any more: raises ``StackError`` as soon as a part has ended."""
    while (failed := stack.failed_part()) is None:  # noqa: ASYNC110 - a process that ends sets no event of ours
        await asyncio.sleep(0.5)
    raise failed


async def _onboard(story: Story, examples: Path, operators: dict[str, Operator], mailbox: Mailbox, show: Show) -> Ending:
    customer = CustomerAtHome(examples / "orders" / f"{story.order}.json", mailbox)
    operator = operators[story.white_label]
    show.add(story.order, customer.name)
    wrong: list[str] = []
    view: dict[str, Any] | None = None
    try:
        onboarding = await operator.must_order(customer.order)
        scene = Scene(onboarding, customer, operator, operators["approver"], lambda words: show.moment(story.order, words))
        async with asyncio.TaskGroup() as group:
            following = group.create_task(_follow(operator, onboarding, lambda *what: show.moment(story.order, *what)))
            await story.play(scene)
            view = await operator.wait_until_over(onboarding)
            await asyncio.sleep(0.3)  # the last entries of the timeline
            following.cancel()
    except* (UnexpectedError, NoSuchForm, httpx.HTTPError, DialtoneError) as group_error:
        wrong += [str(error) or type(error).__name__ for error in _leaves(group_error)]
    seconds = show.over(story.order)
    if view is None:
        return Ending(customer.name, None, "unknown", 0, None, None, seconds, tuple(wrong))
    return _judge(story, customer, view, seconds, wrong)


def _leaves(error: BaseException) -> list[BaseException]:
    return [leaf for part in error.exceptions for leaf in _leaves(part)] if isinstance(error, BaseExceptionGroup) else [error]


async def _follow(operator: Operator, onboarding: str, tell: Callable[[str, str], None]) -> None:
    last = 0
    while True:
        # The row may be a moment behind the answer to the order.
        for event in await operator.events(onboarding, last):
            last = event["sequence"]
            facts = " ".join(event["detail"].get(name, "") for name in ("undo", "mail", "code"))
            tell(f"{event['event']} {facts}".replace("_", " ").strip(), event["state"])
        await asyncio.sleep(0.25)


def _judge(story: Story, customer: CustomerAtHome, view: dict[str, Any], seconds: float, wrong: list[str]) -> Ending:
    currency, total = view["quote"]["currency"], view["quote"]["total_minor"]
    code = view["outcome"]["code"]
    ordered = sum(
        len(service["numbers"]["explicit"]) or (service["numbers"]["criteria"] or {"count": 0})["count"]
        for service in view["order"]["services"]
    )
    kept = view["charged_minor"] - view["refunded_minor"]
    if (view["state"], code) != (story.state, story.code):
        wrong.append(f"It ended {view['state']} ({code}), and should have ended {story.state} ({story.code}).")
    if kept != (total if story.charged else 0):
        wrong.append(f"{Money(minor=kept, currency=currency)} was kept of a price of {Money(minor=total, currency=currency)}.")
    if len(view["numbers"]) != (ordered if story.charged else 0):
        wrong.append(f"It holds {len(view['numbers'])} numbers; {ordered} were ordered.")
    return Ending(
        customer=customer.name,
        onboarding=view["id"],
        outcome=view["state"] + (f" ({code})" if code else ""),
        numbers=len(view["numbers"]),
        charged=Money(minor=view["charged_minor"], currency=currency),
        refunded=Money(minor=view["refunded_minor"], currency=currency),
        seconds=seconds,
        wrong=tuple(wrong),
    )


async def _letters_are_out(endings: tuple[Ending, ...], mailbox: Mailbox, examples: Path) -> None:
    """Letters go out beside the process; the audit wants those of active customers to be there."""
    for story, ending in zip(STORIES, endings, strict=True):
        if ending.outcome == "active":
            customer = CustomerAtHome(examples / "orders" / f"{story.order}.json", mailbox)
            await mailbox.letter(customer.address, "welcome", seconds=_LETTERS_SECONDS)


def print_report(report: DemoReport) -> None:
    """The table of endings on standard output, and what is wrong in sentences."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, justify in (("CUSTOMER", "left"), ("OUTCOME", "left"), ("NUMBERS", "right"), ("CHARGED", "right")):
        table.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for title in ("REFUNDED", "SECONDS"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    for ending in report.endings:
        as_it_should = "as it should" if not ending.wrong else "WRONG"
        facts = (ending.customer, ending.outcome, str(ending.numbers), str(ending.charged or "-"), str(ending.refunded or "-"))
        table.add_row(*facts, f"{ending.seconds:.1f}", as_it_should)
    console = Console(highlight=False)
    if not sys.stdout.isatty():
        console.width = 120
    console.print(table)
    for ending in report.endings:
        for sentence in ending.wrong:
            console.print(f"{ending.customer}: {sentence}", markup=False)
