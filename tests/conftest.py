"""What most tests need: one real Temporal server for the session, and builders with good defaults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from starter.local.processes import Guard
from starter.local.temporal_server import RunningTemporal, start_temporal_server


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTemporal]:
    """The real server, in memory, with time skipping allowed for those workflows that ask for it."""
    log: Path = tmp_path_factory.mktemp("temporal") / "server.log"
    with Guard() as guard:
        server = start_temporal_server(
            guard=guard, log=log, extra=["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"]
        )
        yield server
        server.stop()
