"""Every moment and day that the API takes: a year that cannot be reckoned with is refused by its name, wherever it is.

They come from the API's own schema, so that a new one is tried here before anybody thinks of it.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from starter.web import create_app
from tests.starter.conftest import TENANT, House
from tests.starter.memory import build
from tests.starter.test_every_field import CHOICES

