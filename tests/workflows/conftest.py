"""A worker for one test: the real activities and the real workflow, sandbox on, around a simulated world."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker

from adapters.settings import Settings
from domain.keys import workflow_id
from domain.onboarding import OnboardingInput, OnboardingStatus, Outcome, State
from starter.local.temporal_server import RunningTemporal
from tests.simulators import World
from worker import onboarding_worker
from workflows.onboarding import OnboardingWorkflow

Handle = WorkflowHandle[OnboardingWorkflow, Outcome]


@dataclass
class Office:
    """Starts onboardings on a worker of its own, and speaks to them."""

    client: Client
    skipper: TimeSkipper
    task_queue: str
    world: World

    async def start(self, onboarding: OnboardingInput, *, skipping: bool = False) -> Handle:
        """Start one; with ``skipping``, time jumps to whatever the workflow waits for next."""
        with contextlib.nullcontext() if skipping else self.skipper.with_time_skipping_disabled():
            return await self.skipper.client.start_workflow(
                OnboardingWorkflow.run,
                onboarding,
                id=workflow_id(onboarding.id),
                task_queue=self.task_queue,
                execution_timeout=timedelta(days=400) if skipping else timedelta(seconds=100),
            )

    async def reaches(self, handle: Handle, *states: State, waits_for: str | None = None) -> OnboardingStatus:
        """Wait until the onboarding is in one of these states (and waits for somebody)."""
        while True:
            status: OnboardingStatus = await handle.query("state", result_type=OnboardingStatus)
            if status.state in states and (waits_for is None or status.waits_for == waits_for):
                return status
            assert not status.state.is_final, f"ended {status.state} ({status.outcome}) instead of reaching {states}"

    async def tell(self, handle: Handle, update: str, value: Any) -> OnboardingStatus:
        status: OnboardingStatus = await handle.execute_update(update, value, result_type=OnboardingStatus)
        return status


@pytest.fixture(autouse=True)
async def nothing_waits_for_ever(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Many tests wait for what a broken process would never do; two minutes are too long for any."""
    loop = asyncio.get_running_loop()

    def give_up() -> None:
        for task in asyncio.all_tasks(loop):
            if getattr(task.get_coro(), "__name__", None) == request.function.__name__:
                task.cancel("The test waited for two minutes.")

    timer = loop.call_later(120, give_up)
    yield
    timer.cancel()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(temporal_server: RunningTemporal) -> Client:
    return await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)


@pytest.fixture
def start_worker(client: Client, world: World) -> Callable[..., Worker]:
    def start(task_queue: str, **options: Any) -> Worker:
        return onboarding_worker(client, Settings(task_queue=task_queue), world.activities(), strict=True, **options)

    return start


@pytest.fixture
async def office(client: Client, world: World, start_worker: Callable[..., Worker]) -> AsyncIterator[Office]:
    task_queue = f"office-{uuid.uuid4()}"
    async with start_worker(task_queue):
        yield Office(client, TimeSkipper(client), task_queue, world)
