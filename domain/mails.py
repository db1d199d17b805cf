"""Messages as data: which letter goes to whom about which onboarding. Words live in the templates."""

from enum import StrEnum
from typing import Literal

from domain.base import Value


class MailKind(StrEnum):
    """One kind, one template folder."""

    ACTIVATION = "activation"
    ACTIVATION_REMINDER = "activation_reminder"
    TAKEN_OVER = "taken_over"
    CARD_DECLINED = "card_declined"
    CARD_REMINDER = "card_reminder"
    WELCOME = "welcome"
    CLOSED = "closed"
    APPROVAL_NEEDED = "approval_needed"
    OPERATOR_NEEDED = "operator_needed"
    INVITATION = "invitation"
    NOTIFICATION = "notification"
    LOW_BALANCE = "low_balance"


class MailOrder(Value):
    """One message to send once. The addressee's data is read from our records when it is sent, so that a corrected
    address is used and no personal data enters the workflow's history.

    ``generation`` is that of the activation link; ``code`` is the reason that the letter explains. ``notification`` is the
    letter's place in the order's plan of notifications, whose words it has.
    """

    key: str
    kind: MailKind
    onboarding_id: str
    to: Literal["customer", "operators"] = "customer"
    generation: int = 1
    code: str | None = None
    notification: int | None = None


class Mail(Value):
    """A message ready to be rendered and handed to the relay. ``facts`` are the template's variables."""

    key: str
    kind: MailKind
    recipients: tuple[str, ...]
    facts: dict[str, object]
