"""Sessions end by time, by signing out, and with whatever they hang on."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, update

from adapters.database import Database, tokens
from adapters.database.statements import now
from adapters.database.tables import accounts, attempts, sessions, users
from domain.access import Principal, Right, Role
from domain.accounts import PLATFORM
from domain.errors import NotFound
from domain.users import Grant, Member, NewUser
from tests.adapters.database.conftest import TENANT
from tests.builders import a_tenant

BELOW = a_tenant(id="below", slug="below")


async def somebody(database: Database, **changes: Any) -> Member:
    await database.admin.put_tenant(BELOW, parent_id=TENANT.id)
    values = {"tenant_id": TENANT.id, "account_id": TENANT.id, "email": "Ada@example.com", "name": "Ada", "actor": "key:a"}
    return await database.users.create(NewUser(**values | {"grant": Grant(role=Role.ADMIN), "password_hash": "x"} | changes))


async def change(database: Database, statement: Any) -> None:
    def work(connection: Connection) -> None:
        connection.execute(statement)

    await database._transactions.write(work)


async def test_a_token_stands_for_the_user_with_the_rights_of_today(database: Database) -> None:
    grant = Grant(role=Role.SUB_ADMIN, rights=frozenset({Right.READ, Right.ONBOARD}))
    ada = await somebody(database, grant=grant)
    session, token = await database.sessions.open(ada.id, TENANT.id, "x")
    principal = await database.identities.authenticate(token)
    assert principal is not None
    assert (principal.id, principal.person, principal.tenant_id) == (ada.id, "ada@example.com", TENANT.id)
    assert (principal.allowed, principal.session, principal.actor) == (grant.rights, session.id, ada.id)
    flipped = token[:10] + ("a" if token[10] != "a" else "b") + token[11:]
    for wrong in (flipped, token[:-1], f"{token}0", tokens.new(tokens.SESSION), token.replace("ds_", "dt_")):
        assert await database.identities.authenticate(wrong) is None
    await database.users.remove(TENANT.id, ada.id, frozenset(Right))
    assert await database.identities.authenticate(token) is None
    with pytest.raises(NotFound):
        await database.sessions.open(ada.id, TENANT.id, "x")


async def test_a_token_ends_by_itself_and_its_switches_never_last_longer(database: Database) -> None:
    ada = await somebody(database)
    session, token = await database.sessions.open(ada.id, TENANT.id, "x")
    soon = now() + timedelta(minutes=1)
    await change(database, update(sessions).where(sessions.c.id == session.id).values(expires_at=soon))
    principal = await database.identities.authenticate(token)
    assert principal is not None
    switched, _ = await database.sessions.switch(principal, BELOW.id)
    assert switched.expires_at == soon
    await change(database, update(sessions).where(sessions.c.id == session.id).values(expires_at=now()))
    assert await database.identities.authenticate(token) is None


async def test_a_switch_ends_when_the_account_is_not_below_any_more(database: Database) -> None:
    ada = await somebody(database)
    _, token = await database.sessions.open(ada.id, TENANT.id, "x")
    principal = await database.identities.authenticate(token)
    assert principal is not None
    _, switched = await database.sessions.switch(principal, BELOW.id)
    below = await database.identities.authenticate(switched)
    assert below is not None
    assert (below.tenant_id, below.acting_as, below.actor) == (BELOW.id, BELOW.id, f"{ada.id} as {BELOW.id}")
    await change(database, update(accounts).where(accounts.c.id == BELOW.id).values(parent_id=PLATFORM))
    assert await database.identities.authenticate(switched) is None
    assert await database.identities.authenticate(token) is not None


async def test_a_revoked_key_takes_along_what_was_switched_with_it(database: Database) -> None:
    await database.admin.put_tenant(BELOW, parent_id=TENANT.id)
    key, clear = await database.identities.issue("Desk", TENANT.id, Role.AUDITOR)
    _, switched = await database.sessions.switch(key, BELOW.id)
    below = await database.identities.authenticate(switched)
    assert below is not None
    assert (below.id, below.role, below.person, below.acting_as) == (key.id, Role.AUDITOR, "desk", BELOW.id)
    await database.identities.revoke(key.id)
    assert await database.identities.authenticate(switched) is None
    assert await database.identities.authenticate(clear) is None


async def test_of_several_roles_that_reach_an_account_the_widest_counts(database: Database) -> None:
    ada = await somebody(database, grant=Grant(role=Role.AUDITOR))
    await database.users.add(BELOW.id, TENANT.id, "ada@example.com", Grant(role=Role.ADMIN), "key:a")
    _, token = await database.sessions.open(ada.id, TENANT.id, "x")
    principal = await database.identities.authenticate(token)
    assert principal is not None
    assert not principal.may(Right.ONBOARD)
    _, switched = await database.sessions.switch(principal, BELOW.id)
    below = await database.identities.authenticate(switched)
    assert below is not None
    assert (below.role, below.acting_as) == (Role.ADMIN, None)


async def test_attempts_are_counted_for_a_while_and_then_forgotten(database: Database) -> None:
    counters = {"user:ada@example.com": 2, "address:192.0.2.1": 100}
    assert [await database.users.attempt(counters) for _ in range(2)] == [None, None]
    wait = await database.users.attempt(counters)
    assert wait is not None
    assert timedelta(minutes=14) < wait <= timedelta(minutes=15)
    assert await database.users.attempt({"user:bob@example.com": 2}) is None
    await change(database, update(attempts).values(until=now()))
    assert await database.users.attempt(counters) is None
    await database.users.attempt(counters)
    await database.users.forget_attempts("user:ada@example.com")
    assert await database.users.attempt(counters) is None


async def test_an_invitation_ends_after_three_days(database: Database) -> None:
    new = NewUser(
        tenant_id=TENANT.id,
        account_id=TENANT.id,
        email="eve@example.com",
        name="Eve",
        grant=Grant(role=Role.AUDITOR),
        actor="key:a",
    )
    _, invitation = await database.users.invite(new)
    assert timedelta(hours=71) < invitation.until - now() <= timedelta(hours=72)
    assert await database.users.invitation(invitation.user_id, invitation.generation) == invitation
    await change(database, update(users).values(invited_until=now()))
    assert await database.users.invitation(invitation.user_id, invitation.generation) is None
    assert not await database.users.accept(invitation.user_id, invitation.generation, "a hash")


async def test_a_switch_that_meets_the_signing_out_never_outlives_it(database: Database) -> None:
    ada = await somebody(database)

    async def switch(principal: Principal) -> str | None:
        try:
            return (await database.sessions.switch(principal, BELOW.id))[1]
        except NotFound:
            return None

    for _ in range(20):
        session, token = await database.sessions.open(ada.id, TENANT.id, "x")
        principal = await database.identities.authenticate(token)
        assert principal is not None
        *switched, _ended = await asyncio.gather(*(switch(principal) for _ in range(4)), database.sessions.end(session.id))
        for left in switched:
            assert left is None or await database.identities.authenticate(left) is None


async def test_a_switch_that_meets_a_new_password_never_outlives_it(database: Database) -> None:
    ada = await somebody(database)
    link = NewUser(
        tenant_id=TENANT.id, account_id=TENANT.id, email="Ada@example.com", name="Ada", grant=Grant(role=Role.ADMIN), actor="a"
    )

    async def switch(principal: Principal) -> str | None:
        try:
            return (await database.sessions.switch(principal, BELOW.id))[1]
        except NotFound:
            return None

    password = "x"
    for turn in range(10):
        _, token = await database.sessions.open(ada.id, TENANT.id, password)
        principal = await database.identities.authenticate(token)
        assert principal is not None
        _, invitation = await database.users.invite(link)
        password = f"hash {turn}"
        accepted = database.users.accept(ada.id, invitation.generation, password)
        *switched, done = await asyncio.gather(*(switch(principal) for _ in range(4)), accepted)
        assert done
        for left in switched:
            assert left is None or await database.identities.authenticate(str(left)) is None
