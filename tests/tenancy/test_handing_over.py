"""Who administers a new account: the operator who ordered it, or the customer who activated it."""

import pytest

from domain.mails import MailKind
from tests.tenancy.conftest import PASSWORD, UPPER, Town
from tests.tenancy.test_users import members


async def activate(town: Town, email: str) -> None:
    """The customer presses the button behind the link in the letter."""
    await town.post.arrives(email, MailKind.ACTIVATION)
    link = town.post.link(email, MailKind.ACTIVATION, "activate")
    answer = await town.http.post(link, data={"accepted": "yes", "terms": UPPER.terms.sha256})
    assert answer.status_code == 303, answer.text


@pytest.mark.requirement("S1-28", "S1-29")
async def test_the_creating_admin_becomes_account_administrator_and_the_timeline_says_so(town: Town) -> None:
    await town.create_user("upper", UPPER.id, "ada@example.com", "admin")
    token = await town.token("ada@example.com")
    ada = (await town.ask("GET", "/v1/sessions/current", token)).json()
    answer = await town.order(token)
    assert answer.json()["account_administrator"] == "you"
    view = await town.ended(answer.json()["id"], token)
    assert (await members(town, view["account_id"]))["ada@example.com"]["role"] == "account_administrator"
    (told,) = [event for event in await town.timeline(view["id"]) if event["event"] == "administrator_added"]
    expected = {"administrator": ada["id"], "role": "account_administrator", "account": view["account_id"]}
    assert told["detail"] == expected
    after = (await town.ask("GET", "/v1/sessions/current", token)).json()
    assert {m["role"] for m in after["memberships"]} == {"admin", "account_administrator"}
    by_key = await town.live("upper", "By Key Ltd")
    (member,) = (await members(town, by_key["account_id"])).values()
    assert (member["id"].startswith("key-"), member["role"]) == (True, "account_administrator")


@pytest.mark.requirement("S1-28", "S2-32")
async def test_whoever_ordered_while_switched_becomes_the_administrator_as_themselves(town: Town) -> None:
    await town.create_user("platform", "platform", "root@example.com", "admin")
    token = await town.token("root@example.com", white_label="platform")
    root = (await town.ask("GET", "/v1/sessions/current", token)).json()["id"]
    view = await town.live(await town.switched(token, UPPER.id))
    assert view["requested_by"] == f"{root} as {UPPER.id}"
    assert (await members(town, view["account_id"]))["root@example.com"]["id"] == root


@pytest.mark.requirement("S1-14", "S1-29")
async def test_after_activation_the_customer_administers_the_account(town: Town) -> None:
    answer = await town.order("upper", administration="customer", email="Carla@customer.example.com")
    assert answer.json()["account_administrator"] == "customer"
    email = "Carla@customer.example.com"
    account = (await town.ask("GET", f"/v1/onboardings/{answer.json()['id']}", "upper")).json()["account_id"]
    await activate(town, email)
    view = await town.ended(answer.json()["id"], "upper")
    assert view["state"] == "active"
    carla = (await members(town, account))[email]
    assert (carla["role"], carla["state"]) == ("account_administrator", "invited")
    link = town.post.link(email, MailKind.WELCOME, "invitation")
    assert (await town.set_password(link)).status_code == 200
    token = await town.token(email)
    assert (await town.ask("GET", f"/v1/onboardings/{view['id']}", token)).status_code == 200
    body = {"act": "invite", "email": "clerk@customer.example.com", "name": "Clerk", "role": "standard_user"}
    assert (await town.ask("POST", f"/v1/accounts/{account}/users", token, json=body)).status_code == 201
    assert (await town.order(token, "No Customers Of Mine Ltd")).status_code == 403
    assert (await town.ask("GET", f"/v1/accounts/{UPPER.id}", token)).status_code == 404
    (told,) = [event for event in await town.timeline(view["id"]) if event["event"] == "administrator_added"]
    assert told["detail"]["administrator"] == carla["id"]
    assert email.lower() not in str(told).lower()


async def test_a_second_customer_of_one_person_is_added_to_who_they_are(town: Town) -> None:
    email, accounts = "carla@customer.example.com", []
    for name in ("First Ltd", "Second Ltd"):
        town.post.letters.clear()
        answer = await town.order("upper", name, administration="customer", email=email)
        await activate(town, email)
        accounts.append((await town.ended(answer.json()["id"], "upper"))["account_id"])
        if len(accounts) == 1:
            await town.set_password(town.post.link(email, MailKind.WELCOME, "invitation"))
    assert "/invitation/" not in town.post.to(email, MailKind.WELCOME)[-1].text
    signed_in = (await town.sign_in(email)).json()
    assert {m["account_id"] for m in signed_in["memberships"]} == set(accounts)
    other = next(account for account in accounts if account != signed_in["account_id"])
    switched = await town.switched(signed_in["token"], other)
    me = (await town.ask("GET", "/v1/sessions/current", switched)).json()
    assert (me["account_id"], me["role"], me["acting_as"]) == (other, "account_administrator", None)


async def test_a_password_that_somebody_else_set_opens_no_account_of_a_customer_who_proved_the_mailbox(town: Town) -> None:
    """An address may have been made a user by whoever, with a password that they know; then its owner becomes a customer."""
    email, first = "carla@customer.example.com", (await town.live("upper", "Somebody Else Ltd"))["account_id"]
    known_to_others = await town.user("upper", first, email, "standard_user")
    answer = await town.order("upper", "Carla Ltd", administration="customer", email=email)
    await activate(town, email)
    account = (await town.ended(answer.json()["id"], "upper"))["account_id"]
    assert (await town.sign_in(email)).status_code == 401
    assert (await town.ask("GET", f"/v1/accounts/{account}", known_to_others)).status_code in {401, 404}
    link = town.post.link(email, MailKind.WELCOME, "invitation")
    assert (await town.set_password(link, "chosen by Carla herself")).status_code == 200
    assert (await town.sign_in(email, PASSWORD)).status_code == 401
    signed_in = (await town.sign_in(email, "chosen by Carla herself")).json()
    assert {m["account_id"] for m in signed_in["memberships"]} == {first, account}


@pytest.mark.requirement("S4-02")
async def test_a_reseller_who_activates_is_the_admin_of_the_new_white_label(town: Town) -> None:
    email = "boss@reseller.example.com"
    answer = await town.order("upper", "New Reseller Ltd", account_kind="reseller", administration="customer", email=email)
    await activate(town, email)
    made = await town.ended(answer.json()["id"], "upper")
    assert "customers can be created under it" in town.post.to(email, MailKind.WELCOME)[-1].text
    await town.set_password(town.post.link(email, MailKind.WELCOME, "invitation"))
    token = await town.token(email, white_label=made["account_id"])
    view = await town.live(token, "Customer Of The New One Ltd")
    assert (view["state"], view["tenant_id"]) == ("active", made["account_id"])
    assert (await town.ask("GET", f"/v1/onboardings/{made['id']}", token)).status_code == 200
    assert (await town.ask("GET", f"/v1/onboardings/{view['id']}", "upper")).status_code == 200


@pytest.mark.requirement("S1-28")
async def test_whoever_takes_an_order_over_from_its_customer_administers_the_account(town: Town) -> None:
    await town.create_user("upper", UPPER.id, "ada@example.com", "admin")
    token = await town.token("ada@example.com")
    email = "carla@customer.example.com"
    onboarding = (await town.order("upper", administration="customer", email=email)).json()["id"]
    await town.post.arrives(email, MailKind.ACTIVATION)
    body = {"consent": "By telephone", "terms_accepted": True}
    taken = await town.ask("POST", f"/v1/onboardings/{onboarding}/take-over", token, json=body)
    assert taken.status_code == 200, taken.text
    view = await town.ended(onboarding, "upper")
    assert view["state"] == "active"
    assert list(await members(town, view["account_id"])) == ["ada@example.com"]
    assert "/invitation/" not in town.post.to(email, MailKind.WELCOME)[-1].text


@pytest.mark.requirement("S4-02")
@pytest.mark.parametrize("administration", ["operator", "customer"])
async def test_only_who_may_do_everything_orders_a_reseller(town: Town, administration: str) -> None:
    """Its administrator may do everything in it: create approvers there, and have them approve."""
    order = {"account_kind": "reseller", "administration": administration, "email": "boss@reseller.example.com"}
    rights = ["read", "onboard", "operate", "manage_users", "manage_prices", "pay_in"]
    clerk = await town.user("upper", UPPER.id, "clerk@example.com", "sub_admin", rights=rights)
    refused = await town.order(clerk, **order)
    assert refused.status_code == 422
    found = [(error["code"], error["pointer"]) for error in refused.json()["errors"]]
    assert found == [("reseller_needs_admin", "/account_kind")]
    assert (await town.order(clerk, "A Customer Ltd")).status_code == 202
    all_of_them = await town.user("upper", UPPER.id, "deputy@example.com", "sub_admin", rights=[*rights, "approve"])
    accepted = await town.order(all_of_them, **order)
    assert accepted.status_code == 202
    if administration == "customer":
        await town.post.arrives(order["email"], MailKind.ACTIVATION)
        path = f"/v1/onboardings/{accepted.json()['id']}"
        body = {"consent": "By telephone", "terms_accepted": True}
        assert (await town.ask("POST", f"{path}/take-over", clerk, json=body)).status_code == 403
        assert (await town.ask("POST", f"{path}/correct", clerk, json={"email": "clerk+1@example.com"})).status_code == 403
        await activate(town, order["email"])
    account = (await town.ended(accepted.json()["id"], "upper"))["account_id"]
    (boss,) = (await members(town, account)).values()
    assert boss["role"] == "admin"
