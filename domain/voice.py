"""The voice service: what the switch must know about one line."""

from typing import Annotated

from pydantic import Field

from domain.base import Value
from domain.calling import CallingRights
from domain.customer import E164


class Forward(Value):
    """Calls to ``number`` go on to ``to``; both E.164."""

    number: E164
    to: E164


class Line(Value):
    """One SIP line: user name, domain, numbers that ring it, and how many calls it may make at once (0: unlimited).

    ``rights`` are its account's, written with the line unless the switch has newer ones. ``caller_id`` is the number that its
    calls show, the first of ``numbers`` if unset. A number in ``forwards`` belongs to the line and does not ring it.
    Holds no secret: the device's password is derived from the user name and a key that only the adapters know.
    """

    key: str
    onboarding_id: str
    username: Annotated[str, Field(pattern=r"^[a-z0-9]{1,64}$")]
    domain: str
    numbers: tuple[E164, ...] = ()
    max_channels: int = 0
    rights: CallingRights | None = None
    caller_id: E164 | None = None
    forwards: tuple[Forward, ...] = ()


class LineRemoval(Value):
    """The undo of a ``Line``, by its key and name; with ``account_id`` also of the rights that came with its account's lines."""

    key: str
    onboarding_id: str
    username: str
    domain: str
    account_id: str | None = None


class Credentials(Value):
    """What a person types into a telephone. Shown once, stored nowhere."""

    username: str
    domain: str
    password: str
    numbers: tuple[E164, ...] = ()


class RoutedNumber(Value):
    """A number that rings, or shall ring, one line of the switch. The user name is the platform's only one of that name."""

    e164: E164
    username: Annotated[str, Field(pattern=r"^[a-z0-9]{1,64}$")]


class LineSetup(Value):
    """How a line that is on the switch behaves, as it was changed last: a version that is older than the switch's changes nothing.

    Which numbers ring it is not part of it; a number that does not ring it (any more) is not forwarded, before it does.
    """

    username: Annotated[str, Field(pattern=r"^[a-z0-9]{1,64}$")]
    account_id: str
    version: int
    max_channels: int = 0
    caller_id: E164 | None = None
    forwards: tuple[Forward, ...] = ()
