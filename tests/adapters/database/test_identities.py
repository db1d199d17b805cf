"""API keys: shown once, stored as a hash, dead when revoked."""

import sqlite3

import pytest

from adapters.database import Database
from domain.access import Role
from domain.errors import NotFound
from tests.adapters.database.conftest import TENANT


async def test_a_key_authenticates_as_whom_it_was_issued_to(database: Database) -> None:
    principal, key = await database.identities.issue("Night desk", TENANT.id, Role.APPROVER)
    assert await database.identities.authenticate(key) == principal
    assert (principal.name, principal.tenant_id, principal.role) == ("Night desk", TENANT.id, Role.APPROVER)
    platform, platform_key = await database.identities.issue("Root", None, Role.ADMIN)
    assert await database.identities.authenticate(platform_key) == platform


async def test_keys_of_one_person_say_so_however_the_name_was_written(database: Database) -> None:
    laptop, key = await database.identities.issue("Laptop", TENANT.id, Role.ADMIN, "Ada@Example.com")
    other, _ = await database.identities.issue("Night desk", TENANT.id, Role.APPROVER, " ada@example.COM ")
    nobody_in_particular, _ = await database.identities.issue("Billing  System", TENANT.id, Role.ADMIN)
    assert laptop.person == other.person == "ada@example.com"
    assert nobody_in_particular.person == "billing system"
    assert await database.identities.authenticate(key) == laptop


async def test_unknown_and_malformed_keys_are_nobodys(database: Database) -> None:
    _, key = await database.identities.issue("Night desk", TENANT.id, Role.ADMIN)
    flipped = key[:10] + ("a" if key[10] != "a" else "b") + key[11:]
    for wrong in ("", "dt_", key[:-1], key + "0", key[3:], flipped, key.upper(), "dt_" + "é" * 46, " " + key):
        assert await database.identities.authenticate(wrong) is None


async def test_a_revoked_key_stops_at_once_and_is_not_listed(database: Database) -> None:
    kept, _ = await database.identities.issue("Kept", TENANT.id, Role.ADMIN)
    root, _ = await database.identities.issue("Root", None, Role.ADMIN)
    gone, key = await database.identities.issue("Gone", TENANT.id, Role.ADMIN)
    for _ in range(2):
        await database.identities.revoke(gone.id)
    assert await database.identities.authenticate(key) is None
    assert await database.identities.all(TENANT.id) == (kept,)
    assert set(await database.identities.all(None)) == {kept, root}
    with pytest.raises(NotFound):
        await database.identities.revoke("key-unknown")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_the_key_itself_is_nowhere_in_the_file(database: Database, url: str) -> None:
    _, key = await database.identities.issue("Night desk", TENANT.id, Role.ADMIN)
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    dump = "\n".join(connection.iterdump())
    connection.close()
    assert "Night desk" in dump
    assert key not in dump
    assert key[3:20] not in dump
