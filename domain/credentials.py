"""How an account's first user signs in, and the account's PIN: what an order says of them, and what travels on.

Never in clear beyond the door: a password travels as its Argon2 hash, a PIN as its keyed digest. In a file's row that waits
to be started a password rests sealed, under a key that is not in the database.
"""

from enum import StrEnum
from itertools import pairwise

from pydantic import Field

from domain.base import Value

LEAST_PIN, MOST_PIN = 4, 12


class Credential(StrEnum):
    """How the contact comes to a password (C5): it is given in the order, made and shown once, or chosen by a link in a letter."""

    SET = "set"
    GENERATE = "generate"
    INVITE = "invite"


class Credentials(Value):
    """What goes live with the account. No ``credential``: the contact becomes a user only by administering the account.

    ``pin`` is the digest of the PIN. ``pin_length`` is set where the PIN was made here, and is what it takes to make it again.
    """

    credential: Credential | None = None
    password_hash: str | None = None
    sealed_password: str | None = Field(default=None, repr=False)
    pin: str | None = None
    pin_length: int | None = None


def is_weak_pin(pin: str) -> bool:
    """Whether it is among those that are tried first: one digit, digits in a row up or down, two or three digits repeated."""
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    repeated = any(len(pin) % part == 0 and pin == pin[:part] * (len(pin) // part) for part in (1, 2, 3) if part < len(pin))
    return steps in ({0}, {1}, {9}) or repeated
