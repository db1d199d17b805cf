"""A new installation gets its first white label from the command line alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from starter.cli import main
from starter.local.state import EXAMPLES

Run = Callable[..., int]


@pytest.fixture
def run(in_empty_directory: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``dialtone`` on a new installation that has run its migrations; returns the exit status."""
    directory = in_empty_directory()
    monkeypatch.setenv("DIALTONE_DATABASE_URL", f"sqlite:///{directory}/new.db")
    monkeypatch.setenv("DIALTONE_VOICE_DATABASE_URL", f"sqlite:///{directory}/switch.db")

    def command(*arguments: str) -> int:
        try:
            main(list(arguments))
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    assert command("migrate") == 0
    return command


def test_a_white_label_is_put_and_then_has_a_key(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("white-labels", "put", str(EXAMPLES / "white-labels" / "northway.json")) == 0
    assert capsys.readouterr().out == "northway\n"
    assert run("keys", "issue", "Billing system", "--role", "admin", "--white-label", "northway") == 0
    assert capsys.readouterr().out.startswith("dt_")
    assert run("white-labels", "list") == 0
    assert capsys.readouterr().out.split("\t")[:3] == ["northway", "Northway Voice", "GBP"]


def test_a_key_has_no_more_rights_than_somebody_wrote_down(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("white-labels", "put", str(EXAMPLES / "white-labels" / "northway.json")) == 0
    assert run("keys", "issue", "Desk") == 2
    assert "--role" in capsys.readouterr().err
    for whose in ((), ("--platform", "--white-label", "northway")):
        assert run("keys", "issue", "Desk", "--role", "admin", *whose) == 1
        assert "--white-label SLUG, or --platform" in capsys.readouterr().err
    assert run("keys", "issue", "Desk", "--role", "auditor", "--person", " ", "--platform") == 1
    capsys.readouterr()
    assert run("keys", "issue", "Desk", "--role", "auditor", "--person", "Ada@example.com", "--platform", "--json") == 0
    issued = json.loads(capsys.readouterr().out)
    assert (issued["tenant_id"], issued["role"], issued["person"]) == (None, "auditor", "ada@example.com")
    assert run("keys", "list") == 0
    assert capsys.readouterr().out.split("\t")[1:] == ["Desk", "ada@example.com", "auditor", "(platform)\n"]


def test_putting_it_again_changes_its_prices(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in (EXAMPLES / "white-labels").glob("northway.*"):
        shutil.copy(part, tmp_path)
    file = tmp_path / "northway.json"
    assert run("white-labels", "put", str(file)) == 0
    data = json.loads(file.read_text())
    data["price_list"]["plans"][0]["setup_minor"] = 4321
    file.write_text(json.dumps(data))
    assert run("white-labels", "put", str(file)) == 0
    capsys.readouterr()
    assert run("white-labels", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["price_list"]["plans"][0]["setup_minor"] == 4321


def test_what_is_no_white_label_is_refused_in_a_sentence(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wrong.json").write_text('{"slug": "wrong"}')
    (tmp_path / "wrong.terms.txt").write_text("Terms")
    assert run("white-labels", "put", str(tmp_path / "wrong.json")) == 1
    assert "cannot be loaded" in capsys.readouterr().err


def test_a_ledger_does_not_change_its_currency(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in (EXAMPLES / "white-labels").glob("northway.*"):
        shutil.copy(part, tmp_path)
    file = tmp_path / "northway.json"
    assert run("white-labels", "put", str(file)) == 0
    file.write_text(file.read_text().replace('"GBP"', '"EUR"'))
    assert run("white-labels", "put", str(file)) == 1
    assert "northway: This white label's ledger is in GBP" in capsys.readouterr().err.replace("\n", " ")
