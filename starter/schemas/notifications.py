"""The letters that can be sent when a service is ready, to be edited before the order is placed."""

from pydantic import BaseModel

from domain.notifications import Attachment, Placeholder, Recipient, wording
from domain.orders import Administration


class NotificationDefault(BaseModel):
    """One letter as it is if an order says nothing else about it. An entry of an order's `notifications` changes it."""

    to: Recipient
    send: bool
    subject: str
    body: str
    attachments: tuple[Attachment, ...] = ()


class NotificationDefaults(BaseModel):
    """Where editing begins: what is sent to whom in this mode, what words may be named in braces, what can be attached."""

    administration: Administration
    notifications: tuple[NotificationDefault, ...]
    placeholders: tuple[Placeholder, ...] = tuple(Placeholder)
    attachments: tuple[Attachment, ...] = tuple(Attachment)


def notification_defaults(administration: Administration) -> tuple[NotificationDefault, ...]:
    """The letter to the customer is sent unless an order unticks it; the others if it asks for them (C16)."""
    by_customer = administration is Administration.CUSTOMER
    return tuple(
        NotificationDefault(to=to, send=to is Recipient.CUSTOMER, **wording(to, by_customer=by_customer).model_dump())
        for to in Recipient
    )
