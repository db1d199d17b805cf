"""A draft for a customer who is there already: the account decides what a new customer would be asked."""

from typing import Any

import pytest

from tests.existing.conftest import ONE, House
from tests.numbers.conftest import DRAMA


async def section(house: House, draft: str, name: str, entered: dict[str, Any]) -> dict[str, Any]:
    answer = await house.ask("PUT", f"/v1/drafts/{draft}/sections/{name}", "upper", json=entered)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def findings(shown: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["code"], one["pointer"]) for part in shown["sections"] for one in part["findings"]]


@pytest.mark.requirement("S3-03", "S3-08")
async def test_a_draft_adds_services_to_the_customer_that_it_names(house: House) -> None:
    first = await house.customer()
    draft = (await house.ask("POST", "/v1/drafts", "upper", json={})).json()["id"]
    await section(house, draft, "business", {"customer": {"name": "Somebody new"}})
    wanted = {"services": [{"label": "Back office", "numbers": ONE}], "terms_accepted": True}
    shown = await section(house, draft, "plan_and_payment", wanted)
    assert not shown["valid"], "a new customer, of whom only the name is known"
    shown = await section(house, draft, "business", {"account_id": first["account_id"]})
    assert shown["valid"], findings(shown)
    assert shown["price"]["net_minor"] == 1500 + 200, "the plan's set-up was paid when the account was opened"
    answer = await house.ask("POST", f"/v1/drafts/{draft}/submit", "upper", headers={"Idempotency-Key": "k"})
    assert answer.status_code == 202, answer.text
    ended = await house.ended(answer.json()["onboarding_id"], "upper")
    assert (ended["state"], ended["account_id"]) == ("active", first["account_id"])
    assert len(await house.lines(first["account_id"])) == 2


@pytest.mark.requirement("S3-26")
async def test_a_draft_holds_what_is_kept_for_the_customer_whom_it_adds_to_and_for_nobody_else(house: House) -> None:
    account, kept = (await house.customer())["account_id"], DRAMA[50]
    keep = {"numbers": [kept], "pool": account}
    assert (await house.ask("POST", "/v1/numbers/pool", "upper", json=keep)).status_code == 200
    draft = (await house.ask("POST", "/v1/drafts", "upper", json={})).json()["id"]
    wanted = {"services": [{"label": "Back office"}], "terms_accepted": True}
    await section(house, draft, "plan_and_payment", wanted)
    refused = await house.ask("POST", f"/v1/drafts/{draft}/numbers", "upper", json=keep)
    assert (refused.status_code, [(one["code"], one["pointer"]) for one in refused.json()["errors"]]) == (
        422, [("pool_of_another", "/pool")],
    )  # fmt: skip
    typed = wanted | {"services": [{"label": "Back office", "numbers": {"explicit": [kept]}}]}
    shown = await section(house, draft, "plan_and_payment", typed)
    assert ("number_unavailable", "/services/0/numbers/explicit/0") in findings(shown)
    # Its own customer's it holds as soon as it names that customer, and no longer.
    shown = await section(house, draft, "business", {"account_id": account})
    assert [number["e164"] for number in shown["basket"]["pricing"]["numbers"]] == [kept]
    assert (await house.ask("POST", f"/v1/drafts/{draft}/numbers", "upper", json=keep)).status_code == 200
    shown = await section(house, draft, "business", {"customer": {"name": "Somebody new"}})
    assert shown["basket"]["pricing"]["numbers"] == []
    assert ("number_unavailable", "/services/0/numbers/explicit/0") in findings(shown)
    await section(house, draft, "business", {"account_id": account})
    answer = await house.ask("POST", f"/v1/drafts/{draft}/submit", "upper", headers={"Idempotency-Key": "k"})
    assert answer.status_code == 202, answer.text
    ended = await house.ended(answer.json()["onboarding_id"], "upper")
    assert (ended["state"], ended["numbers"]) == ("active", [kept])


async def test_what_cannot_be_added_to_is_told_at_once_and_another_s_customer_does_not_exist(house: House) -> None:
    other = await house.live("other", "Elsewhere Ltd")
    draft = (await house.ask("POST", "/v1/drafts", "upper", json={})).json()["id"]
    for account in (other["account_id"], "00000000-0000-4000-8000-000000000000"):
        shown = await section(house, draft, "business", {"account_id": account})
        assert findings(shown) == [("not_found", "/account_id")]
        assert shown["price"] is None
        refused = await house.ask("POST", f"/v1/drafts/{draft}/submit", "upper", headers={"Idempotency-Key": "k"})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/account_id")
    shown = await section(house, draft, "business", {"customer": {"name": "Somebody new"}})
    assert shown["state"] == "open"
    assert ("not_found", "/account_id") not in findings(shown)
