"""Whatever people, clocks and sweeps do to drafts in whatever order: a small model and the real database agree."""

import asyncio
import json
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text

from adapters.database import Database, migrate
from starter.web import create_app
from tests.adapters.database.conftest import run_apart
from tests.drafts.conftest import CUSTOMER, OTHER, PAID, TENANT, WIZARD, Counter, Desk, picked
from tests.numbers.conftest import _shop
from tests.starter.conftest import BASE

NUMBERS = [f"+44121496{at:04d}" for at in range(6)]
BY = st.sampled_from(["admin", "colleague"])
SOME = st.sets(st.sampled_from(NUMBERS), min_size=1, max_size=3)
TEXTS = st.sampled_from([None, 7, "", "office-20", "office-50", "gold-plated", [], {"a": [1.5, None]}])
SECTIONS: dict[str, Any] = {
    "customer": st.sampled_from([{}, CUSTOMER, {"customer": {"name": 7, "contact": {"full_name": "Ada"}}}]),
    "service": st.sampled_from(
        [
            {},
            {"services": []},
            {"services": [{}]},
            {"services": [{"label": "A"}, {"max_channels": "x"}]},
            {"only_account": True, "services": [{}]},
        ]
    ),
    "settings": st.sampled_from(
        [{}, {"services": [{"caller_id": NUMBERS[0]}]}, {"dial_rules": "x", "services": [{}, {"settings": 1}]}]
    ),
    "billing": st.one_of(st.just(PAID), st.fixed_dictionaries({"plan": TEXTS})),
    "creation": st.sampled_from([{}, {"terms_accepted": True}, {"terms_accepted": 1, "acknowledged_warnings": ["x"]}]),
    "notifications": st.just({}),
}
READY = {"customer": CUSTOMER, "service": {"services": [{}]}, "billing": PAID, "creation": {"terms_accepted": True}}
ENTRIES = st.sampled_from(sorted(SECTIONS)).flatmap(lambda name: st.tuples(st.just(name), SECTIONS[name]))


@dataclass
class Known:
    """What a draft should be."""

    state: str = "open"
    place: str = "customer"
    entered: dict[str, Any] = field(default_factory=dict)
    numbers: dict[int, list[str]] = field(default_factory=dict)

    @property
    def only(self) -> bool:
        return bool(self.entered.get("service", {}).get("only_account"))

    @property
    def services(self) -> int:
        return 0 if self.only else len(self.entered.get("service", {}).get("services", []))

    @property
    def named(self) -> set[str]:
        return {number for at in range(self.services) for number in self.numbers.get(at, [])}


def shape(body: Any) -> Any:
    """A section as it is shown: positions of services with nothing in them at the end are not."""
    services = list(body.get("services", []))
    while services and not services[-1]:
        services.pop()
    return {key: value for key, value in body.items() if key != "services"} | ({"services": services} if services else {})


class Drafting(RuleBasedStateMachine):
    drafts = Bundle("drafts")

    @initialize()
    def compose(self) -> None:  # pytest gives no fixtures to a state machine
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        shutil.copy(_template(), Path(self.folder.name) / "dialtone.db")
        self.known: dict[str, Known] = {}
        self.desk = self.run(self._compose())

    async def _compose(self) -> Desk:
        self.stack = AsyncExitStack()
        database = Database(f"sqlite:///{self.folder.name}/dialtone.db")
        self.stack.push_async_callback(database.close)
        for tenant in (WIZARD, OTHER):
            await database.admin.put_tenant(tenant, credit_limit_minor=10_000_000)
        await database.admin.import_numbers(TENANT.id, NUMBERS)
        counter = Counter(database)
        services, keys = await _shop(database, counter, None)
        services = replace(services, drafts=database.drafts, accounts=database.accounts)
        http = httpx.AsyncClient(transport=httpx.ASGITransport(create_app(services)), base_url=BASE)
        await self.stack.enter_async_context(http)
        return Desk(database, http, keys, counter)

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.run(self.stack.aclose())
            self.runner.close()
            self.folder.cleanup()

    def refused(self, answer: httpx.Response, known: Known) -> bool:
        """Whether a change was refused because the draft has ended: exactly then it must be."""
        over = answer.status_code == 409 and answer.json()["code"] == f"draft_{known.state}"
        assert over == (known.state != "open"), answer.text
        return over

    @rule(target=drafts, by=BY)
    def begin(self, by: str) -> str:
        draft = str(self.run(self.desk.begin(by)))
        self.known[draft] = Known()
        return draft

    @rule(target=drafts, numbers=SOME, by=BY)
    def begin_what_could_be_submitted(self, numbers: set[str], by: str) -> str:
        draft = self.begin(by)
        for entry in READY.items():
            self.save(draft, entry, by)
        self.add(draft, numbers, 0, by)
        return draft

    @rule(which=st.integers(0, 5), numbers=SOME, by=BY)
    def add_where_there_is_a_service(self, which: int, numbers: set[str], by: str) -> None:
        able = [draft for draft, known in self.known.items() if known.state == "open" and known.services]
        if able:
            self.add(able[which % len(able)], numbers, 0, by)

    @rule(draft=drafts, entry=ENTRIES, by=BY)
    def save(self, draft: str, entry: tuple[str, Any], by: str) -> None:
        (name, body), known = entry, self.known[draft]
        answer = self.run(self.desk.put(draft, name, body, by))
        if not self.refused(answer, known):
            assert answer.status_code == 200, answer.text
            known.entered[name] = body

    @rule(draft=drafts, way=st.sampled_from(["next", "back"]), by=BY)
    def go(self, draft: str, way: str, by: str) -> None:
        known, names = self.known[draft], ["customer", "service", "numbers", "settings", "billing", "creation", "notifications"]
        answer = self.run(self.desk.ask("POST", f"/v1/drafts/{draft}/{way}", by=by))
        if self.refused(answer, known):
            return
        walked = [name for name in names if not (known.only and name in {"numbers", "settings"})]
        here = names.index(known.place)
        there = [name for name in walked if (names.index(name) > here if way == "next" else names.index(name) < here)]
        assert (answer.status_code == 200) == bool(there)
        if there:
            known.place = there[0] if way == "next" else there[-1]

    @rule(draft=drafts, numbers=SOME, service=st.integers(0, 1), by=BY)
    def add(self, draft: str, numbers: set[str], service: int, by: str) -> None:
        known = self.known[draft]
        answer = self.run(self.desk.add(draft, *sorted(numbers), service=service, by=by))
        if self.refused(answer, known):
            return
        if service >= known.services:
            assert answer.json()["code"] == "no_such_service"
        elif answer.status_code == 200:
            held = picked(answer.json())
            assert numbers <= set(held), "all of them"
            known.numbers.setdefault(service, []).extend(sorted(numbers - known.named))
        else:
            assert answer.json()["code"] == "number_unavailable"

    @rule(draft=drafts, number=st.sampled_from(NUMBERS), by=BY)
    def remove(self, draft: str, number: str, by: str) -> None:
        known = self.known[draft]
        answer = self.run(self.desk.ask("DELETE", f"/v1/drafts/{draft}/numbers/{number}", by=by))
        if not self.refused(answer, known):
            assert answer.status_code == 200, answer.text
            for at in range(known.services):
                if number in known.numbers.get(at, []):
                    known.numbers[at].remove(number)

    @rule(draft=drafts, by=BY)
    def submit(self, draft: str, by: str) -> None:
        known = self.known[draft]
        valid = self.run(self.desk.draft(draft))["valid"]
        answer = self.run(self.desk.submit(draft, by))
        if known.state in {"discarded", "expired"}:
            assert self.refused(answer, known)
        elif known.state == "submitted":
            assert answer.status_code == 202, answer.text
        else:
            assert answer.status_code in {202, 422}, answer.text
            assert answer.status_code == 202 or not valid
            known.state = "submitted" if answer.status_code == 202 else "open"

    @rule(draft=drafts)
    def discard(self, draft: str) -> None:
        known = self.known[draft]
        answer = self.run(self.desk.ask("DELETE", f"/v1/drafts/{draft}"))
        if known.state == "discarded":
            assert answer.status_code == 204
        elif not self.refused(answer, known):
            assert answer.status_code == 204
            known.state = "discarded"

    @rule(draft=drafts)
    def abandon(self, draft: str) -> None:
        if self.known[draft].state == "open":
            self.run(self.desk.ends(draft))
            assert self.run(self.desk.database.drafts.sweep_drafts(10)).things == 1
            self.known[draft].state = "expired"

    @rule(hours=st.sampled_from([1, 3]), sweeping=st.booleans())
    def time_passes(self, hours: int, sweeping: bool) -> None:
        self.run(self.desk.clock(timedelta(hours=hours)))
        if sweeping:
            self.run(self.desk.database.stock.sweep_baskets(100))
            assert not self.run(self._held()), "the reaper leaves nothing that nobody has touched for an hour"

    @rule(draft=drafts)
    def another_white_label_comes(self, draft: str) -> None:
        for method, path in (("GET", ""), ("POST", "/submit"), ("DELETE", "")):
            answer = self.run(self.desk.ask(method, f"/v1/drafts/{draft}{path}", by="other", key="k"))
            assert answer.status_code == 404
        assert self.run(self.desk.put(draft, "billing", {}, "other")).status_code == 404

    async def _held(self) -> dict[str, str]:
        """Which basket holds which number, as the rows have it."""
        query = text("SELECT e164, basket_id FROM numbers WHERE state = 'held'")
        rows = await self.desk.database._transactions.read(lambda connection: connection.execute(query).all())
        return {row.e164: row.basket_id for row in rows}

    @invariant()
    def nothing_entered_is_lost_and_nothing_is_held_twice_or_for_nobody(self) -> None:
        if not hasattr(self, "desk"):
            return
        held, seen = self.run(self._held()), set[str]()
        for draft, known in self.known.items():
            shown = self.run(self.desk.draft(draft, "colleague"))
            assert (shown["state"], shown["place"]) == (known.state, known.place)
            entered = {part["name"]: part["entered"] for part in shown["sections"]}
            for name, body in known.entered.items():
                if name == "service":
                    assert entered[name] == body
                else:
                    assert shape(entered[name]) == shape(body), name
            for at, numbers in known.numbers.items():
                services = entered["numbers"].get("services", [])
                assert (services[at]["numbers"]["explicit"] if at < len(services) else []) == numbers
            if known.state != "open":
                assert shown["basket"] is None
                continue
            mine = set(picked(shown))
            assert not mine & seen, "one holder per number"
            seen |= mine
            assert all(held.get(number) == shown["basket"]["id"] for number in mine)
            if not known.only:
                assert mine <= known.named
        baskets = self.run(self._baskets())
        for number, basket in held.items():
            assert baskets.get(basket) in {"open", "submitted"}, f"{number} is held for a draft that has ended"
        submitted = [known for known in self.known.values() if known.state == "submitted"]
        assert len(self.desk.counter.taken) == len(submitted)

    async def _baskets(self) -> dict[str, str]:
        """The state of the draft that each basket is of."""
        query = text("SELECT draft, state FROM drafts")
        rows = await self.desk.database._transactions.read(lambda connection: connection.execute(query).all())
        return {self._basket(row.draft): row.state for row in rows}

    @staticmethod
    def _basket(row: str) -> str:
        return str(json.loads(row)["basket_id"])


_MADE: list[Path] = []


def _template() -> Path:
    if not _MADE:
        file = Path(tempfile.mkdtemp()) / "template.db"
        run_apart(migrate(f"sqlite:///{file}"))
        _MADE.append(file)
    return _MADE[0]


Drafting.TestCase.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestDrafting = Drafting.TestCase
