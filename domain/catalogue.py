"""What a white label sells, at what price, on what terms, and what it wants to look at first."""

import hashlib
import re
import unicodedata
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import Field, model_validator

from domain.base import Value
from domain.billing import AccountNumbers, Tax
from domain.calling import RateGroup
from domain.credentials import LEAST_PIN, MOST_PIN
from domain.customer import Country, Email, Text
from domain.forms import WHITE_LABEL, FormProfile
from domain.money import Currency
from domain.numbers import Grade
from domain.orders import PriceListCode
from domain.service_types import LINE, Charge, ServicePrice, ServiceType
from domain.validity import Validity

GatewayAccount = Annotated[str, Field(pattern=r"^acct_[A-Za-z0-9]+$", examples=["acct_1Nv0FGQ9RKHgCVdK"])]
"""An account at the card gateway, as the gateway names it."""


class Plan(Value):
    """A plan on a price list. Prices in minor units of the white label's currency, before tax."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=["office-20"])]
    name: Text
    setup_minor: Charge = 0
    period_minor: Charge = Field(description="Per service and month")
    number_period_minor: Charge = Field(default=0, description="Per number and month")


class PriceList(Validity):
    """Plans in the order they are offered (the first is the default, S2-17), and prices by number grade and service type.

    What a white label sells on: the first by ``position`` that is valid is its default (C9). ``version`` names this very
    content: a change is another version. On an ``external`` one nothing is charged here, because its customers are billed
    elsewhere (S2-18).
    """

    version: Text
    code: PriceListCode = "standard"
    name: Text = "Standard prices"
    currency: Currency | None = Field(default=None, description="The white label's own if unset")
    position: Annotated[int, Field(ge=0, le=10_000, strict=True)] = 0
    external: bool = False
    plans: Annotated[tuple[Plan, ...], Field(min_length=1)]
    grade_setup_minor: dict[Grade, Charge] = Field(default_factory=dict, description="One-off charge per number of a grade")
    service_types: dict[str, ServicePrice] = Field(
        default_factory=dict, description="By service type; services of another type cost what the plan says"
    )

    def plan(self, code: str | None) -> Plan | None:
        """The plan of that code, the first one for no code, nothing if there is none."""
        if code is None:
            return self.plans[0]
        return next((plan for plan in self.plans if plan.code == code), None)


class Terms(Value):
    """Terms and conditions by version. The hash proves which text was accepted (C15)."""

    version: Text
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


class ApprovalPolicy(Value):
    """What a person other than the requester must look at first. An unset threshold asks nothing."""

    total_over_minor: int | None = Field(default=None, description="Order totals above this, tax included")
    credit_limit_over_minor: int | None = None
    grades: tuple[Grade, ...] = Field(default=(), description="Number grades that need approval")


class Schedule(Value):
    """Every deadline and reminder of an onboarding. Offsets count from the moment the waiting began.

    Defaults: research, field 6.10. Pinned in the onboarding's input, so a later change of the tenant's policy does not
    move the deadline of somebody who is already waiting.
    """

    approval_window: timedelta = timedelta(days=7)
    approval_reminders: tuple[timedelta, ...] = (timedelta(days=1), timedelta(days=3))
    activation_window: timedelta = timedelta(days=14)
    activation_reminders: tuple[timedelta, ...] = (timedelta(days=1), timedelta(days=3), timedelta(days=7), timedelta(days=13))
    payment_window: timedelta = timedelta(days=7)
    payment_reminders: tuple[timedelta, ...] = (timedelta(days=1), timedelta(days=3))
    payment_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    held_window: timedelta = timedelta(days=14)
    resend_cooldown: timedelta = timedelta(seconds=60)
    undo_attention_after: timedelta = Field(
        default=timedelta(minutes=10), description="How long an undo may keep failing before a person is called"
    )

    def hold_until(self, now: datetime) -> datetime:
        """When a number held now may be taken back if nobody speaks for it any more: past every deadline, with slack."""
        deciding = self.approval_window * 2  # the orderer about substitutes, then the approver
        paying = self.payment_window * self.payment_attempts  # each new card begins a window of its own
        return now + deciding + self.activation_window + paying + self.held_window + timedelta(days=1)


class FeatureSet(Value):
    """What customers of a segment may have. An unset bound bounds nothing (S2-07); 0 channels, which are without limit, exceed any."""

    services: Annotated[int, Field(ge=0, le=50, strict=True)] | None = None
    channels: Annotated[int, Field(ge=1, le=10_000, strict=True, description="Calls at once, per service")] | None = None
    numbers: Annotated[int, Field(ge=0, le=5_000, strict=True, description="Of all services together")] | None = None
    dial_rules: bool = Field(default=True, description="Whether dialled numbers can be translated")


RESIDENTIAL = FeatureSet(services=2, channels=2, numbers=4, dial_rules=False)


class Tenant(Value):
    """A white label: the account whose customers these are, with its price list and policies."""

    id: str
    slug: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    name: Text
    currency: Currency
    tax_name: Text = "VAT"
    tax_rate_basis_points: Annotated[int, Field(ge=0, le=10_000)] = 0
    sip_domain: Annotated[str, Field(pattern=r"^[a-z0-9.-]{3,64}$", examples=["sip.example.com"])]
    support_email: Email
    operator_emails: tuple[Email, ...] = Field(description="Who is written to when something waits for an operator")
    card_gateway: bool = Field(default=False, description="Whether this white label has a payment gateway (S1-11, S1-12)")
    gateway_account: GatewayAccount | None = Field(
        default=None, description="Its own account at the gateway (Stripe Connect); the installation's if unset (S1-12)"
    )
    former_gateway_accounts: tuple[GatewayAccount, ...] = Field(
        default=(),
        description="What it had before: money of earlier orders lies there. Kept by us whenever the account changes",
    )
    price_list: PriceList
    rate_groups: tuple[RateGroup, ...] = Field(
        default=(), description="What calls can be rated by, the default first. Without a valid one nobody new can call (S4-23)"
    )
    terms: Terms
    country: Country = Field(default="GB", description="Where national telephone numbers are dialled if an order says nothing")
    taxes: tuple[Tax, ...] = Field(default=(), description="Taxes that an order may name instead of tax_name")
    account_numbers: AccountNumbers = AccountNumbers()
    form: FormProfile = WHITE_LABEL
    pin_length: Annotated[int, Field(ge=LEAST_PIN, le=MOST_PIN, strict=True)] = Field(
        default=6, description="Digits of an account's PIN (S4-09)"
    )
    residential: FeatureSet = Field(default=RESIDENTIAL, description="What residential customers may have (S2-08)")
    approval: ApprovalPolicy = ApprovalPolicy()
    schedule: Schedule = Schedule()
    quarantine_days: Annotated[int, Field(ge=1, le=730)] | None = Field(
        default=None, description="How long a number rests that was given back; never shorter than its country asks"
    )
    price_lists: tuple[PriceList, ...] = Field(default=(), description="Further price lists, beside the one it began with")
    service_types: Annotated[tuple[ServiceType, ...], Field(min_length=1)] = Field(
        default=(LINE,), description="What kinds of service it sells, the default first"
    )

    @model_validator(mode="after")
    def _told_apart(self) -> "Tenant":
        for what, codes in (
            ("price lists", [one.code for one in self.offered]),
            ("service types", [one.code for one in self.service_types]),
            ("taxes", [one.code for one in self.taxes]),
        ):
            if len(codes) != len(set(codes)):
                raise ValueError(f"two {what} have one code; give each its own")
        return self

    @property
    def gateway_accounts(self) -> tuple[GatewayAccount, ...]:
        """Every account of its own in which money of its customers may lie: the one of today first."""
        return tuple(dict.fromkeys((*filter(None, (self.gateway_account,)), *self.former_gateway_accounts)))

    def succeeding(self, before: "Tenant | None") -> "Tenant":
        """These settings in the place of earlier ones: no account that was ever charged on is forgotten."""
        if before is None:
            return self
        known = dict.fromkeys((*before.gateway_accounts, *self.former_gateway_accounts))
        former = tuple(account for account in known if account != self.gateway_account)
        return self.model_copy(update={"former_gateway_accounts": former})

    @property
    def offered(self) -> tuple[PriceList, ...]:
        """All price lists in their order, valid or not."""
        return tuple(sorted((self.price_list, *self.price_lists), key=lambda one: one.position))

    def list_for(self, code: str | None, day: date | None = None, currency: Currency | None = None) -> PriceList | None:
        """The price list of that code, or the first one for no code, if it is valid that day; else nothing.

        With a currency, only a list in it counts.
        """
        found = (one for one in self.offered if code in {None, one.code} and one.valid_on(day))
        return next((one for one in found if currency in {None, self.currency_of(one)}), None)

    def decided_alone(self, most: int | None, currency: Currency) -> int | None:
        """Up to which amount of ``currency`` this threshold of the approval policy asks nobody; ``None`` for any.

        Thresholds are in the white label's currency. What is in another one cannot be compared, so a person looks at it.
        """
        return 0 if most is not None and currency != self.currency else most

    def currency_of(self, prices: PriceList) -> Currency:
        return prices.currency or self.currency

    def service_type(self, code: str | None) -> ServiceType | None:
        """The type of that code, the default for no code, nothing if there is none."""
        if code is None:
            return next((one for one in self.service_types if not one.withdrawn), None)
        return next((one for one in self.service_types if one.code == code), None)

    def with_price_list(self, prices: PriceList) -> "Tenant":
        """With this price list in the place of the one of its code, or behind the others."""
        if prices.code == self.price_list.code:
            return self.model_copy(update={"price_list": prices})
        others = {one.code: one for one in self.price_lists} | {prices.code: prices}
        return self.model_copy(update={"price_lists": tuple(others.values())})


def resold(parent: Tenant, account_id: str, name: str, email: str) -> Tenant:
    """The white label of a new reseller: it sells what its parent sells, under its own name, until its settings are changed.

    Letters to its customers and to its operators carry and reach ``email``. It has no payment gateway before it has
    established one of its own (S1-12). The slug ends in digits of the account's id, so that no two are alike.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    word = re.sub(r"[^a-z0-9]+", "-", plain)[:27].strip("-") or "reseller"
    own = {"id": account_id, "slug": f"{word}-{account_id.replace('-', '')[:12]}", "name": name}
    cards = {"card_gateway": False, "gateway_account": None, "former_gateway_accounts": ()}
    return parent.model_copy(update={**own, **cards, "support_email": email, "operator_emails": (email,)})
