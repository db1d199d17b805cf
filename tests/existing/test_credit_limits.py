"""Whatever lets a customer spend more than one person may decide waits for another (S2-26, C3)."""

from typing import Any

import pytest

from domain.onboarding import State
from tests.existing.conftest import UPPER, House
from tests.existing.test_customers import change

pytestmark = pytest.mark.requirement("S2-26")


async def threshold(house: House, minor: int, **others: Any) -> None:
    policy = UPPER.approval.model_copy(update={"credit_limit_over_minor": minor})
    tenant = UPPER.model_copy(update={"approval": policy, **others})
    await house.database.admin.put_tenant(tenant)  # type: ignore[attr-defined]


async def test_to_take_away_the_cap_on_what_a_parent_pays_is_approved_like_the_highest_limit(house: House) -> None:
    """0 caps nothing where the parent pays."""
    await threshold(house, 60_000)
    account = (await house.live("upper"))["account_id"]
    asked = await change(house, account, credit_limit_minor=0)
    assert (asked.status_code, asked.json()["credit_limit_minor"]) == (202, 50_000)
    assert (await change(house, account, credit_limit_minor=None)).status_code == 422, "a limit cannot be removed, only set"
    approved = await house.ask("POST", f"{asked.headers['Location']}/approve", "approver")
    assert (approved.status_code, approved.json()["credit_limit_minor"]) == (200, 0)
    capped = await change(house, account, credit_limit_minor=90_000)
    assert capped.status_code == 200, "any cap is less than none"
    assert (await change(house, account, credit_limit_minor=90_001)).status_code == 202


async def test_who_pays_alone_has_nothing_to_spend_with_a_limit_of_0(house: House) -> None:
    await threshold(house, 60_000)
    account = (await house.live("upper", payer="self"))["account_id"]
    assert (await change(house, account, credit_limit_minor=0)).status_code == 200
    assert (await change(house, account, credit_limit_minor=60_000)).status_code == 200
    assert (await change(house, account, credit_limit_minor=60_001)).status_code == 202


async def test_a_limit_in_another_currency_than_the_threshold_is_always_looked_at(house: House) -> None:
    euros = UPPER.price_list.model_copy(update={"code": "euro", "currency": "EUR", "position": 9})
    await threshold(house, 60_000, price_lists=(euros,))
    answer = await house.order("upper", payer="self", price_list="euro")
    onboarding = answer.json()["id"]
    await house.reaches(onboarding, State.AWAITING_APPROVAL)
    assert (await house.ask("POST", f"/v1/onboardings/{onboarding}/approve", "approver")).status_code == 200
    account = (await house.ended(onboarding, "upper"))["account_id"]
    assert (await change(house, account, credit_limit_minor=49_999)).status_code == 200, "less than was approved"
    asked = await change(house, account, credit_limit_minor=50_001)
    assert asked.status_code == 202, "60,000 pence say nothing of 50,001 cents"
