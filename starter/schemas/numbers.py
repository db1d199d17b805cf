"""What the API takes and gives about numbers, baskets and what they cost."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictBool

from domain.customer import E164, Text
from domain.numbers import PUBLIC, Grade, NumberRecord, Pool
from domain.quotes import NumberPrice, NumberPricing
from domain.rules import Finding
from starter.schemas.base import Body, Listing, PlanCode, PriceListCode, RealCountry, Reason, Telephone, WhiteLabel, e164


class ImportRow(Body):
    """A number whose grade somebody chose."""

    number: Annotated[str, Field(max_length=60)]
    grade: Grade | None = Field(default=None, description="Computed from the digits if unset")


class ImportNumbers(Body):
    """Numbers for the inventory."""

    numbers: Annotated[tuple[Annotated[str, Field(max_length=60)] | ImportRow, ...], Field(min_length=1, max_length=10_000)] = (
        Field(examples=[["0121 496 0000", {"number": "+441214960001", "grade": "gold"}]])
    )
    region: RealCountry = Field(description="The country in which numbers without a plus are dialled")
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
    region: RealCountry | None = Field(default=None, description="The country in which numbers without a plus are dialled")

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
    price_list: PriceListCode | None = None
    white_label: WhiteLabel | None = None


class BasketPlan(Body):
    """The plan and price list that a basket is priced on; the first of each if unset."""

    plan: PlanCode | None = None
    price_list: PriceListCode | None = None


class BasketBody(BaseModel):
    """What a basket holds, until when (UTC), and what it costs on today's price list."""

    id: str
    pool: str
    created_at: datetime
    expires_at: datetime = Field(description="Each change moves it on by 15 minutes, to two hours after the opening at most")
    seconds_left: int
    pricing: NumberPricing


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
    price_list_code: str
    currency: str
    tax_name: str
    tax_rate_basis_points: int
    plans: list[PlanBody]
    terms_version: str
