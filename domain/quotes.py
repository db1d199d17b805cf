"""Pricing: an order and a price list give a quote. Pure, so that it can be tested; called once, so that it cannot move.

A pure function is not stable across a deploy: ``quote`` may change while an onboarding waits for days. It is therefore
called by the starter only, and the ``Quote`` travels in the workflow's input. The price accepted is in the history.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum

from domain.base import Value
from domain.billing import InvoicingPolicy, TaxCharge
from domain.catalogue import PriceList, Tenant
from domain.money import Currency, Money, tax_on
from domain.numbers import Grade, GradedNumber
from domain.orders import Order


class LineKind(StrEnum):
    SETUP = "setup"
    PERIOD = "period"
    NUMBER_PERIOD = "number_period"
    NUMBER_GRADE = "number_grade"
    SERVICE_SETUP = "service_setup"
    SERVICE_PERIOD = "service_period"


class QuoteLine(Value):
    """One line of a quote. ``total_minor`` is ``quantity * unit_minor``, before tax."""

    kind: LineKind
    text: str
    quantity: int
    unit_minor: int
    total_minor: int


class Quote(Value):
    """The price of an order: set-up, the first period in advance, numbers, tax. Minor units of ``currency``.

    ``price_list`` is the version of the list ``price_list_code``; ``service_types`` has one entry per service of the order.
    With ``billed_elsewhere`` nothing is charged here. ``terms_sha256`` is the text that was in force (C15).
    """

    price_list: str
    plan: str
    plan_name: str
    currency: Currency
    lines: tuple[QuoteLine, ...]
    net_minor: int
    tax_name: str
    tax_rate_basis_points: int
    tax_minor: int
    total_minor: int
    taxes: tuple[TaxCharge, ...] = ()
    price_list_code: str | None = None
    service_types: tuple[str, ...] = ()
    billed_elsewhere: bool = False
    invoicing: InvoicingPolicy = InvoicingPolicy.AUTOMATIC
    terms_sha256: str | None = None

    @property
    def total(self) -> Money:
        return Money(minor=self.total_minor, currency=self.currency)


def grades_ordered(order: Order, explicit_grades: Mapping[str, Grade]) -> Counter[Grade]:
    """How many numbers of each grade the order asks for."""
    count: Counter[Grade] = Counter()
    for service in order.services:
        count.update(explicit_grades[e164] for e164 in service.numbers.explicit)
        if service.numbers.criteria:
            count[service.numbers.criteria.grade] += service.numbers.criteria.count
    return count


def quote(
    order: Order,
    tenant: Tenant,
    explicit_grades: Mapping[str, Grade],
    day: date | None = None,
    *,
    joining: bool = True,
    more_numbers: Mapping[Grade, int] | None = None,
) -> Quote:
    """Price an order on the price list that it names or the default one (S3-38), as they are valid on ``day``.

    ``explicit_grades`` has the grade of every number that the order names (S3-21). Without ``joining`` the plan's own set-up
    is not charged: the customer is there already. ``more_numbers`` are priced beside those of the services. Raises ``KeyError`` for a grade that is missing, or for an unknown tax, and
    ``ValueError`` for an unknown price list, plan or service type: all are refused by ``domain.rules`` and
    ``domain.catalogue_rules`` before anything is priced.
    """
    prices = _prices(tenant, order.price_list, order.sold_on(day))
    plan = prices.plan(order.plan)
    if plan is None:
        raise ValueError(f"no plan {order.plan}")
    types = [tenant.service_type(service.type) for service in order.services]
    lines: list[QuoteLine] = []

    def line(kind: LineKind, text: str, quantity: int, unit_minor: int) -> None:
        if quantity and unit_minor and not prices.external:
            lines.append(
                QuoteLine(kind=kind, text=text, quantity=quantity, unit_minor=unit_minor, total_minor=quantity * unit_minor)
            )

    counted = Counter(kind.code if kind else "" for kind in types)
    if "" in counted:
        raise ValueError("no such service type")
    own_price = {code for code in counted if code in prices.service_types}
    # An account is set up once: what is added to it later does not pay for that again.
    line(LineKind.SETUP, f"{plan.name}, set-up", int(joining and order.account_id is None), plan.setup_minor)
    line(
        LineKind.PERIOD,
        f"{plan.name}, first month",
        counted.total() - sum(counted[code] for code in own_price),
        plan.period_minor,
    )
    for kind in tenant.service_types:
        if kind.code in own_price:
            price, quantity = prices.service_types[kind.code], counted[kind.code]
            line(LineKind.SERVICE_SETUP, f"{kind.name}, set-up", quantity, price.setup_minor)
            line(LineKind.SERVICE_PERIOD, f"{kind.name}, first month", quantity, price.period_minor)
    graded = grades_ordered(order, explicit_grades) + Counter(more_numbers or {})
    line(LineKind.NUMBER_PERIOD, "Telephone number, first month", graded.total(), plan.number_period_minor)
    for grade, quantity in sorted(graded.items()):
        unit = prices.grade_setup_minor.get(grade, 0)
        line(LineKind.NUMBER_GRADE, f"{grade.value.capitalize()} number, one-off", quantity, unit)
    net = sum(entry.total_minor for entry in lines)
    taxes = _taxes(order, tenant, net)
    tax = sum(charge.minor for charge in taxes)
    return Quote(
        price_list=prices.version,
        plan=plan.code,
        plan_name=plan.name,
        currency=tenant.currency_of(prices),
        lines=tuple(lines),
        net_minor=net,
        tax_name=" + ".join(charge.name for charge in taxes) or tenant.tax_name,
        tax_rate_basis_points=sum(charge.rate_basis_points for charge in taxes),
        tax_minor=tax,
        total_minor=net + tax,
        taxes=taxes,
        price_list_code=prices.code,
        service_types=tuple(kind.code for kind in types if kind),
        billed_elsewhere=prices.external,
        invoicing=order.invoicing.policy or default_policy(prices),
        terms_sha256=tenant.terms.sha256,
    )


def default_policy(prices: PriceList) -> InvoicingPolicy:
    """Where invoices come from if nobody says (C18)."""
    return InvoicingPolicy.EXTERNAL if prices.external else InvoicingPolicy.AUTOMATIC


def _prices(tenant: Tenant, code: str | None, day: date | None) -> PriceList:
    prices = tenant.list_for(code, day)
    if prices is None:
        raise ValueError(f"no valid price list {code}")
    return prices


def _taxes(order: Order, tenant: Tenant, net_minor: int) -> tuple[TaxCharge, ...]:
    """What is added: the customer's own rate, else the taxes that the order names, else the white label's (C19)."""
    own = (tenant.tax_name, tenant.tax_rate_basis_points)
    if order.tax_rate_basis_points is not None:
        rates = [(tenant.tax_name, order.tax_rate_basis_points)]
    elif order.taxes is not None:
        known = {tax.code: tax for tax in tenant.taxes}
        rates = [(known[code].name, known[code].rate_basis_points) for code in dict.fromkeys(order.taxes)]
    else:
        rates = [own]
    return tuple(TaxCharge(name=name, rate_basis_points=rate, minor=tax_on(net_minor, rate)) for name, rate in rates)


class NumberPrice(Value):
    """A number with what it costs on a price list: once, and each period. Minor units, before tax."""

    e164: str
    grade: Grade
    setup_minor: int
    period_minor: int


class NumberPricing(Value):
    """The pricing list of chosen numbers (S3-33): each with its price, and what they cost together for the first period."""

    price_list: str
    price_list_code: str
    plan: str
    currency: Currency
    numbers: tuple[NumberPrice, ...]
    setup_minor: int
    period_minor: int
    net_minor: int
    tax_name: str
    tax_rate_basis_points: int
    tax_minor: int
    total_minor: int


def price_numbers(
    numbers: Iterable[GradedNumber],
    tenant: Tenant,
    plan_code: str | None = None,
    price_list: str | None = None,
    day: date | None = None,
) -> NumberPricing:
    """Price numbers on a price list and a plan of it, the first of each if none is named (S3-21, S2-24).

    Raises ``ValueError`` for a price list that is not valid on ``day``, and for a plan that is not on it.
    """
    prices = _prices(tenant, price_list, day)
    plan = prices.plan(plan_code)
    if plan is None:
        raise ValueError(f"no plan {plan_code}")
    once = {} if prices.external else prices.grade_setup_minor
    each = 0 if prices.external else plan.number_period_minor
    priced = tuple(
        NumberPrice(
            e164=number.e164,
            grade=number.grade,
            setup_minor=once.get(number.grade, 0),
            period_minor=each,
        )
        for number in numbers
    )
    setup, period = sum(number.setup_minor for number in priced), sum(number.period_minor for number in priced)
    tax = tax_on(setup + period, tenant.tax_rate_basis_points)
    return NumberPricing(
        price_list=prices.version,
        price_list_code=prices.code,
        plan=plan.code,
        currency=tenant.currency_of(prices),
        numbers=priced,
        setup_minor=setup,
        period_minor=period,
        net_minor=setup + period,
        tax_name=tenant.tax_name,
        tax_rate_basis_points=tenant.tax_rate_basis_points,
        tax_minor=tax,
        total_minor=setup + period + tax,
    )
