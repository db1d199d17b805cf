"""The whole stack, once for all journeys: real servers as processes, spoken to over HTTP and the mailbox only."""

import copy
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from adapters.books import BookReader
from starter.audit import AuditReport, audit_installation
from starter.demo.browser import Browser
from starter.demo.people import GOOD_CARD, CustomerAtHome, Mailbox, Operator
from starter.local.ports import Ports
from starter.local.stack import Stack
from starter.local.state import EXAMPLES

_serial = itertools.count(1)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Started once, used by all, whole again after each test that breaks it."""
    with Stack(tmp_path_factory.mktemp("stack") / "state", Ports.free()) as running:
        yield running


@dataclass
class Town:
    """The people around the stack, and orders with names that nobody has used before."""

    stack: Stack
    mailbox: Mailbox
    northway: Operator
    brindley: Operator
    approver: Operator
    auditor: Operator

    def customer(self, example: str, directory: Path, **changes: Any) -> CustomerAtHome:
        """A customer with the order of that example, under a name and an address of its own."""
        (file,) = EXAMPLES.glob(f"orders/{example}-*.json")
        body = copy.deepcopy(json.loads(file.read_text()))
        number = next(_serial)
        body["customer"]["name"] += f" {number}"
        body["customer"]["contact"]["email"] = f"customer{number}@example.com"
        for service in body["services"]:
            # Named numbers are had once; these customers take what is free.
            if service["numbers"].get("explicit") and not changes.get("keep_numbers"):
                service["numbers"] = {"criteria": {"count": 1, "prefix": "+44121496"}}
        changes.pop("keep_numbers", None)
        (order := directory / f"order-{number}.json").write_text(json.dumps(body | changes))
        return CustomerAtHome(order, self.mailbox)

    async def activated(
        self, customer: CustomerAtHome, onboarding: str, card: str = GOOD_CARD, by: Operator | None = None
    ) -> str:
        """The customer does everything that is asked: link, terms, card. Returns the link."""
        async with Browser() as browser:
            await (by or self.northway).wait_for(onboarding, "awaiting_activation")
            link = await customer.open_link(browser)
            await customer.accept_terms(browser)
            await customer.enter_card(browser, card)
            return link

    async def fault(self, part: str, **fault: Any) -> None:
        """Ask the mailbox or the card gateway to misbehave."""
        path = {"inbox": "/api/faults", "gateway": "/_edge/faults"}[part]
        async with httpx.AsyncClient(trust_env=False) as http:
            (await http.post(self.stack.urls[part] + path, json=fault)).raise_for_status()

    async def audit(self) -> AuditReport:
        client = await Client.connect(self.stack.environment["TEMPORAL_ADDRESS"])
        books = BookReader(self.stack.settings, self.stack.urls["inbox"], client)
        return await audit_installation(books, timedelta(seconds=10))


@pytest.fixture
async def town(stack: Stack) -> AsyncIterator[Town]:
    url, keys = stack.urls["web"], stack.api_keys
    mailbox = Mailbox(stack.urls["inbox"])
    people = {name: Operator(url, keys[name]) for name in ("northway", "brindley", "approver", "auditor")}
    yield Town(stack, mailbox, **people)
    for person in people.values():
        await person.close()
    await mailbox.close()
