"""The web process in memory, and beside a real Temporal server."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from adapters.crypto import Secrets
from domain.access import Role
from domain.numbers import NumberSelection
from domain.orders import Service
from domain.views import OnboardingView
from starter.calling import Callings
from starter.first_access import FirstAccess
from starter.local.temporal_server import RunningTemporal
from starter.onboardings import Onboardings
from starter.people import People
from starter.pins import AccountPinOffice
from starter.services import Services
from starter.web import create_app
from tests.builders import a_tenant, an_onboarding, an_order
from tests.starter.existing import ExistingBook, Obedient, ServiceShelf
from tests.starter.memory import (
    Accounts,
    BasketShelf,
    BulkDesk,
    CallingOffice,
    CallLog,
    CardPage,
    Catalogue,
    DraftShelf,
    Identities,
    Inventory,
    NumberActs,
    Office,
    Pins,
    Plans,
    Prices,
    RateGroups,
    Reader,
    Stock,
    Till,
    Users,
    Webhooks,
    view_of,
)

BASE = "http://onboarding.test"
GATEWAY = "https://cards.test"
ADDRESS = {"lines": ["1 Colmore Row"], "city": "Birmingham", "postcode": "B3 2BJ", "country": "GB"}


def an_order_body(**changes: Any) -> dict[str, Any]:
    """An order as a client sends it."""
    return {
        "customer": {
            "name": "Harbour Books Ltd",
            "contact": {"full_name": "Ada Reed", "email": "ada@harbourbooks.example.com", "telephone": "0121 496 0001"},
            "billing_address": ADDRESS,
            "service_address": ADDRESS,
        },
        "services": [{"label": "Front desk", "numbers": {"criteria": {"count": 1, "prefix": "+44121496"}}}],
        **changes,
    }


@dataclass
class House:
    """A composed web process with its ports in memory."""

    app: FastAPI
    services: Services
    http: httpx.AsyncClient
    reader: Reader
    catalogue: Catalogue
    identities: Identities
    inventory: Inventory
    cards: CardPage
    office: Office
    secrets: Secrets
    keys: dict[str, str]

    def by(self, name: str, **headers: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[name]}", **headers}

    async def order(self, body: Any = None, *, by: str = "admin", key: str | None = None, **headers: str) -> httpx.Response:
        headers = self.by(by, **{"Idempotency-Key": key or str(uuid.uuid4()), **headers})
        return await self.http.post("/v1/onboardings", json=an_order_body() if body is None else body, headers=headers)

    def onboarding(self, **changes: Any) -> OnboardingView:
        """An onboarding that is under way, of the first white label."""
        order = changes.pop("order", None) or an_order(
            name="Harbour Books Ltd",
            services=(Service(label="Front desk", numbers=NumberSelection(explicit=("+441214960000",))),),
        )
        return self.reader.put(view_of(an_onboarding(order), **changes))

    def link(self, view: OnboardingView, generation: int = 1) -> str:
        return f"/activate/{self.secrets.activation_token(view.id, generation)}"


TENANT = a_tenant()
OTHER = a_tenant(id="5f0c5f0e-0000-4000-8000-000000000002", slug="northway", name="Northway")


def build(onboardings: Any, reader: Reader, base_url: str = BASE) -> tuple[Services, dict[str, str]]:
    inventory, identities = Inventory(), Identities()
    catalogue = Catalogue([TENANT, OTHER], inventory.imported)
    keys = {
        "admin": identities.add(TENANT.id, Role.ADMIN),
        "approver": identities.add(TENANT.id, Role.APPROVER),
        "auditor": identities.add(TENANT.id, Role.AUDITOR),
        "other": identities.add(OTHER.id, Role.ADMIN),
        "platform": identities.add(None, Role.ADMIN),
    }
    accounts, users = Accounts(catalogue), Users()
    secrets = Secrets(SecretStr("a secret of the tests that is long enough"))
    services = Services(
        onboardings=cast("Onboardings", onboardings),
        reader=reader,
        catalogue=catalogue,
        identities=identities,
        accounts=accounts,
        people=People(users, users, users, users, catalogue, accounts, least_password=12, support_email="help@onboarding.test"),
        inventory=inventory,
        callings=cast("Callings", CallingOffice(reader)),
        call_records=CallLog(),
        rate_groups=RateGroups(catalogue),
        prices=Prices(catalogue),
        plans=Plans(reader),
        stock=Stock(),
        baskets=BasketShelf(),
        drafts=DraftShelf(),
        number_acts=cast("Any", NumberActs()),
        bulk=cast("Any", BulkDesk()),
        bulk_runs=cast("Any", BulkDesk()),
        card_page=CardPage(GATEWAY),
        webhooks=Webhooks(),
        secrets=secrets,
        existing=ExistingBook(reader),
        lines=ServiceShelf(reader),
        changes=cast("Any", Obedient()),
        base_url=base_url,
        card_page_origin=GATEWAY,
        access=FirstAccess(users, users, secrets, 12),
        credits=Till(),
        pins=AccountPinOffice(Pins(), users, secrets),
    )
    return services, keys


def house_of(
    services: Services, keys: dict[str, str], reader: Reader, office: Office, http: httpx.AsyncClient, app: FastAPI
) -> House:
    return House(
        app=app,
        services=services,
        http=http,
        reader=reader,
        catalogue=cast("Catalogue", services.catalogue),
        identities=cast("Identities", services.identities),
        inventory=cast("Inventory", services.inventory),
        cards=cast("CardPage", services.card_page),
        office=office,
        secrets=cast("Secrets", services.secrets),
        keys=keys,
    )


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Everything in memory; an onboarding office that answers as the workflow does."""
    reader = Reader()
    office = Office(reader)
    services, keys = build(office, reader)
    app = create_app(services)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        yield house_of(services, keys, reader, office, http, app)


@pytest.fixture
async def temporal(temporal_server: RunningTemporal) -> Client:
    return await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)


@pytest.fixture
async def real_house(temporal: Client) -> AsyncIterator[House]:
    """Rows in memory, Temporal real. No worker unless the test starts one."""
    reader = Reader()
    services, keys = build(None, reader)
    queue = f"web-{uuid.uuid4()}"
    services = replace(services, onboardings=Onboardings(temporal, reader, services.catalogue, queue))
    app = create_app(services)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        yield house_of(services, keys, reader, Office(reader), http, app)
