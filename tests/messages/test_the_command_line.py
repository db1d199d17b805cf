"""The same through the command line."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.messages.test_low_balance import pay
from tests.tenancy.conftest import ADDRESS, Town
from tests.tenancy.test_the_command_line import Run, listening, run

__all__ = ["listening", "run"]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_letters_are_shown_money_is_paid_in_and_a_pin_is_set_and_compared(
    town: Town,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    body = {
        "customer": {"name": "Harbour Ltd", "contact": {"full_name": "Ada", "email": "a@example.com"}, "billing_address": ADDRESS},
        "administration": "operator", "payer": "parent", "terms_accepted": True, "credential": "generate",
    }  # fmt: skip
    (order := tmp_path / "order.json").write_text(json.dumps(body))
    status, onboarding, said = await asyncio.to_thread(run, "onboard", str(order))
    password = said.partition("made: ")[2].split(". Keep")[0].strip()
    view = await town.ended(onboarding.strip(), "upper")
    assert (status, view["state"]) == (0, "active")
    assert (await town.sign_in("a@example.com", password)).status_code == 201
    account = view["account_id"]
    status, shown, said = await asyncio.to_thread(run, "notification-defaults", "--administration", "operator")
    assert (status, "to customer (sent): Welcome" in shown, "{customer_name}" in said) == (0, True, True)
    paid = ("accounts", "credit", account, "5000", "--reference", "Transfer", "--idempotency-key", "once")
    for _ in range(2):
        assert (await asyncio.to_thread(run, *paid))[:2] == (0, "£50.00\n")
    assert (await pay(town, account, 1)).json()["balance_minor"] == 5_001
    status, pin, _ = await asyncio.to_thread(run, "accounts", "set-pin", account)
    monkeypatch.setenv("PIN", pin.strip())
    assert (await asyncio.to_thread(run, "accounts", "verify-pin", account, "--pin-from", "PIN"))[0] == 0
    monkeypatch.setenv("PIN", "482915" if pin.strip() != "482915" else "482916")
    assert (await asyncio.to_thread(run, "accounts", "verify-pin", account, "--pin-from", "PIN"))[0] == 1
    status, _, said = await asyncio.to_thread(run, "accounts", "set-pin", account, "--pin-from", "NO_SUCH")
    assert (status, "NO_SUCH is not set" in said) == (1, True)
