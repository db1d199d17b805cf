"""How an onboarding is started, whoever starts it: the door for one order, and the worker for the rows of a file."""

from typing import Any, TypedDict

from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from domain.keys import workflow_id
from domain.onboarding import OnboardingInput, State
from workflows import options


class StartOptions(TypedDict):
    """Arguments of ``Client.start_workflow``, beside workflow, input and task queue."""

    id: str
    id_reuse_policy: WorkflowIDReusePolicy
    id_conflict_policy: WorkflowIDConflictPolicy
    memo: dict[str, str]
    search_attributes: TypedSearchAttributes
    static_summary: str


def start_options(begin: OnboardingInput) -> StartOptions:
    """Once per id, ever: one that runs or has run is ``WorkflowAlreadyStartedError``."""
    attributes: list[SearchAttributePair[Any]] = [
        SearchAttributePair(options.ONBOARDING_STATE, State.OPENING.value),
        SearchAttributePair(options.TENANT_ID, begin.tenant_id),
        # Said from the start: what was never set is found by neither true nor false.
        SearchAttributePair(options.NEEDS_ATTENTION, value=False),
    ]
    order = begin.order
    return {
        "id": workflow_id(begin.id),
        "id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE,
        "id_conflict_policy": WorkflowIDConflictPolicy.FAIL,
        "memo": {"fingerprint": begin.fingerprint, "tenant": begin.tenant_id},
        "search_attributes": TypedSearchAttributes(attributes),
        "static_summary": f"{order.administration.value}: {len(order.services)} line(s), {order.number_count} number(s), "
        f"{begin.quote.total}",
    }
