"""Who is written to when an onboarding has ended well, in whose words, with what attached (S3-53 to S3-59, C16).

The words are the operator's, so they are data and never a template: a placeholder such as ``{customer_name}`` is replaced once,
and what it is replaced with is not looked at again.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from domain.base import Value
from domain.customer import Email, Text, printable

MOST_OTHERS = 10
MOST_BODY = 5_000
_PLACEHOLDER = re.compile(r"\{([^{}\n]{0,60})\}")


class Recipient(StrEnum):
    """The organisations involved: the customer's contact, the white label's operators, anybody else by address."""

    CUSTOMER = "customer"
    RESELLER = "reseller"
    OTHER = "other"


class Attachment(StrEnum):
    """What can be attached (S3-56). Each is made from the record when the letter is sent, as plain text, without any secret."""

    CONTRACT_SUMMARY = "contract_summary"
    CREATION_LOG = "creation_log"
    SETTINGS_SHEET = "settings_sheet"


class Afterwards(StrEnum):
    """Which page follows when the order is placed (S3-58)."""

    SERVICE_SUMMARY = "service_summary"
    CUSTOMER_SUMMARY = "customer_summary"
    START_AGAIN = "start_again"


def _paragraphs(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    lines = [printable(line.rstrip()) if line.strip() else "" for line in text.split("\n")]
    if not any(lines):
        raise ValueError("holds nothing that can be seen; write something, or leave it out")
    return "\n".join(lines).strip("\n")


# One line, as every name: nothing in it can begin another header.
Subject = Annotated[Text, StringConstraints(max_length=150)]
Body = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MOST_BODY),
    AfterValidator(_paragraphs),
    StringConstraints(max_length=MOST_BODY),
]


class Placeholder(StrEnum):
    """What a subject or body may name in braces."""

    CUSTOMER_NAME = "customer_name"
    CONTACT_NAME = "contact_name"
    ACCOUNT_NUMBER = "account_number"
    NUMBERS = "numbers"
    PLAN = "plan"
    TOTAL = "total"
    WHITE_LABEL = "white_label"
    SUPPORT_EMAIL = "support_email"


class Notification(Value):
    """One letter at the end. Words that are left out are the default ones (``wording``)."""

    to: Recipient
    email: Email | None = Field(default=None, description="Needed with other, and only then")
    send: bool = Field(default=True, description="Whether it is sent at all")
    subject: Subject | None = Field(default=None, description="The default one if unset", examples=["Welcome, {contact_name}"])
    body: Body | None = Field(
        default=None,
        description="Plain text; the default one if unset. An empty line begins a paragraph",
        examples=["Hello {contact_name},\n\nYour numbers are {numbers}."],
    )
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=len(Attachment))] = ()

    @property
    def in_own_words(self) -> bool:
        return self.subject is not None or self.body is not None


Notifications = Annotated[tuple[Notification, ...], Field(max_length=MOST_OTHERS + 2)]


class Wording(Value):
    """A subject and a body, with placeholders."""

    subject: str
    body: str


_WELCOME = Wording(
    subject="Welcome to {white_label}: your service is ready",
    body="Hello {contact_name},\n\nThe telephone service for {customer_name} is ready. Your devices can register, and you can be "
    "called.\n\nYour numbers: {numbers}",
)
_CREATED = Wording(
    subject="{customer_name} is ready",
    body="{white_label} has set up the telephone service for {customer_name}.\n\nAccount: {account_number}\nPlan: {plan}\n"
    "Numbers: {numbers}",
)
_ACTIVATED = Wording(
    subject="{customer_name} has activated the account",
    body="{customer_name} has activated the account at {white_label}, and the telephone service is ready.\n\n"
    "Account: {account_number}\nPlan: {plan}\nNumbers: {numbers}",
)


def wording(to: Recipient, *, by_customer: bool) -> Wording:
    """The words to start from. ``by_customer``: the customer administers, and has activated the account (C16)."""
    if to is Recipient.CUSTOMER:
        return _WELCOME
    return _ACTIVATED if by_customer else _CREATED


def planned(plan: Sequence[Notification], *, welcome: bool = True) -> list[tuple[int | None, Recipient]]:
    """The letters to send at the end: place in the plan, and to whom. ``None``: the customer's welcome letter, as it goes out
    where the plan says nothing of the customer and ``welcome`` asks for one."""
    letters: list[tuple[int | None, Recipient]] = [(place, one.to) for place, one in enumerate(plan) if one.send]
    if welcome and all(one.to is not Recipient.CUSTOMER for one in plan):
        letters.insert(0, (None, Recipient.CUSTOMER))
    return letters


def writes_to_customer(plan: Sequence[Notification], *, welcome: bool = True) -> bool:
    return any(to is Recipient.CUSTOMER for _, to in planned(plan, welcome=welcome))


def unknown_placeholders(text: str) -> list[str]:
    """What stands in braces and is no placeholder."""
    known = {one.value for one in Placeholder}
    return [name for name in dict.fromkeys(_PLACEHOLDER.findall(text)) if name not in known]


def filled(text: str, values: Mapping[Placeholder, str]) -> str:
    """The text with its placeholders replaced, once: braces within a value stay braces."""
    known = {name.value: value for name, value in values.items()}
    return _PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), text)
