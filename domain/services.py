"""A service after it was ordered: what can be changed about it (S3-60)."""

from typing import Annotated

from pydantic import Field

from domain.base import Value
from domain.customer import E164, Address, Text
from domain.orders import Destination


class NumberSettings(Value):
    """How one number of a service behaves; by default it rings the service's telephones (S3-36)."""

    destination: Destination = Destination.DEVICE
    forward_to: E164 | None = None
    emergency_address: Address | None = None


class ServiceSettings(Value):
    """What can be changed about a service. ``numbers`` has those that behave otherwise than by default, by their E.164."""

    label: Text
    max_channels: Annotated[int, Field(ge=0, le=10_000)]
    caller_id: E164 | None = None
    numbers: dict[E164, NumberSettings] = Field(default_factory=dict)
