"""Domain errors become Temporal's here, and nowhere else.

A refusal is an answer: never retried, and benign, so it wakes nobody. No answer is retried by the policy of the step,
after the time the other side asked for where it named one. Everything else is a bug and passes through unchanged.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain.errors import DialtoneError, Refused, Unavailable

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def failure(error: DialtoneError) -> ApplicationError:
    """The Temporal error that stands for a domain error; its ``type`` is the domain error's code."""
    if isinstance(error, Refused):
        return ApplicationError(error.message, type=error.code, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
    retry_after = error.retry_after if isinstance(error, Unavailable) else None
    return ApplicationError(
        error.message, type=error.code, next_retry_delay=timedelta(seconds=retry_after) if retry_after is not None else None
    )


def translated(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """An activity whose domain errors leave it as Temporal's."""

    @wraps(method)
    async def translating(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await method(*args, **kwargs)
        except DialtoneError as error:
            # Without the chain: a vendor's or a driver's message may hold personal data, and failures are kept in histories.
            _log.info("An activity was answered %s (%s)", error.code, type(error.__cause__).__name__)
            raise failure(error) from None

    return translating
