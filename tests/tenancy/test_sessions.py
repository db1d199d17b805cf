"""Signing in, switching, signing out; and what an attacker learns from it: nothing."""

import time

import pytest
from pydantic import SecretStr

from adapters.passwords import Argon2Passwords
from adapters.settings import Settings
from domain.mails import MailKind
from starter.people import MOST_PER_ADDRESS, MOST_PER_USER
from tests.builders import a_tenant
from tests.tenancy.conftest import LOWER, OTHER, PASSWORD, UPPER, Town


@pytest.mark.requirement("S1-03")
async def test_a_session_works_where_a_key_does_until_it_is_ended(town: Town) -> None:
    token = await town.user("upper", UPPER.id, "ada@example.com", "admin")
    switched = await town.switched(token, LOWER.id)
    assert (await town.live(token))["state"] == "active"
    assert (await town.ask("DELETE", "/v1/sessions/current", token)).status_code == 204
    for dead in (token, switched):
        assert (await town.ask("GET", "/v1/onboardings", dead)).status_code == 401
    key = await town.ask("DELETE", "/v1/sessions/current", "upper")
    assert (key.status_code, key.json()["code"]) == (409, "not_a_session")


async def test_whatever_is_wrong_with_a_sign_in_the_answer_is_the_same(town: Town) -> None:
    await town.create_user("upper", UPPER.id, "ada@example.com", "admin")
    body = {"act": "invite", "email": "new@example.com", "name": "New", "role": "auditor"}
    await town.ask("POST", f"/v1/accounts/{UPPER.id}/users", "upper", json=body)
    answers = [
        await town.sign_in("ada@example.com", "a wrong password"),
        await town.sign_in("nobody@example.com"),
        await town.sign_in("new@example.com"),
        await town.sign_in("ada@example.com", white_label="northway"),
        await town.sign_in("ada@example.com", white_label="no-such-white-label"),
        await town.sign_in("ada@example.com", account_id=OTHER.id),
    ]
    assert {answer.status_code for answer in answers} == {401}
    said = [{key: value for key, value in answer.json().items() if key != "instance"} for answer in answers]
    assert all(answer == said[0] for answer in said)
    assert len({frozenset(answer.headers) for answer in answers}) == 1


async def test_a_guess_takes_as_long_whether_there_is_a_user_or_not() -> None:
    """With the hash of production: 64 MiB, three passes."""
    passwords = Argon2Passwords()
    real = await passwords.hash(PASSWORD)
    assert real.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    took: dict[bool, list[float]] = {True: [], False: []}
    assert not await passwords.verify(None, "anything")
    for _ in range(7):
        for known in (True, False):
            began = time.perf_counter()
            assert not await passwords.verify(real if known else None, "a wrong password")
            took[known].append(time.perf_counter() - began)
    # The least of some is what it costs; the others are what else the machine had to do.
    fast, slow = sorted(min(times) for times in took.values())
    assert fast > 0.01, "it is meant to be slow"
    assert slow < 2 * fast
    assert await passwords.verify(real, PASSWORD)
    assert not await passwords.verify("not a hash", PASSWORD)


async def test_guessing_is_limited_by_user_even_with_the_right_password_and_tells_nobody_who_is_one(town: Town) -> None:
    await town.create_user("upper", UPPER.id, "ada@example.com", "admin")
    for email in ("ada@example.com", "nobody@example.com"):
        for _ in range(MOST_PER_USER):
            assert (await town.sign_in(email, "a wrong password")).status_code == 401
        refused = await town.sign_in(email.upper())
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
        assert 0 < int(refused.headers["Retry-After"]) <= 900


async def test_right_passwords_are_not_counted_against_the_user(town: Town) -> None:
    await town.create_user("upper", UPPER.id, "ada@example.com", "admin")
    for _ in range(MOST_PER_USER + 3):
        assert (await town.sign_in("ada@example.com")).status_code == 201


async def test_guessing_is_limited_by_address(town: Town) -> None:
    statuses = [(await town.sign_in(f"user{n}@example.com", "x")).status_code for n in range(MOST_PER_ADDRESS + 1)]
    assert statuses == [401] * MOST_PER_ADDRESS + [429]


@pytest.mark.requirement("S2-04", "S2-32")
async def test_switching_acts_in_the_child_only_and_is_recorded_as_such(town: Town) -> None:
    await town.create_user("upper", UPPER.id, "ada@example.com", "admin")
    token = await town.token("ada@example.com")
    me = (await town.ask("GET", "/v1/sessions/current", token)).json()
    first = await town.live(token)
    in_customer = await town.switched(token, first["account_id"])
    assert (await town.ask("GET", f"/v1/onboardings/{first['id']}", in_customer)).status_code == 200
    assert (await town.ask("GET", f"/v1/accounts/{UPPER.id}", in_customer)).status_code == 404
    second = await town.live(token, "Second Ltd")
    assert (await town.ask("GET", f"/v1/onboardings/{second['id']}", in_customer)).status_code == 404
    listed = (await town.ask("GET", "/v1/onboardings", in_customer)).json()["items"]
    assert [item["id"] for item in listed] == [first["id"]]

    in_reseller = await town.switched(token, LOWER.id)
    onboarding = (await town.order(in_reseller, "Third Ltd", administration="customer", email="c@example.com")).json()["id"]
    actor = f"{me['id']} as {LOWER.id}"
    cancelled = await town.ask("POST", f"/v1/onboardings/{onboarding}/cancel", in_reseller)
    assert cancelled.status_code == 200
    view = await town.ended(onboarding, "lower")
    assert (view["tenant_id"], view["requested_by"]) == (LOWER.id, actor)
    told = {event["event"]: event["actor"] for event in await town.timeline(onboarding, "lower")}
    assert told["order_received"] == told["cancel_requested"] == actor


@pytest.mark.requirement("S2-32")
async def test_a_key_switches_straight_after_creating_and_never_beyond_what_it_reaches(town: Town) -> None:
    view = await town.live("upper")
    token = await town.switched("upper", view["account_id"])
    me = (await town.ask("GET", "/v1/sessions/current", token)).json()
    assert (me["account_id"], me["acting_as"]) == (view["account_id"], view["account_id"])
    body = {"act": "create", "email": "grace@example.com", "name": "Grace", "role": "standard_user", "password": PASSWORD}
    made = await town.ask("POST", f"/v1/accounts/{view['account_id']}/users", token, json=body)
    assert made.status_code == 201
    for account in (UPPER.id, LOWER.id, OTHER.id, "nothing"):
        assert (await town.ask("POST", f"/v1/accounts/{account}/switch", token)).status_code == 404
    for account in (UPPER.id, view["account_id"]):
        assert (await town.ask("POST", f"/v1/accounts/{account}/switch", "lower")).status_code == 404
    assert (await town.ask("POST", f"/v1/accounts/{LOWER.id}/switch")).status_code == 401


async def test_a_switched_token_can_do_no_more_than_whoever_switched(town: Town) -> None:
    auditor = await town.switched("auditor", LOWER.id)
    refused = await town.order(auditor)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    clerk = await town.user("upper", UPPER.id, "hr@example.com", "sub_admin", rights=["read", "manage_users"])
    below = await town.switched(clerk, LOWER.id)
    assert (await town.order(below)).status_code == 403
    body = {"act": "create", "email": "x@example.com", "name": "X", "role": "admin", "password": PASSWORD}
    assert (await town.ask("POST", f"/v1/accounts/{LOWER.id}/users", below, json=body)).status_code == 403


async def test_the_same_person_cannot_approve_their_own_order_by_switching(town: Town) -> None:

    await town.database.admin.put_tenant(
        a_tenant(**LOWER.model_dump() | {"approval": {"credit_limit_over_minor": 1}}), 10_000_000, 0, parent_id=UPPER.id
    )
    await town.create_user("upper", UPPER.id, "ada@example.com", "admin")
    token = await town.token("ada@example.com")
    onboarding = (await town.order(await town.switched(token, LOWER.id))).json()["id"]
    await town.post.arrives(LOWER.operator_emails[0], MailKind.APPROVAL_NEEDED)
    own = await town.ask("POST", f"/v1/onboardings/{onboarding}/approve", token)
    assert (own.status_code, own.json()["code"]) == (403, "approver_is_requester")
    assert (await town.ask("POST", f"/v1/onboardings/{onboarding}/approve", "approver")).status_code == 200
    assert (await town.ended(onboarding, "upper"))["state"] == "active"


def test_the_least_length_is_configured_and_never_below_six() -> None:
    assert Settings(password_min_length=6).password_min_length == 6
    with pytest.raises(ValueError, match="password_min_length"):
        Settings(password_min_length=5, secret=SecretStr("x" * 40))
