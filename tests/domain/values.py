"""Strategies: orders and price lists of every shape that the types allow."""

from hypothesis import strategies as st

from domain.catalogue import Plan, PriceList, Tenant
from domain.numbers import Grade, NumberCriteria, NumberSelection
from domain.orders import AccountType, Administration, Order, Payer, Segment, Service
from tests.builders import a_tenant, an_order

charges = st.integers(0, 1_000_000)
numbers = st.integers(0, 9_999).map(lambda n: f"+4412149{n:05}")
grades = st.sampled_from(Grade)
criteria = st.builds(NumberCriteria, count=st.integers(1, 100), prefix=st.just("+44121"), grade=grades)
selections = st.one_of(
    st.just(NumberSelection()),
    st.builds(NumberSelection, criteria=criteria),
    st.builds(NumberSelection, explicit=st.lists(numbers, unique=True, max_size=4).map(tuple)),
)
services = st.lists(st.builds(Service, numbers=selections), max_size=4).map(tuple)


@st.composite
def orders(draw: st.DrawFn, plans: tuple[str | None, ...] = (None, "one", "two")) -> Order:
    order = an_order(
        administration=draw(st.sampled_from(Administration)),
        payer=draw(st.sampled_from(Payer)),
        account_type=draw(st.sampled_from(AccountType)),
        segment=draw(st.sampled_from(Segment)),
        credit_limit_minor=draw(st.integers(0, 1_000_000_000)),
        plan=draw(st.sampled_from(plans)),
        services=draw(services),
    )
    if draw(st.booleans()):
        return order.model_copy(update={"customer": order.customer.model_copy(update={"service_address": None})})
    return order


@st.composite
def tenants(draw: st.DrawFn) -> Tenant:
    plans = tuple(
        Plan(
            code=code,
            name=code.title(),
            setup_minor=draw(charges),
            period_minor=draw(charges),
            number_period_minor=draw(charges),
        )
        for code in ("one", "two")
    )
    return a_tenant(
        tax_rate_basis_points=draw(st.integers(0, 10_000)),
        card_gateway=draw(st.booleans()),
        price_list=PriceList(version="1", plans=plans, grade_setup_minor=draw(st.dictionaries(grades, charges))),
    )
