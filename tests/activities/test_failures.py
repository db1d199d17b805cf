"""Domain errors on their way into Temporal: what they become, and what must not come with them."""

import logging
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.failures import failure, translated
from activities.registry import methods_of
from domain import errors
from domain.errors import DialtoneError, NotFound, Refused, Unavailable

CANARY = "ada@example.com"
REFUSALS = [
    errors.Refused,
    errors.PaymentDeclined,
    errors.NameTaken,
    errors.NumberUnavailable,
    errors.RecipientRefused,
    errors.ProvisioningRefused,
    errors.KeyClosed,
]


@pytest.mark.parametrize("kind", REFUSALS)
def test_every_kind_of_no_becomes_a_benign_failure_that_is_never_retried(kind: type[Refused]) -> None:
    error = failure(kind("It is refused."))
    assert (error.message, error.type, error.non_retryable) == ("It is refused.", kind.code, True)
    assert error.category is ApplicationErrorCategory.BENIGN
    assert error.next_retry_delay is None


@pytest.mark.parametrize(("named", "delay"), [(None, None), (2.5, timedelta(seconds=2.5)), (0, timedelta(0))])
def test_no_answer_is_retried_when_the_other_side_wants_it(named: float | None, delay: timedelta | None) -> None:
    error = failure(Unavailable("Busy.", code="gateway_busy", retry_after=named))
    assert (error.type, error.non_retryable, error.next_retry_delay) == ("gateway_busy", False, delay)
    assert error.category is ApplicationErrorCategory.UNSPECIFIED


def test_any_other_error_of_ours_is_retried_by_the_policy_of_the_step() -> None:
    error = failure(NotFound("No such onboarding."))
    assert (error.type, error.non_retryable, error.next_retry_delay) == ("not_found", False, None)


def ask_the_vendor() -> None:
    raise ConnectionError(f"550 no mailbox {CANARY} here")


async def raises(kind: type[DialtoneError]) -> None:
    try:
        ask_the_vendor()
    except ConnectionError as vendors:
        raise kind("The relay refuses the address.") from vendors


@pytest.mark.parametrize("kind", [Refused, Unavailable, NotFound])
async def test_a_failure_carries_our_sentence_and_nothing_of_the_vendors(
    kind: type[DialtoneError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ApplicationError) as caught:
        await translated(raises)(kind)
    error = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert error.details == ()
    written = Failure()
    converter = DataConverter.default
    converter.failure_converter.to_failure(error, converter.payload_converter, written)
    assert not written.HasField("cause")
    assert CANARY not in str(written)
    assert "The relay refuses the address." in str(written)
    assert CANARY not in caplog.text
    assert f"{kind.code} (ConnectionError)" in caplog.text, "whoever reads the log learns what kind of trouble it was"


async def test_a_bug_stays_what_it_is() -> None:
    @translated
    async def buggy(value: int) -> int:
        return 1 // value

    with pytest.raises(ZeroDivisionError):
        await buggy(0)
    assert await buggy(1) == 1


def test_every_activity_of_a_group_is_found_and_nothing_else() -> None:
    class Group:
        def __init__(self) -> None:
            self.number = 1

        @activity.defn(name="one")
        async def one(self) -> None: ...

        @activity.defn(name="other")
        @translated
        async def other(self) -> None: ...

        async def helper(self) -> None: ...

        async def _private(self) -> None: ...

    group = Group()
    assert methods_of(group, group.number) == [group.one, group.other]
