"""A draft from the command line, against the API of a desk that listens on a port."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.drafts.conftest import CUSTOMER, TENANT, Desk
from tests.numbers.conftest import DRAMA
from tests.numbers.test_command_line import Dialtone, listening_shop


@pytest.fixture
async def dialtone(desk: Desk, tmp_path: Path) -> AsyncIterator[Dialtone]:
    async for run in listening_shop(desk, tmp_path):
        yield run


@pytest.mark.requirement("S3-01", "S3-06", "S3-07", "S3-30", "S3-44")
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_draft_is_begun_filled_in_walked_through_mended_and_submitted(desk: Desk, dialtone: Dialtone) -> None:
    await desk.database.admin.import_numbers(TENANT.id, DRAMA[:8])
    begun = await dialtone("draft", "new")
    draft = begun.stdout.strip()
    assert f"dialtone draft set {draft} customer" in begun.stderr
    filled = await dialtone("draft", "set", draft, "customer", "-", given=json.dumps(CUSTOMER))
    assert filled.returncode == 0, filled.stderr
    assert filled.stdout.splitlines()[0].split("\t")[:2] == ["> customer", "done"]
    named = await dialtone("draft", "set", draft, "service", "services.0.label=Front desk", "services.1.max_channels:=4")
    assert "66.00" in named.stderr, named.stderr
    listed = await dialtone("draft", "numbers", draft, "--prefix", "0121 496", "--count", "3")
    assert [line.split("\t")[0] for line in listed.stdout.splitlines()] == DRAMA[:3]
    added = await dialtone("draft", "numbers", draft, "--prefix", "0121 496", "--count", "3", "--all")
    assert f": {', '.join(DRAMA[:3])}." in added.stderr
    fewer = await dialtone("draft", "numbers", draft, DRAMA[1], "--remove")
    assert f": {DRAMA[0]}, {DRAMA[2]}." in fewer.stderr
    assert "> service" in (await dialtone("draft", "next", draft)).stdout
    assert "> customer" in (await dialtone("draft", "back", draft)).stdout
    wrong = await dialtone("draft", "set", draft, "billing", "payer=parent", "account_type=postpaid", "plan=gold-plated")
    assert wrong.returncode == 0, wrong.stderr
    faulty = await dialtone("draft", "check", draft)
    assert faulty.returncode == 1
    assert {line.split("\t")[0] for line in faulty.stdout.splitlines()} == {"billing", "creation"}
    refused = await dialtone("draft", "submit", draft)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "/plan" in refused.stderr
    mended = await dialtone("draft", "set", draft, "billing", "plan=", "credit_limit_minor:=50000", "--json")
    (billing,) = [part for part in json.loads(mended.stdout)["sections"] if part["name"] == "billing"]
    assert billing["entered"] == {"payer": "parent", "account_type": "postpaid", "credit_limit_minor": 50_000}
    ready = await dialtone("draft", "set", draft, "creation", "terms_accepted=true")
    assert f"dialtone draft submit {draft}" in ready.stderr
    assert (await dialtone("draft", "list")).stdout.split("\t")[:4] == [draft, "open", "customer", "Harbour Books Ltd"]
    submitted = await dialtone("draft", "submit", draft)
    assert submitted.stdout.strip() in desk.counter.taken
    assert f"dialtone watch {submitted.stdout.strip()}" in submitted.stderr
    again = await dialtone("draft", "submit", draft)
    assert again.stdout == submitted.stdout
    assert (await dialtone("draft", "discard", draft)).returncode == 1
    other = (await dialtone("draft", "new")).stdout.strip()
    assert (await dialtone("draft", "discard", other)).returncode == 0
    for odd in (("customer.name.first=Ada", "customer.name.first.x=1"), ("plan",), ("a=1", "file.json"), ("x:=nope",)):
        answer = await dialtone("draft", "set", draft, "billing", *odd)
        assert (answer.returncode, answer.stdout) == (1, ""), answer.stderr


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_submission_takes_what_no_draft_keeps_and_tells_what_was_made_for_it(
    desk: Desk, dialtone: Dialtone, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = await desk.ready()
    monkeypatch.setenv("CHOSEN", "111111")
    weak = await dialtone("draft", "submit", draft, "--pin-from", "CHOSEN")
    assert (weak.returncode, "/pin" in weak.stderr) == (1, True), weak.stderr
    nothing = await dialtone("draft", "submit", draft, "--password-from", "NOT_SET_ANYWHERE")
    assert (nothing.returncode, "NOT_SET_ANYWHERE is not set" in nothing.stderr) == (1, True)
    monkeypatch.setenv("CHOSEN", "719284")
    submitted = await dialtone("draft", "submit", draft, "--pin-from", "CHOSEN", "--idempotency-key", "once")
    assert submitted.stdout.strip() in desk.counter.taken
    (made,) = re.findall("The password that was made: (.+). Keep it", submitted.stderr)
    again = await dialtone("draft", "submit", draft, "--pin-from", "CHOSEN", "--idempotency-key", "once")
    assert again.stdout == submitted.stdout
    assert f"The password that was made: {made}. Keep it" in again.stderr
    assert "nothing new was started" in again.stderr
    assert "password that was made" not in (await dialtone("draft", "submit", draft)).stderr
    other = await desk.ready()
    monkeypatch.setenv("CHOSEN", "correct horse battery staple")
    chosen = await dialtone("draft", "submit", other, "--password-from", "CHOSEN")
    assert (chosen.returncode, "password that was made" in chosen.stderr) == (0, False), chosen.stderr
    assert desk.counter.taken[chosen.stdout.strip()].credentials.password_hash
