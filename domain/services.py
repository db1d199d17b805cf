"""A service after it was ordered: what can be changed about it (S3-60)."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from pydantic import Field

from domain import catalogue_rules, line_rules
from domain.base import Value
from domain.catalogue import Tenant
from domain.customer import E164, Address, Text
from domain.customers import CustomerChange, merged
from domain.existing import AccountRecord
from domain.numbers import NumberSelection
from domain.orders import Destination, NumberSetting, Segment, Service
from domain.rules import Finding
from domain.voice import Forward, LineSetup


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


class ServiceRecord(Value):
    """A service of an active account as it stands. ``line`` is its id, and the name of its line on the switch.

    ``numbers`` are those that it has now; ``type`` is the code of its service type, the default one if unset. ``switch_version`` is the newest version that the switch is known to hold; version 0
    is as it was ordered.
    """

    line: str
    account_id: str
    onboarding_id: str
    numbers: tuple[E164, ...]
    settings: ServiceSettings
    type: str | None = None
    version: int = 0
    switch_version: int = 0

    @property
    def document(self) -> ServiceSettings:
        """What can be changed: every number it has, and no others."""
        numbers = {e164: self.settings.numbers.get(e164, NumberSettings()) for e164 in self.numbers}
        return self.settings.model_copy(update={"numbers": numbers})

    @property
    def setup(self) -> LineSetup:
        """What the switch must hold."""
        shown = self.document
        forwards = tuple(
            Forward(number=e164, to=number.forward_to)
            for e164, number in shown.numbers.items()
            if number.destination is Destination.FORWARD and number.forward_to
        )
        return LineSetup(
            username=self.line,
            account_id=self.account_id,
            version=self.version,
            max_channels=shown.max_channels,
            caller_id=shown.caller_id or next(iter(self.numbers), None),
            forwards=forwards,
        )


class ServiceChange(CustomerChange):
    """The same for one service, by its line."""

    line: str


class ServiceRecords(Protocol):
    """Our own records of services. Each call is one transaction."""

    async def services(self, account_id: str) -> tuple[ServiceRecord, ...]:
        """All services of an account, in the order in which they were ordered. Raises ``NotFound`` and ``Refused`` as an account."""

    async def change(self, change: ServiceChange) -> ServiceRecord:
        """Make the change and tell the timeline which fields, once per key; the service after it.

        Raises ``Refused``: ``changed_meanwhile``, ``service_gone``, or the code of what ``findings`` finds.
        """

    async def confirm(self, line: str, version: int) -> None:
        """Note that the switch holds this version, or a newer one."""


def tag(shown: ServiceSettings) -> str:
    """As that of a customer."""
    return hashlib.sha256(shown.model_dump_json().encode()).hexdigest()[:32]


def patched(shown: ServiceSettings, patch: dict[str, Any]) -> tuple[ServiceSettings | None, list[Finding]]:
    """The settings after a merge patch; a number that was reset is as by default."""
    after, found = merged(ServiceSettings, shown, patch)
    if after is None:
        return None, found
    numbers = {e164: after.numbers.get(e164, NumberSettings()) for e164 in (*shown.numbers, *after.numbers)}
    return after.model_copy(update={"numbers": numbers}), found


def differences(before: ServiceSettings, after: ServiceSettings) -> tuple[str, ...]:
    """Names of the settings that are different. Telephone numbers are counted, not named."""
    found = [name for name in ("label", "max_channels", "caller_id") if getattr(before, name) != getattr(after, name)]
    parts = {
        part
        for e164, new in after.numbers.items()
        for part in NumberSettings.model_fields
        if getattr(before.numbers.get(e164, NumberSettings()), part) != getattr(new, part)
    }
    return (*found, *(f"numbers.{part}" for part in sorted(parts)))


def findings(
    account: AccountRecord, services: Sequence[ServiceRecord], line: str, after: ServiceSettings, tenant: Tenant
) -> list[Finding]:
    """What makes this change of one of the account's services impossible: the same rules as an order's."""
    mine = next(service for service in services if service.line == line)
    found: list[Finding] = []
    if after.caller_id is not None and all(after.caller_id not in service.numbers for service in services):
        message, fix = "The customer does not have this number, so calls cannot show it.", "Choose one that the customer has."
        found.append(Finding(code="caller_id_not_owned", pointer="/caller_id", message=message, fix=fix))
    most = tenant.residential.channels
    if account.segment is Segment.RESIDENTIAL and most is not None and not 0 < after.max_channels <= most:
        message, fix = f"Residential customers have at most {most} calls at once.", "Allow fewer."
        found.append(Finding(code="not_in_segment", pointer="/max_channels", message=message, fix=fix))
    found += _beyond_type(mine, after, tenant)
    for e164, number in after.numbers.items():
        place = f"/numbers/{e164}"
        if e164 not in mine.numbers:
            message, fix = "The service does not have this number.", "Set up one that it has."
            found.append(Finding(code="number_not_of_service", pointer=place, message=message, fix=fix))
            continue
        setting = NumberSetting(number=0, destination=number.destination, forward_to=number.forward_to)
        found += line_rules.setting_findings(setting, Service(numbers=NumberSelection(explicit=(e164,))), place)
        if number.emergency_address is None and account.customer.service_address is None:
            message = "A telephone number needs the address where it is used: emergency services are sent there."
            found.append(Finding(code="service_address_missing", pointer=place, message=message, fix="Add it."))
    return found


def _beyond_type(mine: ServiceRecord, after: ServiceSettings, tenant: Tenant) -> list[Finding]:
    """What the change asks for that the service's type does not include. What it has already, it keeps: types change, services stay."""
    # Of a white label that it was moved to, and that does not sell this: then what its default type includes.
    kind = tenant.service_type(mine.type) or tenant.service_type(None)
    if kind is None:
        return []
    before = mine.document
    changed = tuple(
        NumberSetting(number=position, **number.model_dump())
        for position, e164 in enumerate(mine.numbers)
        if (number := after.numbers.get(e164, NumberSettings())) not in {NumberSettings(), before.numbers[e164]}
    )
    asked = Service(
        numbers=NumberSelection(explicit=mine.numbers),
        max_channels=after.max_channels,
        caller_id=after.caller_id if after.caller_id != before.caller_id else None,
        settings=changed,
    )
    about = {"/caller_id": "/caller_id", "/settings": "/numbers"}
    if after.max_channels != before.max_channels:
        about["/max_channels"] = "/max_channels"
    return [
        finding.model_copy(update={"pointer": about[finding.pointer]})
        for finding in catalogue_rules.beyond_type(asked, kind, "")
        if finding.pointer in about
    ]
