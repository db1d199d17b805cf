"""An order as the API takes it. Strict at the door, where the domain's own values are tolerant inside."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, EmailStr, Field, StrictBool

from domain import additions
from domain.billing import Invoicing, LowBalanceAlert
from domain.calling import MOST_DIAL_RULES, DialRule, fit
from domain.customer import Address, Contact, Coordinates, Customer, IdentityNumber, is_masked
from domain.existing import AccountRecord
from domain.notifications import MOST_OTHERS, Notification
from domain.numbers import NumberCriteria, NumberSelection
from domain.orders import NumberSetting, Order, Service, ServiceTypeCode
from domain.rules import Finding
from starter.first_access import Wanted
from starter.schemas.base import IN_FULL, MASKED, Prefix, RealCountry, Telephone, WhiteLabel, WrittenDay, e164, e164_prefix
from starter.schemas.people import Password, Pin


class AddressBody(Address, extra="forbid"):
    """A postal address."""

    country: RealCountry


class ContactBody(Contact, extra="forbid"):
    """The person who may act for the customer."""

    email: EmailStr = Field(examples=["ada@example.com"])
    telephone: Telephone | None = None


class CoordinatesBody(Coordinates, extra="forbid"):
    """A place on the map, WGS 84 degrees."""

    latitude: Annotated[float, Field(strict=True, ge=-90, le=90, allow_inf_nan=False)]
    longitude: Annotated[float, Field(strict=True, ge=-180, le=180, allow_inf_nan=False)]


def _in_full(number: str) -> str:
    if is_masked(number):
        raise ValueError(f"{MASKED} {IN_FULL}")
    return number


class CustomerBody(Customer, extra="forbid"):
    """The party that is signed up."""

    identity_number: Annotated[IdentityNumber, AfterValidator(_in_full)] | None = Field(
        default=None, description="Of an identity document. Shown by its last two characters only"
    )
    coordinates: CoordinatesBody | None = None
    country: RealCountry | None = Field(
        default=None, description="Where national telephone numbers are dialled; the address's if unset"
    )

    contact: ContactBody
    billing_email: EmailStr | None = Field(
        default=None, description="Where invoices go; the contact's address if unset", examples=["accounts@example.com"]
    )
    billing_address: AddressBody | None = None
    service_address: AddressBody | None = Field(
        default=None, description="Where the telephones stand: what emergency services are told. Required with numbers"
    )


class LowBalanceAlertBody(LowBalanceAlert, extra="forbid"):
    """Who is told when the money runs low, and below which balance."""

    enabled: StrictBool = True
    email: EmailStr = Field(examples=["accounts@example.com"])


class InvoicingBody(Invoicing, extra="forbid"):
    """When invoices are made. A day can be chosen where they are monthly."""


class CriteriaBody(NumberCriteria, extra="forbid"):
    """Numbers by description. A national prefix is read as dialled where the telephones stand."""

    prefix: Prefix
    count: Annotated[int, Field(strict=True, ge=1, le=100)] = 1


class NumberSelectionBody(NumberSelection, extra="forbid"):
    """Either numbers by name or numbers by description, never both."""

    explicit: Annotated[tuple[Telephone, ...], Field(max_length=100)] = ()
    criteria: CriteriaBody | None = None


class NumberSettingBody(NumberSetting, extra="forbid"):
    """How one number of the service behaves."""

    number: Annotated[int, Field(strict=True, ge=0, le=99, description="Which of the service's numbers, from 0")]
    forward_to: Telephone | None = Field(default=None, description="Where calls go on to; needed with forward, and only then")
    emergency_address: AddressBody | None = Field(
        default=None, description="What emergency services are told of this number; the service address if unset"
    )


class DialRuleBody(DialRule, extra="forbid"):
    """A dialled number that begins with `strip` begins with `replace` instead. The first rule that fits applies."""


DialRuleBodies = Annotated[tuple[DialRuleBody, ...], Field(max_length=MOST_DIAL_RULES), AfterValidator(fit)]


class ServiceBody(Service, extra="forbid"):
    """One telephone line of the order."""

    numbers: NumberSelectionBody = NumberSelectionBody()
    max_channels: Annotated[int, Field(strict=True, ge=0, le=10_000, description="Calls at once; 0 is unlimited")] = 2
    caller_id: Telephone | None = Field(
        default=None, description="The number that calls show: one that the order names. The line's first number if unset"
    )
    settings: Annotated[tuple[NumberSettingBody, ...], Field(max_length=100)] = ()
    type: ServiceTypeCode | None = Field(
        default=None, description="A code that GET /v1/service-types lists; the first of them if unset"
    )


class NotificationBody(Notification, extra="forbid"):
    """One letter that is sent when the service is ready, and not before."""

    email: EmailStr | None = Field(
        default=None, description="Needed with other, and only then", examples=["accounts@example.com"]
    )
    send: StrictBool = Field(default=True, description="Whether it is sent at all")


class CreateOnboarding(Order):
    """A customer order. National telephone numbers are read as dialled in the customer's country."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "customer": {
                        "name": "Harbour Books Ltd",
                        "contact": {
                            "full_name": "Ada Reed",
                            "email": "ada@harbourbooks.example",
                            "telephone": "0121 496 0001",
                        },
                        "billing_address": {
                            "lines": ["1 Colmore Row"],
                            "city": "Birmingham",
                            "postcode": "B3 2BJ",
                            "country": "GB",
                        },
                        "service_address": {
                            "lines": ["1 Colmore Row"],
                            "city": "Birmingham",
                            "postcode": "B3 2BJ",
                            "country": "GB",
                        },
                    },
                    "services": [{"label": "Front desk", "numbers": {"criteria": {"count": 2, "prefix": "+44121496"}}}],
                }
            ]
        },
    )

    # Not required by the schema, because an order for an account that is there already has none; ``order`` asks for it.
    customer: CustomerBody | None = Field(  # type: ignore[assignment]
        default=None, description="Who is signed up. Needed unless `account_id` names an account, and only then"
    )
    invoicing: InvoicingBody = InvoicingBody()
    low_balance_alert: LowBalanceAlertBody | None = None
    services: Annotated[tuple[ServiceBody, ...], Field(max_length=50)] = ()
    expires_on: WrittenDay | None = Field(
        default=None, description="The last day on which calls can be made, in the customer's time zone"
    )
    valid_days: Annotated[int, Field(strict=True, ge=1, le=36_500)] | None = Field(
        default=None, description="The same as days added to the day of the order; `expires_on` wins"
    )
    dial_rules: DialRuleBodies = ()
    late_payment_exempt: StrictBool = Field(default=False, description="Never suspended for late payment")
    create_sip_device: StrictBool = Field(
        default=False,
        description="A line for a SIP telephone is made even if `services` names none. Each service has one anyway",
    )
    notifications: Annotated[tuple[NotificationBody, ...], Field(max_length=MOST_OTHERS + 2)] = Field(
        default=(),
        description="Who is written to when the service is ready. The customer is, unless an entry says otherwise",
    )
    password: Password | None = Field(
        default=None, description="For the contact to sign in with. It is kept as a hash, and is in no letter and no answer"
    )
    pin: Pin | None = Field(default=None, description="The account's PIN, as long as the white label's PINs are")
    substitutes: Literal["refuse", "offer", "accept"] = Field(
        default="offer",
        description="When somebody else was faster with a named number: `refuse` the order, `offer` one of the same grade at the "
        "same price and wait for an answer, or `accept` that one without asking",
    )
    white_label: WhiteLabel | None = None
    terms_accepted: StrictBool = Field(
        default=False,
        description="That the customer has accepted the terms, attested by you. Needed when the operator administers; a "
        "customer who administers accepts them on the activation page, and this is not looked at.",
    )

    @property
    def wanted(self) -> Wanted:
        """What goes no further than the door in clear. Empty counts as left out."""
        password, pin = (one.get_secret_value() if one else None for one in (self.password, self.pin))
        return Wanted(password=password or None, pin=pin or None)

    def order(self, country: str, adds_to: AccountRecord | None = None) -> tuple[Order | None, list[Finding]]:
        """The order with every telephone number in E.164; or what about the numbers cannot be read.

        ``country`` (ISO 3166-1 alpha-2) is where national numbers are dialled if the order itself does not say. ``adds_to`` is
        the account that ``account_id`` names.
        """
        customer = adds_to.customer if adds_to else self.customer
        if adds_to is not None and (too_much := additions.surplus(self.model_fields_set)):
            return None, too_much
        if customer is None:
            message, fix = "This is missing.", "Add it, or name an account that is there already as account_id."
            return None, [Finding(code="missing", pointer="/customer", message=message, fix=fix)]
        data = self.model_dump(exclude={"white_label", "terms_accepted", "create_sip_device", "password", "pin", "customer"})
        data["customer"] = customer.model_dump()
        if self.create_sip_device and not self.services:
            data["services"] = (ServiceBody(label="SIP device").model_dump(),)
        region, found = customer.home or country, list[Finding]()

        def normal(text: str, pointer: str, region: str) -> str:
            number = e164(text, region)
            if number is None:
                message, fix = (
                    f"This is not a telephone number in {region}.",
                    "Write it as +441214960123, or as it is dialled there.",
                )
                found.append(Finding(code="telephone_invalid", pointer=pointer, message=message, fix=fix))
            return number or text

        contact = data["customer"]["contact"]
        if contact["telephone"] is not None and adds_to is None:
            contact["telephone"] = normal(contact["telephone"], "/customer/contact/telephone", region)
        if customer.service_address is not None:
            region = customer.service_address.country
        for position, service in enumerate(data["services"]):
            if (criteria := service["numbers"]["criteria"]) is not None:
                begin = e164_prefix(criteria["prefix"], region)
                if begin is None:
                    message = f"No number begins like this in {region}."
                    fix = "Write it as +44121, or as it is dialled there."
                    pointer = f"/services/{position}/numbers/criteria/prefix"
                    found.append(Finding(code="prefix_invalid", pointer=pointer, message=message, fix=fix))
                criteria["prefix"] = begin
            base, seen = f"/services/{position}/numbers/explicit", set[str]()
            numbers = [normal(text, f"{base}/{i}", region) for i, text in enumerate(service["numbers"]["explicit"])]
            for index, number in enumerate(numbers):
                if number in seen:
                    message, fix = "This number is ordered twice.", "Remove one of the two."
                    found.append(Finding(code="number_twice", pointer=f"{base}/{index}", message=message, fix=fix))
                seen.add(number)
            service["numbers"]["explicit"] = numbers
            if service["caller_id"] is not None:
                service["caller_id"] = normal(service["caller_id"], f"/services/{position}/caller_id", region)
            for index, setting in enumerate(service["settings"]):
                if setting["forward_to"] is not None:
                    place = f"/services/{position}/settings/{index}/forward_to"
                    setting["forward_to"] = normal(setting["forward_to"], place, region)
        if found:
            return None, found
        order = Order.model_validate(data)
        if adds_to is not None:
            order = additions.order_for(adds_to, order)
        return order, found
