"""Which methods of the activity classes are activities: so that one cannot be written and then not be registered."""

from collections.abc import Callable
from typing import Any


def methods_of(*groups: object) -> list[Callable[..., Any]]:
    """The bound activities of these objects, for a worker."""
    methods = (getattr(group, name) for group in groups for name in dir(group) if not name.startswith("_"))
    return [method for method in methods if hasattr(method, "__temporal_activity_definition")]
