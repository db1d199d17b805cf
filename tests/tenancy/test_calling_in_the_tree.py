"""Who may say whether an account can call: its white label, all above it, and whoever has switched to it; not the account itself."""

import pytest

from tests.tenancy.conftest import LOWER, Town


async def _suspended(town: Town, account: str, by: str) -> list[str]:
    answer = await town.ask("GET", f"/v1/accounts/{account}/calling", by)
    assert answer.status_code == 200, answer.text
    reasons: list[str] = answer.json()["suspended_for"]
    return reasons


async def test_all_above_an_account_and_whoever_switched_to_it_suspend_it_and_nobody_beside_it_sees_it(town: Town) -> None:
    account = (await town.live("lower", "A Ltd"))["account_id"]
    admin = await town.user("lower", LOWER.id, "boss@example.com", "admin")
    switched = await town.switched(admin, account)
    for by, reason in (("lower", "payment"), ("upper", "fraud"), ("platform", "admin"), (switched, "expiry")):
        answer = await town.ask("POST", f"/v1/accounts/{account}/suspend", by, json={"reason": reason})
        assert answer.status_code == 200, (reason, answer.text)
    assert await _suspended(town, account, "upper") == ["admin", "expiry", "fraud", "payment"]
    for method, path, body in (("GET", "calling", None), ("POST", "resume", {"reason": "fraud"})):
        answer = await town.ask(method, f"/v1/accounts/{account}/{path}", "other", json=body)
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "suspend", {"reason": "admin"}),
        ("POST", "resume", {"reason": "fraud"}),
        ("PATCH", "calling", {"expires_on": None}),
    ],
    ids=["suspend", "resume", "change"],
)
async def test_an_account_does_not_lift_its_own_suspension(
    town: Town, method: str, path: str, body: dict[str, str | None]
) -> None:
    account = (await town.live("upper", "A Ltd"))["account_id"]
    customer = await town.user("upper", account, "ada@example.com", "account_administrator")
    assert (await town.ask("POST", f"/v1/accounts/{account}/suspend", "upper", json={"reason": "fraud"})).status_code == 200
    assert await _suspended(town, account, customer) == ["fraud"], "it sees why"
    answer = await town.ask(method, f"/v1/accounts/{account}/{path}", customer, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert await _suspended(town, account, "upper") == ["fraud"]


async def test_a_key_of_a_suspension_stands_for_one_body_and_a_repetition_shows_how_it_is_by_now(town: Town) -> None:
    account = (await town.live("upper", "A Ltd"))["account_id"]
    key = {"Idempotency-Key": "k"}

    async def suspend(reason: str, headers: dict[str, str]) -> tuple[int, object]:
        answer = await town.ask("POST", f"/v1/accounts/{account}/suspend", "upper", json={"reason": reason}, headers=headers)
        return answer.status_code, answer.json().get("code") or answer.json()["suspended_for"]

    assert await suspend("payment", key) == (200, ["payment"])
    assert await suspend("fraud", key) == (422, "idempotency_key_reused")
    assert await suspend("fraud", {}) == (200, ["fraud", "payment"])
    assert await suspend("payment", key) == (200, ["fraud", "payment"])
    assert await _suspended(town, account, "upper") == ["fraud", "payment"]
