"""Acts upon numbers that customers have: each is a small workflow, so that switch and books cannot part."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from domain import keys
from domain.base import Value
from domain.errors import Refused, Unavailable
from domain.numbers import Assignment
from domain.ports import NumberStock
from domain.quarantine import NumberOutcome, Reclaim, Release

PATIENCE = 5.0
"""Seconds that a caller waits for the act to be done, before being told that it goes on by itself."""

_log = logging.getLogger(__name__)


class NumberActs:
    """Takes numbers from their customers, and gives them back while they rest."""

    def __init__(self, client: Client, stock: NumberStock, task_queue: str) -> None:
        self._client = client
        self._stock = stock
        self._task_queue = task_queue

    async def release(self, number: Assignment, days: int, actor: str, reason: str | None) -> bool:
        """Take an assigned number off the switch and into quarantine for these days. True when done, false while it goes on.

        Raises ``Refused`` for an answer that is no, ``Unavailable`` without Temporal: then nothing has begun.
        """
        now = datetime.now(UTC)
        release = Release(number=number, released_at=now, until=now + timedelta(days=days), actor=actor, reason=reason)
        return await self._act("number_release", number, release)

    async def reclaim(self, number: Assignment, actor: str) -> bool:
        """Give a resting number back to whom it was taken from. True when done, false while it goes on. Raises as ``release``."""
        return await self._act("number_reclaim", number, Reclaim(number=number, actor=actor, at=datetime.now(UTC)))

    async def _act(self, workflow: str, number: Assignment, value: Value) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                handle = await self._client.start_workflow(
                    workflow,
                    value,
                    id=keys.number_workflow_id(number.onboarding_id, number.e164),
                    task_queue=self._task_queue,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    result_type=NumberOutcome,
                )
        except WorkflowAlreadyStartedError as error:
            raise Refused(
                "Something is being done with this number at this moment. Look at it again shortly.", code="number_busy"
            ) from error
        except (RPCError, RuntimeError, TimeoutError) as error:
            _log.warning("start refused by Temporal", extra={"cause": type(error).__name__})
            raise Unavailable(
                "Temporal does not answer, so it is not known whether this has begun. Look at the number before you try again.",
                code="temporal_unavailable",
                retry_after=PATIENCE,
            ) from error
        try:
            async with asyncio.timeout(PATIENCE):
                outcome: NumberOutcome = await handle.result()
        except (RPCError, RuntimeError, TimeoutError, WorkflowFailureError):
            return False
        if not outcome.done:
            raise Refused(outcome.reason or "The answer is no.", code=outcome.code)
        return True
