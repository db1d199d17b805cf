"""Starting onboardings that were made ready before, from the worker: one that runs or has run is not started again."""

import asyncio
from typing import Any

from temporalio.client import Client
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from domain import keys
from domain.errors import NotFound, Unavailable
from domain.onboarding import OnboardingInput, State
from domain.views import OnboardingReader

_STATE = SearchAttributeKey.for_keyword("OnboardingState")
_TENANT = SearchAttributeKey.for_keyword("TenantId")
_ATTENTION = SearchAttributeKey.for_bool("NeedsAttention")
_WORKFLOW: str = "onboarding"
_PATIENCE = 10.0


class TemporalStarts:
    """``domain.bulk.OnboardingStarts``."""

    def __init__(self, client: Client, reader: OnboardingReader, task_queue: str) -> None:
        self._client = client
        self._reader = reader
        self._task_queue = task_queue

    async def start(self, begin: OnboardingInput) -> None:
        # The row outlives the history: a run that was paused for longer than Temporal remembers starts nothing twice.
        if await self._known(begin.id):
            return
        attributes: list[SearchAttributePair[Any]] = [
            SearchAttributePair(_STATE, State.OPENING.value),
            SearchAttributePair(_TENANT, begin.tenant_id),
            SearchAttributePair(_ATTENTION, value=False),
        ]
        lines, numbers = len(begin.order.services), begin.order.number_count
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._client.start_workflow(
                    _WORKFLOW,
                    begin,
                    id=keys.workflow_id(begin.id),
                    task_queue=self._task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    memo={"fingerprint": begin.fingerprint, "tenant": begin.tenant_id},
                    search_attributes=TypedSearchAttributes(attributes),
                    static_summary=f"{begin.order.administration.value}: {lines} line(s), {numbers} number(s), "
                    f"{begin.quote.total}",
                )
        except WorkflowAlreadyStartedError:
            return
        except (RPCError, RuntimeError, TimeoutError) as error:
            raise Unavailable("Temporal did not take an onboarding of a bulk run; it is started when it answers.") from error

    async def _known(self, onboarding_id: str) -> bool:
        try:
            await self._reader.get(onboarding_id)
        except NotFound:
            return False
        return True
