"""Letters of an active order that were refused for good: sent again to where they arrive, or dismissed, and both told."""

from typing import Any

from tests.existing.conftest import House

GONE, AWAY, HERE = "gone@example.org", "away@example.org", "here@example.org"


async def refused(house: House, *letters: dict[str, Any]) -> str:
    house.post.refused = {GONE, AWAY}
    view = await house.live("upper", notifications=list(letters))
    places = [str(place) for place, letter in enumerate(letters) if letter.get("email") in {GONE, AWAY}]
    assert (view["state"], view["needs_attention"]) == ("active", f"notification_failed:{','.join(places)}")
    return str(view["id"])


async def act(house: House, order: str, place: int, verb: str, by: str = "upper", **body: Any) -> Any:
    return await house.ask("POST", f"/v1/onboardings/{order}/notifications/{place}/{verb}", by, json=body)


async def events(house: House, order: str, *names: str) -> list[tuple[str, dict[str, str]]]:
    return [(one["event"], one["detail"]) for one in await house.timeline(order) if one["event"] in names]


def sent_to(house: House, address: str) -> int:
    return sum(address in mail.recipients for mail, _ in house.post.letters)


async def test_a_refused_letter_is_sent_again_to_a_corrected_address_and_asks_for_nobody_any_more(house: House) -> None:
    order = await refused(house, {"to": "other", "email": GONE}, {"to": "reseller"}, {"to": "other", "email": AWAY})
    again = await act(house, order, 0, "resend", reason="They say it works")
    assert (again.status_code, again.json()["code"]) == (409, "letter_refused_again"), "the relay still says no"
    done = await act(house, order, 0, "resend", email=HERE)
    assert (done.status_code, done.json()["needs_attention"]) == (200, "notification_failed:2"), done.text
    assert (sent_to(house, HERE), done.json()["order"]["notifications"][0]["email"]) == (1, HERE)
    told = await events(house, order, "notification_sent_again", "notification_dismissed")
    assert [detail["address"] for _, detail in told] == ["as it was", "corrected"]
    assert all(place.values() for _, place in told)
    dismissed = await act(house, order, 2, "dismiss", reason="Told by telephone")
    assert (dismissed.status_code, dismissed.json()["needs_attention"]) == (200, None)
    (entry,) = [one for one in await house.timeline(order) if one["event"] == "notification_dismissed"]
    assert (entry["detail"], entry["actor"]) == (
        {"notification": "2", "reason": "Told by telephone"},
        dismissed.json()["requested_by"],
    )
    over = await act(house, order, 2, "dismiss", reason="Again")
    assert (over.status_code, over.json()["code"]) == (409, "letter_not_refused")


async def test_only_who_may_order_decides_about_letters_and_only_their_own(house: House) -> None:
    order = await refused(house, {"to": "other", "email": GONE})
    for by, status in (("auditor", 403), ("approver", 403), ("other", 404)):
        assert (await act(house, order, 0, "dismiss", by, reason="Because")).status_code == status
    assert (await act(house, order, 0, "dismiss")).status_code == 422, "why is for the log"
    assert (await act(house, order, 12, "resend")).status_code == 404
    assert (await act(house, order, 1, "resend")).json()["code"] == "letter_not_refused"


async def test_the_customers_letter_goes_to_the_address_that_the_customer_has_by_now_and_to_no_other(house: House) -> None:
    house.post.refused = {GONE}
    view = await house.live("upper", email=GONE, notifications=[{"to": "customer", "subject": "Ready"}])
    assert view["needs_attention"] == "notification_failed:0"
    elsewhere = await act(house, view["id"], 0, "resend", email=HERE)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "letter_address_fixed")
    path = f"/v1/accounts/{view['account_id']}/customer"
    assert (await house.ask("PATCH", path, "upper", json={"contact": {"email": HERE}})).status_code == 200
    done = await act(house, view["id"], 0, "resend")
    assert (done.status_code, done.json()["needs_attention"], sent_to(house, HERE)) == (200, None, 1)
