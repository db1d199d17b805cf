"""What a letter in somebody's own words needs from our records, and what its attachments tell. Read when it is sent."""

from typing import Any

from sqlalchemy import Connection, bindparam, select

from adapters.database import service_numbers
from adapters.database.tables import accounts, balance_alerts, timeline
from domain.catalogue import Tenant
from domain.keys import line_name
from domain.money import Money
from domain.notifications import Attachment, Notification, Recipient, wording
from domain.orders import Administration, Order

_t = timeline.c
_NUMBER = select(accounts.c.number).where(accounts.c.id == bindparam("of"))
_LOG = select(_t.at, _t.event).where(_t.onboarding_id == bindparam("of")).order_by(_t.sequence)

_LOW = (
    select(balance_alerts, accounts.c.currency, accounts.c.number)
    .join(accounts, accounts.c.id == balance_alerts.c.account_id)
    .where(balance_alerts.c.account_id == bindparam("of"))
)


def recipients(chosen: Notification, tenant: Tenant, order: Order) -> tuple[str, ...]:
    """The addresses on record; of somebody else, the one in the plan."""
    if chosen.to is Recipient.CUSTOMER:
        return (order.customer.contact.email,)
    if chosen.to is Recipient.RESELLER:
        return tenant.operator_emails or (tenant.support_email,)
    return (chosen.email,) if chosen.email else ()


def facts(connection: Connection, chosen: Notification, row: Any, tenant: Tenant) -> dict[str, object]:
    """Beside the facts of every letter: the words, and what is attached. The customer's letter keeps its form if nobody has
    written it anew."""
    order: Order = row.order
    found: dict[str, object] = {
        "account_number": connection.execute(_NUMBER, {"of": row.account_id}).scalar_one_or_none(),
        "to_customer": chosen.to is Recipient.CUSTOMER,
        "attachments": [one.value for one in dict.fromkeys(chosen.attachments)],
    }
    if chosen.in_own_words or chosen.to is not Recipient.CUSTOMER:
        default = wording(chosen.to, by_customer=order.administration is Administration.CUSTOMER)
        found |= {"own_subject": chosen.subject or default.subject, "own_body": chosen.body or default.body}
    if Attachment.CONTRACT_SUMMARY in chosen.attachments:
        found |= _contract(row, order)
    if Attachment.CREATION_LOG in chosen.attachments:
        entries = connection.execute(_LOG, {"of": row.id})
        found["log"] = [{"at": entry.at.isoformat(), "event": entry.event} for entry in entries]
    if Attachment.SETTINGS_SHEET in chosen.attachments:
        found |= {"sip_domain": tenant.sip_domain, "services": _sheets(connection, row.id, order)}
    return found


def _contract(row: Any, order: Order) -> dict[str, object]:
    address, terms = order.customer.billing_address, row.terms
    lines = [*address.lines, address.city, address.region, address.postcode, address.country] if address else []
    found: dict[str, object] = {
        "billing_address": [line for line in lines if line],
        "payer": order.payer.value,
        "account_type": order.account_type.value,
    }
    if terms is not None:
        found |= {
            "terms_version": terms.version,
            "terms_sha256": terms.sha256,
            "terms_capacity": terms.capacity,
            "terms_at": terms.accepted_at.isoformat(),
        }
    return found


def _sheets(connection: Connection, onboarding_id: str, order: Order) -> list[dict[str, object]]:
    numbers = service_numbers.of_orders(connection, {onboarding_id: order})[onboarding_id]
    sheets: list[dict[str, object]] = []
    for position, service in enumerate(order.services):
        own = numbers.now(position)
        settings = {e164: service.setting(place) for place, e164 in enumerate(numbers.counted(position))}
        shown = numbers.had.instead_of(service.caller_id) if service.caller_id else None
        sheets.append(
            {
                "label": service.label,
                "username": line_name(onboarding_id, position),
                "max_channels": service.max_channels,
                "shown": shown or (own[0] if own else None),
                "numbers": [
                    {"e164": e164, "destination": settings[e164].destination.value, "forward_to": settings[e164].forward_to}
                    for e164 in own
                ],
            }
        )
    return sheets


def low_balance(connection: Connection, row: Any) -> tuple[str, dict[str, object]] | None:
    """The address that is told, which is its own and neither the contact's nor the one for invoices (S4-36, C17), and what it
    is told; ``None`` if nobody is to be told any more."""
    found = connection.execute(_LOW, {"of": row.account_id}).first()
    if found is None:
        return None
    facts: dict[str, object] = {
        "account_number": found.number,
        "balance": str(Money(minor=found.balance_minor or 0, currency=found.currency)),
        "below": str(Money(minor=found.below_minor, currency=found.currency)),
        "crossed_at": found.crossed_at.isoformat() if found.crossed_at else None,
    }
    return found.email, facts
