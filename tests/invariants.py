"""What must be true of an installation once it has come to rest, whatever happened to it before.

``starter.audit`` compares the ledgers of truth. Here the rest is added: Temporal's word against our rows, the story that the
timeline tells, histories that must replay, and personal data that must not be where it is not encrypted. The numbers I1 to
I16 are those of the audit.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from google.protobuf.json_format import MessageToDict
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from adapters.books import BookReader
from adapters.database import Database
from adapters.mail.message import message_id
from adapters.settings import Settings
from domain.books import Books, OrderBook
from domain.errors import NotFound
from domain.keys import workflow_id
from domain.mails import MailKind
from domain.onboarding import Outcome, State
from domain.views import TimelineEvent
from starter.audit import audit
from workflows.onboarding import OnboardingWorkflow

_WAITING = {State.AWAITING_APPROVAL, State.AWAITING_ACTIVATION, State.AWAITING_PAYMENT, State.HELD}
_TASK_ATTEMPTS = 3
"""A workflow task that has been tried more often than this fails for ever."""
_AT_ONCE = 8
# What an active onboarding has gone through, in this order; each is told at most once.
_MILESTONES = (
    "order_received", "account_opened", "numbers_held", "approved", "activated", "payment_authorised", "lines_provisioned",
    "payment_captured", "active",
)  # fmt: skip
_ALWAYS = {"order_received", "account_opened", "active"}
_ONCE = {*_MILESTONES, "expired", "declined", "cancelled", "failed", "compensating"}


@dataclass(frozen=True)
class Evidence:
    """Where to look. ``onboardings`` are those whose start was acknowledged, ``secrets`` the words that must not leak.

    ``copies`` is how often one letter may lie in the mailbox: once, and once more for each time that the relay's or the
    desk's answer was lost.
    """

    settings: Settings
    client: Client
    onboardings: Sequence[str]
    mailbox_url: str
    logs: Sequence[Path] = ()
    secrets: Sequence[str] = ()
    copies: int = 1
    replay: bool = True
    violations: list[str] = field(default_factory=list)


async def violations(evidence: Evidence) -> list[str]:
    """Everything that is wrong, as sentences. To be asked when nothing is in motion any more."""
    database = Database(evidence.settings.database)
    try:
        ledgers = await books(evidence)
        found = [said async for said in _audited(database, ledgers)]
        found += [said async for said in _each(evidence, lambda one: _one(evidence, database, ledgers, one))]
    finally:
        await database.close()
    found += [said async for said in _letters(evidence, ledgers)]
    found += [f"I14: {path.name} holds {word!r}" for path in evidence.logs for word in _leaks(path.read_text(), evidence)]
    return found


async def _audited(database: Database, ledgers: Books) -> AsyncIterator[str]:
    """What the audit finds, but for letters that are known to be undeliverable: those are told of in the timeline."""
    for finding in audit(ledgers, letters_due_after=timedelta(0)).findings:
        if finding.check == "letters" and "has not gone out" in finding.message:
            events = {event.event for event in await database.reader.timeline(finding.subject)}
            if "mail_failed" in events:
                continue
        yield f"{finding.check}: {finding.subject}: {finding.message}"


async def books(evidence: Evidence) -> Books:
    """The books, without what other tests have left in the gateway and the mailbox that they share."""
    reader = BookReader(evidence.settings, evidence.mailbox_url)
    found = await reader.read()
    ours = set(evidence.onboardings)
    charges = tuple(charge for charge in found.charges or () if charge.onboarding_id in ours)
    mailbox = tuple(mail for mail in found.mailbox or () if mail.onboarding_id in ours)
    return found.model_copy(update={"charges": charges, "mailbox": mailbox})


async def _each(evidence: Evidence, look: Callable[[str], Awaitable[list[str]]]) -> AsyncIterator[str]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(onboarding: str) -> list[str]:
        async with slots:
            return await look(onboarding)

    for found in await asyncio.gather(*map(one, evidence.onboardings)):
        for said in found:
            yield said


async def _one(evidence: Evidence, database: Database, books: Books, onboarding: str) -> list[str]:
    handle: WorkflowHandle[Any, Outcome] = evidence.client.get_workflow_handle(workflow_id(onboarding), result_type=Outcome)
    description = await handle.describe()
    row = next((order for order in books.orders if order.id == onboarding), None)
    if row is None:
        return [f"I9: {onboarding}: the order was acknowledged, and our records do not know it"]
    try:
        outcome = (await database.reader.get(onboarding)).outcome
        timeline = await database.reader.timeline(onboarding)
    except NotFound:
        return [f"I9: {onboarding}: the order was acknowledged, and nobody can read it"]
    found = [*_rest(description, row, outcome), *_story(row, timeline)]
    if description.status is WorkflowExecutionStatus.COMPLETED and (result := await handle.result()) != outcome:
        found.append(f"I16: the workflow ended {result}, and our row says {outcome}")
    history = await handle.fetch_history()
    if evidence.replay:
        found += await _replays(history)
    found += [f"I14: its history or description holds {word!r}" for word in _leaks(_unsealed(history, description), evidence)]
    return [f"{onboarding}: {said}" for said in found]


def _rest(description: WorkflowExecutionDescription, row: OrderBook, outcome: Outcome | None) -> Iterator[str]:
    """I5, I10, I16: ended, or waiting for somebody; and Temporal and our row say the same."""
    state, status = row.state, description.status
    if (outcome.state if outcome else None) != (state if state.is_final else None):
        yield f"I16: the row is {state} with the outcome {outcome}"
    if status is WorkflowExecutionStatus.RUNNING:
        attempt = description.raw_description.pending_workflow_task.attempt
        if attempt > _TASK_ATTEMPTS:
            yield f"I10: its workflow task is being tried for the {attempt}th time"
        if state not in _WAITING:
            yield f"I10: it is {state} and waits for nobody"
        return
    ends = {
        WorkflowExecutionStatus.COMPLETED: {end for end in State if end.is_final},
        WorkflowExecutionStatus.CANCELED: {State.CANCELLED},
        WorkflowExecutionStatus.FAILED: {State.FAILED},
    }
    if state not in ends.get(status or WorkflowExecutionStatus.TERMINATED, set()):
        yield f"I5: Temporal says {status.name if status else 'nothing'}, and our row {state}"


def _story(row: OrderBook, timeline: Sequence[TimelineEvent]) -> Iterator[str]:
    """I6, I7, I16: everything told once, in order, up to what the row says."""
    told = Counter(event.event for event in timeline)
    for event in sorted(_ONCE):
        if told[event] > 1:
            yield f"I16: the timeline tells {told[event]} times that it was {event}"
    if row.state is State.ACTIVE:
        line = [event.event for event in timeline if event.event in _MILESTONES]
        if line != [event for event in _MILESTONES if event in line] or not _ALWAYS.issubset(line):
            yield f"I6: it went live by way of {', '.join(line)}"
        due = {"payment_authorised", "payment_captured"} if row.total_minor else set()
        due |= {"lines_provisioned"} if row.lines else set()
        if missing := due - set(line):
            yield f"I6: it is active, and its timeline does not tell {', '.join(sorted(missing))}"
    if row.state.is_final and not told[row.state]:
        yield f"I16: the row is {row.state}, and the timeline does not tell it"


async def _replays(history: WorkflowHistory) -> list[str]:
    """I12: whatever its worker went through, a new one comes to the same decisions."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules("domain", "activities", "workflows")
    replayer = Replayer(
        workflows=[OnboardingWorkflow],
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        data_converter=pydantic_data_converter,
    )
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    return [f"I12: its history does not replay: {result.replay_failure}"] if result.replay_failure else []


def _unsealed(history: WorkflowHistory, description: WorkflowExecutionDescription) -> str:
    """What Temporal stores in clear even where payloads are encrypted: ids, failures, and everything but inputs and results."""
    parts: list[Any] = [MessageToDict(description.raw_description.workflow_execution_info)]
    for event in history.events:
        content = MessageToDict(event)
        parts.append(_without_payloads(content))
    return json.dumps(parts)


def _without_payloads(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_payloads(part) for name, part in content.items() if name not in {"payloads", "data"}}
    return [_without_payloads(part) for part in content] if isinstance(content, list) else content


def _leaks(text: str, evidence: Evidence) -> list[str]:
    return [word for word in evidence.secrets if word in text]


async def _letters(evidence: Evidence, books: Books) -> AsyncIterator[str]:
    """I15: an activation letter for everybody who was asked to activate, and no letter more often than it had to be."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        answer = await http.get(f"{evidence.mailbox_url}/api/messages", params={"limit": 10_000, "full": "true"})
    boxed = Counter(str(message["message_id"]) for message in answer.raise_for_status().json()["messages"])
    domain = evidence.settings.mail_from.rsplit("@", 1)[-1].rstrip("> ")
    for letter in books.letters:
        if (copies := boxed[message_id(letter.key, domain)]) > evidence.copies:
            yield f"I15: the letter {letter.key} lies in the mailbox {copies} times"
    asked = {letter.onboarding_id for letter in books.letters if letter.kind is MailKind.ACTIVATION}
    for order in books.orders:
        if order.state is State.ACTIVE and order.administration == "customer" and order.id not in asked:
            yield f"I15: {order.id}: the customer was never sent a link, and is active"
