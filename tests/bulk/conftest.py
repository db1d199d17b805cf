"""Files of orders through the API, over either database, with the real server and a worker that a test can stop."""

import asyncio
import csv
import io
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from activities.bulk import BulkActivities
from activities.mails import MailActivities
from activities.numbers import NumberActivities
from activities.payments import LedgerActivities, PaymentActivities
from activities.records import RecordActivities
from activities.registry import methods_of
from activities.voice import VoiceActivities
from adapters.crypto import Secrets
from adapters.database import Database
from adapters.passwords import Argon2Passwords
from adapters.settings import Settings
from adapters.starting import TemporalStarts
from domain.access import Role
from domain.bulk import OnboardingStarts
from domain.catalogue import Tenant
from domain.keys import bulk_workflow_id, workflow_id
from domain.onboarding import OnboardingInput
from starter.bulk.office import BulkOffice
from starter.first_access import FirstAccess
from starter.local.temporal_server import RunningTemporal
from starter.onboardings import Onboardings
from starter.web import create_app
from tests.adapters.database.conftest import migrated_postgres, postgres, sqlite_template, url
from tests.builders import a_tenant
from tests.simulators import World, _Gateway, _Post, _Switch
from tests.starter.conftest import BASE, build
from tests.starter.memory import Reader
from worker import onboarding_worker
from workflows.starting import start_options

__all__ = ["migrated_postgres", "postgres", "sqlite_template", "url"]

TENANT: Tenant = a_tenant()
OTHER: Tenant = a_tenant(id="5f0c5f0e-0000-4000-8000-000000000002", slug="northway", name="Northway")
DRAMA = [f"+44121496{number:04d}" for number in range(1000)]

COLUMNS = (
    "customer.name",
    "customer.contact.full_name",
    "customer.contact.email",
    "customer.billing_address.lines.1",
    "customer.billing_address.city",
    "customer.billing_address.country",
    "administration",
    "payer",
    "terms_accepted",
)


def a_row(number: int, **changes: str) -> dict[str, str]:
    """An order without numbers, which the white label pays; as cells by column."""
    values = (f"Shop {number}", "Ada Reed", f"shop{number}@example.com", "1 Colmore Row", "Birmingham", "GB")
    return {**dict(zip(COLUMNS, (*values, "operator", "parent", "yes"), strict=True)), **changes}


def as_csv(rows: Sequence[dict[str, str]], delimiter: str = ",") -> bytes:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def an_order(number: int, **changes: Any) -> dict[str, Any]:
    """The same order as the API takes it."""
    address = {"lines": ["1 Colmore Row"], "city": "Birmingham", "country": "GB"}
    contact = {"full_name": "Ada Reed", "email": f"shop{number}@example.com"}
    return {
        "customer": {
            "name": f"Shop {number}",
            "contact": contact,
            "billing_address": address,
            "service_address": address,
        },
        "administration": "operator",
        "payer": "parent",
        "terms_accepted": True,
        **changes,
    }


def as_lines(orders: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(order) + "\n" for order in orders).encode()


@dataclass
class Starts:
    """Starts onboardings as the worker does; counts them, and can be told to wait or to fail."""

    real: OnboardingStarts
    asked: list[str] = field(default_factory=list)
    before: Callable[[int], Any] | None = None

    async def start(self, begin: OnboardingInput) -> None:
        self.asked.append(begin.id)
        if self.before is not None:
            await self.before(len(self.asked))
        await self.real.start(begin)


class Line:
    """The office's way to Temporal, which a test can cut."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.is_cut = False

    def __getattr__(self, name: str) -> Any:
        if self.is_cut:
            raise RPCError("nobody listens", RPCStatusCode.UNAVAILABLE, b"")
        return getattr(self._client, name)


class Passwords:
    """Passwords as the product has them, with the cheapest of hashes; counts them."""

    def __init__(self) -> None:
        self._real = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.hashed = 0
        self.verify = self._real.verify

    async def hash(self, password: str) -> str:
        self.hashed += 1
        return await self._real.hash(password)


@dataclass
class Works:
    """The product, and who calls it. Nothing is carried out unless a test has a worker."""

    database: Database
    http: httpx.AsyncClient
    keys: dict[str, str]
    client: Client
    line: Line
    task_queue: str
    world: World
    starts: Starts
    at_door: Passwords
    at_work: Passwords
    onboardings: Onboardings

    async def ask(self, method: str, path: str, *, by: str = "admin", key: str | None = None, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[by]}", **request.pop("headers", {})}
        if key:
            # This test's own: the Temporal server is that of all, ids follow from keys, and another test's run of the same id may
            # wait for ever for the worker that ended with it.
            key = f"{self.task_queue} {key}"
        return await self.http.request(
            method, path, headers=headers | ({"Idempotency-Key": key} if key else {}), timeout=600, **request
        )

    async def send(
        self, content: bytes, *, by: str = "admin", key: str | None = None, kind: str = "text/csv", **options: Any
    ) -> httpx.Response:
        options = {"rate": 6000, "at_once": 200, **options}
        headers = {"Content-Type": kind}
        key = key or str(uuid.uuid4())
        return await self.ask("POST", "/v1/bulk-runs", by=by, key=key, content=content, params=options, headers=headers)

    async def check(self, content: bytes, *, kind: str = "text/csv", **options: Any) -> dict[str, Any]:
        headers = {"Content-Type": kind}
        params = {"dry_run": True, **options}
        answer = await self.ask("POST", "/v1/bulk-runs", content=content, params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report

    async def run(self, content: bytes, **options: Any) -> str:
        answer = await self.send(content, **options)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def look(self, run: str) -> dict[str, Any]:
        answer = await self.ask("GET", f"/v1/bulk-runs/{run}")
        assert answer.status_code == 200, answer.text
        seen: dict[str, Any] = answer.json()
        return seen

    async def rows(self, run: str, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token: str | None = None
        while True:
            params = {"page_size": 500, **query} | ({"page_token": token} if token else {})
            answer = await self.ask("GET", f"/v1/bulk-runs/{run}/rows", params=params)
            assert answer.status_code == 200, answer.text
            found += answer.json()["items"]
            token = answer.json()["next_page_token"]
            if token is None:
                return found

    async def decide(self, run: str, verb: str, **request: Any) -> httpx.Response:
        return await self.ask("POST", f"/v1/bulk-runs/{run}/{verb}", **request)

    async def finished(self, run: str) -> dict[str, Any]:
        """Wait until every row is started; how the run stands then."""
        await self.client.get_workflow_handle(bulk_workflow_id(run)).result()
        return await self.look(run)

    async def over(self, run: str) -> dict[str, Any]:
        """Wait until every onboarding of the run has ended too."""
        await self.finished(run)
        for row in await self.rows(run, state="started"):
            await self.client.get_workflow_handle(workflow_id(row["onboarding_id"])).result()
        return await self.look(run)

    def worker(self, **options: Any) -> Worker:
        database, world = self.database, self.world
        methods = methods_of(
            RecordActivities(database.records),
            NumberActivities(database.numbers),
            LedgerActivities(database.ledger),
            PaymentActivities(_Gateway(world), database.fence, world.settling),
            VoiceActivities(_Switch(world)),
            MailActivities(_Post(world), _Post(world)),
            BulkActivities(database.bulk, self.starts),
        )
        return onboarding_worker(self.client, Settings(task_queue=self.task_queue), methods, strict=True, **options)


@asynccontextmanager
async def works_over(url: str, address: str) -> AsyncIterator[Works]:
    database, world = Database(url), World()
    for tenant in (TENANT, OTHER):
        await database.admin.put_tenant(tenant, credit_limit_minor=1_000_000_000)
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    queue, line = f"bulk-{uuid.uuid4()}", Line(client)
    secrets, at_door, at_work = Secrets(SecretStr("a secret of the tests that is long enough")), Passwords(), Passwords()
    access = FirstAccess(database.users, at_door, secrets, 12)
    onboardings = Onboardings(client, database.reader, database.catalogue, queue, accounts=database.accounts, access=access)
    services, _ = build(onboardings, Reader())
    services = replace(
        services,
        reader=database.reader,
        catalogue=database.catalogue,
        identities=database.identities,
        accounts=database.accounts,
        inventory=database.admin,
        bulk=BulkOffice(line, database.bulk, onboardings, queue),  # type: ignore[arg-type]
        bulk_runs=database.bulk,
    )
    keys = {}
    for name, tenant, role in (
        ("admin", TENANT.id, Role.ADMIN), ("auditor", TENANT.id, Role.AUDITOR), ("approver", TENANT.id, Role.APPROVER),
        ("other", OTHER.id, Role.ADMIN), ("platform", None, Role.ADMIN),
    ):  # fmt: skip
        _, keys[name] = await database.identities.issue(name, tenant, role)
    starts = Starts(TemporalStarts(client, database.reader, queue, start_options, secrets, at_work))
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as http:
        yield Works(database, http, keys, client, line, queue, world, starts, at_door, at_work, onboardings)
    await database.close()


@pytest.fixture
async def works(url: str, temporal_server: RunningTemporal) -> AsyncIterator[Works]:
    async with works_over(url, temporal_server.address) as works, asyncio.timeout(60):
        yield works


@pytest.fixture
async def busy(works: Works) -> AsyncIterator[Works]:
    """With a worker."""
    async with works.worker():
        yield works


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is so."""
    while not await look():  # noqa: ASYNC110 - what is looked at is another process
        await asyncio.sleep(0.05)


sqlite_only = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
