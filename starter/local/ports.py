"""Where the parts of the local stack listen; all of it on loopback."""

from dataclasses import dataclass, fields
from typing import Self

from starter.local.processes import StackError, free_ports, require_free

DEFAULT_BASE = 8400

_OFFSETS = {
    "web": 0,
    "gateway": 20,
    "smtp": 25,
    "inbox": 26,
    "temporal": 33,
    "temporal_ui": 34,
    "sip": 60,
    "sip_rpc": 80,
}


@dataclass(frozen=True)
class Ports:
    """One port per part."""

    web: int
    gateway: int
    smtp: int
    inbox: int
    temporal: int
    temporal_ui: int
    sip: int
    sip_rpc: int

    @classmethod
    def above(cls, base: int = DEFAULT_BASE) -> Self:
        """The same ports every time: ``base`` for the web pages, the others a fixed distance above."""
        if not 1024 <= base <= 65_000:
            raise StackError(f"The ports cannot begin at {base}: choose a --port-base from 1024 to 65000.")
        return cls(**{name: base + offset for name, offset in _OFFSETS.items()})

    @classmethod
    def free(cls) -> Self:
        """Ports that nobody uses at this moment."""
        return cls(**dict(zip(_OFFSETS, free_ports(len(_OFFSETS)), strict=True)))

    def require_free(self) -> None:
        """Raises ``StackError`` for the first port on which somebody else listens."""
        for each in fields(self):
            require_free(getattr(self, each.name), each.name.replace("_", " "))
