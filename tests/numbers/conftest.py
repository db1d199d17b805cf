"""Numbers through the API, over either database; and where a test needs them, real onboardings on a real Temporal."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, text
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.drafts import DraftActivities
from activities.mails import MailActivities
from activities.numbers import NumberActivities
from activities.payments import LedgerActivities
from activities.records import RecordActivities
from activities.registry import methods_of
from activities.stock import QuarantineActivities, ReaperActivities, RoutingActivities
from activities.voice import VoiceActivities
from adapters.crypto import Secrets
from adapters.database import Database
from adapters.reaping import TemporalRuns
from adapters.settings import Settings
from adapters.voice.kamailio import KamailioSwitch
from adapters.voice.tables import create_tables
from domain.access import Role
from domain.catalogue import Plan, PriceList, Tenant
from domain.numbers import Grade
from starter.local.temporal_server import RunningTemporal
from starter.number_acts import NumberActs
from starter.onboardings import Onboardings
from starter.web import create_app
from tests.adapters.database.conftest import (  # noqa: F401 - fixtures
    migrated_postgres,
    postgres,
    sqlite_template,
    url,
)
from tests.builders import a_tenant
from tests.simulators import World, _Post
from tests.starter.conftest import BASE, an_order_body, build
from tests.starter.memory import Reader
from worker import onboarding_worker

DRAMA = [f"+44121496{number:04d}" for number in range(1000)]
TENANT: Tenant = a_tenant(
    price_list=PriceList(
        version="2026-11",
        plans=(
            Plan(code="office-20", name="Office 20", setup_minor=2500, period_minor=1500, number_period_minor=200),
            Plan(code="office-50", name="Office 50", setup_minor=2500, period_minor=3500, number_period_minor=150),
        ),
        grade_setup_minor={Grade.PLATINUM: 50_000, Grade.GOLD: 9_900, Grade.SILVER: 4_000, Grade.BRONZE: 1_000},
    )
)
OTHER: Tenant = a_tenant(id="5f0c5f0e-0000-4000-8000-000000000002", slug="northway", name="Northway")


@dataclass
class Shop:
    """The API over a database, and who calls it."""

    database: Database
    http: httpx.AsyncClient
    keys: dict[str, str]

    async def ask(self, method: str, path: str, *, by: str = "admin", key: str | None = None, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[by]}"} | ({"Idempotency-Key": key} if key else {})
        return await self.http.request(method, path, headers=headers, **request)

    async def search(self, by: str = "admin", **query: Any) -> list[dict[str, Any]]:
        answer = await self.ask("GET", "/v1/numbers/search", by=by, params=query)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def found(self, **query: Any) -> list[str]:
        return [number["e164"] for number in await self.search(**query)]

    async def basket(self, *numbers: str, **body: Any) -> dict[str, Any]:
        opened = await self.ask("POST", "/v1/baskets", json=body)
        assert opened.status_code == 201, opened.text
        basket: dict[str, Any] = opened.json()
        if numbers:
            added = await self.ask("PUT", f"/v1/baskets/{basket['id']}/numbers", json={"numbers": numbers})
            assert added.status_code == 200, added.text
            basket = added.json()
        return basket

    async def state(self, e164: str) -> str:
        page = await self.database.reader.search_numbers(TENANT.id, e164, None, 1, None)
        return page.items[0].state.value

    async def clock(self, back: timedelta) -> None:
        """Let everything in the database that has a time have happened so much earlier: nobody waits for two hours."""
        columns = {
            "numbers": ("held_until", "quarantined_until"),
            "baskets": ("created_at", "expires_at"),
            "number_releases": ("quarantined_until", "released_at"),
        }

        def work(connection: Connection) -> None:
            for table, names in columns.items():
                for name in names:
                    if connection.dialect.name == "sqlite":
                        moved = f"strftime('%Y-%m-%d %H:%M:%f', {name}, '-{back.total_seconds()} seconds') || '000'"
                    else:
                        moved = f"{name} - interval '{back.total_seconds()} seconds'"
                    connection.execute(text(f"UPDATE {table} SET {name} = {moved} WHERE {name} IS NOT NULL"))

        await self.database._transactions.write(work)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:  # noqa: F811
    database = Database(url)
    for tenant in (TENANT, OTHER):
        await database.admin.put_tenant(tenant, credit_limit_minor=10_000_000)
    yield database
    await database.close()


async def _shop(database: Database, onboardings: Any, acts: Any) -> tuple[Any, dict[str, str]]:
    services, _ = build(onboardings, Reader())
    services = replace(
        services,
        reader=database.reader,
        catalogue=database.catalogue,
        identities=database.identities,
        inventory=database.admin,
        stock=database.stock,
        baskets=database.baskets,
        prices=database.prices,
        plans=database.plans,
        accounts=database.accounts,
        drafts=database.drafts,
        number_acts=acts,
        existing=database.existing,
    )
    keys = {}
    for name, tenant, role in (
        ("admin", TENANT.id, Role.ADMIN), ("colleague", TENANT.id, Role.ADMIN), ("auditor", TENANT.id, Role.AUDITOR),
        ("other", OTHER.id, Role.ADMIN), ("platform", None, Role.ADMIN),
    ):  # fmt: skip
        _, keys[name] = await database.identities.issue(name, tenant, role)
    return services, keys


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    services, keys = await _shop(database, None, None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(services)), base_url=BASE) as http:
        yield Shop(database, http, keys)


@dataclass
class Exchange(Shop):
    """A shop whose orders are carried out: workflows, books and switch."""

    client: Client
    task_queue: str
    switch: KamailioSwitch

    async def order(
        self, numbers: dict[str, Any] | None, service: dict[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Place an order that the white label pays, and wait for its end."""
        services = [{"numbers": numbers or {}, **(service or {})}]
        body = an_order_body(administration="operator", payer="parent", terms_accepted=True, services=services, **changes)
        body["customer"]["name"] = f"Customer {uuid.uuid4()}"
        answer = await self.ask("POST", "/v1/onboardings", key=str(uuid.uuid4()), json=body)
        assert answer.status_code == 202, answer.text
        await self.client.get_workflow_handle(f"onboarding/{answer.json()['id']}").result()
        ended: dict[str, Any] = (await self.ask("GET", f"/v1/onboardings/{answer.json()['id']}")).json()
        return ended

    async def rings(self, e164: str) -> list[str]:
        """The lines that the number rings, as the switch's table has it, with the plus and without."""
        query = text("SELECT alias_username, username FROM dbaliases WHERE alias_username IN (:a, :b) ORDER BY 1")
        terms = {"a": e164, "b": e164.removeprefix("+")}
        rows = await self.switch._transactions.read(lambda connection: connection.execute(query, terms).all())
        assert len(rows) in {0, 2}
        return [row.username for row in rows]

    async def settings_of(self, e164: str) -> list[str]:
        """What the switch follows of this number, whoever it was written for."""
        query = text(
            "SELECT attribute FROM usr_preferences WHERE attribute IN ('forward', 'caller_id') AND uuid = :of ORDER BY 1"
        )
        rows = await self.switch._transactions.read(lambda connection: connection.execute(query, {"of": e164}).all())
        return [row.attribute for row in rows]

    async def reap(self) -> dict[str, Any]:
        report: dict[str, Any] = await self.client.execute_workflow(
            "number_reaper", {}, id=f"reaper-{uuid.uuid4()}", task_queue=self.task_queue, result_type=dict
        )
        return report


@pytest.fixture
async def exchange(database: Database, temporal_server: RunningTemporal, tmp_path: Path) -> AsyncIterator[Exchange]:
    client = await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)
    queue, world = f"exchange-{uuid.uuid4()}", World()
    voice = f"sqlite:///{tmp_path / 'kamailio.db'}"
    await create_tables(voice)
    switch = KamailioSwitch(voice, Secrets(SecretStr("a secret of the tests that is long enough")))
    methods = methods_of(
        RecordActivities(database.records),
        NumberActivities(database.numbers),
        LedgerActivities(database.ledger),
        VoiceActivities(switch),
        MailActivities(_Post(world), _Post(world)),
        QuarantineActivities(database.stock),
        RoutingActivities(switch),
        DraftActivities(database.drafts),
        ReaperActivities(database.stock, TemporalRuns(client)),
    )
    services, keys = await _shop(
        database,
        Onboardings(client, database.reader, database.catalogue, queue, baskets=database.baskets),
        NumberActs(client, database.stock, queue),
    )
    transport = httpx.ASGITransport(create_app(replace(services, call_records=switch)))
    async with (
        onboarding_worker(client, Settings(task_queue=queue), methods, strict=True),
        httpx.AsyncClient(transport=transport, base_url=BASE) as http,
        asyncio.timeout(120),
    ):
        yield Exchange(database, http, keys, client, queue, switch)
    await switch.close()


@pytest.fixture
async def client(temporal_server: RunningTemporal) -> Client:
    return await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)
