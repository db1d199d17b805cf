from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.money import CurrencyMismatch, Money, tax_on

minors = st.integers(-(10**12), 10**12)
rates = st.integers(0, 10_000)


def gbp(minor: int) -> Money:
    return Money(minor=minor, currency="GBP")


@given(minors, minors, minors)
def test_amounts_of_one_currency_add_up_in_any_order(a: int, b: int, c: int) -> None:
    assert (gbp(a) + gbp(b)) + gbp(c) == gbp(c) + (gbp(b) + gbp(a)) == gbp(a + b + c)


@given(minors)
def test_an_amount_and_its_negative_cancel_out(minor: int) -> None:
    assert gbp(minor) + -gbp(minor) == gbp(0)


def test_two_currencies_never_meet_in_one_sum() -> None:
    with pytest.raises(CurrencyMismatch, match="EUR and GBP cannot be added"):
        Money(minor=1, currency="EUR") + gbp(1)


@pytest.mark.parametrize("minor", [1.0, 1.5, "1", True, None, Decimal(1)])
def test_an_amount_is_a_whole_number_and_nothing_that_could_be_read_as_one(minor: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"minor": minor, "currency": "GBP"})


@pytest.mark.parametrize("currency", ["gbp", "GB", "GBPX", "", "£", "GB1"])
def test_a_currency_is_an_iso_code(currency: str) -> None:
    with pytest.raises(ValidationError):
        Money(minor=1, currency=currency)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1999, "GBP", "£19.99"),
        (-1999, "GBP", "-£19.99"),
        (5, "EUR", "€0.05"),
        (123_456_789, "USD", "$1,234,567.89"),
        (0, "GBP", "£0.00"),
        (1999, "CHF", "19.99 CHF"),
        (-7, "CHF", "-0.07 CHF"),
        (1999, "JPY", "1,999 JPY"),
        (1999, "KWD", "1.999 KWD"),
    ],
)
def test_an_amount_reads_with_the_digits_of_its_currency(minor: int, currency: str, text: str) -> None:
    assert str(Money(minor=minor, currency=currency)) == text


@given(minors)
def test_what_is_shown_is_exactly_what_is_owed(minor: int) -> None:
    shown = str(gbp(minor)).replace("£", "").replace(",", "")
    assert Decimal(shown) * 100 == minor


@given(minors, rates)
def test_tax_is_the_exact_product_rounded_once_half_away_from_zero(net: int, rate: int) -> None:
    exact = Decimal(net) * rate / 10_000
    assert tax_on(net, rate) == int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@given(minors, rates)
def test_a_refund_gives_back_the_tax_that_was_charged(net: int, rate: int) -> None:
    assert tax_on(-net, rate) == -tax_on(net, rate)


@pytest.mark.parametrize(("net", "tax"), [(2, 0), (3, 1), (0, 0), (-3, -1), (10, 2)])
def test_half_a_penny_of_tax_is_rounded_up(net: int, tax: int) -> None:
    assert tax_on(net, 2000) == tax  # 2 at 20 % is 0.4, 3 is 0.6
    assert tax_on(1, 5000) == 1
    assert tax_on(1, 4999) == 0
