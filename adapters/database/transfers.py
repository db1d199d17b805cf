"""A customer moves to another white label: everything that says whose it is, in one transaction, so that nothing is half moved."""

from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection, bindparam, delete, literal_column, select, union_all, update

from adapters.database import account_plans, calling, existing, pins, progress, step_keys
from adapters.database.statements import PerDialect, now
from adapters.database.tables import (
    accounts,
    customers,
    memberships,
    number_releases,
    numbers,
    offers,
    onboardings,
    sessions,
    tenants,
    users,
)
from adapters.database.users import end_password, find_user, join, new_link
from adapters.transactions import Transactions
from domain.access import Role
from domain.account_plans import PlanAssignment
from domain.calling import CallingChange, CallingWrite, rated_until
from domain.catalogue import Tenant
from domain.customers import CustomerDetails
from domain.errors import Refused, Unavailable
from domain.existing import AccountRecord, moved_meanwhile
from domain.numbers import PUBLIC
from domain.onboarding import Entry, State
from domain.rules import blocking
from domain.transfers import Transfer, findings, price_list_for, rate_group_of
from domain.users import Grant

_a, _o, _n, _r, _m, _u = accounts.c, onboardings.c, numbers.c, number_releases.c, memberships.c, users.c
_OF_ACCOUNT = select(_o.id).where(_o.account_id == bindparam("account"))
_NUMBERS = (
    update(numbers)
    .where(_n.onboarding_id.in_(_OF_ACCOUNT), _n.state == "assigned")
    .values(tenant_id=bindparam("to"), pool=PUBLIC)
)
# Nobody but the customer may have them while they rest, so they rest where the customer is.
_RESTING = (
    select(_n.e164)
    .join(number_releases, (_n.e164 == _r.e164) & (_n.quarantined_until == _r.quarantined_until))
    .where(_r.onboarding_id.in_(_OF_ACCOUNT), _r.reclaimed_at.is_(None), _n.state == "quarantined")
)
_LOCK_RESTING = _RESTING.order_by(_n.e164).with_for_update(key_share=True, of=numbers)
_REST_THERE = (
    update(numbers).where(_n.e164.in_(bindparam("named", expanding=True))).values(tenant_id=bindparam("to"), pool=PUBLIC)
)
# Free numbers that were kept for the customer are the white label's, and go back to everybody of it. The word is written out:
# only so do both databases know that the index of kept numbers will do.
_KEPT = (_n.pool == bindparam("account"), _n.pool != literal_column(f"'{PUBLIC}'"), _n.state != "assigned")
_UNKEEP = update(numbers).where(*_KEPT).values(pool=PUBLIC)
# Was given back, had again or kept between our statements, before the account was locked.
_MISSED = union_all(
    select(_n.e164).where(_n.onboarding_id.in_(_OF_ACCOUNT), _n.state == "assigned", _n.tenant_id != bindparam("to")),
    _RESTING.where(_n.tenant_id != bindparam("to")),
    select(_n.e164).where(*_KEPT),
).limit(1)
_LOCK = select(_o.id, _o.state).where(_o.account_id == bindparam("account")).order_by(_o.id).with_for_update(key_share=True)
_LOCK_ACCOUNT = select(_a.id).where(_a.id == bindparam("account")).with_for_update(key_share=True)
# Telephones register where they were told to: their lines stay in the domain of the white label that made them.
_ORDERS = update(onboardings).where(_o.account_id == bindparam("account")).values(tenant_id=bindparam("to"))
_DOMAIN = (
    update(onboardings)
    .where(_o.account_id == bindparam("account"), _o.sip_domain.is_(None))
    .values(sip_domain=bindparam("domain"))
)
_ACCOUNT = (
    update(accounts).where(_a.id == bindparam("account"), _a.parent_id == bindparam("from_")).values(parent_id=bindparam("to"))
)
_MEMBERS = select(memberships).where(_m.account_id == bindparam("account")).order_by(_m.member_id)
_ELSEWHERE = select(_m.member_id).where(_m.member_id == bindparam("member"), _m.account_id != bindparam("account")).limit(1)
_USER = select(users).where(_u.id == bindparam("member")).with_for_update(key_share=True)
_UNINVITE = delete(offers).where(offers.c.account_id == bindparam("account"))
# To other accounts, which are not the new white label's: its users have nothing to accept there.
_UNINVITE_USER = delete(offers).where(offers.c.user_id == bindparam("member"))
_LEAVE = delete(memberships).where(_m.account_id == bindparam("account"), _m.member_id == bindparam("member"))
_SIGN_OUT = delete(sessions).where(sessions.c.member_of == bindparam("account"), sessions.c.user_id == bindparam("member"))
_TENANT = select(tenants.c.settings).where(tenants.c.id == bindparam("of"))
_DETAILS = PerDialect(
    customers,
    lambda insert: insert.values(version=1).on_conflict_do_update(
        index_elements=[customers.c.account_id],
        set_={"version": customers.c.version + 1, "details": insert.excluded.details},
    ),
)


class TransferStore:
    """``domain.transfers.TransferRecords``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def transfer(self, transfer: Transfer) -> CallingWrite:
        return await self._transactions.write(lambda connection: _transfer(connection, transfer))


def _transfer(connection: Connection, transfer: Transfer) -> CallingWrite:
    acts = step_keys.begin(connection, transfer.key)
    to: Tenant = connection.execute(_TENANT, {"of": transfer.to}).scalar_one()
    terms = {"account": transfer.account_id, "to": to.id}
    if acts:
        # Numbers before orders, and orders before accounts, as everywhere; a refusal below takes it all back.
        connection.execute(_NUMBERS, terms)
        if resting := connection.execute(_LOCK_RESTING, terms).scalars().all():
            connection.execute(_REST_THERE, {"named": resting, "to": to.id})
        connection.execute(_UNKEEP, terms)
        connection.execute(_LOCK, terms)
        connection.execute(_LOCK_ACCOUNT, terms)
        if connection.execute(_MISSED, terms).first() is not None:
            raise Unavailable("A number of this customer is changing hands at this moment, so nothing was moved. Try again.")
        _move(connection, transfer, existing.read(connection, transfer.account_id), to)
    return calling.carry_out(connection, _rated(connection, transfer, to))


def _move(connection: Connection, transfer: Transfer, account: AccountRecord, to: Tenant) -> None:
    terms = {"account": transfer.account_id, "to": to.id, "from_": transfer.tenant_id}
    if account.ordering:
        raise Refused(
            "An order of this customer is under way, and it is its white label's. Wait until it has ended, or cancel it.",
            code="orders_under_way",
        )
    if wrong := blocking(findings(account, to, transfer.plan, transfer.at)):
        raise Refused(wrong[0].said, code=wrong[0].code)
    if not connection.execute(_ACCOUNT, terms).rowcount:
        raise moved_meanwhile()
    left: Tenant = connection.execute(_TENANT, {"of": transfer.tenant_id}).scalar_one()
    connection.execute(_DOMAIN, terms | {"domain": left.sip_domain})
    connection.execute(_ORDERS, terms)
    prices = price_list_for(account, to, transfer.at)
    assert prices is not None  # found above
    _move_people(connection, transfer, to)
    pins.end(connection, transfer.account_id)  # who has set or checked it knows it, as with passwords
    details = CustomerDetails(customer=account.customer, low_balance_alert=account.low_balance_alert, moved=True)
    connection.execute(_DETAILS.on(connection), {"account_id": transfer.account_id, "details": details})
    assignment = PlanAssignment(
        id=str(uuid5(NAMESPACE_URL, transfer.key)),
        plan=transfer.plan,
        price_list=prices.code,
        effective_from=transfer.at,
        assigned_by=transfer.actor,
        assigned_at=now(),
    )
    account_plans.move(connection, transfer.account_id, assignment)
    detail = {"from": transfer.tenant_id, "to": to.id, "plan": transfer.plan}
    detail |= {"reason": transfer.reason, "consent": transfer.consent}
    if account.has_pin:
        detail["pin"] = "ended"
    entry = Entry(key=f"transferred:{transfer.key}", at=transfer.at, event="transferred", actor=transfer.actor, detail=detail)
    progress.append(connection, account.onboarding_id, State.ACTIVE, [entry])


def _move_people(connection: Connection, transfer: Transfer, to: Tenant) -> None:
    """The customer's own people come along. Who belongs to the white label that it leaves loses the role here.

    Own people are users with a role in this account and no other. Where the new white label has a user of the same address, that
    one gets the role, if both have proven the mailbox; otherwise nobody does.
    """
    moment = now()
    # Invitations were the other white label's: links that are out lead nowhere here.
    connection.execute(_UNINVITE, {"account": transfer.account_id})
    for member in connection.execute(_MEMBERS, {"account": transfer.account_id}).all():
        terms = {"account": transfer.account_id, "member": member.member_id}
        user = connection.execute(_USER, terms).first()
        stays = (
            user is None or user.tenant_id != transfer.tenant_id or connection.execute(_ELSEWHERE, terms).first() is not None
        )
        if user is not None and user.tenant_id == to.id:
            continue
        known = None if user is None or stays else find_user(connection, to.id, user.email)
        if user is not None and not stays and known is None:
            connection.execute(update(users).where(_u.id == user.id).values(tenant_id=to.id))
            connection.execute(_UNINVITE_USER, terms)
            if user.proven_at is None:
                # Whoever made this user may know the password, and belongs to the white label that is left.
                end_password(connection, user.id)
                new_link(connection, user.id, moment)
            continue
        connection.execute(_LEAVE, terms)
        connection.execute(_SIGN_OUT, terms)
        if user is not None and known is not None and user.proven_at is not None and known.proven_at is not None:
            grant = Grant(role=Role(member.role), rights=member.rights)
            join(connection, transfer.account_id, known.id, grant, transfer.actor, moment)


def _rated(connection: Connection, transfer: Transfer, to: Tenant) -> CallingChange:
    group = rate_group_of(existing.read(connection, transfer.account_id), to, transfer.at)
    return CallingChange(
        key=f"{transfer.key}:calling",
        account_id=transfer.account_id,
        tenant_id=to.id,
        actor=transfer.actor,
        act="set",
        fields=frozenset({"rate_group"}),
        rate_group=group.code if group else None,
        rated_until=rated_until(group) if group else None,
        at=transfer.at,
    )
