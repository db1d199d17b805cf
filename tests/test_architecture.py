"""The house as it was drawn (docs/README.md): who may import whom, what workflows may touch, and that nothing is forgotten.

Every finding says file, line and why. The rules are shown to bite on small examples, so that a green run means something.
"""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

import activities
import worker
import workflows
from adapters.settings import Settings

ROOT = Path(__file__).parents[1]
OURS = {"domain", "activities", "workflows", "adapters", "starter", "worker", "tests", "bench"}
STANDARD = sys.stdlib_module_names


@dataclass(frozen=True)
class Room:
    """What the files of one package may import: ours, and by dotted prefix, others'."""

    ours: set[str]
    others: tuple[str, ...]
    why: str


ROOMS = {
    "domain": Room({"domain"}, ("pydantic",), "what onboarding is depends on nothing that can change under it"),
    "activities": Room(
        {"activities", "domain"}, ("temporalio.activity", "temporalio.exceptions"), "steps know ports, never a vendor"
    ),
    "workflows": Room(
        {"workflows", "activities", "domain"},
        ("temporalio.workflow", "temporalio.common", "temporalio.exceptions"),
        "everything a workflow imports is replayed, and must be pure",
    ),
    "adapters": Room(
        {"adapters", "domain"},
        (
            "aiosmtplib",
            "alembic",
            "argon2",
            "asyncpg",
            "cryptography",
            "email_validator",
            "httpx",
            "jinja2",
            "phonenumbers",
            "pydantic",
            "pydantic_settings",
            "sqlalchemy",
            "stripe",
            "temporalio",
        ),
        "adapters serve the domain; they know neither steps nor pages",
    ),
    "starter": Room(
        {"starter", "workflows", "domain"},
        (
            "aiohttp",
            "aiosmtpd",
            "fastapi",
            "httpx",
            "jinja2",
            "localstripe",
            "markupsafe",
            "phonenumbers",
            "pydantic",
            "rich",
            "starlette",
            "temporalio",
            "typer",
            "uvicorn",
        ),
        "the web process speaks to Temporal and to ports; adapters are put in where processes are composed",
    ),
    "worker.py": Room({"activities", "adapters", "domain", "workflows"}, ("temporalio",), "the worker serves no pages"),
}
COMPOSITION = ("starter/app.py", "starter/seed.py", "starter/doctor.py", "starter/cli/", "starter/local/", "starter/demo/")
"""Where processes are put together: these may import adapters, and the worker to run it."""
EXAMINES = {"starter/doctor.py": ("sqlalchemy", "stripe", "alembic"), "starter/local/": ("sqlalchemy", "alembic")}
"""Who else may speak to a vendor's library: what examines an installation, and what builds one on a laptop."""


def sources() -> list[Path]:
    folders = ("domain", "activities", "workflows", "adapters", "starter")
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path.relative_to(ROOT) for path in found if "versions" not in path.parts] + [Path("worker.py")]


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that is imported; for ``from a import b`` both ``a.b``, which may be a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import hides whose house it leads to"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def wrong_imports(path: Path, source: str) -> list[str]:
    name = path.as_posix()
    room = ROOMS[path.parts[0]]
    composes = name.startswith(COMPOSITION)
    examines = tuple(package for where, packages in EXAMINES.items() if name.startswith(where) for package in packages)
    found = []
    for line, imported in imports(source):
        top = imported.split(".")[0]
        if top in STANDARD:
            continue
        if top in OURS:
            allowed = top in room.ours or (composes and top in {"adapters", "worker"})
        else:
            allowed = any(f"{imported}.".startswith(f"{package}.") for package in room.others + examines)
        if not allowed:
            found.append(f"{name}:{line} imports {imported}: {room.why}")
    return found


@pytest.mark.parametrize("path", sources(), ids=str)
def test_every_file_imports_only_what_its_room_may(path: Path) -> None:
    assert wrong_imports(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("domain/x.py", "import httpx"),
        ("domain/x.py", "from adapters.settings import Settings"),
        ("activities/x.py", "from temporalio import workflow"),
        ("activities/x.py", "def later():\n    import stripe"),
        ("activities/x.py", "from temporalio.client import Client"),
        ("workflows/x.py", "from adapters import mail"),
        ("workflows/x.py", "import temporalio"),
        ("workflows/x.py", "from pydantic import BaseModel"),
        ("adapters/x.py", "from activities.failures import failure"),
        ("adapters/x.py", "import starter.app"),
        ("adapters/x.py", "from fastapi import FastAPI"),
        ("starter/onboardings.py", "from adapters.database import Database"),
        ("starter/api/x.py", "import sqlalchemy"),
        ("starter/app.py", "from activities.mails import MailActivities"),
        ("starter/web.py", "import worker"),
        ("worker.py", "from starter.app import create"),
        ("worker.py", "import tests.builders"),
    ],
)
def test_the_import_rules_bite(path: str, source: str) -> None:
    (finding,) = wrong_imports(Path(path), source)
    assert finding.startswith(f"{path}:")
    assert ": " in finding


def test_what_a_workflow_loads_is_pure() -> None:
    """In a process of its own: what the whole of a workflow's imports brings in."""
    program = "import sys, workflows.onboarding; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert {"workflows.onboarding", "activities.payments", "domain.rules"} <= loaded
    tops = {name.split(".")[0] for name in loaded}
    assert tops & OURS == {"workflows", "activities", "domain"}
    outside = {"sqlalchemy", "stripe", "httpx", "aiosmtplib", "cryptography", "asyncpg", "fastapi", "jinja2", "phonenumbers"}
    assert tops & outside == set()


# What is not the same when it is run again


FORBIDDEN = {
    "datetime.now": "the clock of the machine; use workflow.now()",
    "datetime.utcnow": "the clock of the machine; use workflow.now()",
    "datetime.today": "the clock of the machine; use workflow.now()",
    "date.today": "the clock of the machine; use workflow.now()",
    "uuid.uuid1": "another one at every replay; derive it with domain.keys",
    "uuid.uuid4": "another one at every replay; derive it with domain.keys",
    "asyncio.sleep": "says nothing in the history's timeline; use workflow.sleep or wait_condition with a summary",
    "asyncio.wait": "goes through a set, in another order at every replay; use workflow.wait",
    "asyncio.as_completed": "goes through a set, in another order at every replay; use workflow.as_completed",
    "asyncio.to_thread": "threads do not replay",
}
FORBIDDEN_MODULES = {"random", "secrets", "time", "os", "threading", "subprocess", "socket", "pathlib", "logging", "io"}
FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "id", "hash"}


def is_set(node: ast.expr) -> bool:
    made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"set", "frozenset"}
    return made or isinstance(node, ast.Set | ast.SetComp)


def not_repeatable(name: str, source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            reason = next((why for what, why in FORBIDDEN.items() if f".{ast.unparse(node)}".endswith(f".{what}")), None)
            if reason:
                found.append(f"{name}:{node.lineno} uses {ast.unparse(node)}: {reason}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            found.append(f"{name}:{node.lineno} calls {node.func.id}: not the same in every process")
        elif isinstance(node, ast.For | ast.comprehension) and is_set(node.iter):
            found.append(f"{name}:{node.iter.lineno} goes through a set: in another order in every process")
    for line, imported in imports(source):
        if imported.split(".")[0] in FORBIDDEN_MODULES or imported in FORBIDDEN:
            found.append(f"{name}:{line} imports {imported}: nothing of it is the same when it is run again")
    return found


@pytest.mark.parametrize("path", [path for path in sources() if path.parts[0] == "workflows"], ids=str)
def test_a_workflow_does_the_same_when_it_is_run_again(path: Path) -> None:
    assert not_repeatable(path.as_posix(), (ROOT / path).read_text()) == []


CALLED_BY_WORKFLOWS = ["domain/keys.py", "domain/rules.py", "domain/catalogue.py", "domain/onboarding.py", "domain/quotes.py"]


@pytest.mark.parametrize("path", CALLED_BY_WORKFLOWS)
def test_what_workflows_ask_of_the_domain_is_the_same_when_it_is_asked_again(path: str) -> None:
    assert not_repeatable(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "at = datetime.now(UTC)",
        "at = datetime.datetime.utcnow()",
        "import random",
        "from time import monotonic",
        "from asyncio import sleep",
        "key = uuid.uuid4()",
        "await asyncio.wait(tasks)",
        "for step in set(steps): pass",
        "names = [step.name for step in {first, second}]",
        "print('here')",
        "import os.path",
    ],
)
def test_the_rules_of_repetition_bite(source: str) -> None:
    assert len(not_repeatable("x.py", source)) == 1


# Transactions


TRANSACTIONS = ("adapters/transactions.py", "adapters/database/", "adapters/voice/")


def own_transactions(name: str, source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            whose, verb = ast.unparse(node.func.value), node.func.attr
            if verb in {"begin", "begin_nested", "commit", "rollback"} and not whose.endswith("card_page"):
                found.append(f"{name}:{node.lineno} calls {whose}.{verb}: whoever owns a transaction is in {TRANSACTIONS}")
    return found


def test_transactions_are_begun_and_committed_in_the_database_adapters_only() -> None:
    outside = [path for path in sources() if not path.as_posix().startswith(TRANSACTIONS)]
    assert [finding for path in outside for finding in own_transactions(path.as_posix(), (ROOT / path).read_text())] == []
    assert own_transactions("x.py", "with engine.begin() as connection: connection.commit()")
    assert any(own_transactions(path.as_posix(), (ROOT / path).read_text()) for path in sources() if path not in outside)


# Names on the wire, and that everything is registered


def modules_of(package: ModuleType) -> list[ModuleType]:
    names = [found.name for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")]
    return [importlib.import_module(name) for name in names]


def classes_of(package: ModuleType) -> list[type]:
    found = [kind for module in modules_of(package) for _, kind in inspect.getmembers(module, inspect.isclass)]
    return [kind for kind in dict.fromkeys(found) if kind.__module__.startswith(f"{package.__name__}.")]


def methods_with(kind: type, mark: str) -> dict[str, Callable[..., Any]]:
    return {name: method for name, method in vars(kind).items() if hasattr(method, mark)}


def decorators(package: ModuleType) -> Iterator[tuple[str, str, ast.expr]]:
    """Where, the name of what is decorated, and the decorator."""
    for module in modules_of(package):
        assert module.__file__ is not None
        path = Path(module.__file__)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from ((f"{path.relative_to(ROOT)}:{node.lineno}", node.name, each) for each in node.decorator_list)


ON_THE_WIRE = {"activity.defn", "workflow.defn", "workflow.update", "workflow.signal", "workflow.query"}


@pytest.mark.parametrize("package", [activities, workflows], ids=["activities", "workflows"])
def test_every_name_on_the_wire_is_written_down(package: ModuleType) -> None:
    """A name taken from a function changes with it, and then no stored history fits any more."""
    seen = 0
    for where, decorated, decorator in decorators(package):
        what = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if what not in ON_THE_WIRE:
            continue
        seen += 1
        assert isinstance(decorator, ast.Call), f"{where}: {decorated} has no explicit name"
        names = [ast.literal_eval(keyword.value) for keyword in decorator.keywords if keyword.arg == "name"]
        assert names, f"{where}: {decorated} has no explicit name"
        if what == "activity.defn":
            assert names == [decorated], f"{where}: an activity is called as its method is"
    assert seen >= 15


ACTIVITY = "__temporal_activity_definition"


async def test_every_activity_is_registered_by_the_worker(tmp_path: Path) -> None:
    written = {
        getattr(method, ACTIVITY).name for kind in classes_of(activities) for method in methods_with(kind, ACTIVITY).values()
    }
    async with worker.activities(Settings(state_dir=tmp_path)) as registered:
        names = [getattr(method, ACTIVITY).name for method in registered]
    assert sorted(names) == sorted(written)
    assert len(written) >= 18


async def test_every_workflow_is_registered_by_the_worker(temporal_server: Any) -> None:
    written = [kind for kind in classes_of(workflows) if "__temporal_workflow_definition" in vars(kind)]
    client = await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)
    configured = worker.onboarding_worker(client, Settings(), []).config()
    assert {kind.__name__ for kind in configured["workflows"]} == {kind.__name__ for kind in written}
    assert len(configured["workflows"]) == len(written) > 0


def test_people_can_say_everything_that_was_promised() -> None:
    """What other systems call; a name that is gone is a broken contract."""
    defined = [vars(kind).get("__temporal_workflow_definition") for kind in classes_of(workflows)]
    (definition,) = (found for found in defined if found is not None and found.name == "onboarding")
    assert set(definition.signals) == {"approve", "reject", "activate", "cancel"}
    assert set(definition.queries) >= {"state"}
    assert set(definition.updates) >= {
        "approve",
        "reject",
        "activate",
        "pay",
        "resend_activation",
        "correct",
        "retry",
        "give_up",
        "cancel",
        "resolve_undo",
    }
    assert all(update.validator for update in definition.updates.values()), "a caller gets a yes or a reasoned no"
