"""Drafts through the API, over either database; and where a test needs them, orders that are really carried out."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, text
from temporalio.exceptions import WorkflowAlreadyStartedError

from adapters.database import Database
from adapters.passwords import Argon2Passwords
from domain.access import Role
from domain.forms import PROFILES
from domain.onboarding import OnboardingInput
from starter.first_access import FirstAccess
from starter.onboardings import Onboardings
from starter.web import create_app
from tests.numbers.conftest import (  # noqa: F401 - fixtures
    OTHER,
    TENANT,
    Exchange,
    Shop,
    _shop,
    client,
    exchange,
    migrated_postgres,
    postgres,
    sqlite_template,
    url,
)
from tests.starter.conftest import ADDRESS, BASE
from tests.tenancy.conftest import SECRETS

WIZARD = TENANT.model_copy(update={"form": PROFILES["isp"]})
"""Seven sections, and nothing asked for but what an order cannot be without."""
CUSTOMER = {
    "customer": {
        "name": "Harbour Books Ltd",
        "contact": {"full_name": "Ada Reed", "email": "ada@harbourbooks.example.com"},
        "billing_address": ADDRESS,
        "service_address": ADDRESS,
    },
    "administration": "operator",
}
PAID = {"payer": "parent", "account_type": "postpaid", "credit_limit_minor": 100_000}


class Counter(Onboardings):
    """Checks orders as the product does; and takes them as Temporal does: an id once, whoever asks and however often."""

    def __init__(self, database: Database) -> None:
        access = FirstAccess(database.users, Argon2Passwords(), SECRETS, 12)
        super().__init__(
            None,  # type: ignore[arg-type]
            database.reader,
            database.catalogue,
            "none",
            baskets=database.baskets,
            access=access,
        )
        self.arrived, self.may_go_on = asyncio.Event(), asyncio.Event()
        self.may_go_on.set()
        self.taken: dict[str, OnboardingInput] = {}
        self.asked = 0
        self.dies = False

    async def _begin(self, begin: OnboardingInput) -> None:
        self.asked += 1
        self.arrived.set()
        await self.may_go_on.wait()
        if begin.id in self.taken:
            raise WorkflowAlreadyStartedError(begin.id, "onboarding")
        self.taken[begin.id] = begin
        await asyncio.sleep(0)
        if self.dies:
            raise ProcessLookupError("the process was killed just after Temporal had taken the order")

    async def _input(self, onboarding_id: str) -> OnboardingInput | None:
        return self.taken.get(onboarding_id)


@dataclass
class Desk(Shop):
    """A shop with drafts."""

    counter: Counter

    async def begin(self, by: str = "admin", **body: Any) -> str:
        answer = await self.ask("POST", "/v1/drafts", by=by, json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def draft(self, draft: str, by: str = "admin") -> dict[str, Any]:
        answer = await self.ask("GET", f"/v1/drafts/{draft}", by=by)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def put(self, draft: str, section: str, body: Any, by: str = "admin", seen: int | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[by]}"} | ({"If-Match": f'"{seen}"'} if seen is not None else {})
        return await self.http.put(f"/v1/drafts/{draft}/sections/{section}", json=body, headers=headers)

    async def save(self, draft: str, section: str, body: Any, by: str = "admin") -> dict[str, Any]:
        answer = await self.put(draft, section, body, by)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def go(self, draft: str, way: str, to: str | None = None, by: str = "admin") -> dict[str, Any]:
        answer = await self.ask("POST", f"/v1/drafts/{draft}/{way}", by=by, json={"to": to} if to else None)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def add(self, draft: str, *numbers: str, service: int = 0, by: str = "admin") -> httpx.Response:
        body = {"numbers": list(numbers), "service": service}
        return await self.ask("POST", f"/v1/drafts/{draft}/numbers", by=by, json=body)

    async def submit(self, draft: str, by: str = "admin", key: str = "submit", **body: Any) -> httpx.Response:
        return await self.ask("POST", f"/v1/drafts/{draft}/submit", by=by, key=key, json=body or None)

    async def ready(self, by: str = "admin") -> str:
        """A draft that only has to be submitted."""
        draft = await self.begin(by)
        await self.save(draft, "customer", CUSTOMER, by)
        await self.save(draft, "service", {"services": [{"label": "Front desk"}]}, by)
        await self.save(draft, "billing", PAID, by)
        await self.save(draft, "creation", {"terms_accepted": True}, by)
        return draft

    async def ends(self, draft: str) -> None:
        await end(self.database, draft)


async def end(database: Database, draft: str) -> None:
    """Let the time of a draft be over, whether it expires then or is deleted."""

    def work(connection: Connection) -> None:
        connection.execute(text("UPDATE drafts SET ends_at = changed_at WHERE id = :id"), {"id": draft})

    await database._transactions.write(work)


def section(draft: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(part for part in draft["sections"] if part["name"] == name)
    return found


def states(draft: dict[str, Any]) -> dict[str, str]:
    return {part["name"]: part["state"] for part in draft["sections"]}


def codes(draft: dict[str, Any], name: str | None = None) -> list[str]:
    return [finding["code"] for part in draft["sections"] if name in {None, part["name"]} for finding in part["findings"]]


def picked(draft: dict[str, Any]) -> list[str]:
    return [number["e164"] for number in draft["basket"]["pricing"]["numbers"]] if draft["basket"] else []


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:  # noqa: F811
    database = Database(url)
    for tenant in (WIZARD, OTHER):
        await database.admin.put_tenant(tenant, credit_limit_minor=10_000_000)
    yield database
    await database.close()


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    counter = Counter(database)
    services, keys = await _shop(database, counter, None)
    services = replace(services, drafts=database.drafts, accounts=database.accounts)
    _, keys["approver"] = await database.identities.issue("approver", TENANT.id, Role.APPROVER)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(services)), base_url=BASE) as http:
        yield Desk(database, http, keys, counter)
