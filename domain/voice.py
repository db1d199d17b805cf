"""The voice service: what the switch must know about one line."""

from typing import Annotated

from pydantic import Field

from domain.base import Value
from domain.customer import E164


class Line(Value):
    """One SIP line: user name, domain, numbers that ring it, and how many calls it may make at once (0: unlimited).

    Holds no secret: the device's password is derived from the user name and a key that only the adapters know.
    """

    key: str
    onboarding_id: str
    username: Annotated[str, Field(pattern=r"^[a-z0-9]{1,64}$")]
    domain: str
    numbers: tuple[E164, ...] = ()
    max_channels: int = 0


class LineRemoval(Value):
    """The undo of a ``Line``, by its key and name."""

    key: str
    onboarding_id: str
    username: str
    domain: str


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
