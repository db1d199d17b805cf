"""The command line, apart from the machine's own state."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def in_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Go to a directory where no stack has ever run."""

    def go() -> Path:
        monkeypatch.chdir(tmp_path)
        for name in ("DIALTONE_STATE_DIR", "DIALTONE_URL", "DIALTONE_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        return tmp_path

    return go
