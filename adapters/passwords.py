"""Passwords: Argon2id (RFC 9106), memory-hard, so that a stolen table is worth little."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from domain.errors import Unavailable

_AT_ONCE = max(2, os.cpu_count() or 2)
_LINE = 16 * _AT_ONCE
"""Those who compute and those who wait: some seconds of waiting, on any machine."""


class Argon2Passwords:
    """``domain.users.Passwords`` with the second recommendation of RFC 9106 section 4: 64 MiB, three passes."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        # Each takes 64 MiB and a core: a flood of sign-ins must queue, not exhaust the machine.
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._nobody: str | None = None
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for a slot; not without end. Whoever comes when the line is long is told so at once, and may come again."""
        if self._waiting >= _LINE:
            raise Unavailable(
                "Too many passwords are waiting to be compared. Nothing was done: try again in a moment.", retry_after=2
            )
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        async with self._turn():
            # The library lets go of the interpreter while it works.
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        # Before it is known whether there is somebody: the very first comparison tells nothing either.
        if self._nobody is None:
            self._nobody = await self.hash("nobody's")
        async with self._turn():
            right = await asyncio.to_thread(self._verified, password_hash or self._nobody, password)
        return right and password_hash is not None

    def _verified(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
