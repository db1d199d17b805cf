"""Users are created, added and invited; nobody gives more than they have; links set a password once."""

import asyncio
import re
from typing import Any

import pytest

from domain.mails import MailKind
from tests.tenancy.conftest import LOWER, PASSWORD, UPPER, Town


async def members(town: Town, account: str, by: str = "upper") -> dict[str, dict[str, Any]]:
    items = (await town.ask("GET", f"/v1/accounts/{account}/users", by)).json()["items"]
    return {item["email"] or item["id"]: item for item in items}


@pytest.mark.requirement("S1-35", "S4-02")
@pytest.mark.parametrize("role", ["account_administrator", "standard_user", "auditor"])
async def test_a_user_is_created_with_a_password_and_signs_in_with_it(town: Town, role: str) -> None:
    account = (await town.live("upper"))["account_id"]
    created = await town.create_user("upper", account, "Grace@Example.com", role)
    assert (created["role"], created["state"], created["password"]) == (role, "active", None)
    answer = (await town.sign_in("grace@example.com")).json()
    assert [(m["account_id"], m["role"]) for m in answer["memberships"]] == [(account, role)]
    me = (await town.ask("GET", "/v1/sessions/current", answer["token"])).json()
    assert (me["id"], me["account_id"], me["role"], me["acting_as"]) == (created["id"], account, role, None)
    assert (await members(town, account))["Grace@example.com"]["id"] == created["id"]
    assert town.post.to("grace@example.com", MailKind.INVITATION) == [], "no password and no link is mailed"


async def test_a_password_left_blank_is_generated_shown_once_and_stored_nowhere(town: Town) -> None:
    account = (await town.live("upper"))["account_id"]
    for email, blank in (("a@example.com", None), ("b@example.com", "")):
        made = await town.create_user("upper", account, email, "standard_user", password=blank)
        assert re.fullmatch(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", made["password"])
        assert (await town.sign_in(email, made["password"])).status_code == 201
        listed = await town.ask("GET", f"/v1/accounts/{account}/users", "upper")
        assert made["password"] not in listed.text
        assert all(made["password"] not in letter.text for _, letter in town.post.letters)


@pytest.mark.parametrize(
    ("password", "code"), [("eleven char", "password_too_short"), ("grace@example.com", "password_is_the_address")]
)
async def test_a_password_against_the_policy_is_refused_at_its_field(town: Town, password: str, code: str) -> None:
    account = (await town.live("upper"))["account_id"]
    body = {"act": "create", "email": "grace@example.com", "name": "Grace", "role": "standard_user", "password": password}
    answer = await town.ask("POST", f"/v1/accounts/{account}/users", "upper", json=body)
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("/password", code)]
    assert password not in answer.text or code == "password_is_the_address"
    assert "grace@example.com" not in await members(town, account)


@pytest.mark.requirement("S1-34")
async def test_an_address_in_use_is_added_not_created_again_and_one_person_administers_several_accounts(town: Town) -> None:
    first, second = [(await town.live("upper", name))["account_id"] for name in ("First Ltd", "Second Ltd")]
    grace = await town.create_user("upper", first, "grace@example.com", "account_administrator")
    path, body = f"/v1/accounts/{second}/users", {"email": "GRACE@example.com", "role": "account_administrator"}
    for act in ("create", "invite"):
        again = await town.ask("POST", path, "upper", json=body | {"act": act, "name": "Grace"})
        assert (again.status_code, again.json()["code"]) == (409, "email_in_use")
        assert "Add that user" in again.json()["detail"]
    added = await town.ask("POST", path, "upper", json=body | {"act": "add"})
    assert (added.status_code, added.json()["id"]) == (201, grace["id"])
    twice = await town.ask("POST", path, "upper", json=body | {"act": "add"})
    assert (twice.status_code, twice.json()["code"]) == (409, "already_member")
    for account in (first, second):
        token = await town.token("grace@example.com", account_id=account)
        assert (await town.ask("GET", f"/v1/accounts/{account}", token)).status_code == 200
        other = second if account == first else first
        assert (await town.ask("GET", f"/v1/accounts/{other}", token)).status_code == 404


async def test_other_white_labels_users_are_neither_added_nor_disclosed(town: Town) -> None:
    lower, upper = [(await town.live(by, f"{by} Ltd"))["account_id"] for by in ("lower", "other")]
    await town.create_user("lower", lower, "grace@example.com", "standard_user")
    body = {"email": "grace@example.com", "role": "standard_user"}
    unknown = await town.ask("POST", f"/v1/accounts/{upper}/users", "other", json=body | {"act": "add"})
    assert (unknown.status_code, unknown.json()["code"]) == (409, "no_such_user")
    mine = await town.create_user("other", upper, "grace@example.com", "standard_user", password="another long password")
    assert mine["state"] == "active"
    ambiguous = await town.sign_in("grace@example.com")
    assert (ambiguous.status_code, ambiguous.json()["code"]) == (401, "sign_in_refused")
    assert (await town.sign_in("grace@example.com", white_label="lower")).status_code == 201
    assert (await town.sign_in("grace@example.com", white_label="northway")).status_code == 401


@pytest.mark.requirement("S1-36")
async def test_an_invited_user_sets_a_password_by_a_link_that_works_once(town: Town) -> None:
    account = (await town.live("upper"))["account_id"]
    body = {"act": "invite", "email": "grace@example.com", "name": "Grace", "role": "standard_user"}
    invited = await town.ask("POST", f"/v1/accounts/{account}/users", "upper", json=body)
    assert (invited.status_code, invited.json()["state"]) == (201, "invited")
    assert (await town.sign_in("grace@example.com")).status_code == 401
    link = town.post.link("grace@example.com", MailKind.INVITATION, "invitation")
    for _ in range(3):  # mail scanners look, again and again
        page = await town.http.get(link)
        assert page.status_code == 200
        assert "<script" not in page.text
        assert (await town.http.head(link)).status_code == 200
    assert (await members(town, account))["grace@example.com"]["state"] == "invited"
    wrong = await town.http.post(link, data={"password": PASSWORD, "again": "something else"})
    assert (wrong.status_code, "not the same" in wrong.text) == (422, True)
    short = await town.set_password(link, "short")
    assert (short.status_code, "at least 12 characters" in short.text) == (422, True)
    foreign = await town.http.post(
        link, data={"password": PASSWORD, "again": PASSWORD}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert foreign.status_code == 403
    done = await asyncio.gather(*(town.set_password(link, PASSWORD) for _ in range(3)))
    assert sorted(answer.status_code for answer in done) == [200, 410, 410]
    assert (await town.http.get(link)).status_code == 410
    assert (await town.sign_in("grace@example.com")).status_code == 201


async def test_a_new_invitation_kills_the_older_link_and_a_mangled_one_is_nothing(town: Town) -> None:
    account = (await town.live("upper"))["account_id"]
    body = {"act": "invite", "email": "grace@example.com", "name": "Grace", "role": "standard_user"}
    links = []
    for _ in range(2):
        assert (await town.ask("POST", f"/v1/accounts/{account}/users", "upper", json=body)).status_code == 201
        links.append(town.post.link("grace@example.com", MailKind.INVITATION, "invitation"))
    assert [(await town.http.get(link)).status_code for link in links] == [410, 200]
    user, generation, mac = links[1].split(".")
    for forged in (f"{user}.3.{mac}", f"{user}.{generation}.{mac[:-1]}", f"{links[1]}x", f"{links[1]}/x", "/invitation/x"):
        assert (await town.http.get(forged)).status_code == 404
        assert (await town.set_password(forged)).status_code == 404


async def test_a_letter_that_could_not_be_sent_is_sent_by_asking_again(town: Town) -> None:
    account = (await town.live("upper"))["account_id"]
    body = {"act": "invite", "email": "grace@example.com", "name": "Grace", "role": "standard_user"}
    town.post.away = True
    assert (await town.ask("POST", f"/v1/accounts/{account}/users", "upper", json=body)).status_code == 503
    town.post.away = False
    assert (await town.ask("POST", f"/v1/accounts/{account}/users", "upper", json=body)).status_code == 201
    assert (await town.set_password(town.post.link("grace@example.com", MailKind.INVITATION, "invitation"))).status_code == 200


async def test_an_account_administrator_invites_and_knows_nobodys_password(town: Town) -> None:
    """Whoever sets a password knows it, and a user belongs to the whole white label: S1-35 is for its administrators."""
    account = (await town.live("upper"))["account_id"]
    boss = await town.user("upper", account, "boss@example.com", "account_administrator")
    path, body = f"/v1/accounts/{account}/users", {"email": "grace@example.com", "name": "Grace", "role": "standard_user"}
    refused = await town.ask("POST", path, boss, json=body | {"act": "create", "password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert (await town.ask("POST", path, boss, json=body | {"act": "invite"})).status_code == 201
    clerk = await town.user("upper", account, "clerk@example.com", "standard_user")
    for act in ("create", "add", "invite"):
        changes = {} if act == "add" else {"name": "Eve"}
        answer = await town.ask(
            "POST", path, clerk, json={"act": act, "email": "eve@example.com", "role": "standard_user"} | changes
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(
    ("grant", "status", "code"),
    [
        ({"role": "admin"}, 403, "not_allowed"),
        ({"role": "sub_admin", "rights": ["read", "onboard"]}, 403, "not_allowed"),
        ({"role": "approver"}, 403, "not_allowed"),
        ({"role": "sub_admin", "rights": ["read", "manage_users"]}, 201, None),
        ({"role": "auditor"}, 201, None),
        ({"role": "sub_admin"}, 422, "rights_do_not_fit"),
        ({"role": "auditor", "rights": ["read"]}, 422, "rights_do_not_fit"),
        ({"role": "account_administrator"}, 422, "role_not_here"),
        ({"role": "emperor"}, 422, "enum"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else None,
)
async def test_nobody_gives_more_rights_than_they_have(
    town: Town, grant: dict[str, Any], status: int, code: str | None
) -> None:
    clerk = await town.user("upper", UPPER.id, "hr@example.com", "sub_admin", rights=["read", "manage_users"])
    body = {"act": "create", "email": "new@example.com", "name": "New", "password": PASSWORD, **grant}
    answer = await town.ask("POST", f"/v1/accounts/{UPPER.id}/users", clerk, json=body)
    assert answer.status_code == status, answer.text
    if status != 201:
        said = answer.json()
        assert code in {said["code"], *(error["code"] for error in said["errors"])}
        assert "new@example.com" not in await members(town, UPPER.id)


async def test_a_role_that_is_taken_away_is_gone_at_once_and_a_stronger_one_is_not_taken_by_the_weaker(town: Town) -> None:
    boss = await town.create_user("upper", UPPER.id, "boss@example.com", "admin")
    clerk = await town.user("upper", UPPER.id, "hr@example.com", "sub_admin", rights=["read", "manage_users"])
    session = await town.token("boss@example.com")
    assert (await town.ask("GET", f"/v1/accounts/{UPPER.id}", session)).status_code == 200
    path = f"/v1/accounts/{UPPER.id}/users/{boss['id']}"
    assert (await town.ask("DELETE", path, clerk)).json()["code"] == "more_rights"
    assert (await town.ask("DELETE", path, "other")).status_code == 404
    assert (await town.ask("DELETE", path, "upper")).status_code == 204
    assert (await town.ask("DELETE", path, "upper")).status_code == 404
    assert (await town.ask("GET", f"/v1/accounts/{UPPER.id}", session)).status_code == 401
    assert (await town.sign_in("boss@example.com")).status_code == 401


async def test_only_who_reaches_an_account_learns_of_its_users(town: Town) -> None:
    assert (await town.ask("GET", f"/v1/accounts/{UPPER.id}/users", "lower")).status_code == 404
    body = {"act": "add", "email": "x@example.com", "role": "admin"}
    assert (await town.ask("POST", f"/v1/accounts/{UPPER.id}/users", "lower", json=body)).status_code == 404
    assert (await town.ask("POST", f"/v1/accounts/{LOWER.id}/users", "other", json=body)).status_code == 404
    assert (await town.ask("GET", f"/v1/accounts/{UPPER.id}/users")).status_code == 401


async def test_two_creations_of_one_address_have_one_winner(town: Town) -> None:
    body = {"act": "create", "email": "grace@example.com", "name": "Grace", "role": "auditor", "password": PASSWORD}
    answers = await asyncio.gather(*(town.ask("POST", f"/v1/accounts/{UPPER.id}/users", "upper", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert (await town.sign_in("grace@example.com")).status_code == 201


async def test_nobody_works_in_an_account_that_is_not_active_yet(town: Town) -> None:
    onboarding = (await town.order("upper", administration="customer", email="c@example.com")).json()["id"]
    view = (await town.ask("GET", f"/v1/onboardings/{onboarding}", "upper")).json()
    path = f"/v1/accounts/{view['account_id']}"
    await town.post.arrives("c@example.com", MailKind.ACTIVATION)
    assert (await town.ask("GET", path, "upper")).json()["status"] == "pending"
    body = {"act": "invite", "email": "grace@example.com", "name": "Grace", "role": "standard_user"}
    answer = await town.ask("POST", f"{path}/users", "upper", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "account_not_active")
    await town.ask("POST", f"/v1/onboardings/{onboarding}/cancel", "upper")
