"""What a letter needs from our records, and the memory of what was sent."""

from typing import Any

from sqlalchemy import Connection, bindparam, select

from adapters.database import contacts, notices, progress
from adapters.database.statements import PerDialect, now
from adapters.database.tables import mail_log, numbers, onboardings, tenants
from adapters.transactions import Transactions
from domain.catalogue import Tenant
from domain.errors import NotFound
from domain.mails import Mail, MailKind, MailOrder
from domain.money import Money
from domain.onboarding import Entry, State
from domain.quotes import Quote

_o = onboardings.c
_SENT = select(mail_log.c.key).where(mail_log.c.key == bindparam("of"))
_ABOUT = select(onboardings, tenants.c.settings).join(tenants, tenants.c.id == _o.tenant_id).where(_o.id == bindparam("of"))
_NUMBERS = select(numbers.c.e164).where(numbers.c.onboarding_id == bindparam("of")).order_by(numbers.c.service, numbers.c.e164)
_LOG = PerDialect(mail_log, lambda insert: insert.on_conflict_do_nothing(index_elements=["key"]).returning(mail_log.c.key))
_TENANT = select(tenants.c.settings).where(tenants.c.id == bindparam("of"))
_STATE = select(_o.state).where(_o.id == bindparam("of")).with_for_update(key_share=True)
_FOR_OPERATORS = {MailKind.APPROVAL_NEEDED, MailKind.OPERATOR_NEEDED}


class Desk:
    """``domain.ports.MailDesk``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def address(self, order: MailOrder) -> Mail | None:
        return await self._transactions.read(lambda connection: _address(connection, order))

    async def sent(self, order: MailOrder) -> None:
        await self._transactions.write(lambda connection: _remember(connection, order))


def _remember(connection: Connection, order: MailOrder) -> None:
    moment = now()
    state = connection.execute(_STATE, {"of": order.onboarding_id}).scalar_one_or_none()
    row = {"key": order.key, "onboarding_id": order.onboarding_id, "kind": order.kind, "sent_at": moment}
    if connection.execute(_LOG.on(connection), row).first() is None or state is None:
        return
    entry = Entry(key=f"mail_sent:{order.key}", at=moment, event="mail_sent", detail={"mail": order.kind.value})
    progress.append(connection, order.onboarding_id, State(state), (entry,))


def _address(connection: Connection, order: MailOrder) -> Mail | None:
    if connection.execute(_SENT, {"of": order.key}).first():
        return None
    row = connection.execute(_ABOUT, {"of": order.onboarding_id}).first()
    if row is None:
        raise NotFound("There is no such onboarding, so nobody can be written to about it.")
    tenant: Tenant = row.settings
    if order.kind is MailKind.INVITATION:
        return _to_new_contact(connection, order, row.account_id)
    if order.to == "operators" or order.kind in _FOR_OPERATORS:
        recipients: tuple[str, ...] = tenant.operator_emails or (tenant.support_email,)
    else:
        recipients = (row.order.customer.contact.email,)
    held = connection.execute(_NUMBERS, {"of": order.onboarding_id}).scalars().all()
    facts = _facts(order, row, tenant, list(held))
    if order.notification is not None:
        chosen = row.order.notifications[order.notification]
        recipients = notices.recipients(chosen, tenant, row.order)
        facts |= notices.facts(connection, chosen, row, tenant)
    if order.kind is MailKind.WELCOME:
        facts |= _invitation(connection, row)
    if order.kind is MailKind.LOW_BALANCE:
        low = notices.low_balance(connection, row)
        if low is None:
            return None
        recipients, facts = (low[0],), facts | low[1]
    return Mail(key=order.key, kind=order.kind, recipients=recipients, facts=facts)


def _to_new_contact(connection: Connection, order: MailOrder, account_id: str) -> Mail | None:
    """For whoever has become the contact of an account and is to set a password; nothing if nobody is any more."""
    found = contacts.invited(connection, account_id)
    if found is None:
        return None
    user, name = found
    tenant: Tenant = connection.execute(_TENANT, {"of": user.tenant_id}).scalar_one()
    facts: dict[str, object] = {"tenant_name": tenant.name, "support_email": tenant.support_email, "customer_name": name}
    facts |= {"contact_name": user.name, **_link(user)}
    return Mail(key=order.key, kind=order.kind, recipients=(user.email,), facts=facts)


def _invitation(connection: Connection, row: Any) -> dict[str, object]:
    """The link that the contact, as the new account's administrator, sets a password with; nothing for one who has one."""
    user = contacts.awaited(connection, row.account_id, row.order.customer.contact.email)
    return _link(user) if user else {}


def _link(user: Any) -> dict[str, object]:
    return {"user_id": user.id, "invitation": user.invitation, "invited_until": user.invited_until.isoformat()}


def _facts(order: MailOrder, row: Any, tenant: Tenant, held: list[str]) -> dict[str, object]:
    customer = row.order.customer
    return {
        "onboarding_id": order.onboarding_id,
        "generation": order.generation,
        "code": order.code,
        "customer_name": customer.name,
        "contact_name": customer.contact.full_name,
        "tenant_name": tenant.name,
        "support_email": tenant.support_email,
        "numbers": held,
        "state": row.state,
        "waits_for": row.waits_for,
        "deadline": row.deadline.isoformat() if row.deadline else None,
        "needs_attention": row.needs_attention,
        "approval_reasons": list(row.approval_reasons),
        "administration": row.order.administration.value,
        "account_kind": row.order.account_kind,
        "adds": row.order.account_id is not None,
        **_prices(row.quote),
    }


def _prices(quote: Quote) -> dict[str, object]:
    def money(minor: int) -> str:
        return str(Money(minor=minor, currency=quote.currency))

    return {
        "plan_name": quote.plan_name,
        "lines": [
            {"text": line.text, "quantity": line.quantity, "unit": money(line.unit_minor), "total": money(line.total_minor)}
            for line in quote.lines
        ],
        "net": money(quote.net_minor),
        "tax_name": quote.tax_name,
        "tax": money(quote.tax_minor),
        "total": money(quote.total_minor),
    }
