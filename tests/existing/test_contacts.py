"""The contact's address becomes another: what was sent to the former one opens nothing any more."""

from domain.mails import MailKind
from domain.onboarding import State
from tests.existing.conftest import UPPER, House
from tests.existing.test_customers import change

FORMER, NEW = "ada@harbour.example.com", "new@harbour.example.com"


async def test_the_former_contacts_link_shows_no_passwords_of_telephones(house: House) -> None:
    order = await house.order("upper", **house.with_line(administration="customer", payer="self", account_type="postpaid"))
    onboarding = order.json()["id"]
    await house.by_card(onboarding, FORMER)
    view = await house.ended(onboarding, "upper")
    link = house.post.link(FORMER, MailKind.ACTIVATION, "activate")
    assert (await house.http.post(f"{link}/credentials")).status_code == 200
    same = await change(house, view["account_id"], contact={"email": FORMER.upper(), "full_name": "Ada Reed-Stone"})
    assert same.status_code == 200
    assert (await house.http.post(f"{link}/credentials")).status_code == 200, "the same mailbox"
    assert (await change(house, view["account_id"], contact={"email": NEW})).status_code == 200
    for page in (await house.http.post(f"{link}/credentials"), await house.http.get(link)):
        assert (page.status_code, "has been replaced" in page.text) == (410, True)


async def test_a_link_of_an_order_under_way_shows_the_former_contact_nothing_once_it_is_live(house: House) -> None:
    order = await house.order("upper", **house.with_line(administration="customer", payer="self", account_type="postpaid"))
    await house.by_card(order.json()["id"], FORMER)
    account = (await house.ended(order.json()["id"], "upper"))["account_id"]
    links = []
    for at in range(2):
        added = (await house.add("upper", account, services=[{"label": f"Line {at}"}])).json()["id"]
        await house.reaches(added, State.AWAITING_ACTIVATION)
        async with house.post.news:
            await house.post.news.wait_for(lambda: len(house.post.to(FORMER, MailKind.ACTIVATION)) == len(links) + 2)
        links.append((added, house.post.link(FORMER, MailKind.ACTIVATION, "activate")))
    await house.accept(*links[0])
    await house.ended(links[0][0], "upper")
    assert (await house.http.post(f"{links[0][1]}/credentials")).status_code == 200
    assert (await change(house, account, contact={"email": NEW})).status_code == 200
    await house.accept(*links[1])
    view = await house.ended(links[1][0], "upper")
    assert view["state"] == "active"
    for _, link in links:
        assert (await house.http.post(f"{link}/credentials")).status_code == 410


async def test_an_invitation_that_was_not_used_goes_to_the_new_contact_and_ends_for_the_former(house: House) -> None:
    order = await house.order("upper", **house.with_line(administration="customer", payer="self", account_type="postpaid"))
    await house.by_card(order.json()["id"], FORMER)
    account = (await house.ended(order.json()["id"], "upper"))["account_id"]
    await house.post.arrives(FORMER, MailKind.WELCOME)
    link = house.post.link(FORMER, MailKind.WELCOME, "invitation")
    answer = await change(house, account, contact={"email": NEW, "full_name": "New Boss"})
    assert answer.status_code == 200, answer.text
    assert (await house.http.get(link)).status_code == 410
    assert (await house.set_password(link)).status_code == 410
    members = (await house.ask("GET", f"/v1/accounts/{account}/users", "upper")).json()["items"]
    assert [(one["email"], one["role"], one["state"]) for one in members if one["email"]] == [
        (NEW, "account_administrator", "invited")
    ]
    await house.post.arrives(NEW, MailKind.INVITATION)
    await house.set_password(house.post.link(NEW, MailKind.INVITATION, "invitation"))
    token = await house.token(NEW)
    assert (await house.ask("GET", f"/v1/accounts/{account}/customer", token)).status_code == 200
    again = await change(house, account, contact={"email": "third@harbour.example.com"})
    assert again.status_code == 200
    assert (await house.ask("GET", f"/v1/accounts/{account}", token)).status_code == 200, "a user stays until removed by name"
    assert house.post.to("third@harbour.example.com", MailKind.INVITATION) == []


async def test_a_role_goes_to_a_new_contact_only_from_whoever_may_give_it(house: House) -> None:
    order = await house.order("upper", **house.with_line(administration="customer", payer="self", account_type="postpaid"))
    await house.by_card(order.json()["id"], FORMER)
    account = (await house.ended(order.json()["id"], "upper"))["account_id"]
    clerk = await house.user("upper", UPPER.id, "cy@harbour.example.com", "sub_admin", rights=["read", "operate"])
    await house.post.arrives(FORMER, MailKind.WELCOME)
    link = house.post.link(FORMER, MailKind.WELCOME, "invitation")
    assert (await change(house, account, by=clerk, contact={"email": NEW})).status_code == 200
    assert (await house.http.get(link)).status_code == 410
    members = (await house.ask("GET", f"/v1/accounts/{account}/users", "upper")).json()["items"]
    assert [one["email"] for one in members if one["email"]] == []
    assert house.post.to(NEW, MailKind.INVITATION) == []
