from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.numbers import Grade, HeldNumber, NumberCriteria, NumberSelection, Reservation, grade_of

endings = st.integers(0, 999_999).map(lambda n: f"{n:06}")
prefixes = st.sampled_from(["+44121", "+1212555", "+4930", "+61", "+999"])
RAREST_FIRST = list(Grade)
# A tenth of all endings in which every pattern is met in proportion: patterns do not depend on the first digit.
SAMPLE = Counter(grade_of(f"+44121{ending:06}") for ending in range(100_000))


@given(endings, prefixes, prefixes)
def test_only_the_last_six_digits_make_a_grade(ending: str, one: str, other: str) -> None:
    assert grade_of(one + ending) == grade_of(other + ending)


@given(endings, st.integers(1, 9))
def test_a_pattern_is_as_rare_in_whatever_digits_it_is_written(ending: str, shift: int) -> None:
    """Adding the same to each digit keeps runs, repeats and pairs. Only round endings are liked for their zeros."""
    shifted = "".join(str((int(digit) + shift) % 10) for digit in ending)
    if not (ending + shifted).count("00"):
        assert grade_of("+44121" + ending) == grade_of("+44121" + shifted)


@given(endings)
def test_a_number_read_backwards_keeps_the_rarest_grade(ending: str) -> None:
    platinum = grade_of("+44121" + ending) is Grade.PLATINUM
    assert platinum == (grade_of("+44121" + ending[::-1]) is Grade.PLATINUM)


def test_a_rarer_grade_is_met_less_often() -> None:
    shares = [SAMPLE[grade] for grade in RAREST_FIRST]
    assert shares == sorted(shares)
    assert all(shares)


@pytest.mark.parametrize(
    ("grade", "percent"),
    [(Grade.PLATINUM, 0.003), (Grade.GOLD, 0.17), (Grade.SILVER, 0.54), (Grade.BRONZE, 5.1), (Grade.STANDARD, 94.2)],
)
def test_a_grade_has_the_share_that_its_price_was_made_for(grade: Grade, percent: float) -> None:
    assert 100 * SAMPLE[grade] / SAMPLE.total() == pytest.approx(percent, rel=0.02, abs=0.0001)


@pytest.mark.parametrize(
    ("ending", "grade"),
    [
        ("777777", "platinum"),
        ("123456", "platinum"),
        ("890123", "platinum"),
        ("654321", "platinum"),
        ("123123", "gold"),
        ("111222", "gold"),
        ("121212", "gold"),
        ("777787", "gold"),
        ("127777", "silver"),
        ("993456", "silver"),
        ("123321", "silver"),
        ("113377", "silver"),
        ("123000", "silver"),
        ("129777", "bronze"),
        ("908123", "bronze"),
        ("902255", "bronze"),
        ("904747", "bronze"),
        ("129700", "bronze"),
        ("129748", "standard"),
        ("112974", "standard"),
    ],
)
def test_a_pattern_has_its_grade(ending: str, grade: str) -> None:
    assert grade_of("+44121" + ending) == grade


def test_numbers_are_named_or_described_but_not_both() -> None:
    with pytest.raises(ValidationError, match="name the numbers or describe them, not both"):
        NumberSelection(explicit=("+441214960123",), criteria=NumberCriteria(prefix="+44121"))


def test_a_service_does_not_name_the_same_number_twice() -> None:
    with pytest.raises(ValidationError, match="the same number is named twice"):
        NumberSelection(explicit=("+441214960123", "+441214960123"))


@pytest.mark.parametrize(
    "number", ["441214960123", "+0121496012", "+44 121 496 0123", "+44", "+4412149601234567", "+44121x60123"]
)
def test_a_number_is_in_e164_or_it_is_none(number: str) -> None:
    with pytest.raises(ValidationError):
        NumberSelection(explicit=(number,))


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (NumberSelection(), 0),
        (NumberSelection(explicit=("+441214960123", "+441214960124")), 2),
        (NumberSelection(criteria=NumberCriteria(prefix="+44121", count=7)), 7),
    ],
)
def test_a_selection_knows_how_many_numbers_it_asks_for(selection: NumberSelection, count: int) -> None:
    assert selection.count == count


def test_a_reservation_gives_each_service_its_own_numbers() -> None:
    held = Reservation(
        numbers=(
            HeldNumber(e164="+441214960001", service=0),
            HeldNumber(e164="+441214960002", service=1),
            HeldNumber(e164="+441214960003", service=1),
        )
    )
    assert held.of_service(0) == ("+441214960001",)
    assert held.of_service(1) == ("+441214960002", "+441214960003")
    assert held.of_service(2) == ()
