"""Memberships that count once the invited person has opened the link: what account administrators give.

They may not learn who is a user of the white label already, so whoever they invite is shown as they wrote them, known or not.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from adapters.database.statements import PerDialect
from adapters.database.tables import offers
from domain.access import Role
from domain.users import Member, MemberState, NewUser

_f = offers.c
_PUT = PerDialect(
    offers,
    # Repeated, it keeps what was offered first, as an invitation does.
    lambda insert: insert.on_conflict_do_update(
        index_elements=["account_id", "user_id"], set_={"invitation": insert.excluded.invitation}
    ).returning(*offers.c),
)


def put_offer(connection: Connection, new: NewUser, user_id: str, generation: int, moment: datetime) -> Member:
    """Offer a role to whoever opens the link of this generation."""
    row = {
        "account_id": new.account_id,
        "user_id": user_id,
        "email": new.email,
        "name": new.name,
        "role": new.grant.role,
        "rights": new.grant.rights,
        "granted_by": new.actor,
        "invitation": generation,
        "created_at": moment,
    }
    return _member_of(connection.execute(_PUT.on(connection), row).one())


def offered(connection: Connection, account_id: str) -> Sequence[Member]:
    """Who is invited to the account and has not accepted."""
    return [_member_of(row) for row in connection.execute(select(offers).where(_f.account_id == account_id))]


def offers_behind(connection: Connection, user_id: str, generation: int) -> Sequence[Row[Any]]:
    """What the user accepts by opening the link of this generation."""
    return connection.execute(select(offers).where(_f.user_id == user_id, _f.invitation == generation)).all()


def withdraw_offer(connection: Connection, account_id: str, user_id: str) -> None:
    """It was accepted, overtaken by a membership, or taken back."""
    connection.execute(delete(offers).where(_f.account_id == account_id, _f.user_id == user_id))


def _member_of(row: Row[Any]) -> Member:
    return Member(
        id=row.user_id,
        name=row.name,
        email=row.email,
        role=Role(row.role),
        rights=row.rights,
        state=MemberState.INVITED,
        since=row.created_at,
    )
