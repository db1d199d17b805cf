"""The web process as it is composed in an installation: real database, real Temporal, its own operating-system process."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.database import Database, migrate
from adapters.settings import Settings
from domain.access import Role
from starter.app import compose
from starter.local.processes import free_ports
from starter.local.temporal_server import RunningTemporal
from starter.web import create_app
from tests.starter.conftest import TENANT, an_order_body


async def _installed(state_dir: Path) -> tuple[Settings, str]:
    """A migrated database with one white label that has a number, and an API key."""
    settings = Settings(state_dir=state_dir, task_queue=f"app-{uuid.uuid4()}")
    await migrate(settings.database)
    database = Database(settings.database)
    await database.admin.put_platform()
    await database.admin.put_tenant(TENANT)
    await database.admin.import_numbers(TENANT.id, ["+441214960000"])
    _, key = await database.identities.issue("test", TENANT.id, Role.ADMIN)
    await database.close()
    return settings, key


async def test_it_starts_without_temporal_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{port}")
    settings, key = await _installed(tmp_path)
    async with compose(settings) as services:
        app = create_app(services)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=services.base_url) as http:
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()["checks"]) == (503, {"database": "ok", "temporal": "unavailable"})
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": str(uuid.uuid4())}
            order = await http.post("/v1/onboardings", json=an_order_body(), headers=headers)
            assert (order.status_code, order.json()["code"]) == (503, "temporal_unavailable")
            assert (await http.get("/v1/onboardings", headers=headers)).json() == {"items": [], "next_page_token": None}


async def test_with_everything_there_it_is_ready_and_takes_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporal_server: RunningTemporal
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    settings, key = await _installed(tmp_path)
    async with compose(settings) as services:
        app = create_app(services)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=services.base_url) as http:
            assert (await http.get("/readyz")).json()["ready"] is True
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": str(uuid.uuid4())}
            services_ordered = [{"numbers": {"explicit": ["0121 496 0000"]}}]
            order = await http.post("/v1/onboardings", json=an_order_body(services=services_ordered), headers=headers)
            assert order.status_code == 202, order.text
            view = await http.get(order.headers["Location"], headers=headers)
            assert view.json()["state"] == "opening"


async def test_what_is_sold_is_in_force_in_this_process_once_its_change_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{port}")
    settings, key = await _installed(tmp_path)
    headers = {"Authorization": f"Bearer {key}"}
    async with compose(settings) as services:
        transport = httpx.ASGITransport(create_app(services))
        async with httpx.AsyncClient(transport=transport, base_url=services.base_url, headers=headers) as http:

            async def checked(**changes: object) -> dict[str, Any]:
                body = {"administration": "operator", "payer": "parent", "terms_accepted": True, "services": [{}]} | changes
                answer = await http.post("/v1/order-checks", params={"full": True}, json=an_order_body(**body))
                assert answer.status_code == 200, answer.text
                found: dict[str, Any] = answer.json()
                return found

            async def listed(price: int) -> None:
                plans = [{"code": "spring", "name": "Spring", "period_minor": price}]
                answer = await http.put("/v1/price-lists/spring", json={"name": "Spring", "plans": plans})
                assert answer.status_code == 200, answer.text

            await checked()
            await listed(1000)
            assert (await checked(price_list="spring"))["full"]["quote"]["net_minor"] == 1000
            await listed(9000)
            assert (await checked(price_list="spring"))["full"]["quote"]["net_minor"] == 9000
            tax = {"code": "levy", "name": "Levy", "rate_basis_points": 1000}
            assert (await http.post("/v1/taxes", json=tax)).status_code == 201
            assert (await checked(price_list="spring", taxes=["levy"]))["findings"] == []
            assert (await http.put("/v1/rate-groups/spring", json={"name": "Spring"})).status_code == 200
            assert (await checked(price_list="spring", rate_group="spring"))["findings"] == []


@contextmanager
def _running(settings: Settings, temporal: str, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "TEMPORAL_ADDRESS": temporal,
        "DIALTONE_STATE_DIR": str(settings.state_dir),
        "DIALTONE_TASK_QUEUE": settings.task_queue,
    }
    program = f"import asyncio; from starter.app import Settings, serve; asyncio.run(serve(Settings(), port={port}))"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=output, stdout=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


async def test_told_to_stop_it_ends_open_streams_and_leaves_no_secret_in_its_log(
    tmp_path: Path, temporal_server: RunningTemporal
) -> None:
    settings, key = await _installed(tmp_path)
    (port,) = free_ports(1)
    headers = {"Authorization": f"Bearer {key}"}
    log = tmp_path / "web.log"
    with _running(settings, temporal_server.address, port, log) as process:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10) as http:
            deadline = time.monotonic() + 20
            while True:
                try:
                    if (await http.get("/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    assert time.monotonic() < deadline, log.read_text()
                    await asyncio.sleep(0.1)
            order = await http.post("/v1/onboardings", json=an_order_body(), headers={"Idempotency-Key": str(uuid.uuid4())})
            assert order.status_code == 202, order.text + log.read_text()
            await http.get("/activate/a-secret-token")
            async with http.stream(
                "GET", f"{order.json()['links']['events']}", headers={"Accept": "text/event-stream"}
            ) as stream:
                parts = stream.aiter_text()
                assert (await anext(parts)).startswith("retry:")
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert [part async for part in parts] == []
        assert process.wait(timeout=10) in {0, -signal.SIGTERM}
        assert time.monotonic() - began < 15
    said = log.read_text()
    assert '"route": "/activate/{token}"' in said
    for secret in ("a-secret-token", key, "ada@", "Harbour"):
        assert secret not in said
