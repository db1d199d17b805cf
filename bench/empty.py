"""A workflow of the shape of a white-label onboarding, whose steps do nothing: what Temporal alone costs.

The same commands in the same order leave the same history, event by event (``tests/bench`` holds it to that): five local
activities, two activities, two upserts of a search attribute. It takes the same input and runs as the product's worker
does, sandbox and all. Run it with ``python -m bench.empty``.
"""

import asyncio
import signal
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxRestrictions

with workflow.unsafe.imports_passed_through():
    from adapters.sandbox import ContextFreeSandbox
    from adapters.settings import Settings
    from adapters.temporal import connect
    from domain.onboarding import OnboardingInput
    from workflows.options import ONBOARDING_STATE

EMPTY_QUEUE = "empty"

_TRUSTED = ("domain", "activities", "workflows", "bench")
_PADDING = "x" * 400
"""As much as the product's two activities take: a line, a letter."""


@activity.defn(name="empty_step")
async def step(nothing: str) -> None:
    """Do nothing."""


@workflow.defn(name="empty")
class EmptyWorkflow:
    """The shape and nothing else."""

    @workflow.run
    async def run(self, onboarding: OnboardingInput) -> str:
        await self._local(2)
        workflow.upsert_search_attributes([ONBOARDING_STATE.value_set("provisioning")])
        await self._local(1)
        await workflow.execute_activity(step, _PADDING, start_to_close_timeout=timedelta(seconds=20))
        await self._local(2)
        workflow.upsert_search_attributes([ONBOARDING_STATE.value_set("active")])
        await workflow.execute_activity(step, _PADDING, start_to_close_timeout=timedelta(seconds=60))
        return onboarding.id

    async def _local(self, count: int) -> None:
        for _ in range(count):
            await workflow.execute_local_activity(step, "", start_to_close_timeout=timedelta(seconds=10))


def empty_worker(client: Client) -> Worker:
    """A worker like the product's."""
    return Worker(
        client,
        task_queue=EMPTY_QUEUE,
        workflows=[EmptyWorkflow],
        activities=[step],
        workflow_runner=ContextFreeSandbox(restrictions=SandboxRestrictions.default.with_passthrough_modules(*_TRUSTED)),
        graceful_shutdown_timeout=timedelta(seconds=5),
    )


async def run() -> None:
    """Work until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with empty_worker(await connect(Settings())):
        await stop.wait()


if __name__ == "__main__":
    from bench import empty  # noqa: PLW0406 - as a module of its own name: the sandbox loads workflows by that

    asyncio.run(empty.run())
