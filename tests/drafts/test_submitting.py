"""Several submit one draft: one order, made of what the draft says, and its secrets for whoever placed it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.drafts import Draft, Wish, frozen, thawed
from tests.drafts.conftest import CUSTOMER, PAID, Desk


async def test_what_was_made_is_shown_to_whoever_placed_the_order_and_not_to_a_colleague_who_submits_the_same(
    desk: Desk,
) -> None:
    draft = await desk.ready()
    answers = await asyncio.gather(*(desk.submit(draft, by, key=f"{at}") for at, by in enumerate(["admin", "colleague"] * 4)))
    assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
    (begun,) = desk.counter.taken.values()
    seen, placed = dict[str, set[str | None]](), dict[str, str]()
    for at, name in enumerate(("admin", "colleague")):
        principal = await desk.database.identities.authenticate(desk.keys[name])
        assert principal is not None
        placed[name] = principal.actor
        seen[name] = {answer.json()["password"] for answer in answers[at::2]} - {None}
    winner = next(name for name in seen if placed[name] == begun.requested_by)
    loser = next(name for name in seen if name != winner)
    assert (len(seen[winner]), seen[loser]) == (1, set())


async def test_whoever_comes_back_after_a_death_sees_what_was_made_and_a_colleague_does_not(desk: Desk) -> None:
    shown = {}
    for by in ("colleague", "admin"):
        draft = await desk.ready()
        await desk.save(draft, "customer", _named(f"{by} Ltd"))
        desk.counter.dies = True
        assert (await desk.submit(draft)).status_code == 500
        desk.counter.dies = False
        answer = await desk.submit(draft, by=by)
        assert (answer.status_code, answer.json()["state"]) == (202, "submitted")
        shown[by] = answer.json()["password"]
    assert shown["colleague"] is None
    assert shown["admin"]


async def test_whoever_lost_the_answer_sees_what_was_made_by_the_same_request_again_and_by_no_other(desk: Desk) -> None:
    draft = await desk.ready()
    first = (await desk.submit(draft, key="lost")).json()["password"]
    assert first
    again = await desk.submit(draft, key="lost")
    assert (again.status_code, again.headers["Idempotent-Replayed"], again.json()["password"]) == (202, "true", first)
    assert (await desk.submit(draft, key="another")).json()["password"] is None
    assert (await desk.submit(draft, by="colleague", key="lost")).json()["password"] is None
    seen = await desk.draft(draft)
    assert (seen["state"], seen["submitting"], seen.get("password")) == ("submitted", False, None)


async def test_a_refused_submission_does_not_free_a_draft_that_another_one_is_ordering(desk: Desk) -> None:
    draft = await desk.ready()
    desk.counter.may_go_on.clear()
    first = asyncio.create_task(desk.submit(draft))
    await desk.counter.arrived.wait()
    refused = await desk.submit(draft, by="colleague", pin="1")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/pin")
    for answer in (
        await desk.put(draft, "billing", PAID | {"credit_limit_minor": 1}),
        await desk.ask("DELETE", f"/v1/drafts/{draft}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "draft_submitting"), "else the order would be another"
    desk.counter.may_go_on.set()
    assert (await first).status_code == 202
    (begun,) = desk.counter.taken.values()
    assert begun.order.credit_limit_minor == PAID["credit_limit_minor"]
    assert (await desk.draft(draft))["state"] == "submitted"


async def test_the_mark_of_a_submission_that_died_long_ago_holds_a_draft_no_longer_than_the_next_refusal(desk: Desk) -> None:
    draft = await desk.ready()
    await desk.save(draft, "creation", {})

    def died(now: Draft) -> Wish:
        return Wish(draft=now.model_copy(update={"submitting": {"dead": datetime.now(UTC) - timedelta(hours=1)}}))

    await desk.database.drafts.change(draft, died)
    assert (await desk.put(draft, "creation", {})).json()["code"] == "draft_submitting"
    assert (await desk.submit(draft)).status_code == 422
    await desk.save(draft, "creation", {"terms_accepted": True})
    assert (await desk.submit(draft)).status_code == 202


def test_a_draft_of_before_that_was_being_submitted_can_be_submitted_and_mended() -> None:
    fields = {"id": "d", "tenant_id": "t", "person": "p", "created_by": "k", "changed_by": "k"}
    times = {"created_at": "2026-01-01T00:00:00Z", "changed_at": "2026-01-01T00:00:00Z"}
    draft = Draft.model_validate(fields | times | {"submitting": "a token"})
    assert thawed(frozen(draft, "new", datetime.now(UTC)), "new", datetime.now(UTC)).submitting == {}
    assert Draft.model_validate(fields | times | {"submitting": None}).submitting == {}


def _named(name: str) -> dict[str, Any]:
    customer: dict[str, Any] = CUSTOMER["customer"]  # type: ignore[assignment]
    return CUSTOMER | {"customer": customer | {"name": name}}


async def test_an_order_that_a_colleague_repeats_word_for_word_shows_them_no_password(desk: Desk) -> None:
    body = CUSTOMER | PAID | {"terms_accepted": True}
    shown = {}
    for by in ("admin", "colleague", "admin"):
        answer = await desk.ask("POST", "/v1/onboardings", by=by, key="once", json=body)
        assert answer.status_code == 202, answer.text
        shown.setdefault(by, answer.json()["password"])
        assert shown[by] == answer.json()["password"]
    assert (bool(shown["admin"]), shown["colleague"]) == (True, None)
