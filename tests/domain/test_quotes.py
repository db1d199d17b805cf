from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue import Tenant
from domain.money import Money, tax_on
from domain.numbers import Grade, NumberCriteria, NumberSelection
from domain.orders import Order, Service
from domain.quotes import LineKind, Quote, grades_ordered, quote
from tests.builders import a_tenant, an_order
from tests.domain.values import orders, tenants


def grades_of(order: Order) -> Mapping[str, Grade]:
    """Some grade for each number, a different one for different numbers."""
    return {number: list(Grade)[int(number[-1]) % len(Grade)] for number in order.explicit_numbers}


def priced(order: Order, tenant: Tenant) -> Quote:
    return quote(order, tenant, grades_of(order))


@given(orders(), tenants())
def test_the_total_is_the_sum_of_the_lines_and_the_tax_on_that_sum(order: Order, tenant: Tenant) -> None:
    found = priced(order, tenant)
    assert found.net_minor == sum(line.total_minor for line in found.lines)
    assert found.tax_minor == tax_on(found.net_minor, tenant.tax_rate_basis_points)
    assert found.total == Money(minor=found.net_minor + found.tax_minor, currency=tenant.currency)
    assert (found.tax_rate_basis_points, found.tax_name) == (tenant.tax_rate_basis_points, tenant.tax_name)


@given(orders(), tenants())
def test_every_line_says_how_it_came_about_and_charges_something(order: Order, tenant: Tenant) -> None:
    for line in priced(order, tenant).lines:
        assert line.total_minor == line.quantity * line.unit_minor > 0


@given(orders(), tenants(), st.randoms(use_true_random=False))
def test_the_order_of_the_services_does_not_move_the_price(order: Order, tenant: Tenant, random: object) -> None:
    shuffled = list(order.services)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert priced(order.model_copy(update={"services": tuple(shuffled)}), tenant) == priced(order, tenant)


@given(orders(), tenants(), st.sampled_from(Grade), st.integers(1, 5))
def test_more_numbers_cost_exactly_their_own_charges_more(order: Order, tenant: Tenant, grade: Grade, count: int) -> None:
    extra = Service(numbers=NumberSelection(criteria=NumberCriteria(prefix="+44121", grade=grade, count=count)))
    plan = tenant.price_list.plan(order.plan)
    assert plan is not None
    more = priced(order.model_copy(update={"services": (*order.services, extra)}), tenant)
    each = plan.number_period_minor + tenant.price_list.grade_setup_minor.get(grade, 0)
    assert more.net_minor - priced(order, tenant).net_minor == plan.period_minor + count * each


@given(orders())
def test_every_number_is_counted_under_one_grade(order: Order) -> None:
    assert sum(grades_ordered(order, grades_of(order)).values()) == order.number_count


@given(orders(), tenants())
def test_who_pays_and_administers_does_not_move_the_price(order: Order, tenant: Tenant) -> None:
    plain = an_order(services=order.services, plan=order.plan)
    assert priced(plain, tenant) == priced(order, tenant)


def test_a_named_number_costs_what_its_own_grade_costs() -> None:
    order = an_order(services=(Service(numbers=NumberSelection(explicit=("+441214960111", "+441214960123"))),))
    found = quote(order, a_tenant(), {"+441214960111": Grade.GOLD, "+441214960123": Grade.STANDARD})
    assert [(line.kind, line.quantity, line.total_minor) for line in found.lines] == [
        (LineKind.SETUP, 1, 2500),
        (LineKind.PERIOD, 1, 1500),
        (LineKind.NUMBER_PERIOD, 2, 400),
        (LineKind.NUMBER_GRADE, 1, 9900),
    ]
    assert (found.net_minor, found.tax_minor, found.total_minor) == (14_300, 2_860, 17_160)


@given(tenants())
def test_the_first_plan_of_the_list_is_the_one_that_nobody_chose(tenant: Tenant) -> None:
    assert priced(an_order(plan=None), tenant) == priced(an_order(plan="one"), tenant)
    assert priced(an_order(plan="two"), tenant).plan == "two"


def test_nothing_is_priced_on_a_plan_that_is_not_offered() -> None:
    with pytest.raises(ValueError, match="no plan gold-only"):
        priced(an_order(plan="gold-only"), a_tenant())


def test_nothing_is_priced_with_a_number_of_unknown_grade() -> None:
    order = an_order(services=(Service(numbers=NumberSelection(explicit=("+441214960111",))),))
    with pytest.raises(KeyError):
        quote(order, a_tenant(), {})
