"""Whoever may invite learns nothing by it, and floods nobody."""

from typing import Any

import httpx
import pytest

from domain.mails import MailKind
from starter.people import MOST_PER_INVITED
from tests.tenancy.conftest import PASSWORD, UPPER, Town
from tests.tenancy.test_users import members


async def invite(town: Town, by: str, account: str, email: str, **changes: Any) -> httpx.Response:
    body = {"act": "invite", "email": email, "name": "Somebody", "role": "standard_user"} | changes
    return await town.ask("POST", f"/v1/accounts/{account}/users", by, json=body)


async def test_an_account_administrator_does_not_learn_who_is_a_user_already(town: Town) -> None:
    mine, theirs = [(await town.live("upper", name))["account_id"] for name in ("A Ltd", "B Ltd")]
    boss = await town.user("upper", mine, "boss@a.example", "account_administrator")
    await town.create_user("upper", theirs, "Secret.Person@b.example", "account_administrator", name="Secret Person")
    emails = ("secret.person@b.example", "nobody@b.example")
    seen = []
    for email in emails:
        added = await town.ask(
            "POST", f"/v1/accounts/{mine}/users", boss, json={"act": "add", "email": email, "role": "standard_user"}
        )
        invited = await invite(town, boss, mine, email)
        again = await invite(town, boss, mine, email, name="Another Name")
        listed = (await members(town, mine, boss))[email]
        answers = [added.json(), invited.json(), again.json(), listed]
        told = [
            {key: value for key, value in answer.items() if key not in {"id", "since", "invited_until", "instance", "email"}}
            for answer in answers
        ]
        assert {answer.get("email", email) for answer in answers} == {email}, "as the inviter wrote it"
        seen.append(([added.status_code, invited.status_code, again.status_code], told))
    assert seen[0] == seen[1]
    assert seen[0][0] == [403, 201, 201]
    assert (seen[0][1][3]["name"], seen[0][1][3]["state"]) == ("Somebody", "invited")


async def test_an_invited_user_of_another_account_is_a_member_once_they_have_opened_the_link(town: Town) -> None:
    mine, theirs = [(await town.live("upper", name))["account_id"] for name in ("A Ltd", "B Ltd")]
    boss = await town.user("upper", mine, "boss@a.example", "account_administrator")
    await town.create_user("upper", theirs, "secret@b.example", "account_administrator", name="Secret Person")
    assert (await invite(town, boss, mine, "secret@b.example")).status_code == 201
    before = (await town.sign_in("secret@b.example")).json()
    assert [m["account_id"] for m in before["memberships"]] == [theirs]
    assert (await town.ask("POST", f"/v1/accounts/{mine}/switch", before["token"])).status_code == 404
    link = town.post.link("secret@b.example", MailKind.INVITATION, "invitation")
    assert (await town.set_password(link, "chosen by the person")).status_code == 200
    after = (await town.sign_in("secret@b.example", "chosen by the person")).json()
    assert {m["account_id"] for m in after["memberships"]} == {mine, theirs}
    member = (await members(town, mine, boss))["secret@b.example"]
    assert (member["name"], member["state"], member["role"]) == ("Secret Person", "active", "standard_user")


async def test_an_invitation_that_is_taken_back_makes_no_member(town: Town) -> None:
    account = (await town.live("upper"))["account_id"]
    boss = await town.user("upper", account, "boss@a.example", "account_administrator")
    invited = (await invite(town, boss, account, "new@a.example")).json()
    path = f"/v1/accounts/{account}/users/{invited['id']}"
    assert (await town.ask("DELETE", path, boss)).status_code == 204
    assert (await town.ask("DELETE", path, boss)).status_code == 404
    await town.set_password(town.post.link("new@a.example", MailKind.INVITATION, "invitation"))
    assert (await town.sign_in("new@a.example")).status_code == 401
    assert set(await members(town, account)) >= {"boss@a.example"}
    assert "new@a.example" not in await members(town, account)


async def test_a_link_to_one_account_opens_no_other_that_has_invited_too(town: Town) -> None:
    first, second = [(await town.live("upper", name))["account_id"] for name in ("A Ltd", "B Ltd")]
    for n, account in enumerate((first, second)):
        boss = await town.user("upper", account, f"boss{n}@a.example", "account_administrator")
        assert (await invite(town, boss, account, "new@a.example")).status_code == 201
    await town.set_password(town.post.link("new@a.example", MailKind.INVITATION, "invitation"))
    answer = (await town.sign_in("new@a.example", PASSWORD)).json()
    assert [m["account_id"] for m in answer["memberships"]] == [second]


async def test_a_stranger_is_not_flooded_in_our_name(town: Town) -> None:
    account = (await town.live("upper"))["account_id"]
    boss = await town.user("upper", account, "boss@a.example", "account_administrator")
    for _ in range(MOST_PER_INVITED):
        assert (await invite(town, boss, account, "stranger@elsewhere.example")).status_code == 201
    refused = await invite(town, "upper", account, "STRANGER@elsewhere.example")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_invitations")
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert len(town.post.to("stranger@elsewhere.example", MailKind.INVITATION)) == MOST_PER_INVITED
    assert (await invite(town, boss, account, "another@elsewhere.example")).status_code == 201


@pytest.mark.parametrize("name", ["You won! http://evil.example", "Visit www.evil", "Go to evil.example now", "EVIL.COM"])
async def test_a_name_carries_no_link_into_a_letter(town: Town, name: str) -> None:
    refused = await invite(town, "upper", UPPER.id, "stranger@elsewhere.example", name=name, role="auditor")
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["pointer"].endswith("/name")
    assert town.post.letters == []


@pytest.mark.parametrize("name", ["Dr. Ada Reed", "O. St.John", "J.R.R. Tolkien", "Zoë O'Neill-Smith Jr."])
async def test_people_have_all_kinds_of_names(town: Town, name: str) -> None:
    assert (await invite(town, "upper", UPPER.id, "a@example.com", name=name, role="auditor")).status_code == 201
