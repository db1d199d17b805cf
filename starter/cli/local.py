"""Settings for commands that work on an installation directly: the environment's, or those of the local stack here."""

import os

from adapters.settings import Settings
from starter.cli.api import state_directory
from starter.local.state import read_environment


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
