"""Sessions: short-lived tokens of users, and of whoever has switched to an account. Random like API keys, stored as a hash.

What a session may do is looked up with every use: the role of the membership (or of the key) that it hangs on, and, after a
switch, that the account is still below that membership's.
"""

import secrets
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, or_, select

from adapters.database import tokens
from adapters.database.statements import now
from adapters.database.tables import accounts, api_keys, memberships, sessions, users
from adapters.database.tree import covers
from adapters.database.users import MEMBERSHIPS, end_sessions
from adapters.transactions import Transactions
from domain.access import Principal, Role
from domain.accounts import PLATFORM
from domain.customer import name_key
from domain.errors import NotFound
from domain.users import SESSION_LASTS, Grant, Session

_s, _k = sessions.c, api_keys.c
_FIND = (
    select(
        sessions,
        users.c.name,
        users.c.email,
        memberships.c.role,
        memberships.c.rights,
        _k.name.label("key_name"),
        _k.person,
        _k.role.label("key_role"),
    )
    .join(users, users.c.id == _s.user_id, isouter=True)
    .join(memberships, (memberships.c.account_id == _s.member_of) & (memberships.c.member_id == _s.user_id), isouter=True)
    .join(api_keys, (_k.id == _s.key_id) & _k.revoked_at.is_(None), isouter=True)
    .where(_s.sha256 == bindparam("hash"), _s.expires_at > bindparam("moment"))
)
_OPEN = select(accounts.c.id).where(accounts.c.id == bindparam("of"), accounts.c.status != "closed")
_CURRENT = select(sessions).where(_s.id == bindparam("of"))
_SAME = sessions.alias("same")
_ROOT = (
    select(_s.id)
    .where(_s.id == select(_SAME.c.root_id).where(_SAME.c.id == bindparam("of")).scalar_subquery())
    .with_for_update(read=True, key_share=True)
)
# Locked against whoever sets another password at this moment: either they end this session, or it does not begin.
_STILL = (
    select(users.c.id)
    .where(users.c.id == bindparam("of"), users.c.password_hash == bindparam("verified"))
    .with_for_update(read=True)
)


def principal_of(connection: Connection, token: str) -> Principal | None:
    """Whoever a session's token stands for, ``None`` if it stands for nobody any more."""
    row = connection.execute(_FIND, {"hash": tokens.digest(token), "moment": now()}).first()
    if row is None:
        return None
    switched = row.account_id != row.member_of or row.key_id is not None
    if switched and not covers(connection, row.member_of, row.account_id):
        return None
    role = row.key_role or row.role
    if role is None:
        return None
    return Principal(
        id=row.key_id or row.user_id,
        name=row.key_name or row.name,
        # As keys have it, so that a person's keys and sessions are one person.
        person=row.person or name_key(row.email),
        tenant_id=None if row.account_id == PLATFORM else row.account_id,
        role=Role(role),
        rights=row.rights or frozenset(),
        acting_as=row.account_id if switched else None,
        session=row.id,
    )


class SessionRecords:
    """``domain.users.Sessions``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def open(self, user_id: str, account_id: str, verified: str) -> tuple[Session, str]:
        def work(connection: Connection) -> tuple[Session, str]:
            if connection.execute(_STILL, {"of": user_id, "verified": verified}).first() is None:
                raise _no_account()
            if all(row.account_id != account_id for row in connection.execute(MEMBERSHIPS, {"of": user_id})):
                raise _no_account()
            return _begin(connection, account_id, account_id, now() + SESSION_LASTS, user_id=user_id)

        return await self._transactions.write(work)

    async def switch(self, principal: Principal, account_id: str) -> tuple[Session, str]:
        return await self._transactions.write(lambda connection: _switch(connection, principal, account_id))

    async def end(self, session_id: str) -> None:
        def work(connection: Connection) -> None:
            end_sessions(connection, or_(_s.id == session_id, _s.root_id == session_id))

        await self._transactions.write(work)


def _switch(connection: Connection, principal: Principal, account_id: str) -> tuple[Session, str]:
    until = now() + SESSION_LASTS
    if connection.execute(_OPEN, {"of": account_id}).first() is None:
        raise _no_account()
    if principal.session is None:
        if not covers(connection, principal.scope, account_id):
            raise _no_account()
        return _begin(connection, account_id, principal.scope, until, key_id=principal.id)
    # Before it is read: whoever is signing out has it locked (``users.end_sessions``).
    connection.execute(_ROOT, {"of": principal.session}).all()
    current = connection.execute(_CURRENT, {"of": principal.session}).first()
    if current is None:
        raise _no_account()
    until = min(until, current.expires_at)
    holder = {"root_id": current.root_id, "parent_id": current.id, "user_id": current.user_id, "key_id": current.key_id}
    if principal.acting_as:
        # Whoever has switched stays below where they switched to: a token does not grow.
        if not covers(connection, current.account_id, account_id):
            raise _no_account()
        return _begin(connection, account_id, current.member_of, until, **holder)
    reaching = [
        row for row in connection.execute(MEMBERSHIPS, {"of": principal.id}) if covers(connection, row.account_id, account_id)
    ]
    if not reaching:
        raise _no_account()
    widest = max(reaching, key=lambda row: len(Grant(role=row.role, rights=row.rights).allowed))
    return _begin(connection, account_id, widest.account_id, until, **holder)


def _begin(
    connection: Connection,
    account_id: str,
    member_of: str,
    until: datetime,
    *,
    user_id: str | None = None,
    key_id: str | None = None,
    root_id: str | None = None,
    parent_id: str | None = None,
) -> tuple[Session, str]:
    moment, session_id, token = now(), f"session-{secrets.token_hex(8)}", tokens.new(tokens.SESSION)
    # Not those that somebody is ending: they would wait for us, and we for them.
    over = select(_s.id).where(_s.expires_at <= moment).with_for_update(skip_locked=True)
    connection.execute(delete(sessions).where(_s.id.in_(over)))
    row = {
        "id": session_id,
        "root_id": root_id or session_id,
        "parent_id": parent_id,
        "sha256": tokens.digest(token),
        "user_id": user_id,
        "key_id": key_id,
        "account_id": account_id,
        "member_of": member_of,
        "created_at": moment,
        "expires_at": until,
    }
    connection.execute(insert(sessions), row)
    return Session(id=session_id, account_id=account_id, expires_at=until), token


def _no_account() -> NotFound:
    return NotFound("There is no such account, or it is not yours to see.")
