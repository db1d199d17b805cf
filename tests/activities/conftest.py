"""The activities by their wire names, run as a worker would run them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from tests.simulators import World


def wire_name(method: Callable[..., Any]) -> str:
    name: str = method.__temporal_activity_definition.name  # type: ignore[attr-defined]
    return name


@dataclass
class Desk:
    """Does one step at a time in a world."""

    world: World = field(default_factory=World)
    environment: ActivityEnvironment = field(default_factory=ActivityEnvironment)

    def __post_init__(self) -> None:
        self.methods = {wire_name(method): method for method in self.world.activities()}

    async def do(self, name: str, value: Any) -> Any:
        return await self.environment.run(self.methods[name], value)


@pytest.fixture
def desk() -> Desk:
    return Desk()
