"""Pricing: an order and a price list give a quote. Pure, so that it can be tested; called once, so that it cannot move.

A pure function is not stable across a deploy: ``quote`` may change while an onboarding waits for days. It is therefore
called by the starter only, and the ``Quote`` travels in the workflow's input. The price accepted is in the history.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from domain.base import Value
from domain.billing import TaxCharge
from domain.catalogue import Tenant
from domain.money import Currency, Money, tax_on
from domain.numbers import Grade, GradedNumber
from domain.orders import Order


class LineKind(StrEnum):
    SETUP = "setup"
    PERIOD = "period"
    NUMBER_PERIOD = "number_period"
    NUMBER_GRADE = "number_grade"


class QuoteLine(Value):
    """One line of a quote. ``total_minor`` is ``quantity * unit_minor``, before tax."""

    kind: LineKind
    text: str
    quantity: int
    unit_minor: int
    total_minor: int


class Quote(Value):
    """The price of an order: set-up, the first period in advance, numbers, tax. Minor units of ``currency``."""

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


def quote(order: Order, tenant: Tenant, explicit_grades: Mapping[str, Grade]) -> Quote:
    """Price an order on the tenant's current price list.

    ``explicit_grades`` has the grade of every number that the order names (S3-21). Raises ``KeyError`` for one that is
    missing, or for an unknown tax, and ``ValueError`` for an unknown plan: all are refused by ``domain.rules`` before anything is priced.
    """
    plan = tenant.price_list.plan(order.plan)
    if plan is None:
        raise ValueError(f"no plan {order.plan}")
    lines: list[QuoteLine] = []

    def line(kind: LineKind, text: str, quantity: int, unit_minor: int) -> None:
        if quantity and unit_minor:
            lines.append(
                QuoteLine(kind=kind, text=text, quantity=quantity, unit_minor=unit_minor, total_minor=quantity * unit_minor)
            )

    # An account is set up once: what is added to it later does not pay for that again.
    line(LineKind.SETUP, f"{plan.name}, set-up", 0 if order.account_id else 1, plan.setup_minor)
    line(LineKind.PERIOD, f"{plan.name}, first month", len(order.services), plan.period_minor)
    line(LineKind.NUMBER_PERIOD, "Telephone number, first month", order.number_count, plan.number_period_minor)
    for grade, quantity in sorted(grades_ordered(order, explicit_grades).items()):
        unit = tenant.price_list.grade_setup_minor.get(grade, 0)
        line(LineKind.NUMBER_GRADE, f"{grade.value.capitalize()} number, one-off", quantity, unit)
    net = sum(entry.total_minor for entry in lines)
    taxes = _taxes(order, tenant, net)
    tax = sum(charge.minor for charge in taxes)
    return Quote(
        price_list=tenant.price_list.version,
        plan=plan.code,
        plan_name=plan.name,
        currency=tenant.currency,
        lines=tuple(lines),
        net_minor=net,
        tax_name=" + ".join(charge.name for charge in taxes) or tenant.tax_name,
        tax_rate_basis_points=sum(charge.rate_basis_points for charge in taxes),
        tax_minor=tax,
        total_minor=net + tax,
        taxes=taxes,
    )


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


def price_numbers(numbers: Iterable[GradedNumber], tenant: Tenant, plan_code: str | None = None) -> NumberPricing:
    """Price numbers on the tenant's current price list and a plan of it, the first one if none is named (S3-21, S2-24).

    Raises ``ValueError`` for a plan that is not on the list.
    """
    plan = tenant.price_list.plan(plan_code)
    if plan is None:
        raise ValueError(f"no plan {plan_code}")
    once = tenant.price_list.grade_setup_minor
    priced = tuple(
        NumberPrice(
            e164=number.e164,
            grade=number.grade,
            setup_minor=once.get(number.grade, 0),
            period_minor=plan.number_period_minor,
        )
        for number in numbers
    )
    setup, period = sum(number.setup_minor for number in priced), sum(number.period_minor for number in priced)
    tax = tax_on(setup + period, tenant.tax_rate_basis_points)
    return NumberPricing(
        price_list=tenant.price_list.version,
        plan=plan.code,
        currency=tenant.currency,
        numbers=priced,
        setup_minor=setup,
        period_minor=period,
        net_minor=setup + period,
        tax_name=tenant.tax_name,
        tax_rate_basis_points=tenant.tax_rate_basis_points,
        tax_minor=tax,
        total_minor=setup + period + tax,
    )
