"""An account's PIN: in the order or made, compared and never read."""

import json
import uuid
from typing import Any

import pytest
from sqlalchemy import Connection, select

from adapters.database.tables import account_pins
from tests.messages.test_portal_password import everything_kept, profile
from tests.tenancy.conftest import UPPER, Town

WIZARD: dict[str, Any] = {
    "customer": {
        "given_name": "Ada",
        "family_name": "Reed",
        "name": "Harbour Books Ltd",
        "contact": {"full_name": "Ada Reed", "email": "ada@harbour.example.com", "telephone": "0121 496 0001"},
        "billing_address": {"lines": ["1 Colmore Row"], "city": "Birmingham", "postcode": "B3 2BJ", "country": "GB"},
    }
}


async def correct(town: Town, account: str, pin: str, by: str = "upper") -> bool:
    answer = await town.ask("POST", f"/v1/accounts/{account}/pin/verify", by, json={"pin": pin})
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["correct"])


async def digests(town: Town) -> list[str]:
    def read(connection: Connection) -> list[str]:
        return list(connection.execute(select(account_pins.c.digest)).scalars())

    found: list[str] = await town.database._transactions.read(read)
    return found


@pytest.mark.requirement("S4-08")
async def test_an_account_has_the_pin_that_it_was_ordered_with(town: Town) -> None:
    view = await town.live("upper", pin="482915")
    assert await correct(town, view["account_id"], "482915")
    assert not await correct(town, view["account_id"], "482916")
    kept = await everything_kept(town, view["id"])
    assert "482915" not in kept
    assert "482915" not in json.dumps(await digests(town))


@pytest.mark.requirement("S3-13")
async def test_where_the_form_requires_a_pin_one_is_made_if_none_is_given(town: Town) -> None:
    await profile(town, "wizard")
    key = str(uuid.uuid4())
    answer = await town.order("upper", key=key, **WIZARD)
    pin = answer.json()["pin"]
    assert len(pin) == 6
    view = await town.ended(answer.json()["id"], "upper")
    assert view["state"] == "active"
    assert await correct(town, view["account_id"], pin)
    assert (await town.order("upper", key=key, **WIZARD)).json()["pin"] == pin, "the same request has the same answer"
    assert pin not in (await town.ask("GET", f"/v1/onboardings/{view['id']}", "upper")).text
    assert f'"{pin}"' not in await everything_kept(town, view["id"])
    own = await town.order("upper", **WIZARD, pin="482915")
    assert own.status_code == 202
    assert own.json()["pin"] is None, "whoever chose it knows it"


async def test_an_account_whose_form_asks_for_no_pin_has_none(town: Town) -> None:
    account = (await town.live("upper"))["account_id"]
    asked = await town.ask("POST", f"/v1/accounts/{account}/pin/verify", "upper", json={"pin": "482915"})
    assert (asked.status_code, asked.json()["code"]) == (409, "no_pin")


@pytest.mark.requirement("S4-09")
@pytest.mark.parametrize(("digits", "fits", "wrong"), [(4, "4829", "48291"), (8, "48291573", "482915")])
async def test_the_length_is_the_white_labels(town: Town, digits: int, fits: str, wrong: str) -> None:
    # As `dialtone white-labels put` does with a file.
    await town.database.admin.put_tenant(UPPER.model_copy(update={"pin_length": digits}), 10_000_000, 10_000_000)
    refused = await town.order("upper", pin=wrong)
    assert [(error["code"], error["pointer"]) for error in refused.json()["errors"]] == [("pin_shape", "/pin")]
    account = (await town.live("upper", pin=fits))["account_id"]
    assert await correct(town, account, fits)
    made = (await town.ask("PUT", f"/v1/accounts/{account}/pin", "upper", json={})).json()["pin"]
    assert len(made) == digits


@pytest.mark.requirement("S4-09")
def test_no_white_label_has_pins_of_less_than_four_digits() -> None:
    for digits in (3, 13):
        with pytest.raises(ValueError, match="pin_length"):
            type(UPPER).model_validate(UPPER.model_dump() | {"pin_length": digits})


@pytest.mark.parametrize(
    "pin", ["000000", "123456", "987654", "121212", "482482", "890123", "12345a", "１２３４５６", " 48291"]
)
async def test_a_weak_pin_or_one_that_is_none_is_refused(town: Town, pin: str) -> None:
    refused = await town.order("upper", pin=pin)
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["code"] in {"pin_weak", "pin_shape"}, error["pointer"]) == (True, "/pin")
    assert pin not in refused.text


async def test_guessing_ends_after_five_and_a_right_one_begins_anew(town: Town) -> None:
    account = (await town.live("upper", pin="482915"))["account_id"]
    for _ in range(4):
        assert not await correct(town, account, "111111")
    assert await correct(town, account, "482915")
    for _ in range(5):
        assert not await correct(town, account, "111111")
    answer = await town.ask("POST", f"/v1/accounts/{account}/pin/verify", "upper", json={"pin": "482915"})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.requirement("S4-08")
async def test_an_administrator_sets_it_anew_and_the_timeline_tells_who_and_not_which(town: Town) -> None:
    view = await town.live("upper", pin="482915")
    path = f"/v1/accounts/{view['account_id']}/pin"
    for by, status in (("auditor", 403), ("approver", 403), ("other", 404)):
        assert (await town.ask("PUT", path, by, json={"pin": "739164"})).status_code == status
        assert (await town.ask("POST", f"{path}/verify", by, json={"pin": "482915"})).status_code == status
    assert (await town.ask("PUT", path, "upper", json={"pin": "739164"})).json() == {"pin": None}
    assert await correct(town, view["account_id"], "739164")
    assert not await correct(town, view["account_id"], "482915")
    made: dict[str, Any] = (await town.ask("PUT", path, "upper", json={})).json()
    assert await correct(town, view["account_id"], made["pin"])
    assert (await town.ask("PUT", path, "upper", json={"pin": "111111"})).status_code == 422
    events = [event for event in await town.timeline(view["id"]) if event["event"] == "pin_set"]
    assert [(event["actor"].startswith("key-"), event["detail"]) for event in events] == [(True, {})] * 2


async def test_the_same_pin_of_two_accounts_does_not_look_the_same(town: Town) -> None:
    for number in range(2):
        await town.live("upper", f"Customer {number}", email=f"a{number}@example.com", pin="482915")
    one, two = await digests(town)
    assert one != two
