"""What the pages say is so: links lead somewhere, proofs exist, commands can be typed, tables are those of the code."""

import ast
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from adapters import mail, voice
from domain import errors
from domain.onboarding import State
from starter import audit
from starter.cli import app
from tests.generated import PARTS, ROOT, with_part

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
README, OPERATIONS = ROOT / "README.md", ROOT / "docs" / "operations.md"
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

_LINK = re.compile(r"\[[^\]\n]+\]\((?P<target>[^)\s\"]+)(?:\s+\"(?P<title>[^\"]+)\")?\)")


def links(page: Path) -> Iterator[tuple[str, str | None]]:
    """Target and title of every link to something of ours."""
    for link in _LINK.finditer(page.read_text()):
        if not link["target"].startswith(("http://", "https://")):
            yield link["target"], link["title"]


def anchors(page: Path) -> set[str]:
    """What a link into the page may name: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_to_something_that_is_there(page: Path) -> None:
    for target, _ in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def test_every_proof_is_a_test_of_the_file_that_is_named() -> None:
    proofs = [(target, title) for target, title in links(README) if title is not None]
    assert len(proofs) >= 10
    for target, title in proofs:
        defined = {node.name for node in ast.walk(ast.parse((ROOT / target).read_text())) if hasattr(node, "name")}
        assert title in defined, f"{target} has no {title}"


def test_every_line_of_the_audit_that_is_named_is_one_and_all_promises_of_money_and_numbers_are_named() -> None:
    checks = set(re.findall(r'_Check\(\s*"([a-z-]+)"', inspect.getsource(audit)))
    guarantees = README.read_text().split("## What it guarantees")[1].split("\n## ")[0]
    named = {name for line in re.findall(r"Audit: ([^.]+)\.", guarantees) for name in re.findall(r"`([a-z-]+)`", line)}
    assert named <= checks
    assert {"one-charge", "one-holder", "released"} <= named


@pytest.mark.parametrize(("page", "name"), PARTS, ids=str)
def test_what_is_generated_is_that_of_the_code(page: str, name: str) -> None:
    text = (ROOT / page).read_text()
    assert text == with_part(text, name, PARTS[page, name]()), "Run: python -m tests.generated"


def test_every_state_has_a_line_for_operators() -> None:
    table = OPERATIONS.read_text().split("| state | waits for |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [state.value for state in State]


def test_every_code_that_can_hold_an_onboarding_has_a_remedy() -> None:
    """The codes of everything that the letter with the link and the switch can answer, and those of silence."""
    classes = {name: kind.code for name, kind in vars(errors).items() if isinstance(kind, type) and hasattr(kind, "code")}
    codes = {"timed_out", "broken"}
    for package in (mail, voice):
        for file in Path(package.__file__ or "").parent.glob("*.py"):
            for call in ast.walk(ast.parse(file.read_text())):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in classes:
                    given = [word.value for word in call.keywords if word.arg == "code"]
                    codes |= {ast.literal_eval(code) for code in given} or {classes[call.func.id]}
    codes -= {
        "key_closed",
        "number_twice",
        "line_missing",
    }  # the step's own undo was there first; `dialtone migrate` says it, no step does; a reclaim
    remedies = OPERATIONS.read_text().split("| code | what happened |")[1].split("\n\n")[0]
    assert codes <= set(re.findall(r"`(\w+)`", remedies))


def test_every_folder_has_its_line() -> None:
    table = README.read_text().split("| folder | what it is |")[1].split("\n\n")[0]
    named = set(re.findall(r"^\| `([a-z]+)/` \|", table, re.MULTILINE))
    assert named == {folder.name for folder in ROOT.iterdir() if folder.is_dir() and folder.name[0] not in "._"}


def commands(page: Path) -> Iterator[str]:
    """Every shell command that a page shows, in a block or in the middle of a sentence."""
    text = page.read_text()
    for language, block in re.findall(r"^```(console|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            if language == "sh" or line.startswith("$ "):
                yield line.removeprefix("$ ").split("  #")[0].strip()
    yield from re.findall(
        r"(?<!`)`((?:make|dialtone) [^`\n]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    )


@each_page
def test_every_make_target_that_is_named_is_one(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in commands(page):
        words = shlex.split(command)
        if words[:1] == ["make"]:
            assert {word for word in words[1:] if "=" not in word} <= targets, command


@each_page
def test_every_dialtone_command_that_is_shown_can_be_typed(page: Path) -> None:
    for text in commands(page):
        words = shlex.split(text)
        if words[:1] != ["dialtone"] or words[1:] == ["--help"]:
            continue
        command = typer.main.get_command(app)
        words = words[1:]
        while isinstance(getattr(command, "commands", None), dict):
            assert words, text
            command = getattr(command, "commands")[words.pop(0)]  # noqa: B009 - typed as a plain command
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known, text


@each_page
def test_no_page_names_a_machine_or_how_the_work_was_done(page: Path) -> None:
    assert not re.search(r"/(work|root|var/tmp|home)/|\bhelper|\bsession \d|\bissue \d", page.read_text())
