# ruff: noqa: INP001 - a program, not a module of a package
"""Is this container's worker asking Temporal for work? Exit status 0 if it did lately, 1 with a sentence if not.

A worker listens on no port, and a process that lives may still have lost its connection. Temporal knows who polls.
"""

import asyncio
import os
import socket
import sys
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from adapters.settings import Settings
from adapters.temporal import connect
from domain.errors import Unavailable

RECENT = timedelta(minutes=2)
"""A poll that finds nothing ends after about one minute, so a healthy worker is never silent for two."""


async def problem(settings: Settings) -> str | None:
    """What is wrong with the worker on this host, or ``None``."""
    try:
        client = await connect(settings, patience=())
    except Unavailable as error:
        return error.message
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=settings.task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    here = f"@{socket.gethostname()}"
    since = datetime.now(UTC) - RECENT
    for poller in answer.pollers:
        if poller.identity.endswith(here) and poller.last_access_time.ToDatetime(UTC) > since:
            return None
    return f"No worker on this host has asked for work on the task queue {settings.task_queue} lately."


if __name__ == "__main__":
    sentence = asyncio.run(problem(Settings()))
    if sentence:
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()
    # At once: a short process may otherwise abort in the SDK's own threads, and its status is its answer (sdk-python#300).
    os._exit(1 if sentence else 0)
