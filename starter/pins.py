"""Comparing an account's PIN, a few times in a quarter of an hour, and setting it anew."""

import hmac
import math
import secrets

from domain.accounts import Account
from domain.catalogue import Tenant
from domain.credentials import is_weak_pin
from domain.errors import Refused
from domain.pins import NewPin, Pins
from domain.users import Users
from starter.first_access import Derived
from starter.people import TooManyAttempts

MOST_WRONG = 5
"""Attempts in a quarter of an hour, right ones not counted: a PIN of four digits lasts weeks of guessing."""


class AccountPinOffice:
    """What is done with PINs of accounts that are active."""

    def __init__(self, pins: Pins, users: Users, secrets: Derived) -> None:
        self._pins = pins
        self._users = users
        self._secrets = secrets

    async def verify(self, account: Account, pin: str) -> bool:
        """Whether this is the PIN. Raises ``TooManyAttempts``, and ``Refused`` (``no_pin``) for an account without one."""
        counter = f"pin:{account.id}"
        wait = await self._users.attempt({counter: MOST_WRONG})
        if wait is not None:
            raise TooManyAttempts(math.ceil(wait.total_seconds()))
        kept = await self._pins.digest(account.id)
        if kept is None:
            raise Refused("This account has no PIN. Set one first.", code="no_pin")
        right = hmac.compare_digest(kept, self._secrets.pin_digest(account.id, pin))
        if right:
            await self._users.forget_attempts(counter)
        return right

    async def put(self, account: Account, tenant: Tenant, actor: str, pin: str | None) -> str | None:
        """Set it anew. One that is made is returned, this once. Raises as ``Pins.put``; the shape is looked at before."""
        made = None if pin else _random(tenant.pin_length)
        digest = self._secrets.pin_digest(account.id, pin or made or "")
        await self._pins.put(NewPin(account_id=account.id, digest=digest, actor=actor))
        await self._users.forget_attempts(f"pin:{account.id}")
        return made


def _random(length: int) -> str:
    while True:
        pin = "".join(secrets.choice("0123456789") for _ in range(length))
        if not is_weak_pin(pin):
            return pin
