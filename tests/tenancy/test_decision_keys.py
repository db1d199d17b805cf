"""A key of a decision stands for one body: another body under it is refused, and decides nothing."""

from domain.keys import workflow_id
from tests.tenancy.conftest import Town


async def test_a_key_of_a_decision_stands_for_one_body_before_and_after_the_end(town: Town) -> None:
    ordered = await town.order("upper", administration="customer", terms_accepted=False)
    assert ordered.status_code == 202, ordered.text
    onboarding = ordered.json()["id"]

    async def ask(path: str, key: str, **body: str) -> tuple[int, str]:
        headers = {"Idempotency-Key": key}
        answer = await town.ask("POST", f"/v1/onboardings/{onboarding}/{path}", "upper", json=body, headers=headers)
        assert "fingerprint" not in answer.json()
        return answer.status_code, answer.json().get("code") or answer.json()["state"]

    while (await ask("correct", "first", email="ada.reed@harbour.example.com"))[0] != 200:
        pass  # it does not wait for its customer yet
    assert await ask("correct", "first", email="somebody@else.example.com") == (422, "idempotency_key_reused")
    assert (await ask("correct", "first", email="ada.reed@harbour.example.com"))[0] == 200
    history = await town.client.get_workflow_handle(workflow_id(onboarding)).fetch_history()
    assert sum(event.HasField("workflow_execution_update_accepted_event_attributes") for event in history.events) == 1

    assert (await ask("cancel", "second", reason="as asked on the telephone"))[0] == 200
    view = await town.ended(onboarding, "upper")
    assert view["state"] == "cancelled"
    assert (await ask("cancel", "second", reason="as asked on the telephone"))[0] == 200
    assert await ask("cancel", "second", reason="for another reason") == (422, "idempotency_key_reused")
