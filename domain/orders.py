"""A customer order: everything that is decided before the onboarding begins."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from domain.base import Value
from domain.billing import AccountNumber, BasisPoints, Invoicing, LowBalanceAlert, TaxCode
from domain.calling import Day, DialRules, RateGroupCode
from domain.credentials import Credential
from domain.customer import E164, Address, Customer, Text
from domain.money import Currency
from domain.notifications import Afterwards, Notifications
from domain.numbers import NumberSelection

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
PriceListCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=["standard"])]
ServiceTypeCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=["line"])]


class AccountKind(StrEnum):
    """What an account is in the tree. Customers and resellers are ordered, by the same process (S4-02)."""

    PLATFORM = "platform"
    RESELLER = "reseller"
    CUSTOMER = "customer"


class Administration(StrEnum):
    """Who administers the account: the customer, after activation by e-mail, or the operator at once (S1-06)."""

    CUSTOMER = "customer"
    OPERATOR = "operator"


class Payer(StrEnum):
    """Whose money pays: the customer's own or the parent account's (S1-27)."""

    SELF = "self"
    PARENT = "parent"


class AccountType(StrEnum):
    """Prepaid accounts spend what they have; postpaid accounts also have a credit limit (C3)."""

    PREPAID = "prepaid"
    POSTPAID = "postpaid"


class Segment(StrEnum):
    """The named feature set (S2-07, S2-08)."""

    NORMAL = "normal"
    RESIDENTIAL = "residential"


class Destination(StrEnum):
    """Where a call to a number goes: to the telephones of its service, on to another number, or to a mailbox (S3-36)."""

    DEVICE = "device"
    FORWARD = "forward"
    VOICEMAIL = "voicemail"


class NumberSetting(Value):
    """How one number of a service behaves. A number without a setting rings the service's telephones (S3-36)."""

    number: Annotated[int, Field(ge=0, le=99, description="Which of the service's numbers, from 0 in their order")]
    destination: Destination = Destination.DEVICE
    forward_to: E164 | None = Field(default=None, description="Where calls go on to; needed with forward, and only then")
    emergency_address: Address | None = Field(
        default=None, description="What emergency services are told of this number; the service address if unset"
    )


class Service(Value):
    """One telephone line of the order."""

    label: Text = "Line"
    numbers: NumberSelection = NumberSelection()
    max_channels: Annotated[int, Field(ge=0, le=10_000, description="Concurrent outbound calls; 0 is unlimited (S4-17)")] = 2
    caller_id: E164 | None = Field(
        default=None, description="The number that the line shows: one that this order names. Its own first number if unset"
    )
    settings: Annotated[tuple[NumberSetting, ...], Field(max_length=100)] = ()
    type: ServiceTypeCode | None = Field(
        default=None, description="What kind of service it is (S3-14); the first that the white label sells if unset"
    )

    def setting(self, number: int) -> NumberSetting:
        """How the service's n-th number (from 0) behaves."""
        return next((one for one in self.settings if one.number == number), NumberSetting(number=number))


class TermsAcceptance(Value):
    """Who accepted which text, when, in which capacity (C15; research, field 6.8)."""

    version: Text
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    capacity: Literal["self", "on_behalf"]
    accepted_by: Text
    accepted_at: datetime
    address: Annotated[str, StringConstraints(max_length=64)] | None = Field(default=None, description="IP address")


class Order(Value):
    """What is ordered, for whom, and who administers and pays for it: four axes that do not imply each other (C1 to C3)."""

    customer: Customer
    administration: Administration = Administration.CUSTOMER
    payer: Payer = Payer.SELF
    account_type: AccountType = AccountType.PREPAID
    segment: Segment = Segment.NORMAL
    credit_limit_minor: Annotated[int, Field(ge=0, le=1_000_000_000, strict=True)] = 0
    plan: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")] | None = Field(
        default=None, description="Plan code; the first plan of the price list if unset (S2-17)"
    )
    services: Annotated[tuple[Service, ...], Field(max_length=50)] = ()
    account_number: AccountNumber | None = Field(default=None, description="Made if unset (S4-05)", examples=["4400123456"])
    taxes: Annotated[tuple[TaxCode, ...], Field(max_length=10)] | None = Field(
        default=None, description="Codes of the taxes that apply; the white label's own if unset (S4-32)"
    )
    tax_rate_basis_points: BasisPoints | None = Field(
        default=None, description="One rate for this customer, instead of any tax (S5-30): 2000 is 20 %"
    )
    invoicing: Invoicing = Invoicing()
    low_balance_alert: LowBalanceAlert | None = None
    acknowledged_warnings: Annotated[tuple[Code, ...], Field(max_length=50)] = Field(
        default=(), description="Codes of the warnings that were seen and are accepted (C13); each other one blocks the order"
    )
    status: Literal["active", "suspended"] = Field(
        default="active", description="A suspended account can be called and register, but not call (S4-16)"
    )
    expires_on: Day | None = Field(
        default=None, description="The last day on which calls can be made, in the customer's time zone (S4-20)"
    )
    valid_days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(
        default=None, description="The same as days added to the day of the order; expires_on wins (S4-21)"
    )
    rate_group: RateGroupCode | None = Field(
        default=None, description="What calls are rated by; the white label's first valid one if unset (S4-23)"
    )
    dial_rules: DialRules = Field(default=(), description="How dialled numbers are translated; the first that fits (S4-18)")
    late_payment_exempt: bool = Field(default=False, description="Never suspended for late payment (S5-27)")
    account_kind: Literal["customer", "reseller"] = Field(
        default="customer",
        description="A reseller is a white label of its own below yours: customers are created under it. It has no lines",
    )
    basket: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")] | None = Field(
        default=None, description="The basket that holds numbers which this order names: they pass from it to the order"
    )
    price_list: PriceListCode | None = Field(
        default=None,
        description="What all services of this order are priced on (S3-38, S3-39); the first valid price list if unset",
    )
    currency: Currency | None = Field(
        default=None, description="The account's currency, for good (S4-27); that of the price list if unset"
    )
    notifications: Notifications = Field(
        default=(),
        description="Who is written to when the service is ready. The customer is, unless an entry says otherwise (S3-53)",
    )
    afterwards: Afterwards = Field(
        default=Afterwards.SERVICE_SUMMARY, description="Which page follows: `links.next` of the answer leads there (S3-58)"
    )
    credential: Credential | None = Field(
        default=None,
        description="How the contact comes to a password: `set` with `password`, `generate` (it is in the answer, once), or "
        "`invite` by a link in the letter. Left out, a customer who administers is invited, and for others the form says",
    )
    account_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] | None = Field(
        default=None, description="The active account that the services are added to (S3-03); a new one is opened if unset"
    )

    def sold_on(self, day: date | None) -> date | None:
        """The day on which its price list has to be on sale; unset where any day will do: whoever is a customer on a list buys more on
        it also when it is sold to nobody new."""
        return None if self.account_id is not None and self.price_list is not None else day

    @property
    def welcomes(self) -> bool:
        """Whether the customer waits for a letter at the end. Nobody does where an operator adds something (S3-03)."""
        return self.account_id is None or self.administration is Administration.CUSTOMER

    substitutes: Literal["refuse", "offer", "accept"] = Field(
        default="refuse",
        description="When somebody else was faster with a named number: refuse the order, offer one of the same grade at the same "
        "price and wait for an answer, or take that one without asking",
    )

    @property
    def explicit_numbers(self) -> tuple[str, ...]:
        return tuple(e164 for service in self.services for e164 in service.numbers.explicit)

    @property
    def number_count(self) -> int:
        return sum(service.numbers.count for service in self.services)
