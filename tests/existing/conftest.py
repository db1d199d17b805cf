"""Customers who are there already: API, workflows, worker, a real database of each kind, and the switch's real tables. Only the relay and
the card gateway are simulated; letters are rendered as they would be sent."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import text
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.calling import CallingActivities
from activities.customers import CustomerActivities
from activities.letters import LetterActivities
from activities.mails import MailActivities
from activities.numbers import NumberActivities
from activities.payments import LedgerActivities, PaymentActivities
from activities.records import RecordActivities
from activities.registry import methods_of
from activities.services import ServiceActivities
from activities.stock import QuarantineActivities, RoutingActivities
from activities.transfers import TransferActivities
from activities.voice import VoiceActivities
from adapters.database import Database
from adapters.passwords import Argon2Passwords
from adapters.settings import Settings
from adapters.voice.kamailio import KamailioSwitch
from adapters.voice.tables import create_tables
from domain.access import Role
from domain.keys import workflow_id
from domain.mails import MailKind
from domain.onboarding import OnboardingStatus, State
from starter.bulk.office import BulkOffice
from starter.calling import Callings
from starter.changes import Changes
from starter.local.temporal_server import RunningTemporal
from starter.number_acts import NumberActs
from starter.onboardings import Onboardings
from starter.people import People
from starter.remember import RememberedCatalogue
from starter.services import Services
from starter.web import create_app
from tests.adapters.database.conftest import migrated_postgres, postgres, sqlite_template, url
from tests.simulators import World, _Gateway
from tests.starter.memory import CardPage, Webhooks
from tests.tenancy.conftest import ADDRESS, BASE, LOWER, OTHER, SECRETS, UPPER, HeldPasswords, Post, Town
from worker import onboarding_worker

__all__ = ["ADDRESS", "LOWER", "OTHER", "UPPER", "House", "migrated_postgres", "postgres", "sqlite_template", "url"]

DRAMA = [f"+44121496{number:04d}" for number in range(100)]
ONE = {"criteria": {"count": 1, "prefix": "+44121496"}}


@dataclass
class House(Town):
    """A town with telephones and cards."""

    switch: KamailioSwitch
    cards: CardPage
    methods: list[Any]

    async def customer(self, by: str = "upper", name: str = "Harbour Books Ltd", **changes: Any) -> dict[str, Any]:
        """An active customer with one line and one number, which the white label administers and pays for."""
        view = await self.live(by, name, **self.with_line(name, **changes))
        assert view["state"] == "active", view["outcome"]
        return view

    @staticmethod
    def with_line(name: str = "Harbour Books Ltd", **changes: Any) -> dict[str, Any]:
        contact = {"full_name": "Ada Reed", "email": "ada@harbour.example.com"}
        customer = {"name": name, "contact": contact, "billing_address": ADDRESS, "service_address": ADDRESS}
        return {"customer": customer, "services": [{"label": "Front desk", "numbers": ONE}], **changes}

    async def add(self, by: str, account: str, key: str | None = None, **changes: Any) -> httpx.Response:
        """An order that adds one line with one number to an account."""
        services = [{"label": "Back office", "numbers": ONE}]
        body = {"account_id": account, "services": services, "terms_accepted": True, **changes}
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return await self.ask("POST", "/v1/onboardings", by, json=body, headers=headers)

    async def added(self, by: str, account: str, **changes: Any) -> dict[str, Any]:
        answer = await self.add(by, account, **changes)
        assert answer.status_code == 202, answer.text
        return await self.ended(answer.json()["id"], by)

    async def reaches(self, onboarding: str, state: State, waits_for: str | None = None) -> OnboardingStatus:
        handle = self.client.get_workflow_handle(workflow_id(onboarding))
        while True:
            status: OnboardingStatus = await handle.query("state", result_type=OnboardingStatus)
            if status.state is state and waits_for in {None, status.waits_for}:
                return status
            assert not status.state.is_final, f"ended {status.state} ({status.outcome})"

    async def by_card(self, onboarding: str, email: str) -> None:
        """Do what the letter asks: open the page, accept, and pay."""
        await self.reaches(onboarding, State.AWAITING_ACTIVATION)
        await self.post.arrives(email, MailKind.ACTIVATION)
        link = self.post.link(email, MailKind.ACTIVATION, "activate")
        await self.accept(onboarding, link)

    async def accept(self, onboarding: str, link: str) -> None:
        page = await self.http.get(link)
        digest = page.text.partition('name="terms" value="')[2][:64]
        accepted = await self.http.post(link, data={"accepted": "yes", "terms": digest})
        assert accepted.status_code == 303, accepted.text
        await self.reaches(onboarding, State.AWAITING_PAYMENT, "customer")
        session = f"cs_{uuid.uuid4()}"
        self.cards.leave(session, onboarding)
        assert (await self.http.post(f"{link}/card", data={"session": session})).status_code == 303

    async def lines(self, account: str) -> dict[str, dict[str, Any]]:
        """The account's lines as the switch's tables have them: what each is rung by, and its preferences."""

        def work(connection: Any) -> dict[str, dict[str, Any]]:
            names = connection.execute(
                text("SELECT username FROM usr_preferences WHERE attribute = 'account' AND value = :of"), {"of": account}
            ).scalars()
            found: dict[str, dict[str, Any]] = {}
            for name in sorted(names):
                rings = text("SELECT alias_username FROM dbaliases WHERE username = :n AND alias_username LIKE '+%' ORDER BY 1")
                said = text("SELECT attribute, uuid, value FROM usr_preferences WHERE username = :n AND attribute <> 'account'")
                rows = connection.execute(said, {"n": name}).all()
                found[name] = {row.attribute: row.value for row in rows if not row.uuid or row.attribute == "caller_id"}
                found[name]["numbers"] = list(connection.execute(rings, {"n": name}).scalars())
                found[name]["forward"] = {row.uuid: row.value for row in rows if row.attribute == "forward"}
            return found

        return await self.switch._transactions.read(work)

    async def account(self, account: str) -> dict[str, Any]:
        """The account's row in the books."""

        def work(connection: Any) -> dict[str, Any]:
            return dict(connection.execute(text("SELECT * FROM accounts WHERE id = :of"), {"of": account}).mappings().one())

        return await self.database._transactions.read(work)  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
async def house(url: str, temporal_server: RunningTemporal, tmp_path: Path) -> AsyncIterator[House]:
    database, post, world = Database(url), Post(), World()
    await database.admin.put_tenant(UPPER, 10_000_000, 10_000_000)
    await database.admin.put_tenant(LOWER, 10_000_000, 10_000_000, parent_id=UPPER.id)
    await database.admin.put_tenant(OTHER, 10_000_000, 10_000_000)
    await database.admin.import_numbers(UPPER.id, DRAMA)
    client = await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)
    queue = f"existing-{uuid.uuid4()}"
    voice = f"sqlite:///{tmp_path / 'kamailio.db'}"
    await create_tables(voice)
    switch, cards = KamailioSwitch(voice, SECRETS), CardPage("https://cards.test")
    passwords = HeldPasswords(Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)))
    catalogue = RememberedCatalogue(database.catalogue)
    onboardings = Onboardings(
        client, database.reader, database.catalogue, queue, accounts=database.accounts, baskets=database.baskets
    )
    services = Services(
        onboardings=onboardings,
        bulk=BulkOffice(client, database.bulk, onboardings, queue),
        bulk_runs=database.bulk,
        reader=database.reader,
        catalogue=database.catalogue,
        identities=database.identities,
        accounts=database.accounts,
        people=People(
            database.users,
            database.sessions,
            passwords,
            post,
            database.catalogue,
            database.accounts,
            least_password=12,
            support_email="help@platform.example",
        ),
        inventory=database.admin,
        callings=Callings(client, database.calling, switch, queue),
        call_records=switch,
        prices=database.prices,
        plans=database.plans,
        drafts=database.drafts,
        rate_groups=database.admin,
        stock=database.stock,
        baskets=database.baskets,
        number_acts=NumberActs(client, database.stock, queue),
        card_page=cards,
        webhooks=Webhooks(),
        secrets=SECRETS,
        existing=database.existing,
        lines=database.services,
        changes=Changes(client, queue),
        credits=database.credits,
        base_url=BASE,
        card_page_origin="https://cards.test",
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
        VoiceActivities(switch),
        MailActivities(post, database.mail_desk),
        LetterActivities(database.letters),
        CallingActivities(database.calling),
        CustomerActivities(database.customers),
        TransferActivities(database.transfers),
        ServiceActivities(database.services, switch),
        QuarantineActivities(database.stock),
        RoutingActivities(switch),
    )
    app = create_app(services)
    transport = httpx.ASGITransport(app)
    async with (
        onboarding_worker(client, Settings(task_queue=queue), methods, strict=True),
        httpx.AsyncClient(transport=transport, base_url=BASE) as http,
        asyncio.timeout(120),
    ):
        yield House(http, database, client, post, keys, queue, passwords, catalogue, app, switch, cards, methods)
    await switch.close()
    await database.close()
