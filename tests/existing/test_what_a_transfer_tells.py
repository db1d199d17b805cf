"""What a customer brings along that the new white label has to know of, and what does not come along."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.pins import NewPin
from domain.service_types import LINE
from tests.existing.conftest import OTHER, UPPER, House
from tests.existing.test_services import change, services
from tests.existing.test_transfers import transfer
from tests.existing.test_types_of_services import EXTENSION, sells


@pytest.mark.requirement("S5-25")
async def test_a_pin_that_the_former_white_label_knows_ends_and_the_record_and_the_answer_say_so(house: House) -> None:
    view = await house.customer()
    account, pins = view["account_id"], house.database.pins  # type: ignore[attr-defined]
    await pins.put(NewPin(account_id=account, digest="a digest", actor="key:1"))
    answer = await transfer(house, account, "northway")
    assert [told["code"] for told in answer.json()["warnings"]] == ["pin_ends"]
    assert await pins.digest(account) is None
    (told,) = [entry for entry in await house.timeline(view["id"]) if entry["event"] == "transferred"]
    assert told["detail"]["pin"] == "ended"


@pytest.mark.requirement("S5-25")
async def test_what_the_new_white_label_would_look_at_is_told_and_keeps_nothing_from_being_moved(house: House) -> None:
    await sells(house, LINE, EXTENSION)
    view = await house.customer(services=[{"type": "extension", "label": "Hall"}], credit_limit_minor=80_000)
    account = view["account_id"]
    policy = OTHER.approval.model_copy(update={"credit_limit_over_minor": 70_000})
    bounded = LINE.model_copy(update={"most_channels": 3})
    strict = OTHER.model_copy(update={"approval": policy, "service_types": (bounded,)})
    await house.database.admin.put_tenant(strict)  # type: ignore[attr-defined]
    answer = await transfer(house, account, "northway")
    assert answer.status_code == 200, answer.text
    found = {told["code"]: told["severity"] for told in answer.json()["warnings"]}
    assert found == {"credit_limit_needs_approval": "warning", "service_type_not_sold": "warning"}
    (service,) = await services(house, account, "other")
    house.catalogue.forget()
    more = await change(house, account, service["id"], by="other", max_channels=4)
    assert (more.status_code, more.json()["errors"][0]["code"]) == (422, "beyond_type"), "not without any bound"
    assert (await change(house, account, service["id"], by="other", max_channels=3)).status_code == 200


async def test_what_it_would_have_been_charged_before_the_move_is_not_answered_with_other_prices(house: House) -> None:
    account = (await house.customer())["account_id"]
    before = datetime.now(UTC)
    assert (await transfer(house, account, "northway")).status_code == 200
    for at, status in ((before, 409), (datetime.now(UTC), 200), (before + timedelta(days=9), 200)):
        answer = await house.ask("GET", f"/v1/accounts/{account}/charges", "other", params={"lines": 1, "at": at.isoformat()})
        assert answer.status_code == status, answer.text
        assert answer.json().get("code") == ("before_the_move" if status == 409 else None)
    assert UPPER.id not in answer.text
