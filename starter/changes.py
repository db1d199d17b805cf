"""Changes of what is there already: each is a small workflow, so that our records and the switch end up agreeing.

Starting the workflow is the only thing written here, as with orders: a change that was taken cannot be lost between the two.
"""

import asyncio
import logging
from typing import Literal

from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.customers import AccountChange, ChangeOutcome
from domain.errors import NotFound, Refused, Unavailable
from domain.onboarding import Decision

PATIENCE = 5.0
"""Seconds that a person waits for a change to be carried out, before being told that it will be."""

_ASKED_BY = "asked_by"
_TENANT = SearchAttributeKey.for_keyword("TenantId")
_log = logging.getLogger(__name__)


class Changes:
    """Has customers and their services changed."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def carry_out(self, workflow: str, change: AccountChange) -> bool:
        """Have it done by this kind of workflow. True when done, false while it goes on by itself.

        A repetition with the same key is the same change. Raises ``Refused`` with the reason, ``Unavailable`` without Temporal.
        """
        await self.start(workflow, change)
        return await self._done(_id(workflow, change.account_id, change.key))

    async def start(self, workflow: str, change: AccountChange) -> None:
        """Have it begun, and do not wait. Raises ``Unavailable`` without Temporal."""
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
                    memo={_ASKED_BY: change.actor},
                )
        except WorkflowAlreadyStartedError:
            pass  # this very change was asked for before
        except (RPCError, RuntimeError, TimeoutError) as error:
            _log.warning("change refused by Temporal", extra={"cause": type(error).__name__, "workflow": workflow})
            raise Unavailable(
                "Nothing can be changed right now, and it is not known whether this was taken. Send the same again, with the "
                "same Idempotency-Key if you sent one: it is done once.",
                code="temporal_unavailable",
                retry_after=PATIENCE,
            ) from error

    async def asked_by(self, workflow: str, account_id: str, key: str) -> str | None:
        """Who asked for a change; ``None`` if it is not known. Raises ``NotFound`` for no such change, ``Unavailable``."""
        try:
            async with asyncio.timeout(PATIENCE):
                seen = await self._client.get_workflow_handle(_id(workflow, account_id, key)).describe()
                return str((await seen.memo()).get(_ASKED_BY) or "") or None
        except (RPCError, RuntimeError, TimeoutError) as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                raise NotFound("There is no such change that waits to be decided.") from error
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
        try:
            async with asyncio.timeout(PATIENCE):
                await self._client.get_workflow_handle(workflow_id).execute_update(verdict, by)
        except WorkflowUpdateFailedError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.type:
                raise Refused(error.cause.message, code=error.cause.type) from error
            raise
        except (RPCError, RuntimeError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
                raise NotFound("There is no such change that waits to be decided.") from error
            raise Unavailable(
                "Nobody answered in time, so it is not known whether this was taken. Look at the customer before you try again.",
                code="worker_unavailable",
                retry_after=PATIENCE,
            ) from error
        return verdict == "reject" or await self._done(workflow_id)

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


def _id(workflow: str, account_id: str, key: str) -> str:
    return f"{workflow}/{account_id}/{key}"
