"""Changing whether an account may call: each change is a small workflow, so that our records and the switch end up agreeing.

Starting the workflow is the only thing written here, as with orders: a change that was taken cannot be lost between the two.
"""

import asyncio
import logging
from datetime import datetime

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

from domain.calling import Calling, CallingChange, CallingOutcome
from domain.errors import Refused, Unavailable
from domain.ports import CallingRecords, CallUsage
from starter.changes import expect_same

PATIENCE = 5.0
"""Seconds that a person waits for our records and the switch to agree, before being told that they will."""

_TENANT = SearchAttributeKey.for_keyword("TenantId")
_log = logging.getLogger(__name__)


class Callings:
    """Tells which account may call, and has it changed."""

    def __init__(self, client: Client, records: CallingRecords, usage: CallUsage, task_queue: str) -> None:
        self._client = client
        self._records = records
        self._usage = usage
        self._task_queue = task_queue

    async def get(self, account_id: str, tenant_id: str | None) -> Calling:
        """As our records have it. Raises ``NotFound``, also for another white label's, and ``Refused`` (``not_active``)."""
        return await self._records.get(account_id, tenant_id)

    async def first_call(self, account_id: str) -> datetime | None:
        """When the account made its first call, as the switch saw it. Raises ``Unavailable``."""
        return await self._usage.first_call(account_id)

    async def change(self, change: CallingChange, fingerprint: str) -> Calling | None:
        """Have it changed; the row once records and switch agree, or ``None``: it is kept, and carried out as soon as it can be.

        A repetition with the same key is the same change, and its answer is the row as it is by now. ``fingerprint``
        recognises the request. Raises ``Refused`` with the reason or with ``idempotency_key_reused``, ``Unavailable`` without
        Temporal.
        """
        repeated = False
        workflow_id = f"calling/{change.account_id}/{change.key}"
        try:
            async with asyncio.timeout(PATIENCE):
                await self._client.start_workflow(
                    "calling",
                    change,
                    id=workflow_id,
                    task_queue=self._task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    memo={"fingerprint": fingerprint},
                    search_attributes=TypedSearchAttributes([SearchAttributePair(_TENANT, change.tenant_id)]),
                    static_summary=f"{change.act} {change.reason or ''}".strip(),
                )
        except WorkflowAlreadyStartedError:
            await expect_same(self._client, workflow_id, fingerprint)
            repeated = True
        except (RPCError, RuntimeError, TimeoutError) as error:
            _log.warning("change of calling refused by Temporal", extra={"cause": type(error).__name__})
            raise Unavailable(
                "Whether accounts may call cannot be changed right now, and it is not known whether this was taken. Send the "
                "same again, with the same Idempotency-Key if you sent one: it is done once.",
                code="temporal_unavailable",
                retry_after=PATIENCE,
            ) from error
        result = await self._result(workflow_id)
        return await self._records.get(change.account_id) if repeated and result is not None else result

    async def _result(self, workflow_id: str) -> Calling | None:
        handle = self._client.get_workflow_handle(workflow_id, result_type=CallingOutcome)
        try:
            async with asyncio.timeout(PATIENCE):
                outcome: CallingOutcome = await handle.result()
        except (RPCError, RuntimeError, TimeoutError, WorkflowFailureError) as error:
            _log.warning("change of calling not finished yet", extra={"cause": type(error).__name__})
            return None
        if outcome.calling is None:
            raise Refused(outcome.message or "The answer is no.", code=outcome.code)
        return outcome.calling
