"""The line before the hash that is dear on purpose."""

import asyncio

from argon2 import PasswordHasher

from adapters import passwords
from adapters.passwords import Argon2Passwords
from domain.errors import Unavailable


async def test_the_line_has_an_end_and_whoever_comes_later_is_told_to_come_again() -> None:
    slow = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    asked = [slow.hash("a password") for _ in range(passwords._LINE + 3)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert len(refused) == 3
    assert all(answer.retry_after for answer in refused)
    assert sum(isinstance(answer, str) for answer in answers) == passwords._LINE
    assert (await slow.hash("a password")).startswith("$argon2id$")
