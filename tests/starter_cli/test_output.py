"""What a person at a terminal reads is what was typed."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ["[/bold]", "[link=https://elsewhere.example]Harbour Books[/link]", "[black on black]hidden", "Ada \\[Ltd]"]


def test_a_name_in_a_table_is_no_markup() -> None:
    """Somebody called ``[/bold]`` would break the list for every operator, and ``[link=...]`` lead them elsewhere."""
    ours, theirs = os.openpty()
    program = "import sys; from starter.cli import output; output.print_table(['Customer'], [[name] for name in sys.argv[1:]])"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "TERM": "xterm-256color"}
    with subprocess.Popen([sys.executable, "-c", program, *NAMES], env=env, stdout=theirs) as process:
        os.close(theirs)
        assert process.wait(30) == 0
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    _heading, *lines = shown.splitlines()
    assert [line.rstrip() for line in lines] == NAMES
