"""The five guides, each followed from its first step to its last, by a white label whose form is that guide's, on a real stack."""

import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.forms import PROFILES
from starter.demo.browser import Browser
from starter.demo.people import GOOD_CARD, CustomerAtHome, until
from starter.local.state import EXAMPLES
from tests.journeys.conftest import Town
from tests.journeys.test_the_command_line import Dialtone, dialtone

__all__ = ["dialtone"]

ADDRESS = {"lines": ["1 Colmore Row"], "city": "Birmingham", "postcode": "B3 2BJ", "country": "GB"}


@dataclass
class Desk:
    """An administrator of one white label, at the form of one guide."""

    town: Town
    slug: str
    http: httpx.AsyncClient
    directory: Path

    async def ask(self, method: str, path: str, expect: int = 200, **request: Any) -> Any:
        answer = await self.http.request(method, path, **request)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    async def begin(self) -> str:
        draft: str = (await self.ask("POST", "/v1/drafts", 201, json={}))["id"]
        return draft

    async def save(self, draft: str, section: str, **entered: Any) -> dict[str, Any]:
        saved: dict[str, Any] = await self.ask("PUT", f"/v1/drafts/{draft}/sections/{section}", json=entered)
        return saved

    async def next(self, draft: str) -> dict[str, Any]:
        moved: dict[str, Any] = await self.ask("POST", f"/v1/drafts/{draft}/next")
        return moved

    async def submit(self, draft: str, **secrets: str) -> dict[str, Any]:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        answer: dict[str, Any] = await self.ask(
            "POST", f"/v1/drafts/{draft}/submit", 202, headers=headers, json=secrets or None
        )
        return answer

    async def view(self, onboarding: str, *states: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            view: dict[str, Any] = await self.ask("GET", f"/v1/onboardings/{onboarding}")
            assert not view["outcome"] or view["state"] in states, view["outcome"]
            return view if view["state"] in states else None

        return await until(f"State {' or '.join(states)}", look, 60)

    def at_home(self, email: str) -> CustomerAtHome:
        file = self.directory / f"{uuid.uuid4()}.json"
        file.write_text(json.dumps({"customer": {"name": "-", "contact": {"email": email}}}))
        return CustomerAtHome(file, self.town.mailbox)


Opening = Callable[[str], Any]


@pytest.fixture
async def desk(town: Town, dialtone: Dialtone, tmp_path: Path) -> AsyncIterator[Opening]:
    """Opens the desk of a new white label whose form is that of a guide."""
    opened: list[httpx.AsyncClient] = []

    async def open_desk(form: str, **settings: Any) -> Desk:
        slug = f"{form}-{uuid.uuid4().hex[:6]}"
        label = json.loads((EXAMPLES / "white-labels" / "northway.json").read_text())
        label |= {"id": slug, "slug": slug, "name": f"{slug} Voice", "sip_domain": f"sip.{slug}.example.com"}
        label |= {"form": PROFILES[form].model_dump(mode="json"), "operator_emails": [f"desk@{slug}.example.com"]} | settings
        (tmp_path / f"{slug}.json").write_text(json.dumps(label))
        (tmp_path / f"{slug}.terms.txt").write_text((EXAMPLES / "white-labels" / "northway.terms.txt").read_text())
        put = dialtone("white-labels", "put", str(tmp_path / f"{slug}.json"))
        assert put.returncode == 0, put.stderr
        key = dialtone("keys", "issue", "Ada", "--role", "admin", "--white-label", slug).stdout.strip()
        client = httpx.AsyncClient(
            base_url=town.stack.urls["web"], headers={"Authorization": f"Bearer {key}"}, timeout=30.0, trust_env=False
        )
        opened.append(client)
        return Desk(town, slug, client, tmp_path)

    yield open_desk
    for client in opened:
        await client.aclose()


async def numbers(desk: Desk, first: int) -> list[str]:
    """Forty numbers for the white label, of a range that nobody else here uses."""
    stock = [f"+44161496{first + position:04d}" for position in range(40)]
    async with httpx.AsyncClient(base_url=desk.town.stack.urls["web"], trust_env=False, timeout=30.0) as platform:
        answer = await platform.post(
            "/v1/numbers",
            json={"numbers": stock, "region": "GB", "white_label": desk.slug},
            headers={"Authorization": f"Bearer {desk.town.stack.api_keys['operator']}"},
        )
    assert answer.json()["added"] == 40, answer.text
    return stock


def places(shown: dict[str, Any]) -> list[str]:
    return [finding["pointer"] for section in shown["sections"] for finding in section["findings"]]


def codes(shown: dict[str, Any]) -> list[str]:
    return [finding["code"] for section in shown["sections"] for finding in section["findings"]]


@pytest.mark.requirement("S1-04", "S1-05", "S1-10", "S1-17", "S1-23", "S1-33", "S1-34", "S1-35", "S1-36")
async def test_the_first_guide_the_new_customer_administers(desk: Opening) -> None:
    arena = await desk("white-label")
    assert (await arena.ask("GET", "/v1/accounts", params={"kind": "customer"}))["items"] == []
    draft = await arena.begin()
    email = f"ada@{arena.slug}-customer.example.com"
    customer = {"name": f"Harbour Books {arena.slug}", "contact": {"full_name": "Ada Reed", "email": email}}
    business = await arena.save(draft, "business", administration="customer", customer=customer)
    assert [section["name"] for section in business["sections"]] == ["business", "address", "plan_and_payment"]
    assert "activated_by_customer" in codes(business), "told beforehand that the customer activates, and of the other way"
    assert (await arena.next(draft))["place"] == "address"
    await arena.save(draft, "address", customer={"billing_address": ADDRESS, "service_address": ADDRESS})
    assert (await arena.next(draft))["place"] == "plan_and_payment"
    assert await arena.town.mailbox.letters(email) == [], "no letter before the plan is chosen and the order placed"
    ready = await arena.save(draft, "plan_and_payment", plan="office", payer="self", services=[{"label": "Front desk"}])
    assert ready["valid"], codes(ready)
    onboarding = (await arena.submit(draft))["onboarding_id"]
    await arena.view(onboarding, "awaiting_activation")
    at_home = arena.at_home(email)
    async with Browser() as browser:
        await at_home.open_link(browser)
        await at_home.accept_terms(browser)
        await at_home.enter_card(browser, GOOD_CARD)
    active = await arena.view(onboarding, "active")
    assert active["message"].startswith("Your new customer has been successfully created")
    assert active["charged_minor"] == active["quote"]["total_minor"] > 0
    users = f"/v1/accounts/{active['account_id']}/users"
    assert [user["role"] for user in (await arena.ask("GET", users))["items"]] == ["account_administrator"]
    who = {"email": f"grace@{arena.slug}.example.com", "name": "Grace Hopper", "role": "standard_user"}
    await arena.ask("POST", users, 201, json={"act": "create", **who})
    await arena.ask("POST", users, 201, json={"act": "invite", **who, "email": f"alan@{arena.slug}.example.com"})
    await arena.town.mailbox.letter(f"alan@{arena.slug}.example.com", "invitation")
    other = await arena.begin()
    second = customer | {"name": f"Second {arena.slug}"}
    address = {"billing_address": ADDRESS, "service_address": ADDRESS}
    await arena.save(other, "business", administration="operator", customer=second)
    await arena.save(other, "address", customer=address)
    await arena.save(other, "plan_and_payment", payer="parent", terms_accepted=True)
    account = (await arena.view((await arena.submit(other))["onboarding_id"], "active"))["account_id"]
    added = {"act": "add", "email": who["email"], "role": "standard_user"}
    await arena.ask("POST", f"/v1/accounts/{account}/users", 201, json=added)


@pytest.mark.requirement("S1-08", "S1-24", "S1-25", "S1-26", "S1-32", "S1-33")
async def test_the_first_guide_the_white_label_administers(desk: Opening) -> None:
    arena = await desk("white-label")
    await numbers(arena, 0)
    draft = await arena.begin()
    email = f"ada@{arena.slug}-customer.example.com"
    customer = {"name": f"Harbour Books {arena.slug}", "contact": {"full_name": "Ada Reed", "email": email}}
    await arena.save(draft, "business", administration="operator", customer=customer)
    await arena.save(draft, "address", customer={"billing_address": ADDRESS, "service_address": ADDRESS})
    service = {"label": "Front desk", "numbers": {"criteria": {"prefix": "0161 496", "count": 1}}, "max_channels": 3}
    paid = {"plan": "office", "payer": "parent", "terms_accepted": True, "services": [service]}
    await arena.save(draft, "plan_and_payment", **paid)
    first = await arena.view((await arena.submit(draft))["onboarding_id"], "active")
    assert first["message"].startswith("Your new customer has been successfully created")
    assert first["charged_minor"] == first["quote"]["total_minor"] > 0
    account = first["account_id"]
    kinds = [letter["kind"] for letter in await arena.town.mailbox.letters(email)]
    assert "activation" not in kinds, "the customer is asked nothing"
    # On the customer's behalf: numbers are added, and settings made.
    more = {"account_id": account, "services": [service | {"label": "Back office"}], "terms_accepted": True}
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    addition = (await arena.ask("POST", "/v1/onboardings", 202, json=more, headers=headers))["id"]
    added = await arena.view(addition, "active")
    assert len(added["numbers"]) == 1
    lines = (await arena.ask("GET", f"/v1/accounts/{account}/services"))["items"]
    change = {"max_channels": 5}
    changed = await arena.ask("PATCH", f"/v1/accounts/{account}/services/{lines[0]['id']}", json=change)
    assert (changed["max_channels"], changed["switch_agrees"]) == (5, True)


@pytest.mark.requirement("S2-05", "S2-06", "S2-13", "S2-15", "S2-17", "S2-21", "S2-22", "S2-26", "S2-31")
async def test_the_second_guide_a_reseller_s_customer(desk: Opening) -> None:
    portal = await desk("reseller")
    await numbers(portal, 40)
    assert (await portal.ask("GET", "/v1/accounts", params={"kind": "customer"}))["items"] == []
    draft = await portal.begin()
    contact = {"full_name": "Ada Reed", "email": f"ada@{portal.slug}.example.com"}
    name = f"Harbour Books {portal.slug}"
    opened = await portal.save(
        draft, "customer_settings", administration="operator", customer={"name": name, "contact": contact}
    )
    assert [section["name"] for section in opened["sections"]] == ["customer_settings", "billing", "address"]
    billing = {"payer": "self", "account_type": "postpaid", "terms_accepted": True}
    unlimited = await portal.save(draft, "billing", **billing)
    assert "/credit_limit_minor" in [one["pointer"] for part in unlimited["sections"] for one in part["findings"]]
    await portal.save(draft, "billing", **billing, credit_limit_minor=5_000)
    await portal.save(draft, "address", customer={"billing_email": f"accounts@{portal.slug}.example.com"})
    saved = await portal.view((await portal.submit(draft))["onboarding_id"], "active")
    assert saved["quote"]["plan"] == "office", "none was chosen: the first of the list"
    account = saved["account_id"]
    assert [one["id"] for one in (await portal.ask("GET", "/v1/accounts", params={"kind": "customer"}))["items"]] == [account]

    again = await portal.begin()
    await portal.save(
        again, "customer_settings", administration="operator", customer={"name": name.upper(), "contact": contact}
    )
    await portal.save(again, "billing", **billing, credit_limit_minor=5_000)
    await portal.save(again, "address", customer={"billing_email": f"accounts@{portal.slug}.example.com"})
    refused = await portal.view((await portal.submit(again))["onboarding_id"], "rejected")
    assert refused["outcome"]["code"] == "name_taken"

    # Switch to this customer: say where the telephones are, and add what is charged for: over the limit, and after it was raised.
    await portal.ask("PATCH", f"/v1/accounts/{account}/customer", json={"service_address": ADDRESS})
    number = {"label": "Front desk", "numbers": {"criteria": {"prefix": "0161 496", "count": 2}}}
    order = {"account_id": account, "services": [number] * 3, "terms_accepted": True}
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    too_much = await portal.ask("POST", "/v1/onboardings", 202, json=order, headers=headers)
    assert (await portal.view(too_much["id"], "declined"))["outcome"]["code"] == "insufficient_headroom"
    await portal.ask("PATCH", f"/v1/accounts/{account}/customer", json={"credit_limit_minor": 20_000})
    enough = await portal.ask("POST", "/v1/onboardings", 202, json=order, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert len((await portal.view(enough["id"], "active"))["numbers"]) == 6


async def with_a_customer(wizard: Desk) -> tuple[str, dict[str, Any], str]:
    """A draft whose customer section is filled in, the customer, and where letters go."""
    draft = await wizard.begin()
    email = f"ada@{wizard.slug}.example.com"
    contact = {"full_name": "Ada Reed", "email": email, "telephone": "0161 496 0999"}
    customer = {"name": f"Harbour Books {wizard.slug}", "given_name": "Ada", "family_name": "Reed", "contact": contact}
    customer |= {"billing_address": ADDRESS, "service_address": ADDRESS}
    await wizard.ask("POST", f"/v1/drafts/{draft}/next", 422)
    await wizard.save(draft, "customer", administration="operator", customer=customer)
    assert (await wizard.next(draft))["place"] == "service"
    return draft, customer, email


async def picked(wizard: Desk, draft: str) -> list[str]:
    """Search, add one, add the ticked ones, take one out again, and watch the price; the two numbers that are left."""
    query = {"prefix": "0161496", "region": "GB", "grade": "standard", "count": 5, "pick": "next"}
    found = (await wizard.ask("GET", "/v1/numbers/search", params=query))["items"]
    assert {one["grade"] for one in found} == {"standard"}
    listed = [one["e164"] for one in found]
    assert [number[:7] for number in listed] == ["+441614"] * 5
    add = {"service": 0}
    one = await wizard.ask("POST", f"/v1/drafts/{draft}/numbers", json=add | {"numbers": listed[:1]})
    three = await wizard.ask("POST", f"/v1/drafts/{draft}/numbers", json=add | {"numbers": listed[1:3]})
    two = await wizard.ask("DELETE", f"/v1/drafts/{draft}/numbers/{listed[2]}")
    counts = [len(shown["basket"]["pricing"]["numbers"]) for shown in (one, three, two)]
    assert counts == [1, 3, 2]
    assert one["price"]["total_minor"] < two["price"]["total_minor"] < three["price"]["total_minor"]
    return listed[:2]


@pytest.mark.requirement(
    "S3-05", "S3-06", "S3-07", "S3-13", "S3-14", "S3-17", "S3-27", "S3-28", "S3-29", "S3-32", "S3-34", "S3-35"
)
@pytest.mark.requirement(
    "S3-36", "S3-37", "S3-42", "S3-48", "S3-49", "S3-50", "S3-52", "S3-53", "S3-54", "S3-57", "S3-58", "S3-59"
)
async def test_the_third_guide_the_wizard(desk: Opening) -> None:
    wizard = await desk("wizard")
    await numbers(wizard, 80)
    draft, customer, email = await with_a_customer(wizard)
    details = await wizard.ask("GET", "/v1/service-types/line")
    assert "numbers of its own" in details["summary"]
    await wizard.save(draft, "service", services=[{"label": "Front desk", "type": "line"}])
    assert (await wizard.next(draft))["place"] == "numbers"

    listed = await picked(wizard, draft)
    assert (await wizard.next(draft))["place"] == "settings"
    setting = {"number": 1, "destination": "forward"}
    asked = await wizard.save(draft, "settings", services=[{"settings": [setting]}])
    assert "/services/0/settings/0/forward_to" in places(asked), "what depends on the choice is asked for as soon as it is made"
    given = await wizard.save(draft, "settings", services=[{"settings": [setting | {"forward_to": "0161 496 0998"}]}])
    assert "/services/0/settings/0/forward_to" not in places(given)
    assert (await wizard.next(draft))["place"] == "billing"
    dear = await wizard.save(draft, "billing", price_list="standard", plan="office-plus", payer="parent")
    cheap = await wizard.save(draft, "billing", price_list="standard", plan="office", payer="parent")
    assert cheap["price"]["net_minor"] < dear["price"]["net_minor"]
    assert (await wizard.next(draft))["place"] == "creation"

    # A look back, and nothing is lost.
    back = await wizard.ask("POST", f"/v1/drafts/{draft}/back", json={"to": "customer"})
    assert back["sections"][0]["entered"]["customer"]["contact"]["email"] == email
    await wizard.ask("POST", f"/v1/drafts/{draft}/next", json={"to": "creation"})
    await wizard.ask("POST", f"/v1/drafts/{draft}/submit", 422, headers={"Idempotency-Key": "k"})
    agreed = await wizard.save(draft, "creation", terms_accepted=True)
    assert agreed["valid"], codes(agreed)
    assert (await wizard.next(draft))["place"] == "notifications"
    letters = [
        {"to": "customer", "subject": "All set, {contact_name}", "attachments": ["settings_sheet"]},
        {"to": "reseller"},
        {"to": "other", "email": f"installer@{wizard.slug}.example.com", "body": "Please install {numbers}."},
    ]
    await wizard.save(draft, "notifications", notifications=letters, afterwards="customer_summary")
    assert await wizard.town.mailbox.letters(email) == [], "nothing goes out before the end"
    finished = await wizard.submit(draft)
    assert finished["pin"], "one was made, and is shown this once"
    active = await wizard.view(finished["onboarding_id"], "active")
    assert active["message"].startswith("Your new customer has been successfully created")
    assert sorted(active["numbers"]) == sorted(listed)
    assert (
        active["links"]["next"].endswith(f"/v1/accounts/{active['account_id']}/customer")
        or active["account_id"] in active["links"]["next"]
    )
    mine = await wizard.town.mailbox.letter(email, "welcome")
    assert mine["subject"] == "All set, Ada Reed"
    await wizard.town.mailbox.letter(f"desk@{wizard.slug}.example.com", "notification")
    installer = await wizard.town.mailbox.letter(f"installer@{wizard.slug}.example.com", "notification")
    assert listed[0][-3:] in json.dumps(installer)
    log = [entry["event"] for entry in (await wizard.ask("GET", f"/v1/onboardings/{active['id']}/events"))["items"]]
    assert log.index("account_opened") < log.index("numbers_held") < log.index("active")
    lines = (await wizard.ask("GET", f"/v1/accounts/{active['account_id']}/services"))["items"]
    assert len(lines) == 1
    assert (await wizard.ask("GET", f"/v1/accounts/{active['account_id']}/customer"))["name"] == customer["name"]


@pytest.mark.requirement("S4-01", "S4-03", "S4-05", "S4-06", "S4-07", "S4-21", "S4-22")
async def test_the_fourth_guide_the_account_form(desk: Opening) -> None:
    form = await desk("billing", account_numbers={"length": 8, "starting": "44"})
    email = f"ada@{form.slug}.example.com"
    order = {
        "administration": "operator",
        "payer": "parent",
        "account_type": "prepaid",
        "customer": {
            "name": f"Harbour Books {form.slug}",
            "given_name": "Ada",
            "family_name": "Reed",
            "company": "Harbour Books",
            "country": "GB",
            "time_zone": "Europe/London",
            "contact": {"full_name": "Ada Reed", "email": email, "telephone": "0161 496 0999"},
        },
        "status": "active",
        "valid_days": 365,
        "rate_group": "uk-standard",
        "dial_rules": [{"strip": "00", "replace": "+"}],
        "create_sip_device": True,
        "invoicing": {"schedule": "monthly", "day": 5},
        "low_balance_alert": {"below_minor": 500, "email": f"accounts@{form.slug}.example.com"},
        "terms_accepted": True,
    }
    saved = await form.ask("POST", "/v1/onboardings", 202, json=order, headers={"Idempotency-Key": str(uuid.uuid4())})
    password = saved["password"]
    active = await form.view(saved["id"], "active")
    assert (len(active["account_number"]), active["account_number"][:2]) == (8, "44"), "made, in the shape that is set"
    account = active["account_id"]
    calling = await form.ask("GET", f"/v1/accounts/{account}/calling")
    assert (calling["may_call"], calling["rate_group"], calling["first_used_at"]) == (True, "uk-standard", None)
    assert calling["expires_at"] is not None
    (device,) = (await form.ask("POST", f"/v1/onboardings/{saved['id']}/credentials"))["items"]
    assert device["password"]
    async with httpx.AsyncClient(base_url=form.town.stack.urls["web"], trust_env=False, timeout=30.0) as portal:
        signed_in = await portal.post("/v1/sessions", json={"email": email, "password": password, "white_label": form.slug})
    assert signed_in.status_code == 201, signed_in.text
    assert signed_in.json()["account_id"] == account


@pytest.mark.requirement("S5-04", "S5-05", "S5-06", "S5-07", "S5-08", "S5-25", "S5-26")
async def test_the_fifth_guide_name_and_e_mail_first_the_rest_later(desk: Opening) -> None:
    isp, elsewhere = await desk("isp"), await desk("isp")
    contact = {"full_name": "Ada Reed", "email": f"ada@{isp.slug}.example.com"}
    order = {"administration": "operator", "payer": "parent", "terms_accepted": True}
    order |= {"customer": {"kind": "person", "name": f"Ada Reed {isp.slug}", "contact": contact}}
    created = await isp.ask("POST", "/v1/onboardings", 202, json=order, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert len(created["password"]) >= 6
    account = (await isp.view(created["id"], "active"))["account_id"]
    path = f"/v1/accounts/{account}/customer"
    page = await isp.ask("GET", path)
    assert (page["name"], page["contact"]["email"]) == (f"Ada Reed {isp.slug}", contact["email"])
    assert page["contact"]["telephone"] is None
    later = {"billing_address": ADDRESS, "contact": {"telephone": "0161 496 0999", "email": f"new@{isp.slug}.example.com"}}
    await isp.ask("PATCH", path, json=later)
    page = await isp.ask("GET", path)
    assert (page["contact"]["telephone"], page["contact"]["full_name"]) == ("+441614960999", "Ada Reed")
    assert page["billing_address"]["city"] == "Birmingham"
    move = {"to": elsewhere.slug, "reason": "Bought there", "consent": "Agreed in writing"}
    async with httpx.AsyncClient(base_url=isp.town.stack.urls["web"], trust_env=False, timeout=30.0) as platform:
        moved = await platform.post(
            f"/v1/accounts/{account}/transfer",
            json=move,
            headers={"Authorization": f"Bearer {isp.town.stack.api_keys['operator']}"},
        )
    assert moved.status_code == 200, moved.text
    assert (await elsewhere.ask("GET", path))["name"] == page["name"]
    await isp.ask("GET", path, 404)
