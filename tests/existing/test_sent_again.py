"""A request that is sent again, because its answer was lost, is answered by what became of it, whatever the account is like by now."""

import uuid
from typing import Any

import pytest

from domain.service_types import LINE
from tests.existing.conftest import LOWER, OTHER, House
from tests.existing.test_credit_limits import threshold
from tests.existing.test_customers import change
from tests.existing.test_services import change as change_service
from tests.existing.test_services import services
from tests.existing.test_transfers import transfer


@pytest.mark.requirement("S5-25")
async def test_a_transfer_that_is_sent_again_has_its_first_answer_and_says_where_the_customer_is_by_now(house: House) -> None:
    account = (await house.customer())["account_id"]
    key = str(uuid.uuid4())
    first = await transfer(house, account, "northway", key=key)
    again = await transfer(house, account, "northway", key=key)
    assert (again.status_code, again.json()) == (200, first.json())
    other = await transfer(house, account, "lower", key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await transfer(house, account, "lower")).status_code == 200
    late = await transfer(house, account, "northway", key=key)
    assert (late.status_code, late.json()["to"]) == (200, OTHER.id)
    (told,) = late.json()["warnings"]
    assert (told["code"], LOWER.id in told["detail"]) == ("moved_on", True)
    assert (await house.ask("GET", f"/v1/accounts/{account}", "platform")).json()["parent_id"] == LOWER.id
    refused = str(uuid.uuid4())
    for _ in range(2):
        answer = await transfer(house, account, "northway", plan="none-such", key=refused)
        assert answer.status_code == 422


@pytest.mark.requirement("S2-26")
@pytest.mark.parametrize(
    ("verdict", "ends"), [(None, (202, None)), ("approve", (200, None)), ("reject", (409, "approval_rejected"))]
)
async def test_a_change_that_waits_says_how_it_ended_when_it_is_sent_again(
    house: House, verdict: str | None, ends: tuple[int, str | None]
) -> None:
    await threshold(house, 60_000)
    account = (await house.live("upper"))["account_id"]
    sent: dict[str, Any] = {"headers": {"Idempotency-Key": str(uuid.uuid4())}, "credit_limit_minor": 90_000}
    asked = await change(house, account, **sent)
    if verdict:
        assert (await house.ask("POST", f"{asked.headers['Location']}/{verdict}", "approver")).status_code == 200
    again = await change(house, account, **sent)
    assert (again.status_code, again.json().get("code")) == ends, again.text
    if verdict is None:
        assert again.json() == asked.json()
        assert again.headers["Location"] == asked.headers["Location"]
    if verdict == "approve":
        assert (again.json()["credit_limit_minor"], again.json()["waits_for_approval"]) == (90_000, None)


async def test_a_change_that_could_not_be_made_any_more_is_still_the_one_that_was_made(house: House) -> None:
    """Between the two the rules became stricter."""
    view = await house.customer()
    account = view["account_id"]
    (service,) = await services(house, account)
    keys = [{"Idempotency-Key": str(uuid.uuid4())} for _ in range(2)]
    assert (await change(house, account, credit_limit_minor=90_000, headers=keys[0])).status_code == 200
    assert (await change_service(house, account, service["id"], max_channels=4, headers=keys[1])).status_code == 200
    assert (await change_service(house, account, service["id"], max_channels=2)).status_code == 200
    await threshold(house, 60_000, service_types=(LINE.model_copy(update={"most_channels": 3}),))
    house.catalogue.forget()
    assert (await change(house, account, credit_limit_minor=90_000, headers=keys[0])).status_code == 200
    again = await change_service(house, account, service["id"], max_channels=4, headers=keys[1])
    assert (again.status_code, again.json()["max_channels"]) == (200, 2), "as it is by now"
    other = await change_service(house, account, service["id"], max_channels=3, headers=keys[1])
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
