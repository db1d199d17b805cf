"""Services are looked at and changed after their order, and the switch follows the newest change."""

import asyncio
import uuid
from typing import Any

import pytest

from domain.voice import Forward, LineSetup
from tests.existing.conftest import ADDRESS, DRAMA, House

OUTSIDE = "+442079460018"


async def services(house: House, account: str, by: str = "upper") -> list[dict[str, Any]]:
    answer = await house.ask("GET", f"/v1/accounts/{account}/services", by)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def change(
    house: House, account: str, service: str, by: str = "upper", headers: dict[str, str] | None = None, **patch: Any
) -> Any:
    return await house.ask("PATCH", f"/v1/accounts/{account}/services/{service}", by, json=patch, headers=headers or {})


@pytest.mark.requirement("S3-60", "S1-26")
async def test_every_part_of_a_service_can_be_changed_and_the_switch_has_it(house: House) -> None:
    view = await house.customer(services=[{"label": "Front desk", "numbers": {"explicit": DRAMA[:2]}}])
    account = view["account_id"]
    await house.added("upper", account)
    front, back = await services(house, account)
    assert (front["label"], list(front["numbers"]), front["max_channels"]) == ("Front desk", DRAMA[:2], 2)
    assert (back["label"], len(back["numbers"])) == ("Back office", 1)
    answer = await change(
        house,
        account,
        front["id"],
        label="Reception",
        max_channels=7,
        caller_id=next(iter(back["numbers"])),
        numbers={
            "0121 496 0001": {"destination": "forward", "forward_to": "020 7946 0018"},
            DRAMA[0]: {"emergency_address": {**ADDRESS, "city": "Leeds"}},
        },
    )
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["label"], after["switch_agrees"], after["version"]) == ("Reception", True, 1)
    assert after["numbers"][DRAMA[1]] == {"destination": "forward", "forward_to": OUTSIDE, "emergency_address": None}
    assert after["numbers"][DRAMA[0]]["emergency_address"]["city"] == "Leeds"
    line = (await house.lines(account))[front["id"]]
    assert (line["max_channels"], line["caller_id"], line["forward"]) == ("7", next(iter(back["numbers"])), {DRAMA[1]: OUTSIDE})
    assert line["numbers"] == DRAMA[:2], "both numbers stay the line's"
    assert (await services(house, account))[1] == back, "the other service is as it was"
    again = await change(house, account, front["id"], max_channels=0, caller_id=None, numbers={DRAMA[1]: None})
    assert again.status_code == 200, again.text
    line = (await house.lines(account))[front["id"]]
    assert (line.get("max_channels"), line["caller_id"], line["forward"]) == (None, DRAMA[0], {}), "0 is unlimited"
    told = [entry for entry in await house.timeline(view["id"]) if entry["event"] == "service_changed"]
    fields = "label, max_channels, caller_id, numbers.destination, numbers.emergency_address, numbers.forward_to"
    assert told[0]["detail"] == {"service": front["id"], "fields": fields}
    assert (told[0]["actor"], len(told)) == (view["requested_by"], 2)
    assert OUTSIDE not in str(told)


@pytest.mark.requirement("S3-60")
async def test_settings_of_the_order_are_where_the_change_begins(house: House) -> None:
    setting = {"number": 1, "destination": "forward", "forward_to": OUTSIDE}
    view = await house.customer(
        services=[{"numbers": {"criteria": {"count": 2, "prefix": "+44121496"}}, "settings": [setting]}]
    )
    account, numbers = view["account_id"], sorted(view["numbers"])
    (service,) = await services(house, account)
    assert service["numbers"][numbers[1]]["forward_to"] == OUTSIDE
    # The first one is given back: the settings are still of the second.
    given = await house.ask("POST", f"/v1/numbers/{numbers[0]}/release", "upper", json={})
    assert given.status_code == 200, given.text
    (service,) = await services(house, account)
    assert list(service["numbers"]) == [numbers[1]]
    assert service["numbers"][numbers[1]]["forward_to"] == OUTSIDE
    await change(house, account, service["id"], label="New")
    assert (await house.lines(account))[service["id"]]["forward"] == {numbers[1]: OUTSIDE}
    # And when the forwarded one is given back, its next holder is not forwarded.
    assert (await house.ask("POST", f"/v1/numbers/{numbers[1]}/release", "upper", json={})).status_code == 200
    assert (await house.lines(account))[service["id"]]["forward"] == {}


@pytest.mark.requirement("S3-60")
async def test_what_cannot_be_is_pointed_at_and_nothing_of_the_act_is_done(house: House) -> None:
    view = await house.customer(segment="residential", services=[{"label": "Home", "numbers": {"explicit": DRAMA[:1]}}])
    account = view["account_id"]
    (service,) = await services(house, account)
    number, other = DRAMA[0], DRAMA[40]
    place = f"/numbers/{number}"
    cases: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
        ({"caller_id": other}, {("caller_id_not_owned", "/caller_id")}),
        ({"caller_id": "12"}, {("string_too_short", "/caller_id")}),
        ({"max_channels": 3}, {("not_in_segment", "/max_channels")}),
        ({"max_channels": 0}, {("not_in_segment", "/max_channels")}),
        ({"max_channels": -1}, {("greater_than_equal", "/max_channels")}),
        ({"label": ""}, {("string_too_short", "/label")}),
        ({"label": None}, {("string_type", "/label")}),
        ({"surprise": 1}, {("extra_forbidden", "/surprise")}),
        ({"numbers": {other: {"destination": "device"}}}, {("number_not_of_service", f"/numbers/{other}")}),
        ({"numbers": {"x": None}}, {("string_too_short", "/numbers/x")}),
        ({"numbers": {number: {"destination": "voicemail"}}}, {("voicemail_unsupported", f"{place}/destination")}),
        ({"numbers": {number: {"destination": "forward"}}}, {("forward_target_missing", f"{place}/forward_to")}),
        ({"numbers": {number: {"forward_to": OUTSIDE}}}, {("forward_target_unused", f"{place}/forward_to")}),
        (
            {"numbers": {number: {"destination": "forward", "forward_to": number}}},
            {("forward_to_itself", f"{place}/forward_to")},
        ),
        ({"numbers": {number: {"emergency_address": {"city": "Leeds"}}}}, set()),
    ]
    before = await house.lines(account)
    for patch, wrong in cases:
        answer = await change(house, account, service["id"], **{"label": "Changed", **patch})
        assert answer.status_code == 422, (patch, answer.text)
        found = {(error["code"], error["pointer"]) for error in answer.json()["errors"]}
        assert found == wrong or (not wrong and ("missing", f"{place}/emergency_address/lines") in found)
    assert await services(house, account) == [service]
    assert await house.lines(account) == before
    nobody = await change(house, account, "d" + "0" * 20, label="X")
    assert nobody.status_code == 404
    assert (await change(house, account, service["id"], by="other", label="X")).status_code == 404
    assert (await change(house, account, service["id"], by="auditor", label="X")).status_code == 403
    etag = (await house.ask("GET", f"/v1/accounts/{account}/services/{service['id']}", "upper")).headers["ETag"]
    own = await house.user("upper", account, "bo@harbour.example.com", "account_administrator")
    first = await change(house, account, service["id"], by=own, label="First", headers={"If-Match": etag})
    late = await change(house, account, service["id"], label="Late", headers={"If-Match": etag})
    assert (first.status_code, late.status_code, late.json()["code"]) == (200, 412, "changed_meanwhile")


@pytest.mark.requirement("S3-60")
async def test_of_many_changes_at_once_the_switch_ends_with_the_newest(house: House) -> None:
    account = (await house.customer())["account_id"]
    (service,) = await services(house, account)
    channels = [3 + at for at in range(8)]
    answers = await asyncio.gather(*(change(house, account, service["id"], max_channels=count) for count in channels))
    assert {answer.status_code for answer in answers} == {200}
    (after,) = await services(house, account)
    assert (after["version"], after["switch_agrees"]) == (8, True)
    line = (await house.lines(account))[service["id"]]
    assert line["max_channels"] == str(after["max_channels"])


async def test_a_setup_that_arrives_late_does_not_undo_a_newer_one(house: House) -> None:
    view = await house.customer()
    (service,) = await services(house, view["account_id"])
    number = view["numbers"][0]
    newer = LineSetup(username=service["id"], account_id=view["account_id"], version=5, max_channels=9)
    strange = Forward(number="+441214969999", to=OUTSIDE)
    older = LineSetup(
        username=service["id"],
        account_id=view["account_id"],
        version=4,
        max_channels=1,
        forwards=(Forward(number=number, to=OUTSIDE),),
    )
    for setup in (newer, older, newer):
        await house.switch.configure(setup)
        assert (await house.lines(view["account_id"]))[service["id"]]["max_channels"] == "9"
    await house.switch.configure(older.model_copy(update={"version": 6, "forwards": (*older.forwards, strange)}))
    line = (await house.lines(view["account_id"]))[service["id"]]
    assert (line["max_channels"], line["forward"]) == ("1", {number: OUTSIDE}), (
        "a number that does not ring it is not its to forward"
    )


async def test_the_same_change_sent_twice_is_one_change(house: House) -> None:
    view = await house.customer()
    (service,) = await services(house, view["account_id"])
    key = {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(2):
        answer = await change(house, view["account_id"], service["id"], headers=key, label="Once")
        assert (answer.status_code, answer.json()["version"]) == (200, 1)
    changed = [entry for entry in await house.timeline(view["id"]) if entry["event"] == "service_changed"]
    assert len(changed) == 1


async def test_an_addition_that_was_undone_leaves_no_service(house: House) -> None:
    account = (await house.customer())["account_id"]
    policy = {"services": [{"numbers": {"explicit": [DRAMA[60]]}}], "substitutes": "refuse"}
    await house.customer(name="Quay Ltd", services=[{"numbers": {"explicit": [DRAMA[60]]}}])
    assert (await house.added("upper", account, **policy))["state"] == "rejected"
    assert len(await services(house, account)) == 1
