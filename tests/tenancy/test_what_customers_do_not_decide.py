"""An account's own administrators operate it. What it costs, who pays and what is undone is for whoever sells to them."""

import pytest

from tests.tenancy.conftest import Town

DECISIONS: dict[str, dict[str, object]] = {
    "approve": {},
    "reject": {"reason": "No"},
    "cancel": {"reason": "No"},
    "substitute": {"accept": True},
    "resend-activation": {},
    "correct": {"email": "somebody@else.example"},
    "take-over": {"consent": "I am the customer", "terms_accepted": True},
    "retry": {},
    "give-up": {},
    "resolve-undo": {"undo": "close_account", "resolved": True, "reason": "Done by hand"},
}


@pytest.mark.parametrize("decision", DECISIONS)
async def test_whoever_administers_an_account_decides_nothing_about_its_orders(decision: str, town: Town) -> None:
    view = await town.live("upper", "A Ltd")
    customer = await town.user("upper", view["account_id"], "ada@example.com", "account_administrator")
    answer = await town.ask("POST", f"/v1/onboardings/{view['id']}/{decision}", customer, json=DECISIONS[decision])
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), answer.text
