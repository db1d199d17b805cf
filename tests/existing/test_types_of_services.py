"""What the type of a service allows, it allows when the service is changed too."""

from typing import Any

import pytest

from domain.service_types import LINE, ServiceType
from tests.existing.conftest import ADDRESS, DRAMA, UPPER, House
from tests.existing.test_services import OUTSIDE, change, services

EXTENSION = ServiceType(code="extension", name="Extension", most_channels=4, applies=("max_channels",))


async def sells(house: House, *types: ServiceType) -> None:
    await house.database.admin.put_tenant(UPPER.model_copy(update={"service_types": types}))  # type: ignore[attr-defined]
    house.catalogue.forget()


@pytest.mark.requirement("S3-60")
async def test_a_change_stays_within_what_the_type_of_the_service_allows(house: House) -> None:
    await sells(house, LINE, EXTENSION)
    view = await house.customer(services=[{"type": "extension", "numbers": {"explicit": DRAMA[:1]}}, {"label": "Free"}])
    account, number = view["account_id"], DRAMA[0]
    extension, line = await services(house, account)
    cases: list[tuple[dict[str, Any], tuple[str, str]]] = [
        ({"max_channels": 0}, ("beyond_type", "/max_channels")),
        ({"max_channels": 5}, ("beyond_type", "/max_channels")),
        ({"caller_id": number}, ("setting_not_of_type", "/caller_id")),
        ({"numbers": {number: {"destination": "forward", "forward_to": OUTSIDE}}}, ("setting_not_of_type", "/numbers")),
        ({"numbers": {number: {"emergency_address": ADDRESS}}}, ("setting_not_of_type", "/numbers")),
    ]
    for patch, wrong in cases:
        answer = await change(house, account, extension["id"], label="Changed", **patch)
        assert answer.status_code == 422, (patch, answer.text)
        assert [(error["code"], error["pointer"]) for error in answer.json()["errors"]] == [wrong]
    assert await services(house, account) == [extension, line]
    assert (await change(house, account, extension["id"], max_channels=4, label="Four")).status_code == 200
    assert (await change(house, account, line["id"], max_channels=0)).status_code == 200, "of another type"


async def test_what_a_service_has_it_keeps_when_its_type_allows_less_and_when_the_default_is_another(house: House) -> None:
    await sells(house, LINE)
    setting = {"number": 0, "destination": "forward", "forward_to": OUTSIDE}
    view = await house.customer(
        services=[{"max_channels": 3, "caller_id": DRAMA[0], "numbers": {"explicit": DRAMA[:2]}, "settings": [setting]}]
    )
    account = view["account_id"]
    (service,) = await services(house, account)
    await sells(house, EXTENSION, LINE.model_copy(update={"most_channels": 2, "applies": ("max_channels",)}))
    assert (await change(house, account, service["id"], label="Hall")).status_code == 200
    more = await change(house, account, service["id"], max_channels=4, numbers={DRAMA[1]: {"emergency_address": ADDRESS}})
    assert {error["code"] for error in more.json()["errors"]} == {"beyond_type", "setting_not_of_type"}
    less = await change(house, account, service["id"], max_channels=2, caller_id=None, numbers={DRAMA[0]: None})
    assert less.status_code == 200, less.text
