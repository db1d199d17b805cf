"""Files that are named on the command line; ``-`` is standard input."""

import sys
from pathlib import Path
from typing import Any

from starter.cli.api import CommandFailed
from starter.reading import json_of


def content(file: str | Path) -> bytes:
    """The whole file. Raises ``CommandFailed`` if it cannot be read."""
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else Path(file).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is no name of a file"
        raise CommandFailed(f"The file {file} cannot be read: {reason}.") from error


def text(file: str | Path) -> str:
    """The file's text. Raises ``CommandFailed`` for one that cannot be read, or is not in UTF-8."""
    try:
        return content(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandFailed(f"The file {file} is not text in UTF-8. Save it as UTF-8.") from error


def json_object(file: str | Path) -> dict[str, Any]:
    """The JSON object that the file holds. Raises ``CommandFailed`` for anything else."""
    try:
        said = json_of(text(file))
    except ValueError as error:
        raise CommandFailed(f"The file {file} cannot be read. {error}") from error
    if not isinstance(said, dict):
        raise CommandFailed(f"The file {file} does not hold a JSON object.")
    return said
