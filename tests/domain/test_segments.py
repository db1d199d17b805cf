"""Numbers that hold digits are counted out: none missing, none too many, in order."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.segments import holding

SEGMENTS = st.lists(st.text("0127", min_size=1, max_size=4), min_size=0, max_size=3).map(tuple)


def covered(segments: tuple[str, ...], prefix: str, length: int, start: str) -> list[str]:
    """Every number of the length that lies in a range."""
    ranges = list(holding(segments).ranges("+44", prefix, length, start))
    assert ranges == sorted(ranges)
    assert all(past <= first for (_, past), (first, _) in itertools.pairwise(ranges))
    numbers = (prefix + "".join(digits) for digits in itertools.product("0123456789", repeat=length - len(prefix)))
    return [number for number in numbers if any(first <= number < past for first, past in ranges)]


@settings(max_examples=120, deadline=None)
@given(SEGMENTS, st.text("0127", max_size=3), st.integers(0, 4), st.text("0127", max_size=6))
def test_the_ranges_hold_exactly_the_numbers_with_every_segment_from_the_start_on(
    segments: tuple[str, ...], given_digits: str, free: int, start: str
) -> None:
    prefix, begin = f"+44{given_digits}", f"+44{start}"
    length = len(prefix) + free
    expected = [
        prefix + "".join(digits)
        for digits in itertools.product("0123456789", repeat=free)
        if all(segment in given_digits + "".join(digits) for segment in segments)
    ]
    assert covered(segments, prefix, length, begin) == [number for number in expected if number >= begin]
    assert all(holding(segments).within(number[3:]) for number in expected)


def test_the_country_code_is_not_part_of_what_is_looked_in() -> None:
    assert not holding(("44",)).within("1214960000")
    assert list(holding(("412",)).ranges("+44", "+4412", 6, "")) == []


def test_segments_may_overlap() -> None:
    assert holding(("123", "234")).within("1234")
    assert list(holding(("123", "234")).ranges("+44", "+44", 7, "")) == [("+441234", "+441234:")]


def test_a_segment_that_does_not_fit_has_no_ranges() -> None:
    assert list(holding(("1234567",)).ranges("+44", "+44121", 12, "")) != []
    assert list(holding(("12345678",)).ranges("+44", "+44999", 12, "")) == []


def test_what_occurs_in_the_prefix_already_is_one_range() -> None:
    assert list(holding(("121",)).ranges("+44", "+44121", 12, "")) == [("+44121", "+44121:")]
