"""Words where people need them: every state, end, letter and error says what it is, and public things say what they are for."""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from domain import errors, ports
from domain.mails import MailKind
from domain.onboarding import Outcome, State
from domain.rules import Finding
from starter import words
from tests.builders import an_onboarding
from tests.starter.memory import view_of

ROOT = Path(__file__).parents[1]
PRODUCT = ("domain", "activities", "workflows", "adapters", "starter")
LETTERS = ROOT / "adapters" / "mail" / "templates"


@cache
def trees(*folders: str) -> list[tuple[str, ast.Module]]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "versions" not in path.parts]
    return [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())) for path in [*paths, ROOT / "worker.py"]]


@pytest.fixture(autouse=True, scope="module")
def felled() -> Iterator[None]:
    yield
    # Millions of objects, which every later collection of garbage in this process would look through.
    trees.cache_clear()


@pytest.mark.parametrize("state", [state for state in State if not state.is_final])
def test_customers_are_told_what_every_state_means_for_them(state: State) -> None:
    notice = words.PROGRESS[state.value]
    assert notice.title
    assert notice.meaning.endswith(".")


@pytest.mark.parametrize("state", [state for state in State if state.is_final and state is not State.ACTIVE])
@pytest.mark.parametrize("code", [None, "a_code_that_nobody_has_words_for"])
def test_customers_are_told_why_their_order_has_ended(state: State, code: str | None) -> None:
    notice = words.closed(view_of(an_onboarding(), state=state, outcome=Outcome(state=state, code=code)))
    assert notice.title
    assert notice.meaning.endswith(".")
    assert notice.advice.endswith(".")


@pytest.mark.parametrize("kind", MailKind)
def test_every_letter_has_a_subject_and_its_text_twice(kind: MailKind) -> None:
    assert {path.name for path in (LETTERS / kind).iterdir()} >= {"subject.txt", "body.txt", "body.html"}


def test_no_letter_is_kept_that_nobody_sends() -> None:
    folders = {path.name for path in LETTERS.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert folders == {kind.value for kind in MailKind}


OUR_ERRORS = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.DialtoneError)}


def told(node: ast.expr) -> str | None:
    """The end of the text of a literal, with its placeholders; ``None`` for what is made elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)  # type: ignore[misc]
    return None


def sentences() -> list[tuple[str, str]]:
    """Every message of an error of ours, of a refused decision and of a finding, with where it is written."""
    found = []
    for name, tree in trees(*PRODUCT):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            position = {"_refuse": 1, "say": 2, "Finding": 2}.get(node.func.id, 0 if node.func.id in OUR_ERRORS else None)
            given = [keyword.value for keyword in node.keywords if keyword.arg == "message"]
            if position is not None and (given or len(node.args) > position):
                text = told(given[0] if given else node.args[position])
                if text is not None:
                    found.append((f"{name}:{node.lineno}", text))
    return found


def test_every_error_is_a_sentence() -> None:
    found = sentences()
    assert len(found) > 40, "the search has lost its way"
    wrong = [f"{where}: {text}" for where, text in found if not text[:1].isupper() or not text.endswith((".", "?"))]
    assert wrong == []


def test_a_finding_has_a_code_a_place_a_message_and_a_way_out() -> None:
    assert list(Finding.model_fields) == ["code", "pointer", "message", "fix", "severity"]


def test_every_refusal_of_a_decision_has_a_code_of_its_own_shape() -> None:
    codes = [
        node.args[0].value
        for name, tree in trees("workflows")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "_refuse"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]
    assert len(codes) > 10
    assert all(code.isidentifier() and code.islower() for code in codes)


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name, tree in trees(*PRODUCT) if tree.body and ast.get_docstring(tree) is None]
    assert silent == []


def test_every_verb_of_every_port_says_what_it_promises() -> None:
    protocols = [kind for _, kind in inspect.getmembers(ports, inspect.isclass) if kind.__module__ == ports.__name__]
    assert len(protocols) >= 8
    for protocol in protocols:
        assert protocol.__doc__, protocol
        verbs = {name: verb for name, verb in vars(protocol).items() if inspect.iscoroutinefunction(verb)}
        assert verbs, protocol
        assert [name for name, verb in verbs.items() if not verb.__doc__] == [], protocol
