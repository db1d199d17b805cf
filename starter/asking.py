"""Asking Temporal on somebody's behalf: how long they wait, and what they are told if nobody answers."""

import asyncio
import logging
from typing import Any, TypeVar

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain.base import Value
from domain.errors import Refused, Unavailable

PATIENCE = 5.0
"""Seconds that a person waits for Temporal, or for a worker behind it, before being told to come back."""

SILENCE = (RPCError, RuntimeError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError)
"""How the client says that nobody has answered, or nobody is there: see ``is_gone``."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Gone(Exception):
    """There is no such workflow, or it has ended and was never asked this."""


async def decide(
    handle: WorkflowHandle[Any, Any], update: str, value: Value, update_id: str | None, answer: type[T], of: str
) -> T:
    """Pass a decision on. A repetition with the same ``update_id`` is answered as the first was, also after the end.

    Raises ``Refused`` with the workflow's code if it says no, ``Gone``, and ``Unavailable`` if nobody answers in time; ``of`` is
    what the person looks at then.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            told: T = await handle.execute_update(update, value, id=update_id, result_type=answer)
    except WorkflowUpdateFailedError as error:
        if isinstance(error.cause, ApplicationError) and error.cause.type:
            raise Refused(error.cause.message, code=error.cause.type) from error
        _log.exception("update failed", extra={"update": update, "workflow": handle.id})
        raise nobody_answers(error, _unknown_whether_done(of, update_id)) from error
    except SILENCE as error:
        if not is_gone(error):
            raise nobody_answers(error, _unknown_whether_done(of, update_id)) from error
        earlier = await answered(handle, update_id, answer) if update_id else None
        if earlier is None:
            raise Gone from error
        return earlier
    return told


async def answered(handle: WorkflowHandle[Any, Any], update_id: str, answer: type[T]) -> T | None:
    """What this update was answered before the workflow ended, ``None`` if it never was."""
    try:
        async with asyncio.timeout(PATIENCE):
            told: T = await handle.get_update_handle(update_id, result_type=answer).result()
    except (*SILENCE, WorkflowUpdateFailedError):
        return None
    return told


def is_gone(error: BaseException) -> bool:
    """Whether this is Temporal's word for a workflow that has ended or never was."""
    return isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND


def nobody_answers(
    error: BaseException, sentence: str = "Nobody answered in time. Ask again: asking changes nothing."
) -> Unavailable:
    _log.warning("no answer from Temporal or its worker", extra={"cause": cause(error)})
    return Unavailable(sentence, code="worker_unavailable", retry_after=PATIENCE)


def cause(error: BaseException) -> str:
    """The kind of failure. Not its message: that may quote what a customer sent."""
    return f"{type(error).__name__} {error.status.name}" if isinstance(error, RPCError) else type(error).__name__


def _unknown_whether_done(of: str, update_id: str | None) -> str:
    again = (
        f"Look at the {of} before you send it again; with an Idempotency-Key it could simply be repeated."
        if update_id is None
        else "Send the same again with the same Idempotency-Key: what was done already is answered, and not done twice."
    )
    return f"Nobody answered in time, so it is not known whether this was done. {again}"
