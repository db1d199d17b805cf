"""How the contact of a new account comes to a password: given, made and shown once, or chosen by a link."""

import json
import uuid
from typing import Any

import pytest

from adapters.settings import Settings
from domain.forms import PROFILES
from domain.keys import onboarding_id, workflow_id
from domain.mails import MailKind
from domain.users import LEAST_FLOOR
from tests.tenancy.conftest import PASSWORD, UPPER, Town

ADA = "ada@harbour.example.com"


async def profile(town: Town, name: str) -> None:
    """The white label's form becomes that of another guide."""
    await town.database.admin.put_tenant(UPPER.model_copy(update={"form": PROFILES[name]}), 10_000_000, 10_000_000)


async def everything_kept(town: Town, onboarding: str) -> str:
    """All that can be read of an order afterwards: API, timeline, letters, history."""
    history = await town.client.get_workflow_handle(workflow_id(onboarding)).fetch_history()
    view = (await town.ask("GET", f"/v1/onboardings/{onboarding}", "upper")).text
    letters = "".join(letter.text + letter.html + letter.subject for _, letter in town.post.letters)
    payloads = b"".join(event.SerializeToString() for event in history.events).decode("utf-8", "replace")
    return view + json.dumps(await town.timeline(onboarding)) + letters + payloads


@pytest.mark.requirement("S4-07")
async def test_a_password_that_is_given_signs_the_contact_in_once_the_account_is_active(town: Town) -> None:
    view = await town.live("upper", credential="set", password=PASSWORD)
    assert (await town.sign_in(ADA, white_label="brumtel")).status_code == 201
    token = await town.token(ADA)
    seen = await town.ask("GET", f"/v1/accounts/{view['account_id']}", token)
    assert seen.status_code == 200, "it is the customer's own portal"
    mine = (await town.ask("GET", "/v1/sessions/current", token)).json()
    assert (mine["account_id"], mine["role"]) == (view["account_id"], "standard_user")
    assert PASSWORD not in await everything_kept(town, view["id"])


@pytest.mark.requirement("S5-04")
async def test_a_password_that_is_left_out_is_made_and_shown_to_the_one_who_orders_and_to_nobody_again(town: Town) -> None:
    await profile(town, "isp")
    key = str(uuid.uuid4())
    answer = await town.order("upper", key=key, services=[])
    password = answer.json()["password"]
    assert len(password) >= 20
    assert answer.headers["Cache-Control"] == "no-store"
    view = await town.ended(answer.json()["id"], "upper")
    assert (view["state"], view["order"]["credential"]) == ("active", "generate")
    assert (await town.sign_in(ADA, password)).status_code == 201
    again = await town.order("upper", key=key, services=[])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["password"] == password
    assert password not in await everything_kept(town, view["id"])
    other = await town.order("upper", "Another Ltd", email="bea@harbour.example.com", services=[])
    assert other.json()["password"] not in {None, password}


async def test_a_form_without_portal_and_a_customer_who_administers_get_no_password_unless_asked_for(town: Town) -> None:
    plain = await town.order("upper")
    assert plain.json()["password"] is None
    await town.ended(plain.json()["id"], "upper")
    assert (await town.ask("GET", "/v1/accounts?kind=customer", "upper")).status_code == 200
    invited = await town.order("upper", "Second Ltd", administration="customer", payer="self")
    assert invited.json()["password"] is None


async def test_who_is_invited_chooses_a_password_by_the_link_in_the_letter(town: Town) -> None:
    view = await town.live("upper", credential="invite")
    await town.set_password(town.post.link(ADA, MailKind.WELCOME, "invitation"))
    assert (await town.sign_in(ADA)).status_code == 201
    assert "You administer" not in town.post.to(ADA, MailKind.WELCOME)[0].text
    assert view["order"]["credential"] == "invite"


@pytest.mark.requirement("S5-03")
@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"password": "short"}, "password_too_short", "/password"),
        ({"password": "elevenchars"}, "password_too_short", "/password"),
        ({"password": ADA}, "password_is_the_address", "/password"),
        ({"credential": "set"}, "password_missing", "/password"),
        ({"credential": "generate", "password": PASSWORD}, "password_not_wanted", "/password"),
        ({"credential": "invite", "password": PASSWORD}, "password_not_wanted", "/password"),
    ],
)
async def test_a_password_against_the_policy_is_refused_before_anything_begins(
    town: Town, changes: dict[str, Any], code: str, pointer: str
) -> None:
    key = str(uuid.uuid4())
    answer = await town.order("upper", key=key, **changes)
    assert answer.status_code == 422
    assert [(error["code"], error["pointer"]) for error in answer.json()["errors"]] == [(code, pointer)]
    assert f'"{changes.get("password")}"' not in answer.text
    missing = await town.ask("GET", f"/v1/onboardings/{onboarding_id(UPPER.id, key)}", "upper")
    assert missing.status_code == 404


@pytest.mark.requirement("S5-03")
def test_no_installation_accepts_less_than_six_characters() -> None:
    assert LEAST_FLOOR == 6
    with pytest.raises(ValueError, match="password_min_length"):
        Settings(password_min_length=5)
    assert Settings(password_min_length=6).password_min_length == 6


async def test_whoever_is_a_user_already_keeps_the_password_and_gets_the_new_account_too(town: Town) -> None:
    await profile(town, "isp")
    first = (await town.order("upper", services=[])).json()
    await town.ended(first["id"], "upper")
    refused = await town.order("upper", "Second Ltd", services=[], password=PASSWORD)
    assert [error["code"] for error in refused.json()["errors"]] == ["email_in_use"]
    second = (await town.order("upper", "Second Ltd", services=[])).json()
    assert second["password"] is None
    await town.ended(second["id"], "upper")
    signed_in = await town.sign_in(ADA, first["password"])
    assert [one["account_name"] for one in signed_in.json()["memberships"]] == ["Harbour Books Ltd", "Second Ltd"]


async def test_if_the_onboarding_ends_otherwise_there_never_was_a_user(town: Town) -> None:
    order = {"administration": "customer", "payer": "self", "credential": "set", "password": PASSWORD}
    onboarding = (await town.order("upper", **order)).json()["id"]
    await town.post.arrives(ADA, MailKind.ACTIVATION)
    assert (await town.sign_in(ADA)).status_code == 401
    await town.ask("POST", f"/v1/onboardings/{onboarding}/cancel", "upper", json={})
    await town.client.get_workflow_handle(workflow_id(onboarding)).result()
    assert (await town.sign_in(ADA)).status_code == 401
    assert (await town.live("upper", "Another Ltd", credential="set", password=PASSWORD))["state"] == "active"
    assert (await town.sign_in(ADA)).status_code == 201


async def test_a_reseller_who_is_ordered_with_a_password_runs_its_white_label(town: Town) -> None:
    view = await town.live("upper", "Sub Voice", account_kind="reseller", credential="set", password=PASSWORD)
    token = await town.token(ADA)
    below = await town.ask("GET", "/v1/sessions/current", token)
    assert (below.json()["account_id"], below.json()["role"]) == (view["account_id"], "admin")


async def test_the_check_says_the_same_of_a_password_as_the_order(town: Town) -> None:
    body = {"customer": {"name": "X", "contact": {"full_name": "Ada", "email": ADA}}, "password": "short"}
    report = (await town.ask("POST", "/v1/order-checks", "upper", json=body)).json()
    assert not report["valid"]
    assert "password_too_short" in [finding["code"] for finding in report["findings"]]
