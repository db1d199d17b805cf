from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.catalogue import Schedule

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
windows = st.timedeltas(timedelta(0), timedelta(days=60))


@given(windows, windows, windows, windows, st.integers(1, 10))
def test_a_number_is_held_longer_than_anybody_may_take(
    approval: timedelta, activation: timedelta, payment: timedelta, held: timedelta, attempts: int
) -> None:
    """Each declined card begins a payment window of its own, and so does the question whether a substitute will do."""
    schedule = Schedule(
        approval_window=approval,
        activation_window=activation,
        payment_window=payment,
        held_window=held,
        payment_attempts=attempts,
    )
    assert schedule.hold_until(NOW) > NOW + 2 * approval + activation + attempts * payment + held


@pytest.mark.parametrize("waits_for", ["approval", "activation", "payment"])
def test_every_reminder_comes_before_its_deadline_and_in_order(waits_for: str) -> None:
    schedule = Schedule()
    reminders = getattr(schedule, f"{waits_for}_reminders")
    assert list(reminders) == sorted(set(reminders))
    assert timedelta(0) < reminders[0] <= reminders[-1] < getattr(schedule, f"{waits_for}_window")


def test_the_activation_link_is_reminded_of_on_the_days_that_were_promised() -> None:
    assert Schedule().activation_window == timedelta(days=14)
    assert Schedule().activation_reminders == tuple(timedelta(days=day) for day in (1, 3, 7, 13))


def test_a_schedule_survives_the_way_through_a_history() -> None:
    schedule = Schedule(activation_window=timedelta(seconds=90), activation_reminders=(timedelta(milliseconds=1500),))
    assert Schedule.model_validate_json(schedule.model_dump_json()) == schedule


@pytest.mark.parametrize("attempts", [0, -1, 11])
def test_a_card_is_asked_for_at_least_once_and_not_for_ever(attempts: int) -> None:
    with pytest.raises(ValidationError):
        Schedule(payment_attempts=attempts)
