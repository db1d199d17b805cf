"""Handing a new account over to those who administer it, within the transaction in which it goes live; and taking it back.

The operator who administers an account administers it as whoever ordered it, or took it over (S1-28); a customer who administers does so as the
contact of the order (S1-14). A reseller's account becomes a white label, under which customers can be created (S4-02).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from adapters.database import progress
from adapters.database.tables import memberships, offers, onboardings, sessions, tenants, users
from adapters.database.users import add_user, end_password, find_user, join, new_link, rights_over
from domain.access import Role, member_of, rights_of
from domain.catalogue import Tenant, resold
from domain.onboarding import Entry, State
from domain.orders import Administration, Order
from domain.steps import GoLive
from domain.users import Grant

_o, _m = onboardings.c, memberships.c
_ORDERED = select(_o.id, _o.tenant_id, _o.order, _o.requested_by).where(_o.id == bindparam("of"))
_SETTINGS = select(tenants.c.settings).where(tenants.c.id == bindparam("of"))


def hand_over(connection: Connection, step: GoLive, moment: datetime) -> None:
    """Make the account's administrator, and a reseller's white label; the timeline tells who it is."""
    row = connection.execute(_ORDERED, {"of": step.payment.onboarding_id}).one()
    order: Order = row.order
    reseller = order.account_kind == "reseller"
    if reseller:
        _open_white_label(connection, step.account_id, row.tenant_id, order)
    grant = Grant(role=Role.ADMIN if reseller else Role.ACCOUNT_ADMINISTRATOR)
    if order.administration is Administration.OPERATOR:
        member = member_of(_operator(step, row.requested_by))
        own = _at_most_own(connection, member, step.account_id) if reseller else grant
        if own is None:
            return  # they have lost every right meanwhile; those above administer it
        grant = own
        if step.credentials.credential is not None:
            _first_user(connection, step, row, grant if reseller else Grant(role=Role.STANDARD_USER), moment)
    else:
        # A reseller's people are users of its own white label.
        member = _user_of_contact(connection, step.account_id if reseller else row.tenant_id, step, row, moment)
    join(connection, step.account_id, member, grant, row.requested_by, moment, row.id)
    detail = {"administrator": member, "role": grant.role.value, "account": step.account_id}
    entry = Entry(key=f"{step.key}:administrator", at=moment, event="administrator_added", detail=detail)
    progress.append(connection, row.id, State.ACTIVE, (entry,))


def _at_most_own(connection: Connection, member: str, account_id: str) -> Grant | None:
    """What an operator gets in a new white label: the whole of it for whoever may do everything above it, else what they may."""
    own = rights_over(connection, member, account_id)
    if own >= rights_of(Role.ADMIN):
        return Grant(role=Role.ADMIN)
    return Grant(role=Role.SUB_ADMIN, rights=own) if own else None


def _operator(step: GoLive, requested_by: str) -> str:
    """Who accepted the terms on the customer's behalf: whoever ordered it, or whoever took it over from the customer."""
    terms = step.terms
    return terms.accepted_by if terms is not None and terms.capacity == "on_behalf" else requested_by


def _open_white_label(connection: Connection, account_id: str, parent_id: str, order: Order) -> None:
    parent: Tenant = connection.execute(_SETTINGS, {"of": parent_id}).scalar_one()
    settings = resold(parent, account_id, order.customer.name, order.customer.contact.email)
    connection.execute(insert(tenants), {"id": account_id, "slug": settings.slug, "settings": settings})


def _user_of_contact(connection: Connection, tenant_id: str, step: GoLive, row: Any, moment: datetime) -> str:
    """The contact as a user. One who has proven the mailbox is the same person; one who has not is made to, because whoever
    gave that user a password may be somebody else: only the mailbox that has just activated the account may have it."""
    contact, given = row.order.customer.contact, step.credentials.password_hash
    knows = member_of(row.requested_by)
    user_id = add_user(connection, tenant_id, contact.email, contact.full_name, moment, given, row.id, knows)
    if user_id is not None and given is not None:
        return user_id
    if user_id is None:
        known = find_user(connection, tenant_id, contact.email)
        assert known is not None  # its address was in the way
        if known.proven_at is not None:
            return str(known.id)
        user_id = str(known.id)
        end_password(connection, user_id)
    new_link(connection, user_id, moment)
    return user_id


def _first_user(connection: Connection, step: GoLive, row: Any, grant: Grant, moment: datetime) -> None:
    """The contact as a user of an account that the operator administers: looks at it, or runs the white label that it is.

    One who is a user already keeps the password that they have, whatever the order brought.
    """
    order: Order = row.order
    reseller, contact = order.account_kind == "reseller", order.customer.contact
    tenant_id, given = step.account_id if reseller else row.tenant_id, step.credentials.password_hash
    knows = member_of(row.requested_by)
    user_id = add_user(connection, tenant_id, contact.email, contact.full_name, moment, given, row.id, knows)
    known = None if user_id else find_user(connection, tenant_id, contact.email)
    member = user_id or str(known.id if known else "")
    if given is None and (known is None or known.password_hash is None):
        new_link(connection, member, moment)
    join(connection, step.account_id, member, grant, row.requested_by, moment, row.id)
    password = "kept" if known else str(step.credentials.credential)
    detail = {"user": member, "role": grant.role.value, "password": password}
    entry = Entry(key=f"{step.key}:user", at=moment, event="user_added", detail=detail)
    progress.append(connection, row.id, State.ACTIVE, (entry,))


def take_back(connection: Connection, onboarding_id: str, account_id: str) -> None:
    """Undo ``hand_over``: its roles, the user that it made, the white label."""
    connection.execute(delete(memberships).where(_m.onboarding_id == onboarding_id))
    connection.execute(delete(offers).where(offers.c.account_id == account_id))
    made = select(users.c.id).where(
        users.c.onboarding_id == onboarding_id,
        ~select(_m.member_id).where(_m.member_id == users.c.id).exists(),
        ~select(offers.c.user_id).where(offers.c.user_id == users.c.id).exists(),
    )
    ids = list(connection.execute(made).scalars())
    connection.execute(delete(sessions).where(sessions.c.user_id.in_(ids)))
    connection.execute(delete(users).where(users.c.id.in_(ids)))
    connection.execute(delete(tenants).where(tenants.c.id == account_id))
