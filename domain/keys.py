"""Ids and idempotency keys: pure functions of our own ids.

A key names an *intent*, so the same intent always has the same key and the outside can recognise it. Never in a key:
the run id (changes on reset and continue-as-new), the attempt, or the time. Each of them charges twice.
"""

import uuid
from datetime import datetime

_NAMESPACE = uuid.UUID("6b0b5b3a-7d0f-5c53-9c6e-6f0d0c5d1a10")


def onboarding_id(scope: str, idempotency_key: str) -> str:
    """The id of the onboarding that this client's ``Idempotency-Key`` stands for. ``scope``: the tenant, or the account added to."""
    return str(uuid.uuid5(_NAMESPACE, f"onboarding\n{scope}\n{idempotency_key}"))


def workflow_id(onboarding: str) -> str:
    """The Temporal workflow id. Holds no personal data: ids are not encrypted."""
    return f"onboarding/{onboarding}"


def account_id(onboarding: str) -> str:
    """The customer account that an onboarding opens: known before it exists, so the undo can name it."""
    return str(uuid.uuid5(_NAMESPACE, f"account\n{onboarding}"))


def line_name(onboarding: str, position: int) -> str:
    """The SIP user name of the onboarding's n-th service (from 0). Opaque: a number may be changed, a device not."""
    digest = uuid.uuid5(_NAMESPACE, f"line\n{onboarding}\n{position}").hex
    # Long, because two lines of one name on a switch would be one line: each could answer the other's calls.
    return f"d{digest[:20]}"


def step_key(onboarding: str, step: str, generation: int = 1) -> str:
    """``<onboarding id>:<step>:<generation>``. The generation moves only by a person's decision, such as a new card."""
    return f"{onboarding}:{step}:{generation}"


def update_id(principal: str, update: str, idempotency_key: str) -> str:
    """The Temporal update id of a decision: the same principal's repetition of it is answered as the first one was."""
    return str(uuid.uuid5(_NAMESPACE, f"update\n{principal}\n{update}\n{idempotency_key}"))


def basket_id(tenant_id: str, principal: str, idempotency_key: str) -> str:
    """The basket that a principal's ``Idempotency-Key`` stands for, so that a repeated request opens no second one."""
    return str(uuid.uuid5(_NAMESPACE, f"basket\n{tenant_id}\n{principal}\n{idempotency_key}"))


def number_workflow_id(onboarding: str, e164: str) -> str:
    """The workflow id of an act upon an assigned number: one at a time. The number is personal data; a digest stands for it."""
    digest = uuid.uuid5(_NAMESPACE, f"number\n{onboarding}\n{e164}")
    return f"number/{digest}"


def draft_id(tenant_id: str, principal: str, idempotency_key: str) -> str:
    """The draft that a principal's ``Idempotency-Key`` stands for, so that a repeated request begins no second one."""
    return str(uuid.uuid5(_NAMESPACE, f"draft\n{tenant_id}\n{principal}\n{idempotency_key}"))


def draft_basket_id(draft: str, earlier: str | None) -> str:
    """The basket that a draft opens after its earlier one, whose time is over; its first one without."""
    return str(uuid.uuid5(_NAMESPACE, f"draft basket\n{draft}\n{earlier}"))


def draft_onboarding_id(draft: str, begun: datetime) -> str:
    """The one onboarding that a draft can become, whoever submits it, how often, and whatever dies meanwhile.

    ``begun`` is when the draft was: a key that is used again after its draft was deleted stands for another draft.
    """
    return str(uuid.uuid5(_NAMESPACE, f"draft onboarding\n{draft}\n{begun.isoformat()}"))


def bulk_run_id(tenant_id: str, idempotency_key: str) -> str:
    """The bulk run that a client's ``Idempotency-Key`` stands for; scoped to the tenant."""
    return str(uuid.uuid5(_NAMESPACE, f"bulk\n{tenant_id}\n{idempotency_key}"))


def bulk_workflow_id(run: str) -> str:
    """The Temporal workflow id of a bulk run."""
    return f"bulk/{run}"


def bulk_onboarding_id(run: str, row: int) -> str:
    """The onboarding of one row: the same however often it is started (after a crash, a reset, or continued as new)."""
    return str(uuid.uuid5(_NAMESPACE, f"bulk onboarding\n{run}\n{row}"))
