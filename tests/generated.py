"""What the documentation has from the code: written by ``python -m tests.generated``, compared by ``tests/test_readme.py``."""

import ast
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from pydantic import SecretStr

import adapters.settings
from adapters.settings import Settings
from domain.onboarding import TRANSITIONS, State

ROOT = Path(__file__).parents[1]
_COMMAND = "python -m tests.generated"


def _sentences() -> dict[str, str]:
    """What the source says below each setting."""
    tree = ast.parse(Path(adapters.settings.__file__).read_text())
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    found = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            found[field.target.id] = " ".join(ast.literal_eval(below.value).split()).replace("``", "`")
    return found


def settings_table() -> str:
    """Every setting, its default, and its sentence. A setting without a sentence is a ``KeyError``."""
    rows = ["| variable | default | what it is |", "| --- | --- | --- |"]
    sentences = _sentences()
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            shown = "(one for development)"
        else:
            shown = "" if default is None or default == "" else f"`{default}`"
        rows.append(f"| `DIALTONE_{name.upper()}` | {shown} | {sentences[name]} |")
    return "\n".join(rows)


def states_table() -> str:
    """Every state, what TM Forum calls it, and where it leads."""
    rows = ["| state | TMF622 | leads to |", "| --- | --- | --- |"]
    for state in State:
        leads_to = ", ".join(f"`{other}`" for other in State if other in TRANSITIONS[state]) or "final"
        rows.append(f"| `{state}` | {state.tm_forum} | {leads_to} |")
    return "\n".join(rows)


def states_diagram() -> str:
    """The same as a picture."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.OPENING}"]
    lines += [f"    {state} --> {other}" for state in State for other in State if other in TRANSITIONS[state]]
    lines += [f"    {state} --> [*]" for state in State if state.is_final]
    return "\n".join([*lines, "```"])


PARTS: dict[tuple[str, str], Callable[[], str]] = {
    ("README.md", "settings"): settings_table,
    ("docs/operations.md", "states"): states_table,
    ("docs/operations.md", "picture"): states_diagram,
}


def with_part(text: str, name: str, content: str) -> str:
    """The page with what is between the marks of this name replaced. Raises ``ValueError`` if there are none."""
    pattern = rf"(<!-- {name}: written by `{re.escape(_COMMAND)}` -->\n).*?(<!-- end of {name} -->)"
    page, count = re.subn(pattern, lambda marks: f"{marks[1]}\n{content}\n\n{marks[2]}", text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"The page has {count} places for {name!r} and not one.")
    return page


def main() -> None:
    """Write every part into its page."""
    for (page, name), make in PARTS.items():
        file = ROOT / page
        file.write_text(with_part(file.read_text(), name, make()))


if __name__ == "__main__":
    main()
