"""How an account is invoiced, taxed, and warned when its money runs low."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from domain.base import Value
from domain.customer import Email, Text
from domain.validity import Validity

TaxCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
BasisPoints = Annotated[int, Field(ge=0, le=10_000, strict=True, description="2000 is 20 %")]


class Tax(Validity):
    """A tax of a white label, to be applied to those of its customers that it concerns (S4-32)."""

    code: TaxCode
    name: Text
    rate_basis_points: BasisPoints


class BillingSchedule(StrEnum):
    """How often an invoice is made (S4-25)."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class InvoicingPolicy(StrEnum):
    """Where invoices come from (C18): by themselves, from quotes only, or from a billing system elsewhere."""

    AUTOMATIC = "automatic"
    FROM_QUOTE_ONLY = "from_quote_only"
    EXTERNAL = "external"


class Invoicing(Value):
    """When invoices are made. A day can be chosen for the monthly schedule only (S4-26)."""

    schedule: BillingSchedule = BillingSchedule.MONTHLY
    day: Annotated[int, Field(ge=1, le=31, strict=True)] | None = Field(
        default=None, description="Of the month; in a shorter month its last day"
    )
    policy: InvoicingPolicy | None = Field(
        default=None, description="Where they come from; if unset, external on a price list of those who bill elsewhere"
    )

    @model_validator(mode="after")
    def _day_of_a_month(self) -> "Invoicing":
        if self.day is not None and self.schedule is not BillingSchedule.MONTHLY:
            raise ValueError("a billing day exists only where invoices are monthly; leave it out")
        return self


class LowBalanceAlert(Value):
    """Below which balance somebody is told, at an address of its own, and whether at all (S4-34 to S4-36)."""

    enabled: bool = True
    below_minor: Annotated[int, Field(ge=0, le=1_000_000_000, strict=True, description="Minor units of the account's currency")]
    email: Email


class AccountNumbers(Value):
    """The shape of a white label's account numbers (S4-05, S4-06)."""

    length: Annotated[int, Field(ge=4, le=20, strict=True)] = 10
    starting: Annotated[str, StringConstraints(pattern=r"^[0-9]{0,8}$")] = ""

    @model_validator(mode="after")
    def _room_to_count(self) -> "AccountNumbers":
        if self.length - len(self.starting) < 4:
            raise ValueError("account numbers need at least four digits after those they begin with")
        return self

    def fits(self, number: str) -> bool:
        return len(number) == self.length and number.startswith(self.starting)


AccountNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{4,20}$")]


class TaxCharge(Value):
    """One tax of a quote: ``minor`` is what it comes to on the net amount."""

    name: str
    rate_basis_points: int
    minor: int
