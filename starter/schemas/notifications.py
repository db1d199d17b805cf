"""The letters that can be sent when a service is ready, to be edited before the order is placed."""

from pydantic import BaseModel, EmailStr, Field

from domain.customer import LongText
from domain.notifications import Attachment, Placeholder, Recipient, wording
from domain.orders import Administration
from starter.schemas.base import Body, Reason


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


class Resending(Reason):
    """Where a letter goes now; to the same address if unset."""

    email: EmailStr | None = Field(default=None, description="For a letter to other", examples=["installer@example.com"])


class Dismissal(Body):
    """Why a letter is not sent after all. It is kept in the timeline, so leave personal data out."""

    reason: LongText = Field(examples=["Told by telephone"])
