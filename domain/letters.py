"""Letters of an active order that were refused for good: sent again, or dismissed (docs/decisions/notifications.md)."""

from typing import Literal, Protocol

from domain.base import Value
from domain.customer import Email, LongText
from domain.customers import AccountChange
from domain.mails import MailOrder

ATTENTION = "notification_failed:"
"""What the attention of an active order begins with; the places in its plan of notifications follow."""


class LetterAct(AccountChange):
    """What shall become of the letter at this ``place`` in the plan of an order. ``email`` is another address to send it to."""

    onboarding_id: str
    place: int
    act: Literal["resend", "dismiss"]
    email: Email | None = None
    reason: LongText | None = None


class LetterTaken(Value):
    """What our records made of it: the letter that is to be sent now, if one is."""

    letter: MailOrder | None = None


class LetterEnd(Value):
    """What became of a letter that was sent again: taken by the relay, or refused for good with this ``code``."""

    act: LetterAct
    letter: MailOrder
    code: str | None = None


class LetterRecords(Protocol):
    """Our records of refused letters. Each call is one transaction, once per key."""

    async def take_up(self, act: LetterAct) -> LetterTaken:
        """Note the decision in the timeline. Raises ``Refused``: ``letter_not_refused`` for a letter that asks for nothing,
        ``letter_address_fixed`` for an address that is not the letter's own."""

    async def close(self, end: LetterEnd) -> None:
        """Take the letter's mark away, or note that it was refused again."""


def refused_places(attention: str | None) -> tuple[int, ...]:
    """The places of the letters that ask for attention."""
    listed = (attention or "").removeprefix(ATTENTION) if (attention or "").startswith(ATTENTION) else ""
    return tuple(int(place) for place in listed.split(",") if place.isdecimal())


def without(attention: str | None, place: int) -> str | None:
    """The attention that is left when this letter asks for none any more."""
    left = [str(one) for one in refused_places(attention) if one != place]
    return ATTENTION + ",".join(left) if left else None
