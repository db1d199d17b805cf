"""What people read of a step that failed: the code of the domain error behind it, or what kind of silence it was."""

import pytest
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, RetryState, TimeoutType
from temporalio.exceptions import TimeoutError as StepTimeout

from domain.onboarding import State
from workflows.process import failure_code
from workflows.reversal import is_refusal, outcome_of


def step_failed(cause: BaseException) -> ActivityError:
    error = ActivityError(
        "Activity task failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="worker",
        activity_type="provision_line",
        activity_id="1",
        retry_state=RetryState.TIMEOUT,
    )
    error.__cause__ = cause
    return error


def timeout() -> StepTimeout:
    return StepTimeout("activity ScheduleToClose timeout", type=TimeoutType.SCHEDULE_TO_CLOSE, last_heartbeat_details=[])


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (ApplicationError("No.", type="switch_unavailable"), "switch_unavailable"),
        (timeout(), "timed_out"),
        (ApplicationError("A bug without a type."), "broken"),
    ],
)
def test_a_failed_step_has_a_code(cause: BaseException, code: str) -> None:
    assert failure_code(step_failed(cause)) == code
    assert failure_code(cause) == code, "a local step's failure comes without a wrapper"


def test_silence_is_not_an_answer_and_ends_as_broken() -> None:
    error = step_failed(timeout())
    assert not is_refusal(error)
    outcome = outcome_of(error)
    assert (outcome.state, outcome.code, outcome.reason) == (State.FAILED, "broken", "timed_out")


def test_a_cancelled_step_ends_as_stopped() -> None:
    outcome = outcome_of(step_failed(CancelledError("stopped")))
    assert (outcome.state, outcome.code) == (State.CANCELLED, "stopped")
