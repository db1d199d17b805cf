"""Customers as they are shown and changed. A change is a JSON merge patch (RFC 7396): null removes, what is left out stays."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, EmailStr, Field, StrictBool

from domain import customers
from domain.customer import IdentityNumber, TaxId, Text, TimeZone, is_masked, masked
from domain.customers import CustomerDocument
from domain.existing import AccountRecord
from domain.money import Currency
from domain.orders import AccountType, Administration, Payer
from domain.rules import Finding
from starter.changes import Asked
from starter.problems import ProblemError
from starter.schemas.base import IN_FULL, MASKED, Body, Listing, RealCountry, Telephone, e164

# A default that is never used, and not shown as one: these can be left out, and cannot be removed.
_LEFT_OUT: Any = Field(default_factory=lambda: None)
_Lines = Annotated[tuple[Text, ...], Field(min_length=1, max_length=4)]


class AddressPatch(Body):
    """Parts of a postal address."""

    lines: _Lines = _LEFT_OUT
    city: Text = _LEFT_OUT
    region: Text | None = None
    postcode: Text | None = None
    country: RealCountry = _LEFT_OUT


class ContactPatch(Body):
    """Parts of the person who may act for the customer."""

    full_name: Text = _LEFT_OUT
    email: EmailStr = _LEFT_OUT
    telephone: Telephone | None = None


class CoordinatesPatch(Body):
    """A place on the map, WGS 84 degrees."""

    latitude: Annotated[float, Field(strict=True, ge=-90, le=90, allow_inf_nan=False)] = _LEFT_OUT
    longitude: Annotated[float, Field(strict=True, ge=-180, le=180, allow_inf_nan=False)] = _LEFT_OUT


class LowBalanceAlertPatch(Body):
    """Who is told when the money runs low, below which balance, and whether at all."""

    enabled: StrictBool = _LEFT_OUT
    below_minor: Annotated[int, Field(ge=0, le=1_000_000_000, strict=True)] = _LEFT_OUT
    email: EmailStr = _LEFT_OUT


class ChangeCustomer(Body):
    """What is changed of a customer. Fields left out stay as they are; null removes what can be removed."""

    kind: Literal["organisation", "person"] = _LEFT_OUT
    name: Text = _LEFT_OUT
    given_name: Text | None = None
    family_name: Text | None = None
    company: Text | None = None
    contact: ContactPatch = _LEFT_OUT
    billing_email: EmailStr | None = None
    billing_address: AddressPatch | None = None
    service_address: AddressPatch | None = None
    time_zone: TimeZone = _LEFT_OUT
    country: RealCountry | None = None
    tax_id: TaxId | None = None
    identity_number: IdentityNumber | None = None
    coordinates: CoordinatesPatch | None = None
    low_balance_alert: LowBalanceAlertPatch | None = None
    late_payment_exempt: StrictBool = _LEFT_OUT
    credit_limit_minor: Annotated[int, Field(ge=0, le=1_000_000_000, strict=True)] = _LEFT_OUT
    currency: Currency = Field(default_factory=lambda: "", description="Fixed since the first posting", examples=["GBP"])
    account_number: Annotated[str, Field(max_length=20)] = Field(
        default_factory=lambda: "", description="Never changes; another one than the account has is refused"
    )

    def patch(self, account: AccountRecord, country: str) -> tuple[dict[str, Any], list[Finding]]:
        """The merge patch, with every telephone number in E.164; and what cannot be read, or never changes."""
        data, found = self.model_dump(mode="json", exclude_unset=True), list[Finding]()
        number = data.pop("account_number", account.account_number)
        if number != account.account_number:
            message, fix = "The account number stays as long as the account.", "Leave it out."
            found.append(Finding(code="account_number_fixed", pointer="/account_number", message=message, fix=fix))
        # What was read with its beginning left out is no new number when it is sent back.
        if data.get("identity_number") == masked(account.customer.identity_number) is not None:
            del data["identity_number"]
        elif is_masked(data.get("identity_number") or ""):
            found.append(Finding(code="identity_number_masked", pointer="/identity_number", message=MASKED, fix=IN_FULL))
        contact = data.get("contact") or {}
        if contact.get("telephone"):
            written, region = contact["telephone"], data.get("country") or account.customer.home or country
            contact["telephone"] = e164(written, region)
            if contact["telephone"] is None:
                message = f"This is not a telephone number in {region}."
                fix = "Write it as +441214960123, or as it is dialled there."
                found.append(Finding(code="telephone_invalid", pointer="/contact/telephone", message=message, fix=fix))
        return data, found


class CustomerAnswer(CustomerDocument):
    """A customer as it stands. The `ETag` header tells this state from others."""

    account_id: str
    account_number: str | None
    account_type: AccountType
    payer: Payer
    administration: Administration
    balance_minor: int
    held_minor: int = Field(description="Set aside for orders that are under way")
    identity_number: str | None = Field(default=None, description="Its last two characters only")
    waits_for_approval: str | None = Field(
        default=None, description="Id of the change that was just asked for, if another person has to approve it first"
    )
    warnings: list[ProblemError] = Field(default=[], description="What is odd about the change that was just made")

    @classmethod
    def of(cls, account: AccountRecord, warnings: list[ProblemError]) -> Self:
        shown = customers.document(account).model_dump()
        shown["identity_number"] = masked(account.customer.identity_number)
        names = ("account_id", "account_number", "account_type", "payer", "administration", "balance_minor", "held_minor")
        return cls(**shown, **{name: getattr(account, name) for name in names}, warnings=warnings)


class ChangedField(BaseModel):
    """One thing about the customer as it is now and as it would be. Money in minor units."""

    field: str = Field(examples=["credit_limit_minor"])
    from_: Any = Field(serialization_alias="from")
    to: Any


class WaitingChange(BaseModel):
    """A change of a customer that one person has asked for and another has to approve."""

    id: str
    account_id: str
    name: str = Field(description="The customer's, as it is now")
    state: Literal["waiting", "decided", "done", "refused"] = Field(description="`decided` is approved, and under way")
    asked_by: str
    asked_at: datetime
    decide_until: datetime = Field(description="Nothing is changed if nobody has decided by then")
    currency: Currency
    changes: list[ChangedField] = Field(description="While it waits; afterwards the timeline says what was changed")
    code: str | None = Field(default=None, description="Why it was refused")
    message: str | None = None

    @classmethod
    def of(cls, asked: Asked, account: AccountRecord) -> Self:
        change, outcome = asked.change, asked.outcome
        state: Literal["waiting", "decided", "done", "refused"] = "waiting" if asked.waits else "decided"
        if outcome is not None:
            state = "done" if outcome.done else "refused"
        return cls(
            id=change.key,
            account_id=account.account_id,
            name=account.customer.name,
            state=state,
            asked_by=change.actor,
            asked_at=change.at,
            decide_until=asked.until,
            currency=account.currency,
            changes=_changes(account, change) if asked.waits else [],
            code=outcome.code if outcome else None,
            message=outcome.message if outcome else None,
        )


class WaitingChanges(Listing[WaitingChange]):
    """Changes that wait, the one that was asked for first first."""


def _changes(account: AccountRecord, change: customers.CustomerChange) -> list[ChangedField]:
    if change.credit is not None:
        balance = account.balance_minor
        return [ChangedField(field="balance_minor", from_=balance, to=balance + change.credit.amount_minor)]
    before = customers.document(account)
    after, _ = customers.patched(before, change.patch)
    if after is None:  # the customer was changed meanwhile, and the two do not go together
        return []
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for shown in (old, new):
        shown["identity_number"] = masked(shown["identity_number"])
        shown |= {f"contact.{part}": value for part, value in shown["contact"].items()}
    return [ChangedField(field=name, from_=old[name], to=new[name]) for name in customers.differences(before, after)]
