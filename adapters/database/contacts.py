"""What a contact could open ends when its address becomes another: links are for whoever reads the mailbox, and that is somebody else now."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from adapters.database import progress
from adapters.database.offers import withdraw_offer
from adapters.database.statements import now
from adapters.database.tables import accounts, customers, memberships, offers, onboardings, sessions, timeline, users
from adapters.database.users import add_user, end_password, find_user, join, new_link, rights_over
from domain.access import Role, member_of
from domain.customer import Contact
from domain.customers import CustomerChange
from domain.existing import AccountRecord
from domain.onboarding import Entry, State
from domain.users import Grant, email_key

_a, _o, _m, _u = accounts.c, onboardings.c, memberships.c, users.c
# An order that is under way is its workflow's: its link ends with going live, or by correcting it or sending a new one.
_END_LINKS = (
    update(onboardings)
    .where(_o.account_id == bindparam("account"), _o.state == State.ACTIVE.value)
    .values(generation=_o.generation + 1)
)
_END_LINK = update(onboardings).where(_o.id == bindparam("of")).values(generation=_o.generation + 1)
_ORDER = select(_o.order, _o.created_at).where(_o.id == bindparam("of"))
_CHANGES = (
    select(timeline.c.detail)
    .join(onboardings, _o.id == timeline.c.onboarding_id)
    .where(_o.account_id == bindparam("account"), timeline.c.event == "customer_changed", timeline.c.at >= bindparam("since"))
)
_OF_ADDRESS = (
    select(users, _m.role, _m.rights, _m.onboarding_id.label("by_order"))
    .join(memberships, _m.member_id == _u.id)
    .where(_m.account_id == bindparam("account"), _u.email_key == bindparam("email"), _u.password_hash.is_(None))
)
_INVITED = _OF_ADDRESS.where(_u.invited_until > bindparam("moment"))
_OFFERED = (
    select(offers.c.user_id)
    .join(users, _u.id == offers.c.user_id)
    .where(offers.c.account_id == bindparam("account"), _u.email_key == bindparam("email"))
)
_LEAVE = delete(memberships).where(_m.account_id == bindparam("account"), _m.member_id == bindparam("member"))
_ELSEWHERE = (
    select(_m.member_id)
    .where(_m.member_id == bindparam("member"))
    .union_all(select(offers.c.user_id).where(offers.c.user_id == bindparam("member")))
    .limit(1)
)
_NOW = (
    select(_a.name, customers.c.details).join(customers, customers.c.account_id == _a.id).where(_a.id == bindparam("account"))
)


def change(connection: Connection, by: CustomerChange, account: AccountRecord, to: Contact) -> bool:
    """End what the former contact has not used yet; the new one is invited instead. Whether there is a letter to be sent.

    A role goes over if whoever changes the contact may give it. Somebody with a password stays: such a user is removed by name.
    """
    was = {"account": account.account_id, "email": email_key(account.customer.contact.email)}
    if email_key(to.email) == was["email"]:
        return False
    connection.execute(_END_LINKS, was)
    for user_id in connection.execute(_OFFERED, was).scalars().all():
        withdraw_offer(connection, account.account_id, user_id)
    former = connection.execute(_OF_ADDRESS, was).first()
    if former is None:
        return False
    grant = Grant(role=Role(former.role), rights=former.rights)
    detail = {"instead_of": former.id, "role": grant.role.value}
    if grant.allowed <= rights_over(connection, member_of(by.actor), account.account_id):
        detail["user"] = _put_in(connection, former, grant, by, to)
    _put_out(connection, account.account_id, former.id)
    entry = Entry(key=f"customer:{by.key}:user", at=by.at, event="user_changed", actor=by.actor, detail=detail)
    progress.append(connection, account.onboarding_id, State.ACTIVE, [entry])
    return invited(connection, account.account_id) is not None


def end_late_link(connection: Connection, onboarding_id: str, account_id: str) -> None:
    """An addition that goes live: its link ends if it was sent to somebody who has ceased to be the contact meanwhile."""
    order = connection.execute(_ORDER, {"of": onboarding_id}).one()
    now_known = connection.execute(_NOW, {"account": account_id}).first()
    if now_known is None or email_key(now_known.details.customer.contact.email) == email_key(
        order.order.customer.contact.email
    ):
        return
    since = connection.execute(_CHANGES, {"account": account_id, "since": order.created_at}).scalars()
    # An order whose address was corrected by itself keeps the link that was sent there.
    if any("contact.email" in detail.get("fields", "").split(", ") for detail in since):
        connection.execute(_END_LINK, {"of": onboarding_id})


def invited(connection: Connection, account_id: str) -> tuple[Row[Any], str] | None:
    """The account's contact as a user who has a link and no password yet, and the account's name."""
    row = connection.execute(_NOW, {"account": account_id}).first()
    if row is None:
        return None
    user = awaited(connection, account_id, row.details.customer.contact.email)
    return (user, row.name) if user is not None else None


def awaited(connection: Connection, account_id: str, email: str) -> Row[Any] | None:
    """The user of this address and account who has a link that works, and no password yet."""
    return connection.execute(_INVITED, {"account": account_id, "email": email_key(email), "moment": now()}).first()


def _put_in(connection: Connection, former: Row[Any], grant: Grant, by: CustomerChange, to: Contact) -> str:
    moment = now()
    user_id = add_user(connection, former.tenant_id, to.email, to.full_name, moment, onboarding_id=former.onboarding_id)
    known = None if user_id else find_user(connection, former.tenant_id, to.email)
    member = user_id or str(known.id if known else "")
    if known is None or known.proven_at is None:
        # As at going live: only whoever reads the mailbox may have the password.
        end_password(connection, member)
        new_link(connection, member, moment)
    join(connection, by.account_id, member, grant, by.actor, moment, former.by_order)
    return member


def _put_out(connection: Connection, account_id: str, member: str) -> None:
    connection.execute(_LEAVE, {"account": account_id, "member": member})
    if connection.execute(_ELSEWHERE, {"member": member}).first() is None:
        # Never had a password, so nobody misses this user.
        connection.execute(delete(sessions).where(sessions.c.user_id == member))
        connection.execute(delete(users).where(_u.id == member))
