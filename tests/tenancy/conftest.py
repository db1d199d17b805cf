"""The whole product over a real database of each kind: API, workflow, worker. Only the relay, the card gateway and the switch are
simulated; letters are rendered as they would be sent."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.alerts import AlertActivities
from activities.calling import CallingActivities
from activities.mails import MailActivities
from activities.numbers import NumberActivities
from activities.payments import LedgerActivities, PaymentActivities
from activities.records import RecordActivities
from activities.registry import methods_of
from activities.voice import VoiceActivities
from adapters.crypto import Secrets
from adapters.database import Database
from adapters.mail.render import Letter, Renderer
from adapters.passwords import Argon2Passwords
from adapters.settings import Settings
from domain.access import Role
from domain.errors import RecipientRefused, Unavailable
from domain.keys import workflow_id
from domain.mails import Mail, MailKind
from domain.users import Passwords
from starter.bulk.office import BulkOffice
from starter.calling import Callings
from starter.changes import Changes
from starter.first_access import FirstAccess
from starter.local.temporal_server import RunningTemporal
from starter.number_acts import NumberActs
from starter.onboardings import Onboardings
from starter.people import People
from starter.pins import AccountPinOffice
from starter.remember import RememberedCatalogue
from starter.services import Services
from starter.web import create_app
from tests.adapters.database.conftest import TENANT, migrated_postgres, postgres, sqlite_template, url
from tests.builders import a_tenant
from tests.simulators import World, _Gateway, _Switch
from tests.starter.memory import CallLog, CardPage, Webhooks
from worker import onboarding_worker

__all__ = ["migrated_postgres", "postgres", "sqlite_template", "url"]

BASE = "http://onboarding.test"
UPPER = TENANT
LOWER = a_tenant(id="5f0c5f0e-0000-4000-8000-000000000002", slug="lower", name="Lower Voice", card_gateway=False)
OTHER = a_tenant(id="5f0c5f0e-0000-4000-8000-000000000003", slug="northway", name="Northway")
SECRETS = Secrets(SecretStr("a secret of the tests that is long enough"))
ADDRESS = {"lines": ["1 Colmore Row"], "city": "Birmingham", "postcode": "B3 2BJ", "country": "GB"}
PASSWORD = "correct horse battery staple"


@dataclass
class Post:
    """Takes every letter, in words; or, ``away``, none; never to an address that is ``refused``."""

    letters: list[tuple[Mail, Letter]] = field(default_factory=list)
    away: bool = False
    refused: set[str] = field(default_factory=set)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def send(self, mail: Mail) -> None:
        if self.away:
            raise Unavailable("The relay does not answer.", retry_after=1)
        if self.refused & set(mail.recipients):
            raise RecipientRefused("The relay refuses this recipient.")
        self.letters.append((mail, Renderer(BASE, SECRETS).render(mail)))
        async with self.news:
            self.news.notify_all()

    async def arrives(self, address: str, kind: MailKind) -> None:
        """Wait for such a letter."""
        async with self.news:
            await self.news.wait_for(lambda: self.to(address, kind))

    def to(self, address: str, kind: MailKind) -> list[Letter]:
        return [letter for mail, letter in self.letters if mail.kind is kind and mail.recipients == (address,)]

    def link(self, address: str, kind: MailKind, page: str) -> str:
        """The path of the link to this page in the newest such letter."""
        found = re.search(rf"{BASE}(/{page}/\S+)", self.to(address, kind)[-1].text)
        assert found, "no such link in the letter"
        return found[1]


class HeldPasswords:
    """Passwords whose comparisons and hashes, once made, wait while ``go_on`` is not set."""

    def __init__(self, real: Passwords) -> None:
        self._real = real
        self.compared, self.go_on = asyncio.Event(), asyncio.Event()
        self._held, self._news = 0, asyncio.Condition()
        self.hashed = 0
        self.go_on.set()

    async def hash(self, password: str) -> str:
        self.hashed += 1
        made = await self._real.hash(password)
        await self._hold()
        return made

    async def verify(self, password_hash: str | None, password: str) -> bool:
        right = await self._real.verify(password_hash, password)
        self.compared.set()
        await self._hold()
        return right

    async def _hold(self) -> None:
        async with self._news:
            self._held += 1
            self._news.notify_all()
        await self.go_on.wait()
        self._held -= 1

    def let_others(self) -> asyncio.Event:
        """What is held stays so until this is set; what comes now is not."""
        held, self.go_on = self.go_on, asyncio.Event()
        self.go_on.set()
        return held

    async def holds(self, some: int) -> None:
        """Wait until so many comparisons are held."""
        async with self._news:
            await self._news.wait_for(lambda: self._held >= some)


@dataclass
class Town:
    """A composed product, and everybody's credentials."""

    http: httpx.AsyncClient
    database: Database
    client: Client
    post: Post
    keys: dict[str, str]
    task_queue: str
    passwords: "HeldPasswords"
    catalogue: RememberedCatalogue
    app: FastAPI

    async def ask(self, method: str, path: str, by: str | None = None, **request: Any) -> httpx.Response:
        """A request by a key's name, a token, or nobody."""
        headers = dict(request.pop("headers", {}))
        if by is not None:
            headers["Authorization"] = f"Bearer {self.keys.get(by, by)}"
        return await self.http.request(method, path, headers=headers, **request)

    async def order(self, by: str, name: str = "Harbour Books Ltd", **changes: Any) -> httpx.Response:
        """An order that the parent pays for and the operator administers; no lines."""
        headers = {"Idempotency-Key": changes.pop("key", str(uuid.uuid4()))}
        body = {
            "customer": {
                "name": name,
                "contact": {"full_name": "Ada Reed", "email": changes.pop("email", "ada@harbour.example.com")},
                "billing_address": ADDRESS,
            },
            "administration": "operator",
            "payer": "parent",
            "account_type": "postpaid",
            "credit_limit_minor": 50_000,
            "terms_accepted": True,
            **changes,
        }
        return await self.ask("POST", "/v1/onboardings", by, json=body, headers=headers)

    async def live(self, by: str, name: str = "Harbour Books Ltd", **changes: Any) -> dict[str, Any]:
        """Order, wait until it is active, and return how it stands."""
        answer = await self.order(by, name, **changes)
        assert answer.status_code == 202, answer.text
        return await self.ended(answer.json()["id"], by)

    async def ended(self, onboarding: str, by: str) -> dict[str, Any]:
        await self.client.get_workflow_handle(workflow_id(onboarding)).result()
        view: dict[str, Any] = (await self.ask("GET", f"/v1/onboardings/{onboarding}", by)).json()
        return view

    async def timeline(self, onboarding: str, by: str = "platform") -> list[dict[str, Any]]:
        answer = await self.ask("GET", f"/v1/onboardings/{onboarding}/events", by)
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def create_user(self, by: str, account: str, email: str, role: str, **changes: Any) -> dict[str, Any]:
        body = {"act": "create", "email": email, "name": email.partition("@")[0].title(), "role": role, "password": PASSWORD}
        answer = await self.ask("POST", f"/v1/accounts/{account}/users", by, json=body | changes)
        assert answer.status_code == 201, answer.text
        member: dict[str, Any] = answer.json()
        return member

    async def sign_in(self, email: str, password: str = PASSWORD, **where: Any) -> httpx.Response:
        return await self.ask("POST", "/v1/sessions", json={"email": email, "password": password, **where})

    async def token(self, email: str, password: str = PASSWORD, **where: Any) -> str:
        answer = await self.sign_in(email, password, **where)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def user(self, by: str, account: str, email: str, role: str, **changes: Any) -> str:
        """A new user's token."""
        await self.create_user(by, account, email, role, **changes)
        return await self.token(email)

    async def switched(self, by: str, account: str) -> str:
        answer = await self.ask("POST", f"/v1/accounts/{account}/switch", by)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def set_password(self, link: str, password: str = PASSWORD) -> httpx.Response:
        return await self.http.post(link, data={"password": password, "again": password})


@pytest.fixture
async def town(url: str, temporal_server: RunningTemporal) -> AsyncIterator[Town]:
    """Two white labels below the platform, and a reseller below one of them, each with an admin's key."""
    database, post, world = Database(url), Post(), World()
    # As in production, but for the price: that is measured where it matters.
    passwords = HeldPasswords(Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)))
    await database.admin.put_tenant(UPPER, 10_000_000, 10_000_000)
    await database.admin.put_tenant(LOWER, 10_000_000, 10_000_000, parent_id=UPPER.id)
    await database.admin.put_tenant(OTHER, 10_000_000, 10_000_000)
    client = await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)
    settings = Settings(task_queue=f"tenancy-{uuid.uuid4()}")
    access = FirstAccess(database.users, passwords, SECRETS, 12)
    catalogue = RememberedCatalogue(database.catalogue)
    onboardings = Onboardings(
        client, database.reader, catalogue, settings.task_queue, accounts=database.accounts, access=access
    )
    services = Services(
        onboardings=onboardings,
        reader=database.reader,
        catalogue=catalogue,
        identities=database.identities,
        accounts=database.accounts,
        people=People(
            database.users,
            database.sessions,
            passwords,
            post,
            catalogue,
            database.accounts,
            least_password=12,
            support_email="help@platform.example",
        ),
        inventory=database.admin,
        callings=Callings(client, database.calling, _Switch(world), settings.task_queue),
        rate_groups=database.admin,
        prices=database.prices,
        call_records=CallLog(),
        plans=database.plans,
        stock=database.stock,
        baskets=database.baskets,
        drafts=database.drafts,
        number_acts=NumberActs(client, database.stock, settings.task_queue),
        bulk=BulkOffice(client, database.bulk, onboardings, settings.task_queue),
        bulk_runs=database.bulk,
        card_page=CardPage("https://cards.test"),
        webhooks=Webhooks(),
        secrets=SECRETS,
        existing=database.existing,
        lines=database.services,
        changes=Changes(client, settings.task_queue),
        base_url=BASE,
        card_page_origin="https://cards.test",
        access=access,
        credits=database.credits,
        pins=AccountPinOffice(database.pins, database.users, SECRETS),
    )
    keys = {
        name: (await database.identities.issue(name, tenant, role))[1]
        for name, tenant, role in (
            ("platform", None, Role.ADMIN),
            ("upper", UPPER.id, Role.ADMIN),
            ("lower", LOWER.id, Role.ADMIN),
            ("other", OTHER.id, Role.ADMIN),
            ("approver", UPPER.id, Role.APPROVER),
            ("auditor", UPPER.id, Role.AUDITOR),
        )
    }
    methods = methods_of(
        RecordActivities(database.records),
        NumberActivities(database.numbers),
        LedgerActivities(database.ledger),
        PaymentActivities(_Gateway(world), database.fence, world.settling),
        VoiceActivities(_Switch(world)),
        CallingActivities(database.calling),
        MailActivities(post, database.mail_desk),
        AlertActivities(database.alerts),
    )
    app = create_app(services)
    transport = httpx.ASGITransport(app)
    async with onboarding_worker(client, settings, methods), httpx.AsyncClient(transport=transport, base_url=BASE) as http:
        yield Town(http, database, client, post, keys, settings.task_queue, passwords, catalogue, app)
    await database.close()
