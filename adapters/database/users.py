"""Users and their memberships. Every answer that must have one winner is one conditional statement."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, case, delete, func, select, update

from adapters.database import attempts as counting
from adapters.database.offers import offered, offers_behind, put_offer, withdraw_offer
from adapters.database.statements import PerDialect, now
from adapters.database.tables import accounts, api_keys, memberships, sessions, users
from adapters.database.tree import ancestors
from adapters.transactions import Transactions
from domain.access import Right, Role, member_of, rights_of
from domain.accounts import PLATFORM, AccountKind
from domain.errors import NotFound, Refused
from domain.existing import moved_meanwhile
from domain.users import (
    INVITATION_LASTS,
    Grant,
    Invitation,
    Member,
    Membership,
    MemberState,
    NewUser,
    SignIn,
    email_in_use,
    email_key,
)

_u, _m, _s = users.c, memberships.c, sessions.c

_ADD_USER = PerDialect(
    users, lambda insert: insert.on_conflict_do_nothing(index_elements=["tenant_id", "email_key"]).returning(_u.id)
)
_ADD_MEMBER = PerDialect(
    memberships,
    lambda insert: insert.on_conflict_do_nothing(index_elements=["account_id", "member_id"]).returning(_m.member_id),
)
_FIND = (
    select(users).where(_u.tenant_id == bindparam("tenant"), _u.email_key == bindparam("email")).with_for_update(key_share=True)
)
# Whoever moves accounts waits until the transaction ends, or has ended before. Accounts come before users, as in a transfer.
_STAY = (
    select(accounts.c.id, accounts.c.kind, accounts.c.parent_id)
    .where(accounts.c.id.in_(bindparam("named", expanding=True)))
    .order_by(accounts.c.id)
    .with_for_update(read=True)
)
_NEW_LINK = (
    update(users)
    .where(_u.id == bindparam("of"))
    .values(invitation=_u.invitation + 1, invited_until=bindparam("until"))
    .returning(_u.invitation)
)
_LINK = select(users).where(
    _u.id == bindparam("of"), _u.invitation == bindparam("generation"), _u.invited_until > bindparam("moment")
)
# As it is written: the name and the state of a key are its own.
_MEMBERS = (
    select(
        memberships,
        func.coalesce(_u.name, api_keys.c.name, _m.member_id).label("name"),
        _u.email,
        and_(_u.id.is_not(None), _u.password_hash.is_(None)).label("invited"),
    )
    .join(users, _u.id == _m.member_id, isouter=True)
    .join(api_keys, api_keys.c.id == _m.member_id, isouter=True)
    .order_by(_m.created_at, _m.member_id)
)
_WIDTH = case((accounts.c.kind == "platform", 0), (accounts.c.kind == "reseller", 1), else_=2)
MEMBERSHIPS = (
    select(memberships, accounts.c.name.label("account_name"))
    .join(accounts, accounts.c.id == _m.account_id)
    .where(_m.member_id == bindparam("of"), accounts.c.status != "closed")
    .order_by(_WIDTH, accounts.c.opened_at, accounts.c.id)
)


class UserRecords:
    """``domain.users.Users``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def create(self, new: NewUser) -> Member:
        def work(connection: Connection) -> Member:
            moment = now()
            _stay(connection, new.account_id, new.tenant_id)
            user_id = add_user(
                connection, new.tenant_id, new.email, new.name, moment, new.password_hash, set_by=member_of(new.actor)
            )
            if user_id is None:
                raise email_in_use()
            return _join(connection, new.account_id, user_id, new.grant, new.actor, moment)

        return await self._transactions.write(work)

    async def add(
        self, account_id: str, tenant_id: str, email: str, grant: Grant, actor: str
    ) -> tuple[Member, Invitation | None]:
        def work(connection: Connection) -> tuple[Member, Invitation | None]:
            moment = now()
            _stay(connection, account_id, tenant_id)
            row = find_user(connection, tenant_id, email)
            if row is None:
                raise Refused(
                    "This white label has no user with this e-mail address. Create or invite one.", code="no_such_user"
                )
            _join(connection, account_id, row.id, grant, actor, moment)
            invitation = None
            if row.proven_at is None and row.password_set_by != member_of(actor):
                end_password(connection, row.id)
                generation = new_link(connection, row.id, moment)
                invitation = _invitation(connection.execute(select(users).where(_u.id == row.id)).one(), generation)
            member = _member(connection, account_id, row.id)
            assert member is not None  # joined above
            return member, invitation

        return await self._transactions.write(work)

    async def invite(self, new: NewUser) -> tuple[Member, Invitation]:
        def work(connection: Connection) -> tuple[Member, Invitation]:
            moment = now()
            _stay(connection, new.account_id, new.tenant_id)
            user_id = add_user(connection, new.tenant_id, new.email, new.name, moment)
            if user_id is not None:
                member = _join(connection, new.account_id, user_id, new.grant, new.actor, moment)
            else:
                row = find_user(connection, new.tenant_id, new.email)
                known = row and _member(connection, new.account_id, row.id)
                if not row or not known:
                    raise email_in_use()
                user_id, member = row.id, known
            generation = new_link(connection, user_id, moment)
            user = connection.execute(select(users).where(_u.id == user_id)).one()
            return member, _invitation(user, generation)

        return await self._transactions.write(work)

    async def offer(self, new: NewUser) -> tuple[Member, Invitation]:
        def work(connection: Connection) -> tuple[Member, Invitation]:
            moment = now()
            _stay(connection, new.account_id, new.tenant_id)
            user_id = add_user(connection, new.tenant_id, new.email, new.name, moment)
            if user_id is None:
                known = find_user(connection, new.tenant_id, new.email)
                # Its address was in the way, unless it has moved with its account meanwhile.
                user_id = str(known.id) if known else add_user(connection, new.tenant_id, new.email, new.name, moment)
                assert user_id is not None
            member = _member(connection, new.account_id, user_id)
            generation = new_link(connection, user_id, moment)
            if member is None:
                member = put_offer(connection, new, user_id, generation, moment)
            user = connection.execute(select(users).where(_u.id == user_id)).one()
            return member, _invitation(user, generation).model_copy(update={"name": member.name})

        return await self._transactions.write(work)

    async def members(self, account_id: str) -> Sequence[Member]:
        query = _MEMBERS.where(_m.account_id == account_id)

        def work(connection: Connection) -> list[Member]:
            found = [_member_of(row) for row in connection.execute(query)]
            return sorted([*found, *offered(connection, account_id)], key=lambda member: (member.since, member.id))

        return await self._transactions.read(work)

    async def remove(self, account_id: str, member_id: str, allowed: frozenset[Right]) -> None:
        def work(connection: Connection) -> None:
            known = _member(connection, account_id, member_id)
            known = known or next((one for one in offered(connection, account_id) if one.id == member_id), None)
            if known is None:
                raise NotFound("This account has no such member.")
            if not Grant(role=known.role, rights=known.rights).allowed <= allowed:
                raise Refused("This member may do more here than you. Ask somebody who may as much.", code="more_rights")
            connection.execute(delete(memberships).where(_m.account_id == account_id, _m.member_id == member_id))
            withdraw_offer(connection, account_id, member_id)
            end_sessions(connection, and_(_s.user_id == member_id, _s.member_of == account_id))

        await self._transactions.write(work)

    async def invitation(self, user_id: str, generation: int) -> Invitation | None:
        terms = {"of": user_id, "generation": generation, "moment": now()}
        row = await self._transactions.read(lambda connection: connection.execute(_LINK, terms).first())
        return _invitation(row, generation) if row else None

    async def accept(self, user_id: str, generation: int, password_hash: str) -> bool:
        def work(connection: Connection) -> bool:
            moment = now()
            # An offer of an account that has moved is gone by then (``transfers``).
            connection.execute(_STAY, {"named": [offer.account_id for offer in offers_behind(connection, user_id, generation)]})
            good = and_(_u.id == user_id, _u.invitation == generation, _u.invited_until > moment)
            values = {
                "password_hash": password_hash,
                "proven_at": moment,
                "password_set_by": None,
                "invited_until": None,
            }
            if not connection.execute(update(users).where(good).values(values)).rowcount:
                return False
            end_sessions(connection, _s.user_id == user_id)
            for offer in offers_behind(connection, user_id, generation):
                join(
                    connection, offer.account_id, user_id, Grant(role=offer.role, rights=offer.rights), offer.granted_by, moment
                )
            return True

        return await self._transactions.write(work)

    async def knowers(self, member_id: str) -> frozenset[str]:
        def work(connection: Connection) -> frozenset[str]:
            found, setter = [member_id], _set_by(connection, member_id)
            while setter is not None and setter not in found:
                found.append(setter)
                setter = _set_by(connection, setter)
            return frozenset(found)

        return await self._transactions.read(work)

    async def sign_in(self, email: str, tenant_id: str | None) -> SignIn | None:
        query = select(_u.id, _u.password_hash).where(_u.email_key == email_key(email)).limit(2)
        if tenant_id is not None:
            query = query.where(_u.tenant_id == tenant_id)
        rows = await self._transactions.read(lambda connection: connection.execute(query).all())
        return SignIn(user_id=rows[0].id, password_hash=rows[0].password_hash) if len(rows) == 1 else None

    async def memberships(self, user_id: str) -> Sequence[Membership]:
        rows = await self._transactions.read(lambda connection: connection.execute(MEMBERSHIPS, {"of": user_id}).all())
        return [
            Membership(account_id=row.account_id, account_name=row.account_name, role=Role(row.role), rights=row.rights)
            for row in rows
        ]

    async def attempt(self, counters: dict[str, int]) -> timedelta | None:
        return await self._transactions.write(lambda connection: counting.count(connection, counters))

    async def give_back(self, counters: Sequence[str]) -> None:
        await self._transactions.write(lambda connection: counting.give_back(connection, counters))

    async def taken(self, tenant_id: str, email: str) -> bool:
        query = select(_u.id).where(_u.tenant_id == tenant_id, _u.email_key == email_key(email))
        return await self._transactions.read(lambda connection: connection.execute(query).first()) is not None

    async def forget_attempts(self, counter: str) -> None:
        await self._transactions.write(lambda connection: counting.forget(connection, counter))


def _stay(connection: Connection, account_id: str, tenant_id: str) -> None:
    """Keep the account where it is. Raises ``Refused`` if it is not this tenant's customer any more."""
    row = connection.execute(_STAY, {"named": [account_id]}).first()
    if row is not None and row.kind == AccountKind.CUSTOMER and row.parent_id not in {None, tenant_id}:
        raise moved_meanwhile()


def add_user(
    connection: Connection,
    tenant_id: str,
    email: str,
    name: str,
    moment: datetime,
    password_hash: str | None = None,
    onboarding_id: str | None = None,
    set_by: str | None = None,
) -> str | None:
    """Add a user; its id, or ``None`` if the tenant has one with this address. ``set_by`` knows the password."""
    row = {
        "id": f"user-{secrets.token_hex(8)}",
        "tenant_id": tenant_id,
        "email": email,
        "email_key": email_key(email),
        "name": name,
        "password_hash": password_hash,
        "password_set_by": set_by if password_hash else None,
        "invitation": 0,
        "onboarding_id": onboarding_id,
        "created_at": moment,
    }
    return connection.execute(_ADD_USER.on(connection), row).scalar_one_or_none()


def find_user(connection: Connection, tenant_id: str, email: str) -> Row[Any] | None:
    """The tenant's user of this address, locked."""
    return connection.execute(_FIND, {"tenant": tenant_id, "email": email_key(email)}).first()


def _set_by(connection: Connection, user_id: str) -> str | None:
    query = select(_u.password_set_by).where(_u.id == user_id, _u.proven_at.is_(None))
    setter: str | None = connection.execute(query).scalar()
    return setter


def end_password(connection: Connection, user_id: str) -> None:
    """Nobody is or gets in as this user any more, until its owner sets a password by a link."""
    connection.execute(update(users).where(_u.id == user_id).values(password_hash=None, password_set_by=None))
    end_sessions(connection, _s.user_id == user_id)


def end_sessions(connection: Connection, those: ColumnElement[bool]) -> None:
    """End them, and all that were switched from them.

    The first of each is locked before: whoever is switching has it locked (``sessions.switch``), so what they begin is seen here, or they find
    nothing to switch from.
    """
    roots = select(_s.root_id).where(those)
    connection.execute(select(_s.id).where(_s.id.in_(roots)).order_by(_s.id).with_for_update()).all()
    ended = connection.execute(select(_s.id).where(those)).scalars().all()
    while ended:
        connection.execute(delete(sessions).where(_s.id.in_(ended)))
        ended = connection.execute(select(_s.id).where(_s.parent_id.in_(ended))).scalars().all()


def new_link(connection: Connection, user_id: str, moment: datetime) -> int:
    """Make the links sent before stop working. Returns the generation of the one that works now."""
    return int(connection.execute(_NEW_LINK, {"of": user_id, "until": moment + INVITATION_LASTS}).scalar_one())


def join(
    connection: Connection,
    account_id: str,
    member_id: str,
    grant: Grant,
    granted_by: str,
    moment: datetime,
    onboarding_id: str | None = None,
) -> bool:
    """Give somebody a role in an account. False if they have one there already, which stays."""
    row = {
        "account_id": account_id,
        "member_id": member_id,
        "role": grant.role,
        "rights": grant.rights,
        "granted_by": granted_by,
        "onboarding_id": onboarding_id,
        "created_at": moment,
    }
    withdraw_offer(connection, account_id, member_id)
    return connection.execute(_ADD_MEMBER.on(connection), row).first() is not None


def rights_over(connection: Connection, member_id: str, account_id: str) -> frozenset[Right]:
    """What a user or an API key may do in an account today, by every role that they have there or above it."""
    up = ancestors(select(accounts.c.id, accounts.c.parent_id).where(accounts.c.id == account_id))
    above = select(up.c.id)
    granted = select(_m.role, _m.rights).where(_m.member_id == member_id, _m.account_id.in_(above))
    allowed = [Grant(role=Role(row.role), rights=row.rights).allowed for row in connection.execute(granted)]
    key = select(api_keys.c.role).where(
        api_keys.c.id == member_id,
        api_keys.c.revoked_at.is_(None),
        func.coalesce(api_keys.c.tenant_id, PLATFORM).in_(above),
    )
    allowed += [rights_of(Role(role)) for role in connection.execute(key).scalars()]
    return frozenset[Right]().union(*allowed)


def _join(connection: Connection, account_id: str, user_id: str, grant: Grant, actor: str, moment: datetime) -> Member:
    if not join(connection, account_id, user_id, grant, actor, moment):
        raise Refused("This user has a role in this account already. Remove it first to give another.", code="already_member")
    member = _member(connection, account_id, user_id)
    assert member is not None  # it was inserted a moment ago, in this transaction
    return member


def _member(connection: Connection, account_id: str, member_id: str) -> Member | None:
    query: Select[Any] = _MEMBERS.where(_m.account_id == account_id, _m.member_id == member_id)
    row = connection.execute(query).first()
    return _member_of(row) if row else None


def _member_of(row: Row[Any]) -> Member:
    return Member(
        id=row.member_id,
        name=row.name,
        email=row.email,
        role=Role(row.role),
        rights=row.rights,
        state=MemberState.INVITED if row.invited else MemberState.ACTIVE,
        since=row.created_at,
    )


def _invitation(row: Row[Any], generation: int) -> Invitation:
    return Invitation(
        user_id=row.id,
        generation=generation,
        until=row.invited_until,
        email=row.email,
        name=row.name,
        tenant_id=row.tenant_id,
    )
