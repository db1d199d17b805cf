"""Guesses are limited for whoever guesses, and nobody else pays for it."""

import asyncio
from collections import Counter

import httpx
from sqlalchemy import Connection, func, select

from adapters.database.tables import attempts
from starter.people import MOST_AT_ONCE, MOST_PER_ADDRESS, MOST_PER_USER
from tests.tenancy.conftest import BASE, OTHER, UPPER, Town


async def test_somebody_elses_success_elsewhere_gives_no_new_guesses(town: Town) -> None:
    await town.create_user("upper", UPPER.id, "victim@example.com", "admin")
    await town.create_user("other", OTHER.id, "victim@example.com", "auditor", password="the attackers own password")
    answers = Counter[int]()
    for _ in range(3):
        for _ in range(MOST_PER_USER - 1):
            guess = await town.sign_in("victim@example.com", "a wrong guess", white_label=UPPER.slug)
            answers[guess.status_code] += 1
        own = await town.sign_in("victim@example.com", "the attackers own password", white_label=OTHER.id)
        assert own.status_code == 201
    assert answers == {401: MOST_PER_USER, 429: 3 * (MOST_PER_USER - 1) - MOST_PER_USER}


async def test_a_slug_and_an_id_are_one_white_label_to_guess_at(town: Town) -> None:
    for n in range(MOST_PER_USER):
        assert (await town.sign_in("a@example.com", "x", white_label=UPPER.slug if n % 2 else UPPER.id)).status_code == 401
    assert (await town.sign_in("a@example.com", "x", white_label=UPPER.slug)).status_code == 429


async def test_right_passwords_are_not_counted_against_the_address(town: Town) -> None:
    await town.create_user("upper", UPPER.id, "root@example.com", "admin")
    for _ in range(MOST_PER_ADDRESS + 2):
        assert (await town.sign_in("root@example.com")).status_code == 201


async def test_a_blocked_address_leaves_no_trace_per_name_that_it_makes_up(town: Town) -> None:
    def rows(connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(attempts)).scalar_one()

    for n in range(MOST_PER_ADDRESS):
        await town.sign_in(f"user{n}@example.com", "x")
    before = await town.database._transactions.read(rows)
    for n in range(5):
        assert (await town.sign_in(f"another{n}@example.com", "x")).status_code == 429
    assert await town.database._transactions.read(rows) == before


async def test_one_address_takes_its_places_in_the_line_and_others_sign_in_beside_it(town: Town) -> None:
    await town.create_user("upper", UPPER.id, "root@example.com", "admin")
    transport = httpx.ASGITransport(town.app, client=("198.51.100.7", 1))
    town.passwords.go_on.clear()
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as evil:

        async def guess(n: int) -> httpx.Response:
            return await evil.post("/v1/sessions", json={"email": f"n{n}@example.com", "password": "x" * 12})

        flood = [asyncio.create_task(guess(n)) for n in range(MOST_AT_ONCE)]
        await town.passwords.holds(MOST_AT_ONCE)
        refused = await guess(99)
        assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (503, "unavailable", "1")
        legitimate = asyncio.create_task(town.sign_in("root@example.com"))
        await town.passwords.holds(MOST_AT_ONCE + 1)
        town.passwords.go_on.set()
        assert (await legitimate).status_code == 201
        assert [answer.status_code for answer in await asyncio.gather(*flood)] == [401] * MOST_AT_ONCE
        assert (await guess(100)).status_code == 401, "the places are free again"


async def test_no_password_is_hashed_for_an_address_that_is_in_use(town: Town) -> None:
    await town.create_user("upper", UPPER.id, "root@example.com", "admin")
    before = town.passwords.hashed
    body = {"act": "create", "email": "ROOT@example.com", "name": "R", "role": "admin", "password": "a long enough password"}
    again = await town.ask("POST", f"/v1/accounts/{UPPER.id}/users", "upper", json=body)
    assert (again.status_code, again.json()["code"], town.passwords.hashed) == (409, "email_in_use", before)


async def test_one_key_that_creates_many_users_at_once_leaves_room_for_others_to_sign_in(town: Town) -> None:
    await town.create_user("upper", UPPER.id, "root@example.com", "admin")

    async def create(n: int) -> httpx.Response:
        body = {"act": "create", "email": f"n{n}@example.com", "name": "N", "role": "auditor", "password": "a long password"}
        return await town.ask("POST", f"/v1/accounts/{OTHER.id}/users", "other", json=body)

    town.passwords.go_on.clear()
    flood = [asyncio.create_task(create(n)) for n in range(MOST_AT_ONCE)]
    await town.passwords.holds(MOST_AT_ONCE)
    refused = await create(99)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    legitimate = asyncio.create_task(town.sign_in("root@example.com"))
    await town.passwords.holds(MOST_AT_ONCE + 1)
    town.passwords.go_on.set()
    assert (await legitimate).status_code == 201
    assert [answer.status_code for answer in await asyncio.gather(*flood)] == [201] * MOST_AT_ONCE
