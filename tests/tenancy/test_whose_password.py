"""A password that somebody else knows opens nothing that this somebody was not given."""

import asyncio
from typing import Any

import httpx

from domain.catalogue import ApprovalPolicy
from domain.mails import MailKind
from tests.tenancy.conftest import LOWER, UPPER, Town


async def give(town: Town, by: str, account: str, **body: Any) -> httpx.Response:
    return await town.ask("POST", f"/v1/accounts/{account}/users", by, json=body)


async def test_a_role_added_to_a_user_whose_password_somebody_else_chose_ends_that_password_and_its_sessions(
    town: Town,
) -> None:
    account = (await town.live("upper"))["account_id"]
    clerk = await town.user("upper", UPPER.id, "hr@example.com", "sub_admin", rights=["read", "manage_users"])
    known_to_the_clerk = await town.user(clerk, account, "cfo@example.com", "auditor")
    added = await give(town, "upper", UPPER.id, act="add", email="cfo@example.com", role="admin")
    assert (added.status_code, added.json()["state"]) == (201, "invited")
    assert added.json()["invited_until"]
    assert (await town.ask("GET", "/v1/sessions/current", known_to_the_clerk)).status_code == 401
    assert (await town.sign_in("cfo@example.com")).status_code == 401
    link = town.post.link("cfo@example.com", MailKind.INVITATION, "invitation")
    assert (await town.set_password(link, "chosen by the CFO")).status_code == 200
    roles = {m["role"] for m in (await town.sign_in("cfo@example.com", "chosen by the CFO")).json()["memberships"]}
    assert roles == {"admin", "auditor"}


async def test_a_role_added_to_a_user_who_chose_the_password_themselves_leaves_it(town: Town) -> None:
    account = (await town.live("upper"))["account_id"]
    await give(town, "upper", account, act="invite", email="cfo@example.com", name="C", role="auditor")
    await town.set_password(town.post.link("cfo@example.com", MailKind.INVITATION, "invitation"))
    token = await town.token("cfo@example.com")
    added = await give(town, "platform", UPPER.id, act="add", email="cfo@example.com", role="admin")
    assert (added.status_code, added.json()["state"], added.json()["invited_until"]) == (201, "active", None)
    assert (await town.ask("GET", "/v1/sessions/current", token)).status_code == 200
    assert len(town.post.to("cfo@example.com", MailKind.INVITATION)) == 1


async def test_a_letter_of_an_added_role_that_could_not_be_sent_is_sent_by_inviting(town: Town) -> None:
    first, second = [(await town.live("upper", name))["account_id"] for name in ("First Ltd", "Second Ltd")]
    await town.create_user("upper", first, "cfo@example.com", "auditor")
    town.post.away = True
    assert (await give(town, "platform", second, act="add", email="cfo@example.com", role="auditor")).status_code == 503
    assert (await town.sign_in("cfo@example.com")).status_code == 401
    town.post.away = False
    again = await give(town, "platform", second, act="invite", email="cfo@example.com", name="C", role="auditor")
    assert again.status_code == 201
    assert (await town.set_password(town.post.link("cfo@example.com", MailKind.INVITATION, "invitation"))).status_code == 200


async def test_a_sign_in_with_the_old_password_that_meets_a_new_one_begins_no_session(town: Town) -> None:
    account = (await town.live("upper"))["account_id"]
    await town.create_user("upper", account, "grace@example.com", "standard_user")
    await give(town, "upper", account, act="invite", email="grace@example.com", name="G", role="standard_user")
    link = town.post.link("grace@example.com", MailKind.INVITATION, "invitation")
    town.passwords.go_on.clear()
    old = asyncio.create_task(town.sign_in("grace@example.com"))
    await town.passwords.compared.wait()
    go_on = town.passwords.let_others()
    assert (await town.set_password(link, "a brand new password")).status_code == 200
    go_on.set()
    assert ((await old).status_code, (await old).json()["code"]) == (401, "sign_in_refused")
    assert (await town.sign_in("grace@example.com", "a brand new password")).status_code == 201


async def test_signing_out_of_a_switched_session_ends_what_was_switched_from_it_and_nothing_before(town: Town) -> None:
    account = (await town.live("lower"))["account_id"]
    root = await town.user("upper", UPPER.id, "root@example.com", "admin")
    first = await town.switched(root, LOWER.id)
    second, beside = await town.switched(first, account), await town.switched(root, LOWER.id)
    assert (await town.ask("DELETE", "/v1/sessions/current", first)).status_code == 204
    answers = [(await town.ask("GET", "/v1/sessions/current", token)).status_code for token in (root, first, second, beside)]
    assert answers == [200, 401, 401, 200]


async def big_order(town: Town, by: str) -> str:
    """One that waits for approval."""
    policy = UPPER.model_copy(update={"approval": ApprovalPolicy(credit_limit_over_minor=100_000)})
    await town.database.admin.put_tenant(policy, 10_000_000)
    town.catalogue.forget()
    onboarding = str((await town.order(by, credit_limit_minor=1_000_000)).json()["id"])
    await town.post.arrives(UPPER.operator_emails[0], MailKind.APPROVAL_NEEDED)
    return onboarding


async def approve(town: Town, onboarding: str, by: str) -> tuple[int, str | None]:
    answer = await town.ask("POST", f"/v1/onboardings/{onboarding}/approve", by, json={})
    return answer.status_code, answer.json().get("code")


async def test_nobody_approves_as_somebody_whose_password_they_chose_until_that_one_has_chosen_another(town: Town) -> None:
    ada = await town.user("platform", UPPER.id, "ada@example.com", "admin")
    second = await town.user(ada, UPPER.id, "ada+2@example.com", "approver")
    helper = await town.user(ada, UPPER.id, "helper@example.com", "admin")
    third = await town.user(helper, UPPER.id, "third@example.com", "approver")
    onboarding = await big_order(town, ada)
    for known in (ada, second, third):
        assert await approve(town, onboarding, known) == (403, "approver_is_requester")
    await give(town, "upper", UPPER.id, act="invite", email="ada+2@example.com", name="A", role="approver")
    await town.set_password(town.post.link("ada+2@example.com", MailKind.INVITATION, "invitation"), "nobody else knows it")
    own = await town.token("ada+2@example.com", "nobody else knows it")
    assert await approve(town, onboarding, own) == (200, None)
    assert (await town.ended(onboarding, "upper"))["state"] == "active"


async def test_nobody_approves_what_they_may_have_ordered_as_somebody_else(town: Town) -> None:
    ada = await town.user("platform", UPPER.id, "ada@example.com", "admin")
    onboarding = await big_order(town, await town.user(ada, UPPER.id, "puppet@example.com", "sub_admin", rights=["onboard"]))
    assert await approve(town, onboarding, ada) == (403, "approver_is_requester")
    assert await approve(town, onboarding, "approver") == (200, None)
    assert (await town.ended(onboarding, "upper"))["state"] == "active"
