"""After a lost number was substituted, everybody is told of the number that the customer has."""

import pytest

from domain.numbers import stand_ins
from tests.existing.conftest import DRAMA, House
from tests.existing.test_services import OUTSIDE, change, services

LOST, OWN = DRAMA[0], DRAMA[1]


@pytest.mark.requirement("S3-60")
async def test_services_letters_and_telephones_name_the_number_that_was_got_and_not_the_lost_one(house: House) -> None:
    await house.customer(name="Faster Ltd", services=[{"numbers": {"explicit": [LOST]}}])
    view = await house.customer(
        substitutes="accept",
        services=[
            {
                "numbers": {"explicit": [LOST, OWN]},
                "caller_id": LOST,
                "settings": [{"number": 0, "destination": "forward", "forward_to": OUTSIDE}],
            }
        ],
        notifications=[{"to": "customer", "attachments": ["settings_sheet"]}],
    )
    (given,) = set(view["numbers"]) - {OWN}
    assert LOST not in view["numbers"]
    account, (service,) = view["account_id"], await services(house, view["account_id"])
    assert (list(service["numbers"]), service["caller_id"]) == ([given, OWN], given)
    assert service["numbers"][given]["forward_to"] == OUTSIDE
    (shown,) = (await house.ask("POST", f"/v1/onboardings/{view['id']}/credentials", "upper")).json()["items"]
    assert shown["numbers"] == [given, OWN]
    (letter,) = (letter for _, letter in house.post.letters if letter.attachments)
    sheet = "".join(digit for digit in letter.attachments[0][1] if digit.isdigit())
    assert (given[-7:] in sheet, LOST[-7:] in sheet) == (True, False)
    # A change that names neither leaves both as they are, on the switch too.
    changed = await change(
        house, account, service["id"], max_channels=9, numbers={OWN: {"destination": "forward", "forward_to": OUTSIDE}}
    )
    assert changed.status_code == 200, changed.text
    line = (await house.lines(account))[service["id"]]
    assert (line["caller_id"], line["forward"]) == (given, {given: OUTSIDE, OWN: OUTSIDE})
    assert (await change(house, account, service["id"], numbers={LOST: {"destination": "device"}})).status_code == 422
    assert (await house.ask("POST", f"/v1/numbers/{given}/release", "upper", json={})).status_code == 200
    (service,) = await services(house, account)
    assert list(service["numbers"]) == [OWN]
    (shown,) = (await house.ask("POST", f"/v1/onboardings/{view['id']}/credentials", "upper")).json()["items"]
    assert shown["numbers"] == [OWN], "what was given back rings nobody here"


def test_what_stands_in_for_what_is_told_by_grade_and_also_when_a_grade_was_changed_since() -> None:
    grades = {"+44121496001": "gold", "+44121496002": "standard", "+44121496003": "standard", "+44121496004": "gold"}
    named, had = ("+44121496001", "+44121496002"), ("+44121496003", "+44121496004")
    pairs = {"+44121496001": "+44121496004", "+44121496002": "+44121496003"}
    assert {one.lost: one.given for one in stand_ins(named, had, grades)} == pairs
    changed = grades | {"+44121496001": "platinum"}
    assert {one.lost: one.given for one in stand_ins(named, had, changed)} == pairs
    assert stand_ins(named, (), grades) == (), "nothing is held yet"
    assert stand_ins(("+44121496001",), ("+44121496001",), grades) == ()
