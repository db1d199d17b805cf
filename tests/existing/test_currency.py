"""The currency of an account stays while money in it is under way (S4-27, C20)."""

import pytest

from domain.catalogue import ApprovalPolicy
from domain.onboarding import State
from tests.existing.conftest import UPPER, House
from tests.existing.test_customers import change, shown


@pytest.mark.requirement("S4-27")
async def test_a_currency_is_not_changed_under_an_order_and_nothing_priced_in_another_one_is_added(house: House) -> None:
    plans = tuple(plan.model_copy(update={"setup_minor": 0}) for plan in UPPER.price_list.plans)
    euros = UPPER.price_list.model_copy(update={"code": "euro", "currency": "EUR", "position": 9, "plans": plans})
    policy = ApprovalPolicy(total_over_minor=1_000_000)
    tenant = UPPER.model_copy(update={"price_lists": (euros,), "approval": policy})
    await house.database.admin.put_tenant(tenant)  # type: ignore[attr-defined]
    view = await house.live("upper", **house.with_line(services=[], payer="self", price_list="euro"))
    account = view["account_id"]
    assert (view["state"], (await shown(house, account))["currency"]) == ("active", "EUR")
    added = (await house.add("upper", account)).json()["id"]
    await house.reaches(added, State.AWAITING_APPROVAL)
    refused = await change(house, account, currency="GBP")
    assert [error["code"] for error in refused.json()["errors"]] == ["currency_in_use"], refused.text
    assert (await house.ask("POST", f"/v1/onboardings/{added}/cancel", "upper")).status_code == 200
    assert (await house.ended(added, "upper"))["state"] == "cancelled"
    changed = await change(house, account, currency="GBP")
    assert (changed.status_code, changed.json()["currency"]) == (200, "GBP"), "nothing was ever charged in it"
    # Its plan is still of the price list in euros: an order is told so instead of being charged in two currencies.
    again = await house.added("upper", account)
    assert (again["state"], again["outcome"]["code"], again["charged_minor"]) == ("rejected", "currency_differs", 0)
