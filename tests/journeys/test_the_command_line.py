"""The command line against the running stack, as a process of its own: what goes where, and with which status."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from starter.local.stack import ROOT, Stack
from starter.local.state import EXAMPLES
from tests.journeys.conftest import Town

Dialtone = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def dialtone(stack: Stack, tmp_path: Path) -> Dialtone:
    """Run ``dialtone`` with these arguments, where the stack is the local one and nothing else is set."""

    def run(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("DIALTONE_", "TEMPORAL_"))}
        env |= {"DIALTONE_STATE_DIR": str(stack.state.path), "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        return subprocess.run(
            [sys.executable, "-m", "starter.cli", *arguments],
            cwd=tmp_path,
            env=env,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


async def test_an_order_is_placed_watched_and_shown(dialtone: Dialtone, town: Town, tmp_path: Path) -> None:
    body = town.customer("2", tmp_path).order.decode()
    ordered = dialtone("onboard", "-", given=body)
    assert ordered.returncode == 0
    onboarding = ordered.stdout.strip()
    assert re.fullmatch(r"[0-9a-f-]{36}", onboarding), "standard output is the id and nothing else"
    assert f"dialtone watch {onboarding}" in ordered.stderr

    watched = dialtone("watch", onboarding)
    assert watched.returncode == 0
    assert "account opened" in watched.stdout
    assert "\x1b" not in watched.stdout + watched.stderr
    events = [json.loads(line) for line in dialtone("watch", onboarding, "--json").stdout.splitlines()]
    assert [event["event"] for event in events][:2] == ["order_received", "account_opened"]

    shown = dialtone("show", onboarding)
    assert re.search(r"^State +active$", shown.stdout, re.MULTILINE)
    assert json.loads(dialtone("show", onboarding, "--json").stdout)["id"] == onboarding
    assert onboarding in dialtone("list", "--state", "active", "--limit", "200").stdout
    assert json.loads(dialtone("status", onboarding).stdout)["state"] == "active"


async def test_an_order_is_approved_by_another_key_and_cancelled(dialtone: Dialtone, town: Town, tmp_path: Path) -> None:
    onboarding = dialtone("onboard", "-", given=town.customer("3", tmp_path).order.decode()).stdout.strip()
    await town.northway.wait_for(onboarding, "awaiting_approval")
    assert f"dialtone approve {onboarding}" in dialtone("show", onboarding).stderr
    assert dialtone("approve", onboarding, "--reason", "Seen").returncode == 0
    again = dialtone("approve", onboarding)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.strip().endswith(".")
    assert dialtone("cancel", onboarding).returncode == 0
    ended = dialtone("watch", onboarding)
    assert ended.returncode == 1
    assert "The onboarding ended cancelled (cancelled)." in ended.stderr


def test_a_bad_order_is_refused_in_sentences_with_the_place(dialtone: Dialtone) -> None:
    body = json.loads((EXAMPLES / "orders" / "1-customer-administered.json").read_text())
    del body["customer"]["service_address"]
    refused = dialtone("onboard", "-", given=json.dumps(body))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "/customer/service_address: A telephone number needs the address" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "arguments", [["fly"], ["onboard"], ["list", "--state", "asleep"], ["reject", "x"], ["list", "--limit", "0"]]
)
def test_wrong_use_is_status_2(arguments: list[str], dialtone: Dialtone) -> None:
    wrong = dialtone(*arguments)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_an_unknown_onboarding_is_status_1(dialtone: Dialtone) -> None:
    unknown = dialtone("show", "00000000-0000-4000-8000-000000000000")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "There is no such onboarding" in unknown.stderr


def test_numbers_are_imported_and_found(dialtone: Dialtone) -> None:
    imported = dialtone(
        "numbers", "import", "-", "--white-label", "northway", given="+442079460001\n020 7946 0002\nnot a number\n"
    )
    assert imported.returncode == 1
    assert imported.stdout.strip() == "2"
    assert "row 3: not a number" in imported.stderr
    found = dialtone("numbers", "list", "--prefix", "+442079", "--white-label", "northway")
    assert found.stdout.splitlines() == ["+442079460001\tstandard\tavailable", "+442079460002\tstandard\tavailable"]


def test_a_key_is_issued_listed_and_revoked(dialtone: Dialtone) -> None:
    issued = dialtone("keys", "issue", "Night desk", "--role", "auditor", "--white-label", "northway", "--json")
    key = json.loads(issued.stdout)
    assert key["key"] not in issued.stderr
    assert "Night desk" in dialtone("keys", "list", "--white-label", "northway").stdout
    assert dialtone("list", "--key", key["key"]).returncode == 0
    assert dialtone("keys", "revoke", key["id"]).returncode == 0
    assert "Night desk" not in dialtone("keys", "list").stdout
    assert dialtone("keys", "revoke", "nobody").returncode == 1


def test_a_database_that_is_up_to_date_is_migrated_without_harm(dialtone: Dialtone) -> None:
    assert dialtone("migrate").returncode == 0


def test_the_doctor_finds_everything_well(dialtone: Dialtone) -> None:
    healthy = dialtone("doctor")
    assert healthy.returncode == 0, healthy.stdout
    assert [line.split("\t")[:2] for line in healthy.stdout.splitlines()] == [
        [part, "ok"] for part in ("database", "switch", "temporal", "mail", "gateway")
    ]


def test_the_doctor_finds_the_part_that_is_ill(dialtone: Dialtone, stack: Stack) -> None:
    stack.kill_part("inbox")
    try:
        ill = dialtone("doctor")
    finally:
        stack.start_part("inbox")
    assert ill.returncode == 1
    assert "mail\tILL\tThe relay at 127.0.0.1:" in ill.stdout
    assert "DIALTONE_SMTP_HOST" in ill.stdout
    assert ill.stdout.count("ILL") == 1


def test_the_doctor_finds_a_database_without_a_schema(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "DIALTONE_STATE_DIR": str(tmp_path), "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    command = [sys.executable, "-m", "starter.cli", "doctor"]
    ill = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ill.returncode == 1
    assert re.search(r"^database\tILL\t.*dialtone migrate", ill.stdout, re.MULTILINE)
    assert re.search(r"^switch\tILL\t.*dialtone migrate", ill.stdout, re.MULTILINE)
    assert re.search(r"^temporal\tILL\t.*TEMPORAL_ADDRESS", ill.stdout, re.MULTILINE)


async def test_an_account_is_suspended_resumed_and_changed(dialtone: Dialtone, town: Town, tmp_path: Path) -> None:
    account = (await town.brindley.look(await _active(town, tmp_path)))["account_id"]

    def calling(*arguments: str) -> dict[str, Any]:
        done = dialtone("calling", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    assert calling("show", account)["may_call"]
    assert calling("suspend", account, "--for", "fraud", "--note", "a test")["barred"] == ["fraud"]
    shown = dialtone("calling", "show", account).stdout
    assert "fraud" in shown
    assert "agrees" in shown
    assert calling("resume", account, "--for", "fraud")["may_call"]
    changed = calling("change", account, "--expires-on", "2199-01-31", "--rate-group", "none", "--exempt")
    assert (changed["barred"], changed["late_payment_exempt"]) == (["no_rate_group"], True)
    assert changed["expires_at"] == "2199-02-01T00:00:00Z"
    refused = dialtone("calling", "suspend", account, "--for", "payment")
    assert refused.returncode == 1
    assert "exempt" in refused.stderr
    nothing = dialtone("calling", "change", account)
    assert nothing.returncode == 1
    assert "Name at least one field" in nothing.stderr


def test_rate_groups_are_put_and_listed(dialtone: Dialtone) -> None:
    on_sale = ("--valid-from", "2026-01-01", "--white-label", "northway")
    assert dialtone("rate-groups", "put", "evenings", "--name", "Evenings", *on_sale).stdout == "evenings\n"
    listed = dialtone("rate-groups", "list", "--white-label", "northway").stdout
    codes = [line.split()[0] for line in listed.splitlines()]
    # The stack is shared, so others' groups may stand among these.
    assert [code for code in codes if code in {"uk-standard", "evenings"}] == ["uk-standard", "evenings"]


async def _active(town: Town, directory: Path) -> str:
    onboarding = await town.brindley.must_order(town.customer("2", directory).order)
    await town.brindley.wait_for(onboarding, "active")
    return onboarding
