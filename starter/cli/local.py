"""Settings for commands that work on an installation directly: the environment's, or those of the local stack here."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from adapters.settings import Settings
from starter.cli.api import state_directory
from starter.local.state import read_environment

if TYPE_CHECKING:
    from adapters.database import Database

T = TypeVar("T")


def use_local_stack() -> bool:
    """Take over the variables of the local stack of this directory where the environment does not set them.

    Not where the environment names an installation of its own: its database with our secret would be neither. Returns
    whether the local stack's are in use.
    """
    if os.environ.get("DIALTONE_ENVIRONMENT") == "production" or "DIALTONE_DATABASE_URL" in os.environ:
        return False
    variables = read_environment(state_directory())
    for name, value in variables.items():
        os.environ.setdefault(name, value)
    return bool(variables)


def installation() -> Settings:
    """The settings of the installation that a command works on. Raises pydantic's ``ValidationError``."""
    use_local_stack()
    return Settings()


def on_database(work: Callable[["Database"], Awaitable[T]]) -> T:
    """What ``work`` makes of the installation's database, which is closed afterwards."""
    from adapters.database import Database  # noqa: PLC0415 - takes a while to load, and most commands need none

    async def run() -> T:
        database = Database(installation().database)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())
