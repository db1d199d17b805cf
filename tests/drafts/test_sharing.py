"""Who sees a draft, what two at once do to it, and that it becomes one order however it ends."""

import asyncio
from datetime import UTC, datetime

import pytest

from domain.access import Role
from tests.drafts.conftest import CUSTOMER, PAID, TENANT, Desk, codes, section
from tests.numbers.conftest import DRAMA


@pytest.mark.requirement("S3-01", "S1-04")
async def test_a_draft_is_begun_listed_and_continued_by_a_colleague_and_by_nobody_else(desk: Desk) -> None:
    begun = await desk.ask("POST", "/v1/drafts", key="once", json={})
    again = await desk.ask("POST", "/v1/drafts", key="once", json={})
    draft = begun.json()["id"]
    assert (again.json()["id"], begun.headers["Location"], begun.headers["ETag"]) == (draft, f"/v1/drafts/{draft}", '"1"')
    await desk.save(draft, "customer", CUSTOMER)
    await desk.go(draft, "next")
    elsewhere = await desk.draft(draft, by="colleague")
    assert (elsewhere["place"], section(elsewhere, "customer")["entered"]) == ("service", CUSTOMER)
    await desk.save(draft, "service", {"services": [{}]}, by="colleague")
    other = await desk.begin("colleague")
    for by, mine, expected in (("admin", False, {draft, other}), ("admin", True, {draft}), ("colleague", True, {other})):
        listed = (await desk.ask("GET", "/v1/drafts", by=by, params={"mine": mine})).json()["items"]
        assert {item["id"] for item in listed} == expected
    assert [item["customer"] for item in listed] == [None]
    _, desk.keys["auditor"] = await desk.database.identities.issue("auditor 2", TENANT.id, Role.AUDITOR)
    for by in ("other", "approver", "auditor"):
        for method, path, body in (
            ("GET", "", None), ("PUT", "/sections/billing", {}), ("POST", "/numbers", {"numbers": [DRAMA[0]]}),
            ("DELETE", f"/numbers/{DRAMA[0]}", None), ("POST", "/next", None), ("POST", "/back", None),
            ("POST", "/submit", None), ("DELETE", "", None),
        ):  # fmt: skip
            answer = await desk.ask(method, f"/v1/drafts/{draft}{path}", by=by, key="k", json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (by, method, path)
    assert (await desk.ask("POST", "/v1/drafts", by="auditor", json={})).status_code == 403
    assert (await desk.ask("GET", "/v1/drafts", by="other")).json()["items"] == []
    assert (await desk.draft(draft, by="platform"))["id"] == draft


async def test_the_list_is_read_page_by_page_the_last_changed_first(desk: Desk) -> None:
    drafts = [await desk.begin() for _ in range(5)]
    await desk.save(drafts[0], "billing", PAID)
    listed, token = list[str](), None
    for size in (2, 2, 2):
        query = {"page_size": size} | ({"page_token": token} if token else {})
        page = (await desk.ask("GET", "/v1/drafts", params=query)).json()
        listed += [item["id"] for item in page["items"]]
        token = page.get("next_page_token")
    assert (listed, token) == ([drafts[0], *reversed(drafts[1:])], None)
    wrong = await desk.ask("GET", "/v1/drafts", params={"page_token": "x" * 30})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "page_token_invalid")


async def test_two_colleagues_save_two_sections_at_once_and_both_stay(desk: Desk) -> None:
    draft = await desk.begin()
    answers = await asyncio.gather(
        desk.put(draft, "customer", CUSTOMER, seen=1), desk.put(draft, "billing", PAID, by="colleague", seen=1)
    )
    assert [answer.status_code for answer in answers] == [200, 200], "another section's change is in nobody's way"
    both = await desk.draft(draft)
    assert (section(both, "customer")["entered"], section(both, "billing")["entered"]) == (CUSTOMER, PAID)
    assert both["revision"] == 3


async def test_of_two_who_saw_the_same_one_saves_and_the_other_is_told_who(desk: Desk) -> None:
    draft = await desk.begin()
    answers = await asyncio.gather(
        *(
            desk.put(draft, "billing", {"plan": f"office-{at}"}, by=by, seen=1)
            for at, by in enumerate(["admin", "colleague"] * 4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    (won,) = [answer for answer in answers if answer.status_code == 200]
    for lost in (answer.json() for answer in answers if answer.status_code == 412):
        assert (lost["code"], [error["section"] for error in lost["errors"]]) == ("draft_changed", ["billing"])
        assert won.json()["changed_by"] in lost["errors"][0]["detail"]
    fresh = await desk.put(draft, "billing", {"plan": "office-50"}, seen=won.json()["revision"])
    assert fresh.status_code == 200
    assert (await desk.put(draft, "billing", {"plan": "office-20"})).status_code == 200, "without it the last one wins"
    headers = {"Authorization": f"Bearer {desk.keys['admin']}", "If-Match": "yesterday"}
    odd = await desk.http.put(f"/v1/drafts/{draft}/sections/billing", json={}, headers=headers)
    assert (odd.status_code, odd.json()["errors"][0]["parameter"]) == (422, "If-Match")


async def test_ten_submissions_at_once_start_one_onboarding(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    draft = await desk.ready()
    await desk.add(draft, DRAMA[1])
    answers = await asyncio.gather(*(desk.submit(draft, by, key=f"{at}") for at, by in enumerate(["admin", "colleague"] * 5)))
    assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
    ((onboarding, begun),) = desk.counter.taken.items()
    assert {answer.headers["Location"] for answer in answers} == {f"/v1/onboardings/{onboarding}"}
    shown = await desk.draft(draft)
    assert (shown["state"], shown["onboarding_id"], begun.order.explicit_numbers) == ("submitted", onboarding, (DRAMA[1],))
    assert begun.quote.total_minor == 5040
    late = await desk.submit(draft, key="later")
    assert (late.status_code, late.headers["Idempotent-Replayed"]) == (202, "true")
    assert len(desk.counter.taken) == 1
    for answer in (
        await desk.put(draft, "billing", PAID),
        await desk.add(draft, DRAMA[2]),
        await desk.ask("POST", f"/v1/drafts/{draft}/back"),
        await desk.ask("DELETE", f"/v1/drafts/{draft}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "draft_submitted")
    keyless = await desk.ask("POST", f"/v1/drafts/{draft}/submit")
    assert (keyless.status_code, keyless.json()["code"]) == (400, "idempotency_key_missing")


async def test_a_process_that_dies_between_the_order_and_its_record_leaves_one_order(desk: Desk) -> None:
    draft = await desk.ready()
    desk.counter.dies = True
    assert (await desk.submit(draft)).status_code == 500
    shown = await desk.draft(draft)
    assert (shown["state"], shown["submitting"]) == ("open", True)
    meanwhile = await desk.put(draft, "billing", {})
    assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "draft_submitting"), "else the order would be another"
    assert (await desk.ask("DELETE", f"/v1/drafts/{draft}")).status_code == 409
    desk.counter.dies = False
    answer = await desk.submit(draft, by="colleague", key="another")
    assert (answer.status_code, [answer.json()["onboarding_id"]]) == (202, list(desk.counter.taken))


async def test_a_refused_submission_leaves_the_draft_to_be_mended(desk: Desk) -> None:
    draft = await desk.ready()
    await desk.save(draft, "creation", {})
    refused = await desk.submit(draft)
    assert (refused.status_code, [error["code"] for error in refused.json()["errors"]]) == (422, ["terms_not_accepted"])
    shown = await desk.draft(draft)
    assert (shown["state"], shown["submitting"], desk.counter.taken) == ("open", False, {})
    seen = shown["revision"]
    await desk.save(draft, "creation", {"terms_accepted": True}, by="colleague")
    headers = {"Authorization": f"Bearer {desk.keys['admin']}", "Idempotency-Key": "k", "If-Match": f'"{seen}"'}
    stale = await desk.http.post(f"/v1/drafts/{draft}/submit", headers=headers)
    assert (stale.status_code, stale.json()["errors"][0]["section"]) == (412, "creation"), "what is ordered is what was seen"
    assert (await desk.submit(draft)).status_code == 202
    (begun,) = desk.counter.taken.values()
    assert begun.terms is not None
    assert begun.terms.capacity == "on_behalf"


async def test_a_discarded_draft_frees_its_numbers_and_cannot_be_changed(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    draft = await desk.ready()
    await desk.add(draft, DRAMA[1])
    assert await desk.state(DRAMA[1]) == "held"
    assert (await desk.ask("DELETE", f"/v1/drafts/{draft}")).status_code == 204
    assert (await desk.ask("DELETE", f"/v1/drafts/{draft}")).status_code == 204, "may be repeated"
    assert await desk.state(DRAMA[1]) == "available"
    assert (await desk.draft(draft))["state"] == "discarded"
    for answer in (await desk.put(draft, "billing", PAID), await desk.submit(draft)):
        assert (answer.status_code, answer.json()["code"]) == (409, "draft_discarded")


async def test_an_abandoned_draft_expires_frees_what_it_holds_and_is_deleted_later(desk: Desk) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:5])
    draft, kept = await desk.ready(), await desk.ready()
    await desk.add(draft, DRAMA[1])
    left = datetime.fromisoformat((await desk.draft(draft))["expires_at"]) - datetime.now(UTC)
    assert 29 < left.total_seconds() / 86_400 <= 30
    assert (await desk.database.drafts.sweep_drafts(10)).things == 0
    await desk.ends(draft)
    swept = await desk.database.drafts.sweep_drafts(10)
    assert (swept.things, swept.numbers, await desk.state(DRAMA[1])) == (1, 1, "available")
    gone = await desk.draft(draft)
    assert (gone["state"], codes(gone)) == ("expired", [])
    assert (await desk.submit(draft)).json()["code"] == "draft_expired"
    assert (await desk.database.drafts.sweep_drafts(10)).things == 0
    await desk.ends(draft)
    await asyncio.gather(*(desk.database.drafts.sweep_drafts(10) for _ in range(3)))
    assert (await desk.ask("GET", f"/v1/drafts/{draft}")).status_code == 404
    assert (await desk.draft(kept))["state"] == "open"
