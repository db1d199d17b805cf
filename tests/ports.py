"""Ports for what is told its port when it starts, each process of tests having its own."""

import os
import socket
from collections.abc import Iterator
from functools import cache
from itertools import cycle, islice

from starter.local.ports import Ports
from starter.local.processes import StackError

LOOPBACK = "127.0.0.1"
# Below the ports that the system gives to whoever asks for any: one of those may be given away before it is used here.
_BLOCKS = [range(first, first + 250) for first in range(10_000, 32_000, 250)]


@cache
def _ours() -> tuple[socket.socket, range]:
    """A block of ports that no other process of tests takes from: it is ours while we listen at its first."""
    start = os.getpid() % len(_BLOCKS)
    for block in _BLOCKS[start:] + _BLOCKS[:start]:
        claim = socket.socket(type=socket.SOCK_STREAM)
        try:
            claim.bind((LOOPBACK, block[0]))
            claim.listen()
        except OSError:
            claim.close()
            continue
        return claim, block[1:]
    raise AssertionError("every block of ports for the tests is taken; is something left running?")


@cache
def _in_turn() -> Iterator[int]:
    return cycle(_ours()[1])


def free_port() -> int:
    """A port of loopback that nobody has now, neither for TCP nor for UDP, and that no other process of tests will take."""
    for port in islice(_in_turn(), 500):
        with socket.socket(type=socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((LOOPBACK, port))
                udp.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free in the block of this process of tests; is something left running?")


def free_base() -> int:
    """A first port from which on all parts of the local stack find theirs free, and no other process of tests will take them."""
    ours = _ours()[1]
    for base in ours:
        ports = Ports.above(base)
        if max(vars(ports).values()) not in ours:
            break
        try:
            ports.require_free()
        except StackError:
            continue
        return base
    raise AssertionError("no stack finds its ports in the block of this process of tests; is something left running?")
