"""The kinds of service that a white label sells (S3-14): what each is, what belongs to it, who may have it."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from domain.base import Value
from domain.customer import Text
from domain.orders import Segment, ServiceTypeCode

Charge = Annotated[int, Field(ge=0, le=100_000_000, strict=True, description="Minor units, before tax")]
Applies = Literal["max_channels", "caller_id", "settings"]


class ServicePrice(Value):
    """What a service of one type costs on a price list, instead of the plan's period price. Minor units, before tax."""

    setup_minor: Charge = 0
    period_minor: Charge = Field(description="Per service and month")


class ServiceType(Value):
    """One kind of service. An unset bound bounds nothing."""

    code: ServiceTypeCode
    name: Text
    summary: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)] = ""
    description: Annotated[str, StringConstraints(max_length=20_000)] = Field(
        default="", description="The details, to be read before going on (S3-17)"
    )
    needs_number: bool = Field(default=False, description="Whether it cannot do without a telephone number")
    most_numbers: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None
    most_channels: Annotated[int, Field(ge=1, le=10_000, strict=True, description="Calls at once")] | None = None
    devices: Annotated[int, Field(ge=1, le=5, strict=True)] = Field(
        default=5, description="For how many telephones it is meant; the switch takes up to five"
    )
    applies: tuple[Applies, ...] = Field(
        default=("max_channels", "caller_id", "settings"), description="What of a service can be set"
    )
    segments: tuple[Segment, ...] = Field(default=tuple(Segment), description="Whose customers may have it (S2-08)")
    withdrawn: bool = Field(default=False, description="Sold no more; services of this type stay what they are")


LINE = ServiceType(
    code="line",
    name="Telephone line",
    summary="A line that telephones register with, with any telephone numbers.",
    description="A line that telephones register with over SIP. It can have telephone numbers of its own, each of which rings "
    "it or is forwarded, and it makes calls under one of them.",
)
"""What every white label sells that says nothing else."""
