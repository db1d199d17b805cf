"""The command line within this process: what a command prints and how it ends, without half a second of imports for each."""

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from starter.cli import main


async def dialtone(
    arguments: tuple[str, ...], cwd: Path, env: Mapping[str, str], given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command, of which nothing but ``env`` tells where the installation is. One at a time: the streams are this process's.

    That the program starts, and ends by signals, is shown by tests/journeys.
    """
    return await asyncio.to_thread(_run, arguments, cwd, env, given or "")


def _run(arguments: tuple[str, ...], cwd: Path, env: Mapping[str, str], given: str) -> subprocess.CompletedProcess[str]:
    out, err, before, stdin = io.StringIO(), io.StringIO(), dict(os.environ), sys.stdin
    for name in [name for name in before if name.startswith(("DIALTONE_", "TEMPORAL_"))]:
        del os.environ[name]
    os.environ |= env
    sys.stdin = io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8")
    status: object = None
    try:
        with chdir(cwd), redirect_stdout(out), redirect_stderr(err):
            main(list(arguments))
    except SystemExit as ended:
        status = ended.code
    finally:
        sys.stdin = stdin
        os.environ.clear()
        os.environ |= before
    code = status if isinstance(status, int) else int(status is not None)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
