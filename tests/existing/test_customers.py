"""The customer's details are looked at and changed: all of an act or nothing, and the record says who changed what."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from domain.forms import RESELLER
from domain.onboarding import State
from tests.existing.conftest import ADDRESS, UPPER, House


async def change(house: House, account: str, by: str = "upper", headers: dict[str, str] | None = None, **patch: Any) -> Any:
    sent = {"Content-Type": "application/merge-patch+json"} | (headers or {})
    return await house.ask("PATCH", f"/v1/accounts/{account}/customer", by, json=patch, headers=sent)


async def shown(house: House, account: str, by: str = "upper") -> dict[str, Any]:
    answer = await house.ask("GET", f"/v1/accounts/{account}/customer", by)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.requirement("S3-61", "S5-07", "S5-24", "S5-26")
async def test_a_customer_is_viewed_and_changed_and_what_was_left_out_stays(house: House) -> None:
    view = await house.live("upper", "Harbour Books Ltd")
    account = view["account_id"]
    before = await shown(house, account)
    assert (before["name"], before["contact"]["telephone"], before["service_address"]) == ("Harbour Books Ltd", None, None)
    assert (before["account_number"], before["currency"]) == (view["account_number"], "GBP")
    answer = await change(
        house,
        account,
        name="Harbour Books & Maps Ltd",
        contact={"full_name": "Ada Reed-Stone", "email": "ada@maps.example.com", "telephone": "0121 496 0007"},
        service_address=ADDRESS,
        billing_address={"postcode": None},
        coordinates={"latitude": 52.48, "longitude": -1.9},
        tax_id="GB123456789",
        low_balance_alert={"below_minor": 500, "email": "accounts@maps.example.com"},
    )
    assert answer.status_code == 200, answer.text
    after = await shown(house, account)
    assert answer.json() == after
    assert after["name"] == "Harbour Books & Maps Ltd"
    assert after["contact"] == {"full_name": "Ada Reed-Stone", "email": "ada@maps.example.com", "telephone": "+441214960007"}
    assert after["service_address"] == before["billing_address"]
    assert after["billing_address"] == {**before["billing_address"], "postcode": None}
    assert after["low_balance_alert"] == {"enabled": True, "below_minor": 500, "email": "accounts@maps.example.com"}
    assert (after["time_zone"], after["credit_limit_minor"]) == (before["time_zone"], before["credit_limit_minor"])
    assert (await house.ask("GET", f"/v1/accounts/{account}", "upper")).json()["name"] == "Harbour Books & Maps Ltd"
    removed = await change(house, account, contact={"telephone": None}, tax_id=None, low_balance_alert=None)
    assert (removed.json()["contact"]["telephone"], removed.json()["tax_id"], removed.json()["low_balance_alert"]) == (
        None,
    ) * 3
    first, second = [entry for entry in await house.timeline(view["id"]) if entry["event"] == "customer_changed"]
    assert second["detail"] == {"fields": "contact.telephone, tax_id, low_balance_alert"}
    assert first["actor"] == second["actor"] == view["requested_by"]
    assert "Reed-Stone" not in str(first), "which fields, not what they say"
    assert "contact.email" in first["detail"]["fields"]
    # What is ordered from now on goes by the new details.
    added = await house.added("upper", account)
    assert added["order"]["customer"]["contact"]["email"] == "ada@maps.example.com"


@pytest.mark.requirement("S5-26")
async def test_an_act_saves_everything_or_nothing_and_points_at_what_is_wrong(house: House) -> None:
    account = (await house.customer())["account_id"]
    before = await shown(house, account)
    cases: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
        ({"company": "X", "time_zone": "Mars/Olympus"}, {("value_error", "/time_zone")}),
        ({"company": "X", "contact": {"telephone": "0121 49"}}, {("telephone_invalid", "/contact/telephone")}),
        ({"company": "X", "account_number": "1234567890"}, {("account_number_fixed", "/account_number")}),
        ({"company": "X", "currency": "EUR"}, {("currency_fixed", "/currency")}),
        ({"company": "X", "service_address": None}, {("service_address_missing", "/service_address")}),
        ({"company": "X", "billing_address": None}, {("field_required", "/billing_address")}),
        ({"company": "X", "country": "ZZ"}, {("value_error", "/country")}),
        ({"service_address": {"country": "ZZ"}}, {("value_error", "/service_address/country")}),
        ({"company": "X", "surprise": 1}, {("extra_forbidden", "/surprise")}),
        ({"company": "X", "contact": {"nickname": "Ad"}}, {("extra_forbidden", "/contact/nickname")}),
        ({"company": "X", "name": None}, {("string_type", "/name")}),
        ({"company": "X", "contact": {"email": "no address"}}, {("value_error", "/contact/email")}),
        ({"company": "X", "tax_id": "GB29NWBK60161331926819"}, {("value_error", "/tax_id")}),
        ({"company": "X", "low_balance_alert": {"below_minor": 5}}, {("missing", "/low_balance_alert/email")}),
        ({"company": "X", "credit_limit_minor": -1}, {("greater_than_equal", "/credit_limit_minor")}),
        ({"company": "X", "given_name": "A\u202eB"}, {("value_error", "/given_name")}),
    ]
    for patch, wrong in cases:
        answer = await change(house, account, **patch)
        assert answer.status_code == 422, (patch, answer.text)
        assert {(error["code"], error["pointer"]) for error in answer.json()["errors"]} == wrong
    assert await shown(house, account) == before
    same = await change(house, account, name=before["name"], account_number=before["account_number"], currency="GBP")
    assert (same.status_code, same.json()) == (200, before)
    assert (await change(house, account)).json() == before


@pytest.mark.requirement("S3-61")
async def test_who_has_not_seen_the_newest_state_is_told_and_changes_nothing(house: House) -> None:
    account = (await house.customer())["account_id"]
    etag = (await house.ask("GET", f"/v1/accounts/{account}/customer", "upper")).headers["ETag"]
    first = await change(house, account, company="First", headers={"If-Match": etag})
    assert first.status_code == 200
    assert first.headers["ETag"] != etag
    late = await change(house, account, company="Second", headers={"If-Match": etag})
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")
    assert (await shown(house, account))["company"] == "First"
    assert (await change(house, account, company="Third", headers={"If-Match": first.headers["ETag"]})).status_code == 200
    current = (await house.ask("GET", f"/v1/accounts/{account}/customer", "upper")).headers["ETag"]
    hidden = await change(house, account, identity_number="AB123456C")
    assert hidden.headers["ETag"] != current
    late = await change(house, account, identity_number="CD123456C", headers={"If-Match": current})
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile"), "of the number, too"
    current = hidden.headers["ETag"]
    raced = await asyncio.gather(*(change(house, account, company=f"C{at}", headers={"If-Match": current}) for at in range(6)))
    assert sorted(answer.status_code for answer in raced) == [200] + [412] * 5


@pytest.mark.requirement("S5-26")
async def test_of_many_who_want_one_name_at_once_one_gets_it_and_nobody_learns_whose_it_is(house: House) -> None:
    views = [await house.live("upper", f"Customer {at}") for at in range(4)]
    theirs = await house.live("other", "Taken Ltd")
    hidden = await change(house, views[0]["account_id"], name="  TAKEN   ltd ", company="X")
    assert (hidden.status_code, hidden.json()["code"], hidden.json()["errors"][0]["pointer"]) == (409, "name_taken", "/name")
    assert "northway" not in hidden.text.lower()
    assert (await shown(house, views[0]["account_id"]))["company"] is None, "nothing of the act was saved"
    raced = await asyncio.gather(*(change(house, view["account_id"], name="New Name Ltd") for view in views))
    assert sorted(answer.status_code for answer in raced) == [200, 409, 409, 409]
    own = await change(house, theirs["account_id"], by="other", name="TAKEN Ltd")
    assert own.status_code == 200, "its own name is nobody else's"


@pytest.mark.requirement("S2-26")
async def test_the_credit_limit_is_raised_by_who_may_and_counts_at_once(house: House) -> None:
    """The limit is used up by the order; raised, it bears the addition that was declined."""
    view = await house.customer(payer="self", account_type="postpaid", credit_limit_minor=6_000)
    account = view["account_id"]
    assert (await house.added("upper", account))["outcome"]["code"] == "insufficient_headroom"
    own = await house.user("upper", account, "bo@harbour.example.com", "account_administrator")
    for patch in ({"credit_limit_minor": 9_000}, {"late_payment_exempt": True}):
        assert (await change(house, account, by=own, **patch)).status_code == 403
    assert (await change(house, account, by=own, company="Ours")).status_code == 200, "their own details are theirs to change"
    assert (await change(house, account, by="auditor", credit_limit_minor=9_000)).status_code == 403
    raised = await change(house, account, credit_limit_minor=9_000)
    assert (raised.status_code, raised.json()["credit_limit_minor"]) == (200, 9_000)
    assert (await house.added("upper", account))["state"] == "active"
    policy = UPPER.approval.model_copy(update={"credit_limit_over_minor": 10_000})
    await house.database.admin.put_tenant(UPPER.model_copy(update={"approval": policy}))  # type: ignore[attr-defined]
    assert (await change(house, account, credit_limit_minor=10_000)).status_code == 200, (
        "up to the threshold one person will do"
    )


@pytest.mark.requirement("S2-26")
async def test_a_limit_above_the_threshold_waits_with_the_rest_of_its_act_for_another_person(house: House) -> None:
    policy = UPPER.approval.model_copy(update={"credit_limit_over_minor": 60_000})
    await house.database.admin.put_tenant(UPPER.model_copy(update={"approval": policy}))  # type: ignore[attr-defined]
    view = await house.live("upper")
    account = view["account_id"]
    assert (await change(house, account, credit_limit_minor=60_001, time_zone="Mars/Olympus")).status_code == 422
    before = await shown(house, account)
    asked = await change(house, account, credit_limit_minor=90_000, company="Big Ltd")
    assert (asked.status_code, asked.json()["credit_limit_minor"], asked.json()["company"]) == (202, 50_000, None)
    place = asked.headers["Location"]
    assert place.endswith(asked.json()["waits_for_approval"])
    assert await shown(house, account) == before
    own = await house.ask("POST", f"{place}/approve", "upper")
    assert (own.status_code, own.json()["code"]) == (403, "approver_is_requester")
    assert (await house.ask("POST", f"{place}/approve", "auditor")).status_code == 403
    assert (await house.ask("POST", f"{place}/approve", "other")).status_code == 404
    approved = await house.ask("POST", f"{place}/approve", "approver")
    assert approved.status_code == 200, approved.text
    assert (approved.json()["credit_limit_minor"], approved.json()["company"]) == (90_000, "Big Ltd")
    assert (await house.account(account))["credit_limit_minor"] == 90_000
    again = await house.ask("POST", f"{place}/approve", "approver")
    assert (again.status_code, again.json()["code"]) == (409, "already_decided"), "once"
    (told,) = [entry for entry in await house.timeline(view["id"]) if entry["event"] == "customer_changed"]
    assert told["detail"]["fields"] == "company, credit_limit_minor"
    assert told["detail"]["approved_by"] != told["actor"] == view["requested_by"]
    again = await change(house, account, credit_limit_minor=99_000)
    puppet = await house.user("upper", UPPER.id, "puppet@example.com", "approver")
    alone = await house.ask("POST", f"{again.headers['Location']}/approve", puppet)
    assert (alone.status_code, alone.json()["code"]) == (403, "approver_is_requester"), "who asked knows this one's password"
    assert (await house.ask("POST", f"{again.headers['Location']}/reject", "approver")).status_code == 200
    assert (await house.account(account))["credit_limit_minor"] == 90_000


async def test_a_limit_on_a_prepaid_account_is_kept_and_said_not_to_count(house: House) -> None:
    view = await house.customer(account_type="prepaid", credit_limit_minor=0)
    answer = await change(house, view["account_id"], credit_limit_minor=100)
    assert [warning["code"] for warning in answer.json()["warnings"]] == ["credit_limit_not_counted"]


@pytest.mark.requirement("S5-24")
async def test_what_the_form_asks_for_cannot_be_taken_out_again(house: House) -> None:
    await house.database.admin.put_tenant(UPPER.model_copy(update={"form": RESELLER}))  # type: ignore[attr-defined]
    order = house.with_line()
    order["customer"]["billing_email"] = "accounts@harbour.example.com"
    account = (await house.live("upper", **order))["account_id"]
    assert (await change(house, account, billing_email=None)).json()["errors"][0]["pointer"] == "/billing_email"
    assert (await change(house, account, billing_email="bills@harbour.example.com")).status_code == 200
    assert (await change(house, account, billing_address=None)).status_code == 200, "this form does not ask for it"


@pytest.mark.requirement("S5-26")
async def test_the_exemption_from_late_payment_reaches_the_switch_with_the_rest_of_the_act(house: House) -> None:
    account = (await house.customer())["account_id"]
    suspended = await house.ask("POST", f"/v1/accounts/{account}/suspend", "upper", json={"reason": "payment"})
    assert suspended.json()["switch_agrees"]
    assert "barred=payment" in await rights(house, account)
    answer = await change(house, account, late_payment_exempt=True, company="Exempt Ltd")
    assert (answer.status_code, answer.json()["late_payment_exempt"]) == (200, True)
    calling = (await house.ask("GET", f"/v1/accounts/{account}/calling", "upper")).json()
    assert (calling["may_call"], calling["switch_agrees"], calling["late_payment_exempt"]) == (True, True, True)
    assert "barred" not in await rights(house, account)


async def rights(house: House, account: str) -> str:
    query = text("SELECT value FROM usr_preferences WHERE uuid = :of AND attribute = 'rights'")
    found: str = await house.switch._transactions.read(
        lambda connection: connection.execute(query, {"of": account}).scalar_one()
    )
    return found


async def test_customers_of_others_and_those_not_there_yet_are_not_shown(house: House) -> None:
    account = (await house.customer())["account_id"]
    waiting = (await house.order("upper", administration="customer", payer="self", name="Later Ltd")).json()["id"]
    await house.reaches(waiting, State.AWAITING_ACTIVATION)
    pending = (await house.ask("GET", f"/v1/onboardings/{waiting}", "upper")).json()["account_id"]
    for method, body in (("GET", None), ("PATCH", {"company": "X"})):
        path = f"/v1/accounts/{account}/customer"
        assert (await house.ask(method, path, "other", json=body)).status_code == 404
        early = await house.ask(method, path.replace(account, pending), "upper", json=body)
        assert (early.status_code, early.json()["code"]) == (409, "account_not_active")
    made = await house.ask("GET", f"/v1/accounts/{UPPER.id}/customer", "platform")
    assert (made.status_code, made.json()["code"]) == (409, "account_not_ordered")
    await house.ask("POST", f"/v1/onboardings/{waiting}/cancel", "upper")
    await house.ended(waiting, "upper")


async def test_the_low_balance_alert_is_changed_for_the_ledger_too(house: House) -> None:
    """What the ledger looks at is a row of its own; crossings that were counted are never counted again."""
    account = (await house.customer())["account_id"]

    def alert(connection: Any) -> list[tuple[str, int, bool, int]]:
        query = text("SELECT email, below_minor, armed, crossing FROM balance_alerts WHERE account_id = :of")
        return [
            (row.email, row.below_minor, bool(row.armed), row.crossing) for row in connection.execute(query, {"of": account})
        ]

    async def set_to(value: dict[str, Any] | None) -> list[tuple[str, int, bool, int]]:
        answer = await change(house, account, low_balance_alert=value)
        assert answer.status_code == 200, answer.text
        return await house.database._transactions.read(alert)

    email = "treasurer@harbour.example.com"
    assert await set_to({"below_minor": 500, "email": email}) == [(email, 500, False, 0)], "below already: nothing to fall from"
    assert await set_to({"below_minor": 0, "email": email}) == [(email, 0, True, 0)]
    for off in ({"below_minor": 0, "email": email, "enabled": False}, None):
        ((_, below, _, crossing),) = await set_to(off)
        assert below < -1_000_000_000
        assert crossing == 0
    assert await set_to({"below_minor": 0, "email": "new@harbour.example.com"}) == [("new@harbour.example.com", 0, True, 0)]
