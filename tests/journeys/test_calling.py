"""What is decided about calling in an order or afterwards, over the HTTP API, and what the real switch then does with calls."""

import asyncio
import json
import sqlite3
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from starter.local.stack import Stack
from tests.journeys.conftest import Town
from tests.sip import Answer, RunningKamailio, require_sip

OUTSIDE = "+442079460018"


class Line:
    """One line of an order, as the API showed its credentials to a person who types them into a telephone."""

    def __init__(self, kamailio: RunningKamailio, credentials: dict[str, Any]) -> None:
        self._kamailio = kamailio
        self.username, self.domain = credentials["username"], credentials["domain"]
        self.password, self.numbers = credentials["password"], credentials["numbers"]

    async def call(self, callee: str, **more: Any) -> Answer:
        return await self._kamailio.call(self.username, self.domain, self.password, callee, **more)

    async def register(self) -> Answer:
        return await self._kamailio.register(self.username, self.domain, self.password)

    def phone(self) -> Any:
        return self._kamailio.phone(self.username, self.domain, self.password)


class Exchange:
    """The stack's switch with real telephones, and an operator of Brindley."""

    def __init__(self, town: Town, kamailio: RunningKamailio, directory: Path) -> None:
        self.town, self.kamailio, self.directory = town, kamailio, directory
        key = town.stack.api_keys["brindley"]
        self.http = httpx.AsyncClient(
            base_url=town.stack.urls["web"], headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False
        )

    def body(self, **changes: Any) -> dict[str, Any]:
        """An order that the white label administers and pays for, with one number on one line."""
        service = {"numbers": {"criteria": {"count": 1, "prefix": "+44121496"}}, **changes.pop("service", {})}
        customer = self.town.customer("2", self.directory, **{"services": [service], **changes})
        found: dict[str, Any] = json.loads(customer.order)
        return found

    async def try_order(self, **changes: Any) -> httpx.Response:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return await self.http.post("/v1/onboardings", json=self.body(**changes), headers=headers)

    async def refusals(self, **changes: Any) -> dict[str, str]:
        answer = await self.try_order(**changes)
        assert answer.status_code == 422, answer.text
        return {error["code"]: error["pointer"] for error in answer.json()["errors"]}

    async def account(self, **changes: Any) -> tuple[str, list[Line]]:
        """An active customer's account and its lines."""
        answer = await self.try_order(**changes)
        assert answer.status_code == 202, answer.text
        view = await self.town.brindley.wait_for(answer.json()["id"], "active")
        shown = await self.http.post(f"/v1/onboardings/{view['id']}/credentials")
        return view["account_id"], [Line(self.kamailio, one) for one in shown.raise_for_status().json()["items"]]

    async def calling(self, account: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get(f"/v1/accounts/{account}/calling")).raise_for_status().json()
        return found

    async def do(self, account: str, verb: str, **body: Any) -> httpx.Response:
        method, path = ("PATCH", "calling") if verb == "change" else ("POST", verb)
        return await self.http.request(method, f"/v1/accounts/{account}/{path}", json=body)

    async def must(self, account: str, verb: str, **body: Any) -> dict[str, Any]:
        answer = await self.do(account, verb, **body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert found["switch_agrees"]
        return found


@pytest.fixture
async def exchange(town: Town, stack: Stack, tmp_path: Path) -> AsyncIterator[Exchange]:
    require_sip()
    async with RunningKamailio(stack.settings.voice_database, gateway=True) as kamailio:
        exchange = Exchange(town, kamailio, tmp_path)
        yield exchange
        await exchange.http.aclose()


def today(days: int = 0) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


@pytest.mark.requirement("S4-16")
async def test_an_account_can_be_created_suspended_and_is_resumed(exchange: Exchange) -> None:
    account, [line] = await exchange.account(status="suspended")
    assert (await exchange.calling(account))["suspended_for"] == ["admin"]
    async with exchange.kamailio.gateway() as gateway:
        assert await line.register()
        assert (await line.call(OUTSIDE)).reason == "Calls Barred: Account Suspended"
        assert await line.call("999"), "an emergency call passes"
        assert (await exchange.must(account, "resume", reason="admin"))["may_call"]
        assert await line.call(OUTSIDE)
        assert len(gateway.invites) == 2


@pytest.mark.requirement("S4-20")
async def test_after_its_expiry_date_an_account_cannot_call(exchange: Exchange) -> None:
    account, [line] = await exchange.account(expires_on=today(30))
    assert await exchange.refusals(expires_on=today(-2)) == {"expiry_past": "/expires_on"}
    async with exchange.kamailio.gateway() as gateway:
        assert await line.call(OUTSIDE)
        expires = datetime.fromisoformat((await exchange.calling(account))["expires_at"])
        assert timedelta(days=29) < expires - datetime.now(UTC) < timedelta(days=32)
        # Nobody waits a month here: the switch is told that the month is over, in the words that Dialtone writes.
        await _move_the_end(exchange, account, datetime.now(UTC) - timedelta(seconds=2))
        answer = await line.call(OUTSIDE)
        assert (answer.status, answer.reason) == (403, "Calls Barred: Account Expired")
        assert len(gateway.invites) == 1
        await exchange.must(account, "change", expires_on=today(60))
        assert await line.call(OUTSIDE), "a later date opens it again"


async def _move_the_end(exchange: Exchange, account: str, to: datetime) -> None:
    with sqlite3.connect(exchange.town.stack.state.path / "kamailio.db", timeout=10) as switch:
        [(value,)] = switch.execute("SELECT value FROM usr_preferences WHERE uuid = ? AND attribute = 'rights'", [account])
        parts = [part for part in value.split(";") if not part.startswith("expires=")]
        moved = ";".join([*parts, f"expires={int(to.timestamp())}"])
        switch.execute("UPDATE usr_preferences SET value = ? WHERE uuid = ? AND attribute = 'rights'", [moved, account])


@pytest.mark.requirement("S4-21")
async def test_valid_days_are_an_expiry_date_and_a_date_that_says_otherwise_wins_with_a_warning(exchange: Exchange) -> None:
    account, _ = await exchange.account(valid_days=10)
    expires = datetime.fromisoformat((await exchange.calling(account))["expires_at"])
    assert timedelta(days=9) < expires - datetime.now(UTC) < timedelta(days=12)

    both = {"valid_days": 10, "expires_on": today(20)}
    assert await exchange.refusals(**both) == {"expiry_differs": "/valid_days"}
    account, _ = await exchange.account(**both, acknowledged_warnings=["expiry_differs"])
    expires = datetime.fromisoformat((await exchange.calling(account))["expires_at"])
    assert expires - datetime.now(UTC) > timedelta(days=19)


@pytest.mark.requirement("S4-23", "S4-24")
async def test_without_a_valid_rate_group_an_account_cannot_call(exchange: Exchange) -> None:
    assert (await exchange.http.put("/v1/rate-groups/last-year", json={"name": "Old", "valid_until": today(-1)})).is_success
    assert (await exchange.http.put("/v1/rate-groups/premium", json={"name": "Premium", "valid_from": today(-1)})).is_success
    codes = [group["code"] for group in (await exchange.http.get("/v1/rate-groups")).json()["items"]]
    # The stack is shared, so others' groups may stand among these.
    assert [code for code in codes if code in {"uk-standard", "last-year", "premium"}] == [
        "uk-standard",
        "last-year",
        "premium",
    ]

    account, [line] = await exchange.account()
    assert (await exchange.calling(account))["rate_group"] == "uk-standard", "the first valid one"
    async with exchange.kamailio.gateway() as gateway:
        assert await line.call(OUTSIDE)
        after = await exchange.must(account, "change", rate_group=None)
        assert (after["may_call"], after["barred"]) == (False, ["no_rate_group"])
        answer = await line.call(OUTSIDE)
        assert (answer.status, answer.reason) == (403, "Calls Barred: No Rate Group")
        for code, said in (("nonsense", "unknown_rate_group"), ("last-year", "rate_group_not_valid")):
            refused = await exchange.do(account, "change", rate_group=code)
            assert [error["code"] for error in refused.json()["errors"]] == [said]
        await exchange.must(account, "change", rate_group="premium")
        assert await line.call(OUTSIDE)
        assert len(gateway.invites) == 2


@pytest.mark.requirement("S4-17")
async def test_no_more_calls_at_once_than_channels_and_zero_is_unlimited(exchange: Exchange) -> None:
    _, [narrow] = await exchange.account(service={"max_channels": 1})
    _, [wide] = await exchange.account(service={"max_channels": 0})
    async with exchange.kamailio.gateway() as gateway:
        enough = asyncio.Event()
        first = asyncio.create_task(narrow.call(OUTSIDE, until=enough))
        await gateway.has_answered(1)
        assert (await narrow.call(OUTSIDE)).reason == "All channels of this line are in use"
        assert all(await asyncio.gather(*(wide.call(OUTSIDE, talk=1) for _ in range(5))))
        enough.set()
        assert await first


@pytest.mark.requirement("S4-18")
async def test_dialled_numbers_are_translated_by_the_accounts_rules(exchange: Exchange) -> None:
    rules = [{"strip": "00", "replace": "+"}, {"strip": "0", "replace": "+44"}]
    account, [line] = await exchange.account(dial_rules=rules)
    async with exchange.kamailio.gateway() as gateway:
        assert await line.call("02079460018")
        await exchange.must(account, "change", dial_rules=[{"strip": "7", "replace": "+4420794600"}])
        assert await line.call("718")
        assert (await line.call("02079460018")).status == 404
        assert [invite.split("@")[0] for invite in gateway.invites] == [f"INVITE sip:{OUTSIDE}"] * 2
    refused = await exchange.refusals(dial_rules=[{"strip": "0", "replace": "+44"}, {"strip": "00", "replace": "+"}])
    assert refused == {"dial_rule_unreachable": "/dial_rules/1"}


@pytest.mark.requirement("S4-19")
async def test_the_first_use_is_empty_until_the_first_call(exchange: Exchange) -> None:
    account, [line] = await exchange.account()
    assert await line.register()
    assert (await exchange.calling(account))["first_used_at"] is None
    async with exchange.kamailio.gateway():
        before = datetime.now(UTC).replace(microsecond=0)
        assert await line.call(OUTSIDE)
    first = datetime.fromisoformat((await exchange.calling(account))["first_used_at"])
    assert before <= first <= datetime.now(UTC)


@pytest.mark.requirement("S4-22")
async def test_a_sip_device_is_created_where_it_is_ticked_and_only_there(exchange: Exchange) -> None:
    _, [device] = await exchange.account(services=[], create_sip_device=True)
    assert await device.register()
    _, none = await exchange.account(services=[])
    assert none == []


@pytest.mark.requirement("S3-36", "S1-26")
async def test_each_number_behaves_as_it_was_set_up(exchange: Exchange) -> None:
    service = {
        "numbers": {"criteria": {"count": 2, "prefix": "+44121496"}},
        "settings": [{"number": 1, "destination": "forward", "forward_to": "020 7946 0018"}],
    }
    _, [line] = await exchange.account(service=service)
    _, [caller] = await exchange.account()
    async with exchange.kamailio.gateway() as gateway, line.phone() as phone:
        for number in sorted(line.numbers):
            assert await caller.call(number)
        [rung], [forwarded] = phone.invites, gateway.invites
    assert forwarded.startswith(f"INVITE sip:{OUTSIDE}@")
    assert f"P-Asserted-Identity: <sip:{caller.numbers[0]}@" in rung


async def test_options_that_depend_on_each_other_are_held_to_it(exchange: Exchange) -> None:
    one = {"numbers": {"criteria": {"count": 1, "prefix": "+44121496"}}}

    async def refused(**setting: Any) -> dict[str, str]:
        return await exchange.refusals(service={**one, "settings": [{"number": 0, **setting}]})

    place = "/services/0/settings/0"
    assert await refused(destination="forward") == {"forward_target_missing": f"{place}/forward_to"}
    assert await refused(forward_to=OUTSIDE) == {"forward_target_unused": f"{place}/forward_to"}
    assert await refused(destination="voicemail") == {"voicemail_unsupported": f"{place}/destination"}
    assert await refused(number=1) == {"setting_of_no_number": f"{place}/number"}
    assert await refused(destination="forward", forward_to="12345") == {"telephone_invalid": f"{place}/forward_to"}
    assert await exchange.refusals(service={**one, "caller_id": OUTSIDE}) == {"caller_id_not_ordered": "/services/0/caller_id"}


@pytest.mark.requirement("S2-07", "S2-08")
async def test_a_residential_customer_has_a_limited_set_and_a_normal_one_everything(exchange: Exchange) -> None:
    rules = [{"strip": "0", "replace": "+44"}]
    wide = {"service": {"max_channels": 3}, "dial_rules": rules}
    answer = await exchange.try_order(segment="residential", **wide)
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/services/0/max_channels", "/dial_rules"}
    assert {error["code"] for error in answer.json()["errors"]} == {"not_in_segment"}
    _, [line] = await exchange.account(segment="normal", **wide)
    account, [home] = await exchange.account(segment="residential", service={"max_channels": 2})
    async with exchange.kamailio.gateway():
        assert await line.call("02079460018")
        assert (await home.call("02079460018")).status == 404
    assert (await exchange.do(account, "change", dial_rules=rules)).json()["errors"][0]["code"] == "not_in_segment"


@pytest.mark.requirement("S5-27")
async def test_an_exempt_customer_is_not_suspended_for_late_payment(exchange: Exchange) -> None:
    account, [line] = await exchange.account(late_payment_exempt=True)
    answer = await exchange.do(account, "suspend", reason="payment")
    assert (answer.status_code, answer.json()["code"]) == (409, "exempt_from_late_payment")
    async with exchange.kamailio.gateway():
        assert await line.call(OUTSIDE)
        await exchange.must(account, "change", late_payment_exempt=False)
        await exchange.must(account, "suspend", reason="payment")
        assert (await line.call(OUTSIDE)).status == 403
        assert (await exchange.must(account, "change", late_payment_exempt=True))["may_call"]
        assert await line.call(OUTSIDE)


async def test_a_suspension_is_lifted_when_no_reason_is_left(exchange: Exchange) -> None:
    account, [line] = await exchange.account()
    async with exchange.kamailio.gateway():
        for reason in ("fraud", "payment"):
            await exchange.must(account, "suspend", reason=reason, note="told by the fraud desk")
        assert (await exchange.must(account, "resume", reason="fraud"))["suspended_for"] == ["payment"]
        assert (await line.call(OUTSIDE)).status == 403
        assert (await exchange.must(account, "resume", reason="payment"))["suspended_for"] == []
        assert await line.call(OUTSIDE)
    onboarding = (await exchange.calling(account))["onboarding_id"]
    told = [event for event in await exchange.town.brindley.events(onboarding) if event["event"] in {"suspended", "resumed"}]
    assert [(event["event"], event["detail"]["reason"]) for event in told] == [
        ("suspended", "fraud"),
        ("suspended", "payment"),
        ("resumed", "fraud"),
        ("resumed", "payment"),
    ]
    assert all(event["actor"] == told[0]["actor"] != "system" for event in told)


async def test_a_row_that_was_lost_on_the_switch_is_written_again_by_a_change_that_changes_nothing(exchange: Exchange) -> None:
    account, [line] = await exchange.account()
    with sqlite3.connect(exchange.town.stack.state.path / "kamailio.db", timeout=10) as switch:
        switch.execute("DELETE FROM usr_preferences WHERE uuid = ?", [account])
    assert [finding.check for finding in (await exchange.town.audit()).findings if finding.subject == account] == ["calling"]
    async with exchange.kamailio.gateway():
        assert (await line.call(OUTSIDE)).status == 500
        await exchange.must(account, "resume", reason="admin")
        assert await line.call(OUTSIDE)
    assert not [finding for finding in (await exchange.town.audit()).findings if finding.subject == account]


async def test_another_white_label_learns_nothing_of_an_account(exchange: Exchange, stack: Stack) -> None:
    account, _ = await exchange.account()
    stranger = {"Authorization": f"Bearer {stack.api_keys['northway']}"}
    unknown = str(uuid.uuid4())
    for verb, path in (("GET", "calling"), ("POST", "suspend"), ("POST", "resume"), ("PATCH", "calling")):
        body = None if verb == "GET" else {"reason": "fraud"} if verb == "POST" else {"rate_group": None}
        answers = [
            await exchange.http.request(verb, f"/v1/accounts/{one}/{path}", headers=stranger, json=body)
            for one in (account, unknown)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert len({answer.json()["detail"] for answer in answers}) == 1
    assert (await exchange.calling(account))["may_call"]
