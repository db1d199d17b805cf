"""What the API takes and gives. Strict at the door, where the domain's own values are tolerant inside."""

import re
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

import phonenumbers
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, EmailStr, Field, StrictBool, StringConstraints

from domain.billing import Invoicing, LowBalanceAlert
from domain.calling import MOST_DIAL_RULES, Day, DialRule, fit
from domain.customer import E164, Address, Contact, Coordinates, Country, Customer, LongText, Text
from domain.numbers import PUBLIC, Grade, NumberCriteria, NumberRecord, NumberSelection, Pool
from domain.onboarding import Outcome, State
from domain.orders import Administration, NumberSetting, Order, Service, TermsAcceptance
from domain.quotes import NumberPrice, NumberPricing, Quote
from domain.rules import Finding
from domain.views import OnboardingView
from starter.messages import message

T = TypeVar("T")

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_BRITAIN = 44

Telephone = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=40, pattern=r"^[+0-9 ()./\-]+$"),
    Field(description="As people write it, national or international", examples=["0121 496 0123"]),
]


def _written(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("is not a date; write it as 2027-03-31")  # noqa: TRY004 - pydantic's way of saying no
    return value


# By itself a whole number would be read as seconds since 1970.
WrittenDay = Annotated[Day, BeforeValidator(_written)]
PlanCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=["office-20"])]
WhiteLabel = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
        description="Slug or id of the white label. Needed with a key of the platform; other keys have only their own.",
        examples=["brightvoice"],
    ),
]


def e164(text: str, region: str) -> str | None:
    """A telephone number in E.164, read as somebody in that region (ISO 3166-1) would dial it; ``None`` if it is none."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    # Possible, not valid: numbering plans change faster than the library, and ranges for drama are numbers too. But possible
    # from everywhere: what is dialled within one town only would become the number of somebody else.
    possible = phonenumbers.is_possible_number_with_reason(number)
    if number.extension or possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    # Seven digits are a handful of old freephone numbers, and what every British town dials within itself.
    if number.country_code == _BRITAIN and not 9 <= len(phonenumbers.national_significant_number(number)) <= 10:
        return None
    formatted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return formatted if _E164.fullmatch(formatted) else None


def e164_prefix(text: str, region: str) -> str | None:
    """The beginning of a number in E.164, read as somebody in that region would dial it (S3-19); ``None`` if it is none.

    ``0121 496`` in GB is ``+44121496``. A trunk prefix is left out where the region has one; Italy's leading 0 is no such.
    """
    digits = re.sub(r"[ ()./\-]", "", text)
    international = digits.startswith("+")
    if not re.fullmatch(r"\+?[0-9]+", digits):
        return None
    if not international:
        plan = phonenumbers.PhoneMetadata.metadata_for_region(region)
        if plan is None or plan.country_code is None:
            return None
        if digits.startswith("00") and plan.international_prefix == "00":
            digits = "+" + digits[2:]
        else:
            digits = f"+{plan.country_code}{digits.removeprefix(plan.national_prefix or '')}"
    return digits if re.fullmatch(r"\+[1-9][0-9]{0,13}", digits) else None


Prefix = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=30, pattern=r"^[+0-9 ()./\-]+$"),
    Field(description="How the numbers begin, national or international", examples=["0121 496"]),
]


class AddressBody(Address, extra="forbid"):
    """A postal address."""


class ContactBody(Contact, extra="forbid"):
    """The person who may act for the customer."""

    email: EmailStr = Field(examples=["ada@example.com"])
    telephone: Telephone | None = None


class CoordinatesBody(Coordinates, extra="forbid"):
    """A place on the map, WGS 84 degrees."""


class CustomerBody(Customer, extra="forbid"):
    """The party that is signed up."""

    coordinates: CoordinatesBody | None = None

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

    customer: CustomerBody
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
    white_label: WhiteLabel | None = None
    terms_accepted: StrictBool = Field(
        default=False,
        description="That the customer has accepted the terms, attested by you. Needed when the operator administers; a "
        "customer who administers accepts them on the activation page, and this is not looked at.",
    )

    def order(self, country: str) -> tuple[Order | None, list[Finding]]:
        """The order with every telephone number in E.164; or what about the numbers cannot be read.

        ``country`` (ISO 3166-1 alpha-2) is where national numbers are dialled if the order itself does not say.
        """
        data = self.model_dump(exclude={"white_label", "terms_accepted", "create_sip_device"})
        if self.create_sip_device and not self.services:
            data["services"] = (ServiceBody(label="SIP device").model_dump(),)
        region, found = self.customer.home or country, []

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
        if contact["telephone"] is not None:
            contact["telephone"] = normal(contact["telephone"], "/customer/contact/telephone", region)
        if self.customer.service_address is not None:
            region = self.customer.service_address.country
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
        return (None, found) if found else (Order.model_validate(data), found)


class Body(BaseModel):
    """A small body: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(Body):
    """Why. It is kept in the timeline, so leave personal data out."""

    reason: LongText | None = Field(default=None, examples=["Customer asked by telephone"])


class RejectBody(Body):
    """Why the order is not approved. The requester reads it."""

    reason: LongText = Field(examples=["The credit limit is too high for a new customer"])


class TakeOverBody(Body):
    """Why the operator may do what the customer was to do."""

    consent: LongText = Field(
        description="How the customer agreed to it. It is kept in the timeline, so leave personal data out",
        examples=["Asked for it on the telephone, 22 November"],
    )
    terms_accepted: Literal[True] = Field(description="That the customer has accepted the terms, attested by you")


class CorrectBody(Reason):
    """What is corrected; fields left out stay as they are."""

    email: EmailStr | None = Field(default=None, description="The contact's e-mail address", examples=["ada@example.com"])


class ResolveUndoBody(RejectBody):
    """What became of an undo that did not succeed by itself."""

    undo: Annotated[str, Field(max_length=200, pattern=r"^[\x21-\x7e]+$")] = Field(
        description="Which one: an entry of stuck_undos", examples=["release_payment"]
    )
    resolved: StrictBool = Field(description="True: done by hand. False: try again now")


class ImportRow(Body):
    """A number whose grade somebody chose."""

    number: Annotated[str, Field(max_length=60)]
    grade: Grade | None = Field(default=None, description="Computed from the digits if unset")


class ImportNumbers(Body):
    """Numbers for the inventory."""

    numbers: Annotated[tuple[Annotated[str, Field(max_length=60)] | ImportRow, ...], Field(min_length=1, max_length=10_000)] = (
        Field(examples=[["0121 496 0000", {"number": "+441214960001", "grade": "gold"}]])
    )
    region: Country = Field(description="The country in which numbers without a plus are dialled")
    pool: Pool = PUBLIC
    white_label: WhiteLabel | None = None


class ImportedNumber(BaseModel):
    """What became of one row."""

    row: int = Field(description="Position in the request, from 0")
    text: str
    e164: E164 | None = None
    result: Literal["accepted", "repeated", "invalid", "refused"] = Field(
        description="accepted: it is in the inventory now; repeated: an earlier row says the same; invalid: not a number; "
        "refused: it cannot be in this inventory"
    )
    detail: str | None = None


class ImportReport(BaseModel):
    """What became of an import. Importing the same numbers again changes nothing."""

    accepted: int
    added: int = Field(description="How many were not in the inventory before")
    invalid: int = Field(description="How many rows are not in the inventory: invalid or refused")
    rows: list[ImportedNumber]


class FoundNumbers(BaseModel):
    """Free numbers that match every criterion, with what each costs. Nothing is held: put those wanted into a basket."""

    items: list[NumberPrice]
    price_list: str
    plan: str
    currency: str


class NamedNumbers(Body):
    """Numbers by name."""

    numbers: Annotated[tuple[Telephone, ...], Field(min_length=1, max_length=100)]
    region: Country | None = Field(default=None, description="The country in which numbers without a plus are dialled")

    def e164s(self) -> tuple[dict[str, int], list[Finding]]:
        """Each number in E.164 with its first place; and what cannot be read."""
        read, found = dict[str, int](), list[Finding]()
        for place, text in enumerate(self.numbers):
            # Without a region only the international form says which number is meant.
            number = e164(text, self.region or "ZZ")
            if number is None:
                fix = "Write it as +441214960123, or name the region it is dialled in."
                pointer = f"/numbers/{place}"
                found.append(
                    Finding(code="telephone_invalid", pointer=pointer, message="This is not a telephone number.", fix=fix)
                )
            else:
                read.setdefault(number, place)
        return read, found


class KeepNumbers(NamedNumbers):
    """Free numbers that shall be of another pool."""

    pool: Pool
    white_label: WhiteLabel | None = None


class Kept(BaseModel):
    """The numbers are of this pool now."""

    pool: str
    numbers: list[E164]


class ReleaseBody(Reason):
    """Take a number from its customer."""

    days: Annotated[int, Field(strict=True, ge=1, le=730)] | None = Field(
        default=None, description="How long it rests; at least what its country asks. The white label's policy if unset"
    )
    nuisance: StrictBool = Field(
        default=False, description="Given back because of nuisance calls: some countries ask for longer"
    )
    white_label: WhiteLabel | None = None


class ReclaimBody(Body):
    """Give a resting number back to the customer that had it."""

    account_id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")] = Field(description="The customer's account")
    white_label: WhiteLabel | None = None


class NumberActed(BaseModel):
    """The number as it stands. ``done`` is false while the act still goes on; it cannot be lost any more."""

    done: bool
    number: NumberRecord


class OpenBasket(Body):
    """An empty basket."""

    pool: Pool = PUBLIC
    plan: PlanCode | None = None
    white_label: WhiteLabel | None = None


class BasketPlan(Body):
    """The plan that a basket is priced on; the price list's first if unset."""

    plan: PlanCode | None = None


class BasketBody(BaseModel):
    """What a basket holds, until when (UTC), and what it costs on today's price list."""

    id: str
    pool: str
    created_at: datetime
    expires_at: datetime = Field(description="Each change moves it on by 15 minutes, to two hours after the opening at most")
    seconds_left: int
    pricing: NumberPricing


class Links(BaseModel):
    """Where to go from here."""

    self: str
    events: str


class Accepted(BaseModel):
    """The order is accepted and cannot be lost any more. Follow ``links.events`` to see it proceed."""

    id: str
    state: State
    links: Links
    account_administrator: Literal["you", "customer"] = Field(
        description="Who administers the account once it is active: you, who ordered it, or the customer who activates it"
    )

    @classmethod
    def of(cls, onboarding_id: str, state: State, administration: Administration) -> Self:
        path = f"/v1/onboardings/{onboarding_id}"
        return cls(
            id=onboarding_id,
            state=state,
            links=Links(self=path, events=f"{path}/events"),
            account_administrator="you" if administration is Administration.OPERATOR else "customer",
        )


class Onboarding(BaseModel):
    """One onboarding as it stands. Amounts are minor units of the quote's currency; times are UTC."""

    id: str
    tenant_id: str
    account_id: str
    account_number: str | None = Field(description="For people; set once the account is opened")
    state: State
    message: str = Field(description="Where it stands, as a sentence for people")
    tm_forum_state: str = Field(description="The same as a TMF622 product order state")
    waits_for: str | None
    deadline: datetime | None
    generation: int
    needs_attention: str | None
    outcome: Outcome | None
    requested_by: str
    created_at: datetime
    updated_at: datetime
    order: Order
    quote: Quote
    approval_reasons: tuple[str, ...]
    terms: TermsAcceptance | None
    numbers: tuple[str, ...]
    charged_minor: int
    refunded_minor: int
    links: Links

    @classmethod
    def of(cls, view: OnboardingView) -> Self:
        path = f"/v1/onboardings/{view.id}"
        links = Links(self=path, events=f"{path}/events")
        facts: dict[str, Any] = {name: getattr(view, name) for name in cls.model_fields if name in type(view).model_fields}
        return cls(
            message=message(view), tm_forum_state=view.state.tm_forum, links=links, **facts | {"order": _discreet(view.order)}
        )


def _discreet(order: Order) -> Order:
    """The order without what nobody needs to read again: of an identity number the last two characters are left."""
    number = order.customer.identity_number
    if number is None:
        return order
    masked = order.customer.model_copy(update={"identity_number": "X" * (len(number) - 2) + number[-2:]})
    return order.model_copy(update={"customer": masked})


class Listing(BaseModel, Generic[T]):
    """One page. No token, no further page; a page may hold fewer entries than asked for."""

    items: list[T]
    next_page_token: str | None = None


class OnboardingPage(Listing[Onboarding]):
    """One page of onboardings, newest first."""


class NumberPage(Listing[NumberRecord]):
    """One page of the inventory, in numeric order."""


class PlanBody(BaseModel):
    """A plan. Prices in minor units before tax."""

    code: str
    name: Text
    setup_minor: int
    period_minor: int
    number_period_minor: int


class Plans(BaseModel):
    """What a white label sells. The first plan is the default."""

    white_label: str
    price_list: str
    currency: str
    tax_name: str
    tax_rate_basis_points: int
    plans: list[PlanBody]
    terms_version: str
