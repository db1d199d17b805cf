"""Going live makes an administrator; withdrawing it leaves nothing of that behind."""

import pytest

from adapters.database import Database
from domain.access import Right, Role
from domain.errors import NotFound
from domain.mails import MailKind, MailOrder
from domain.numbers import Reservation
from domain.onboarding import Step
from domain.orders import Administration, Order
from domain.users import Grant, NewUser
from tests.adapters.database.conftest import TENANT
from tests.adapters.database.steps import Case
from tests.builders import accepted, paid_by_parent


def without_lines(**changes: object) -> Order:
    return paid_by_parent(services=(), **changes)


async def live(database: Database, case: Case) -> Case:
    await database.records.open_account(case.opening())
    await database.ledger.hold(case.on_ledger())
    await database.ledger.take(case.on_ledger())
    await database.records.go_live(case.going_live(Reservation()))
    return case


def by_customer(**changes: object) -> Order:
    return without_lines(**changes).model_copy(update={"administration": Administration.CUSTOMER})


async def welcome(database: Database, case: Case) -> dict[str, object]:
    mail = await database.mail_desk.address(MailOrder(key="welcome", kind=MailKind.WELCOME, onboarding_id=case.id))
    assert mail is not None
    return mail.facts


async def test_a_repeated_going_live_makes_one_administrator(database: Database) -> None:
    case = await live(database, Case(by_customer()))
    await database.records.go_live(case.going_live(Reservation()))
    (member,) = await database.users.members(case.account)
    assert (member.email, member.role) == ("ada@example.com", Role.ACCOUNT_ADMINISTRATOR)
    told = [event for event in await database.reader.timeline(case.id) if event.event == "administrator_added"]
    assert [event.detail["administrator"] for event in told] == [member.id]
    assert (await welcome(database, case))["user_id"] == member.id


async def test_withdrawing_takes_role_user_and_sessions_back_and_leaves_other_peoples(database: Database) -> None:
    kept = await live(database, Case(by_customer(name="Kept Ltd", email="kept@example.com")))
    case = await live(database, Case(by_customer(name="Gone Ltd")))
    (member,) = await database.users.members(case.account)
    facts = await welcome(database, case)
    assert await database.users.accept(member.id, int(str(facts["invitation"])), "a hash")
    _, token = await database.sessions.open(member.id, case.account, "a hash")
    assert await database.identities.authenticate(token) is not None
    for _ in range(2):
        await database.records.withdraw(case.undo(Step.GO_LIVE))
    assert list(await database.users.members(case.account)) == []
    assert await database.identities.authenticate(token) is None
    assert await database.users.sign_in("ada@example.com", TENANT.id) is None
    assert len(await database.users.members(kept.account)) == 1


async def test_withdrawing_leaves_a_user_who_has_another_role(database: Database) -> None:
    new = NewUser(
        tenant_id=TENANT.id,
        account_id=TENANT.id,
        email="ADA@example.com",
        name="Ada",
        grant=Grant(role=Role.AUDITOR),
        actor="key:a",
        password_hash="a hash",
    )
    ada = await database.users.create(new)
    case = await live(database, Case(by_customer()))
    assert [member.id for member in await database.users.members(case.account)] == [ada.id]
    await database.records.withdraw(case.undo(Step.GO_LIVE))
    assert [membership.account_id for membership in await database.users.memberships(ada.id)] == [TENANT.id]


async def test_a_resellers_white_label_comes_and_goes_with_its_account(database: Database) -> None:
    case = await live(database, Case(without_lines(name="Übervoice & Söhne Ltd", account_kind="reseller")))
    white_label = await database.catalogue.tenant(case.account)
    assert white_label.slug == f"ubervoice-sohne-ltd-{case.account.replace('-', '')[:12]}"
    assert (white_label.price_list, white_label.card_gateway) == (TENANT.price_list, False)
    assert white_label.support_email == "ada@example.com"
    assert await database.accounts.covers(TENANT.id, case.account)
    assert not await database.accounts.covers(case.account, TENANT.id)
    await database.records.withdraw(case.undo(Step.GO_LIVE))
    with pytest.raises(NotFound):
        await database.catalogue.tenant(case.account)


async def test_a_resold_white_label_inherits_no_account_at_the_gateway(database: Database) -> None:
    for account in ("acct_1Former", "acct_1Today"):
        await database.admin.put_tenant(TENANT.model_copy(update={"gateway_account": account}))
    case = await live(database, Case(without_lines(name="Übervoice & Söhne Ltd", account_kind="reseller")))
    white_label = await database.catalogue.tenant(case.account)
    assert (white_label.card_gateway, white_label.gateway_account, white_label.gateway_accounts) == (False, None, ())


async def test_a_reseller_called_by_signs_alone_has_a_slug_too(database: Database) -> None:
    case = await live(database, Case(without_lines(name="株式会社", account_kind="reseller")))
    assert (await database.catalogue.tenant(case.account)).slug.startswith("reseller-")


def test_values_of_before_there_were_resellers_are_orders_of_customers() -> None:
    order = without_lines()
    data = order.model_dump(exclude={"account_kind"})
    assert Order.model_validate(data).account_kind == "customer"


async def test_nobody_gets_more_in_a_new_white_label_than_they_have_above_it_on_that_day(database: Database) -> None:
    new = NewUser(
        tenant_id=TENANT.id,
        account_id=TENANT.id,
        email="clerk@example.com",
        name="Clerk",
        grant=Grant(role=Role.SUB_ADMIN, rights=frozenset({Right.ONBOARD})),
        actor="key:a",
        password_hash="a hash",
    )
    clerk = await database.users.create(new)
    by_clerk = {"requested_by": clerk.id, "terms": accepted("on_behalf").model_copy(update={"accepted_by": clerk.id})}
    case = await live(database, Case(without_lines(name="Reseller Ltd", account_kind="reseller"), by_clerk))
    (member,) = await database.users.members(case.account)
    assert (member.id, member.role, member.rights) == (clerk.id, Role.SUB_ADMIN, frozenset({Right.ONBOARD}))
    await database.users.remove(TENANT.id, clerk.id, frozenset(Right))
    later = await live(database, Case(without_lines(name="Later Ltd", account_kind="reseller"), by_clerk))
    assert list(await database.users.members(later.account)) == []
