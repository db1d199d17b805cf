"""Money that one person says has come in: whose right that is, and when a second person has to agree."""

import uuid

from domain.credits import needs_approval
from tests.existing.conftest import House
from tests.messages.test_low_balance import pay
from tests.tenancy.conftest import UPPER


async def test_more_than_one_person_may_lend_is_paid_in_when_another_has_approved_it(house: House) -> None:
    policy = UPPER.approval.model_copy(update={"credit_limit_over_minor": 60_000})
    await house.database.admin.put_tenant(UPPER.model_copy(update={"approval": policy}))  # type: ignore[attr-defined]
    view = await house.live("upper")
    account = view["account_id"]
    assert (await pay(house, account, 60_000)).status_code == 201, "up to the threshold one person will do"
    key = str(uuid.uuid4())
    asked, again = await pay(house, account, 60_001, key=key), await pay(house, account, 60_001, key=key)
    assert (asked.status_code, asked.json()["balance_minor"], again.json()) == (202, 60_000, asked.json())
    place = asked.headers["Location"]
    for by, status in (("upper", 403), ("auditor", 403), ("other", 404)):
        assert (await house.ask("POST", f"{place}/approve", by)).status_code == status
    approved = await house.ask("POST", f"{place}/approve", "approver")
    assert (approved.status_code, approved.json()["balance_minor"]) == (200, 120_001), approved.text
    late = await pay(house, account, 60_001, key=key)
    assert (late.status_code, late.json()["balance_minor"], late.json()["waits_for_approval"]) == (201, 120_001, None)
    told = [event for event in await house.timeline(view["id"]) if event["event"] == "account_credited"][-1]
    assert (told["actor"], told["detail"]["amount_minor"]) == (view["requested_by"], "60001")
    assert told["detail"]["approved_by"] not in {None, told["actor"]}
    key = str(uuid.uuid4())
    rejected = await pay(house, account, 70_000, key=key)
    assert (await house.ask("POST", f"{rejected.headers['Location']}/reject", "approver")).status_code == 200
    late = await pay(house, account, 70_000, key=key)
    assert (late.status_code, late.json()["code"]) == (409, "approval_rejected"), "and does not wait any more"
    assert (await house.account(account))["balance_minor"] == 120_001
    books = await house.database.books.read()
    assert all(one.balance_minor == one.entries_minor for one in books.accounts)


async def test_a_sub_admin_pays_in_who_was_granted_it(house: House) -> None:
    account = (await house.live("upper"))["account_id"]
    for rights, status in ((["read", "operate", "approve", "onboard"], 403), (["pay_in"], 201)):
        clerk = await house.user("upper", UPPER.id, f"{status}@example.com", "sub_admin", rights=rights)
        assert (await pay(house, account, 100, clerk)).status_code == status


def test_what_is_not_in_the_thresholds_currency_is_looked_at_by_a_second_person() -> None:
    asks = UPPER.model_copy(update={"approval": UPPER.approval.model_copy(update={"credit_limit_over_minor": 60_000})})
    assert [needs_approval(asks, 1, currency) for currency in ("GBP", "EUR")] == [False, True]
    asks_nobody = UPPER.model_copy(update={"approval": UPPER.approval.model_copy(update={"credit_limit_over_minor": None})})
    assert not needs_approval(asks_nobody, 10**9, "EUR")
