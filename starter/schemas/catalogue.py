"""What is sold, as the API takes and shows it."""

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StrictBool

from domain.billing import BasisPoints, Tax, TaxCode
from domain.catalogue import Plan, PriceList, Tenant
from domain.customer import Text
from domain.money import Currency
from domain.numbers import Grade
from domain.orders import Segment
from domain.price_lists import PriceListVersion
from domain.service_types import Applies, Charge, ServicePrice, ServiceType
from starter.schemas.base import Body, Listing, WrittenDay


class PlanInput(Plan, extra="forbid"):
    """A plan. Prices in minor units of the list's currency, before tax."""


class ServicePriceInput(ServicePrice, extra="forbid"):
    """What services of one type cost instead of the plan's period price."""


class PriceListInput(Body):
    """A price list. Days are in UTC, both included."""

    name: Text = Field(examples=["Standard prices"])
    version: Text | None = Field(
        default=None, description="What this content is called; today's date if unset. Another content gets another name"
    )
    currency: Currency | None = Field(default=None, description="The white label's own if unset")
    valid_from: WrittenDay | None = None
    valid_until: WrittenDay | None = None
    position: Annotated[int, Field(ge=0, le=10_000, strict=True)] = Field(
        default=0, description="The first valid list by position is the default"
    )
    external: StrictBool = Field(default=False, description="For customers who are billed elsewhere: nothing is charged here")
    plans: Annotated[tuple[PlanInput, ...], Field(min_length=1, max_length=200)] = Field(
        examples=[[{"code": "office-20", "name": "Office 20", "period_minor": 1500}]]
    )
    grade_setup_minor: dict[Grade, Charge] = Field(default={}, description="One-off charge per number of a grade")
    service_types: Annotated[dict[str, ServicePriceInput], Field(max_length=200)] = Field(
        default={}, description="By service type; services of another type cost what the plan says"
    )

    def price_list(self, code: str, version: str) -> PriceList:
        return PriceList(code=code, **self.model_dump() | {"version": version})


class PriceListBody(PriceList):
    """A price list. Amounts are minor units of ``currency``, before tax."""

    currency: Currency
    valid_now: bool
    default: bool = Field(description="Whether orders that name none are priced on it")
    made_by: str | None = Field(default=None, description="Who made this version")
    made_at: datetime | None = None

    @classmethod
    def of(cls, prices: PriceList, tenant: Tenant, day: date, made: PriceListVersion | None = None) -> Self:
        first = tenant.list_for(None, day)
        return cls(
            **prices.model_dump() | {"currency": tenant.currency_of(prices)},
            valid_now=prices.valid_on(day),
            default=first is not None and prices == first,
            made_by=made.made_by if made else None,
            made_at=made.made_at if made else None,
        )


class PriceListList(Listing[PriceListBody]):
    """In the order in which they are offered."""


class TypePrice(BaseModel):
    """What a service of the type costs on one price list and plan. Minor units, before tax."""

    price_list: str
    version: str
    plan: str
    currency: Currency
    setup_minor: int = Field(description="Once per service")
    period_minor: int = Field(description="Per service and month")


class ServiceTypeBody(BaseModel):
    """A kind of service: what it is, what belongs to it, who may have it, what it costs."""

    code: str
    name: str
    summary: str
    description: str = Field(description="The details, to be read before going on")
    needs_number: bool
    most_numbers: int | None
    most_channels: int | None
    devices: int
    applies: tuple[Applies, ...]
    segments: tuple[Segment, ...]
    withdrawn: bool
    default: bool
    price: TypePrice

    @classmethod
    def of(cls, kind: ServiceType, tenant: Tenant, prices: PriceList, plan: Plan) -> Self:
        own = prices.service_types.get(kind.code)
        setup, period = (own.setup_minor, own.period_minor) if own else (0, plan.period_minor)
        price = TypePrice(
            price_list=prices.code,
            version=prices.version,
            plan=plan.code,
            currency=tenant.currency_of(prices),
            setup_minor=0 if prices.external else setup,
            period_minor=0 if prices.external else period,
        )
        return cls(**kind.model_dump(), default=kind == tenant.service_type(None), price=price)


class ServiceTypeList(Listing[ServiceTypeBody]):
    """In the order in which they are offered."""


class TaxInput(Body):
    """A tax. Days are in UTC, both included."""

    code: TaxCode = Field(examples=["vat"])
    name: Text = Field(examples=["VAT"])
    rate_basis_points: BasisPoints = Field(examples=[2000])
    valid_from: WrittenDay | None = None
    valid_until: WrittenDay | None = None


class TaxList(Listing[Tax]):
    """What an order may name as ``taxes``."""
