"""Services as they are shown and changed after their order. A change is a JSON merge patch (RFC 7396)."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from domain.customer import E164, Text
from domain.orders import Destination
from domain.rules import Finding
from domain.services import NumberSettings, ServiceRecord
from starter.schemas.base import Body, Listing, Telephone, e164
from starter.schemas.customers import AddressPatch

_LEFT_OUT: Any = Field(default_factory=lambda: None)


class NumberPatch(Body):
    """What is changed of how a number behaves."""

    destination: Destination = _LEFT_OUT
    forward_to: Telephone | None = None
    emergency_address: AddressPatch | None = None


class ChangeService(Body):
    """What is changed of a service. Fields left out stay as they are."""

    label: Text = _LEFT_OUT
    max_channels: Annotated[int, Field(strict=True, ge=0, le=10_000, description="Calls at once; 0 is unlimited")] = _LEFT_OUT
    caller_id: Telephone | None = Field(
        default=None, description="The number that calls show: one that the customer has. Null is the service's first number"
    )
    numbers: Annotated[dict[Telephone, NumberPatch | None], Field(max_length=100)] = Field(
        default_factory=dict, description="By telephone number; null lets the number ring the telephones again"
    )

    def patch(self, region: str) -> tuple[dict[str, Any], list[Finding]]:
        """The merge patch, with every telephone number in E.164; and those that cannot be read."""
        data, found = self.model_dump(mode="json", exclude_unset=True), list[Finding]()

        def normal(written: str | None, pointer: str) -> str | None:
            number = e164(written, region) if written else None
            if written and number is None:
                message = f"This is not a telephone number in {region}."
                fix = "Write it as +441214960123, or as it is dialled there."
                found.append(Finding(code="telephone_invalid", pointer=pointer, message=message, fix=fix))
            return number

        if "caller_id" in data:
            data["caller_id"] = normal(data["caller_id"], "/caller_id")
        numbers: dict[str, Any] = {}
        for written, change in (data.pop("numbers", None) or {}).items():
            number = normal(written, f"/numbers/{written}") or written
            if change and "forward_to" in change:
                change["forward_to"] = normal(change["forward_to"], f"/numbers/{written}/forward_to")
            if number in numbers:
                message, fix = "This number is set up twice.", "Remove one of the two."
                found.append(Finding(code="setting_twice", pointer=f"/numbers/{written}", message=message, fix=fix))
            numbers[number] = change
        return data | ({"numbers": numbers} if numbers else {}), found


class ServiceAnswer(BaseModel):
    """A service as it stands. The `ETag` header tells this state from others."""

    id: str = Field(description="Stays with the service; its telephones register under this name")
    onboarding_id: str = Field(description="The order that it came with")
    label: str
    max_channels: int
    caller_id: str | None
    numbers: dict[E164, NumberSettings] = Field(description="Every number it has, and how that behaves")
    version: int
    switch_agrees: bool = Field(description="False while a change is still on its way to the switch")

    @classmethod
    def of(cls, service: ServiceRecord) -> Self:
        return cls(
            id=service.line,
            onboarding_id=service.onboarding_id,
            **dict(service.document),
            version=service.version,
            switch_agrees=service.switch_version >= service.version,
        )


class ServiceList(Listing[ServiceAnswer]):
    """All services of an account, in the order in which they were ordered."""
