"""Changes of what is there already: each is a small workflow, so that our records and the switch end up agreeing.

Starting the workflow is the only thing written here, as with orders: a change that was taken cannot be lost between the two.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, TypeVar

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from domain.customers import AccountChange, ChangeOutcome, CustomerChange
from domain.errors import NotFound, Refused, Unavailable
from domain.onboarding import Decision
from starter.asking import PATIENCE, Gone, decide, is_gone

MOST = 100
"""Changes in one list."""

_ASKED_BY = "asked_by"
_FINGERPRINT = "fingerprint"
_TENANT = SearchAttributeKey.for_keyword("TenantId")
_log = logging.getLogger(__name__)


C = TypeVar("C", bound=AccountChange)


@dataclass(frozen=True)
class Asked:
    """A change that needs a second person, as its history tells it. ``until`` is when the wait for one ends."""

    change: CustomerChange
    until: datetime
    decided: bool = False
    outcome: ChangeOutcome | None = None

    @property
    def waits(self) -> bool:
        return not self.decided and self.outcome is None


class Changes:
    """Has customers and their services changed."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def carry_out(self, workflow: str, change: AccountChange, fingerprint: str) -> bool:
        """Have it done by this kind of workflow. True when done, false while it goes on by itself.

        A repetition with the same key is the same change; ``fingerprint`` recognises the request. Raises ``Refused`` with the
        reason or with ``idempotency_key_reused``, ``Unavailable`` without Temporal.
        """
        await self.start(workflow, change, fingerprint)
        return await self._done(_id(workflow, change.account_id, change.key))

    async def before(self, workflow: str, kind: type[C], account_id: str, key: str, fingerprint: str) -> C | None:
        """The change that was asked for with this key already, if one was. What became of it is its answer (``finished``),
        whatever the account is like by now.

        Raises ``Refused`` (``idempotency_key_reused``), ``Unavailable``.
        """
        handle, decode = self._client.get_workflow_handle(_id(workflow, account_id, key)), self._client.data_converter.decode
        try:
            async with asyncio.timeout(PATIENCE):
                began = (await anext(handle.fetch_history_events())).workflow_execution_started_event_attributes
        except (RPCError, RuntimeError, TimeoutError) as error:
            if is_gone(error):
                return None
            raise _unknown_key() from error
        if noted := began.memo.fields.get(_FINGERPRINT):
            (said,) = await decode([noted], [str])
            _expect(said, fingerprint)
        change: C = (await decode(began.input.payloads, [kind]))[0]
        return change

    async def start(self, workflow: str, change: AccountChange, fingerprint: str) -> None:
        """Have it begun, and do not wait. Raises ``Refused`` (``idempotency_key_reused``), ``Unavailable`` without Temporal."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._client.start_workflow(
                    workflow,
                    change,
                    id=_id(workflow, change.account_id, change.key),
                    task_queue=self._task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    search_attributes=TypedSearchAttributes([SearchAttributePair(_TENANT, change.tenant_id)]),
                    memo={_ASKED_BY: change.actor, _FINGERPRINT: fingerprint},
                )
        except WorkflowAlreadyStartedError:
            await expect_same(self._client, _id(workflow, change.account_id, change.key), fingerprint)
        except (RPCError, RuntimeError, TimeoutError) as error:
            _log.warning("change refused by Temporal", extra={"cause": type(error).__name__, "workflow": workflow})
            raise Unavailable(
                "Nothing can be changed right now, and it is not known whether this was taken. Send the same again, with the "
                "same Idempotency-Key if you sent one: it is done once.",
                code="temporal_unavailable",
                retry_after=PATIENCE,
            ) from error

    async def look(self, account_id: str, key: str) -> Asked:
        """A change of a customer that needed approval, and what became of it. Needs no worker.

        Raises ``NotFound`` if there is none, ``Unavailable``.
        """
        handle = self._client.get_workflow_handle(_id("customer", account_id, key))
        asked: Asked | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                async for event in handle.fetch_history_events():
                    asked = await self._read(event, asked)
        except (RPCError, RuntimeError, TimeoutError) as error:
            if not (is_gone(error)):
                raise Unavailable(
                    "What waits to be decided cannot be looked up right now. Try again in a moment.",
                    code="temporal_unavailable",
                    retry_after=PATIENCE,
                ) from error
        if asked is None or not asked.change.needs_approval:
            raise _none()
        return asked

    async def _read(self, event: HistoryEvent, asked: Asked | None) -> Asked:
        """What is known after one more event of the run's history."""
        decode = self._client.data_converter.decode
        if asked is None:
            (change,) = await decode(event.workflow_execution_started_event_attributes.input.payloads, [CustomerChange])
            return Asked(change, event.event_time.ToDatetime(UTC) + change.decided_within)
        if event.HasField("workflow_execution_update_accepted_event_attributes"):
            return replace(asked, decided=True)
        if event.HasField("workflow_execution_completed_event_attributes"):
            (outcome,) = await decode(event.workflow_execution_completed_event_attributes.result.payloads, [ChangeOutcome])
            return replace(asked, outcome=outcome)
        return asked

    async def waiting(self, tenant_id: str) -> list[Asked]:
        """Changes of a white label's customers that wait for a second person, the oldest ``MOST`` of them. Raises ``Unavailable``."""
        query = f"WorkflowType = 'customer' AND ExecutionStatus = 'Running' AND TenantId = '{tenant_id}'"
        try:
            async with asyncio.timeout(PATIENCE):
                runs = [run async for run in self._client.list_workflows(query)]
        except (RPCError, RuntimeError, TimeoutError) as error:
            raise Unavailable(
                "What waits to be decided cannot be looked up right now. Try again in a moment.",
                code="temporal_unavailable",
                retry_after=PATIENCE,
            ) from error
        found: list[Asked] = []
        for run in sorted(runs, key=lambda run: run.start_time)[:MOST]:
            _, account_id, key = run.id.split("/", 2)
            with suppress(NotFound):
                asked = await self.look(account_id, key)
                if asked.waits:
                    found.append(asked)
        return found

    async def asked_by(self, workflow: str, account_id: str, key: str) -> str | None:
        """Who asked for a change; ``None`` if it is not known. Raises ``NotFound`` for no such change, ``Unavailable``."""
        try:
            async with asyncio.timeout(PATIENCE):
                seen = await self._client.get_workflow_handle(_id(workflow, account_id, key)).describe()
                return str((await seen.memo()).get(_ASKED_BY) or "") or None
        except (RPCError, RuntimeError, TimeoutError) as error:
            if is_gone(error):
                raise _none() from error
            raise Unavailable(
                "Nothing can be decided right now. Try again in a moment.", code="temporal_unavailable", retry_after=PATIENCE
            ) from error

    async def decide(
        self, workflow: str, account_id: str, key: str, verdict: Literal["approve", "reject"], by: Decision
    ) -> bool:
        """Approve or reject a change that waits for a second person. True when it is done, or rejected; else as ``carry_out``.

        Raises ``NotFound`` if no such change waits, ``Refused`` if this person may not or the change cannot be made any more.
        """
        workflow_id = _id(workflow, account_id, key)
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            await decide(handle, verdict, by, None, type(None), "customer")
        except Gone as error:
            raise _too_late((await self.look(account_id, key)).outcome) from error
        return verdict == "reject" or await self._done(workflow_id)

    async def finished(self, workflow: str, account_id: str, key: str) -> bool:
        """What became of a change, as ``carry_out``."""
        return await self._done(_id(workflow, account_id, key))

    async def _done(self, workflow_id: str) -> bool:
        handle = self._client.get_workflow_handle(workflow_id, result_type=ChangeOutcome)
        try:
            async with asyncio.timeout(PATIENCE):
                outcome: ChangeOutcome = await handle.result()
        except (RPCError, RuntimeError, TimeoutError, WorkflowFailureError) as error:
            _log.warning("change not finished yet", extra={"cause": type(error).__name__})
            return False
        if not outcome.done:
            raise Refused(outcome.message or "The answer is no.", code=outcome.code)
        return True


async def expect_same(client: Client, workflow_id: str, fingerprint: str) -> None:
    """Raises ``Refused`` if this change was asked for by another request; one from before that was noted is believed."""
    try:
        async with asyncio.timeout(PATIENCE):
            first = await client.get_workflow_handle(workflow_id).describe()
            said = await first.memo_value(_FINGERPRINT, default=fingerprint, type_hint=str)
    except (RPCError, RuntimeError, TimeoutError) as error:
        raise _unknown_key() from error
    _expect(said, fingerprint)


def _unknown_key() -> Unavailable:
    return Unavailable(
        "What this Idempotency-Key stands for cannot be looked up right now. Nothing was changed; send the same again.",
        code="temporal_unavailable",
        retry_after=PATIENCE,
    )


def _expect(said: str, fingerprint: str) -> None:
    if said != fingerprint:
        raise Refused(
            "This Idempotency-Key was used for another request before, so nothing was changed. Use a new key.",
            code="idempotency_key_reused",
        )


def _none() -> NotFound:
    return NotFound("There is no such change that waits to be decided.")


def _too_late(outcome: ChangeOutcome | None) -> Refused:
    if outcome is None or outcome.done:
        return Refused("This change does not wait for anybody. Look at the customer.", code="already_decided")
    return Refused(outcome.message or "The answer is no.", code=outcome.code)


def _id(workflow: str, account_id: str, key: str) -> str:
    return f"{workflow}/{account_id}/{key}"
