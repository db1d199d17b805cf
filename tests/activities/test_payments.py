"""Money between the fence's gates: whatever lands late is undone, by the step itself or by the undo that waited for it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.payments import PaymentActivities
from domain.errors import KeyClosed, PaymentDeclined, Unavailable
from domain.payments import MeansKind, Payment, PaymentOrder, PaymentState
from domain.steps import PaymentRelease
from tests.activities.values import payment

SETTLING = timedelta(seconds=45)
ORDER = payment(MeansKind.CARD)
RELEASE = PaymentRelease(payment=ORDER)


class Bank:
    """A gateway that holds at most one payment, and can be slow (``door``), silent or lose its answer after the effect."""

    def __init__(self) -> None:
        self.state: PaymentState | None = None
        self.asked: list[str] = []
        self.says: Exception | None = None
        self.loses_the_answer = False
        self.door = asyncio.Event()
        self.door.set()
        self.visited = asyncio.Event()

    async def _become(self, verb: str, state: PaymentState) -> Payment:
        self.asked.append(verb)
        self.visited.set()
        if self.says:
            raise self.says
        await self.door.wait()
        self.state = state
        if self.loses_the_answer:
            raise Unavailable("The answer was lost.")
        return self._payment(state)

    def _payment(self, state: PaymentState) -> Payment:
        return Payment(key=ORDER.key, reference="pi_1", amount=ORDER.amount, state=state)

    async def authorise(self, order: PaymentOrder) -> Payment:
        return await self._become("authorise", PaymentState.AUTHORISED)

    async def capture(self, order: PaymentOrder) -> Payment:
        return await self._become("capture", PaymentState.CAPTURED)

    async def void(self, order: PaymentOrder) -> Payment:
        return await self._become("void", PaymentState.VOIDED)

    async def refund(self, order: PaymentOrder) -> Payment:
        return await self._become("refund", PaymentState.REFUNDED)

    async def find(self, order: PaymentOrder) -> Payment | None:
        return self._payment(self.state) if self.state else None


class Gate:
    def __init__(self, clock: "Clock") -> None:
        self.clock = clock
        self.closed = False
        self.under_way: datetime | None = None

    async def enter(self, key: str) -> None:
        assert key == ORDER.key
        if self.closed:
            raise KeyClosed("It was undone before.")
        self.under_way = self.clock()

    async def leave(self, key: str) -> bool:
        assert key == ORDER.key
        self.under_way = None
        return self.closed

    async def close(self, key: str) -> datetime | None:
        assert key == ORDER.key
        self.closed = True
        return self.under_way


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


class Till:
    """The three verbs, as a worker runs them."""

    def __init__(self, bank: Bank | None = None) -> None:
        self.clock = Clock()
        self.bank, self.gate = bank or Bank(), Gate(self.clock)
        self.verbs = PaymentActivities(self.bank, self.gate, SETTLING, self.clock)

    async def authorise(self) -> Payment:
        done: Payment = await ActivityEnvironment().run(self.verbs.authorise_payment, ORDER)
        return done

    async def capture(self) -> Payment:
        done: Payment = await ActivityEnvironment().run(self.verbs.capture_payment, ORDER)
        return done

    async def release(self) -> Payment | None:
        done: Payment | None = await ActivityEnvironment().run(self.verbs.release_payment, RELEASE)
        return done


@pytest.fixture
def till() -> Till:
    return Till()


async def test_a_payment_is_authorised_then_captured(till: Till) -> None:
    assert (await till.authorise()).state is PaymentState.AUTHORISED
    assert (await till.capture()).state is PaymentState.CAPTURED
    assert till.gate.under_way is None


@pytest.mark.parametrize(
    ("held", "undone", "by"),
    [
        (PaymentState.AUTHORISED, PaymentState.VOIDED, ["void"]),
        (PaymentState.CAPTURED, PaymentState.REFUNDED, ["refund"]),
        (PaymentState.VOIDED, PaymentState.VOIDED, []),
        (PaymentState.REFUNDED, PaymentState.REFUNDED, []),
    ],
)
async def test_a_hold_is_voided_a_capture_refunded_and_what_is_undone_left_alone(
    till: Till, held: PaymentState, undone: PaymentState, by: list[str]
) -> None:
    till.bank.state = held
    for _ in range(2):
        released = await till.release()
        assert released is not None
        assert released.state is till.bank.state is undone
    assert till.bank.asked == by


async def test_undoing_a_payment_that_nobody_has_heard_of_is_a_success(till: Till) -> None:
    assert await till.release() is None
    assert till.bank.asked == []


@pytest.mark.parametrize("verb", ["authorise", "capture"])
async def test_a_payment_that_arrives_after_its_undo_never_reaches_the_gateway(till: Till, verb: str) -> None:
    await till.release()
    with pytest.raises(ApplicationError) as refused:
        await getattr(till, verb)()
    assert (refused.value.type, refused.value.non_retryable) == ("key_closed", True)
    assert till.bank.asked == []


@pytest.mark.parametrize(("verb", "undone"), [("authorise", PaymentState.VOIDED), ("capture", PaymentState.REFUNDED)])
async def test_a_payment_that_lands_after_its_undo_undoes_itself(till: Till, verb: str, undone: PaymentState) -> None:
    till.bank.door.clear()
    late = asyncio.create_task(getattr(till, verb)())
    await till.bank.visited.wait()
    with pytest.raises(ApplicationError) as waits:
        await till.release()
    assert waits.value.type == "attempt_under_way"
    till.bank.door.set()
    with pytest.raises(ApplicationError) as refused:
        await late
    assert (refused.value.type, refused.value.non_retryable) == ("key_closed", True)
    assert till.bank.state is undone
    released = await till.release()
    assert released is not None
    assert released.state is undone
    assert len(till.bank.asked) == 2, "it was undone once"


async def test_a_declined_payment_has_ended_and_its_undo_need_not_wait(till: Till) -> None:
    till.bank.says = PaymentDeclined("The bank says no.", code="card_declined")
    with pytest.raises(ApplicationError) as declined:
        await till.authorise()
    assert (declined.value.type, declined.value.non_retryable) == ("card_declined", True)
    assert await till.release() is None


@pytest.mark.parametrize("trouble", [Unavailable("No answer."), RuntimeError("a bug"), asyncio.CancelledError()])
async def test_an_attempt_without_an_answer_may_still_land_so_its_undo_waits_and_looks_again(
    till: Till, trouble: BaseException
) -> None:
    till.bank.says = trouble  # type: ignore[assignment]
    with pytest.raises((ApplicationError, RuntimeError, asyncio.CancelledError)):
        await till.authorise()
    till.bank.says = None
    till.clock.time += timedelta(seconds=5)
    with pytest.raises(ApplicationError) as waits:
        await till.release()
    assert (waits.value.type, waits.value.non_retryable) == ("attempt_under_way", False)
    assert waits.value.next_retry_delay == SETTLING - timedelta(seconds=5)
    # What was on the wire lands only now; whoever sent it is gone.
    till.bank.state = PaymentState.AUTHORISED
    till.clock.time += SETTLING - timedelta(seconds=5)
    await till.release()
    assert till.bank.state is PaymentState.VOIDED


async def test_what_can_be_seen_is_undone_before_the_undo_waits(till: Till) -> None:
    till.bank.loses_the_answer = True
    with pytest.raises(ApplicationError, match="The answer was lost"):
        await till.authorise()
    till.bank.loses_the_answer = False
    with pytest.raises(ApplicationError) as waits:
        await till.release()
    assert waits.value.type == "attempt_under_way"
    assert till.bank.state is PaymentState.VOIDED


@pytest.mark.parametrize(("left", "waits"), [(timedelta(milliseconds=1), True), (timedelta(0), False), (-SETTLING, False)])
async def test_an_undo_waits_until_the_attempt_must_have_ended_and_not_longer(till: Till, left: timedelta, waits: bool) -> None:
    till.bank.says = Unavailable("No answer.")
    with pytest.raises(ApplicationError):
        await till.authorise()
    till.clock.time += SETTLING - left
    if waits:
        with pytest.raises(ApplicationError) as early:
            await till.release()
        assert early.value.next_retry_delay == left
    else:
        assert await till.release() is None


async def test_a_late_payment_that_cannot_be_undone_at_once_is_undone_by_the_undo_that_waits(till: Till) -> None:
    till.bank.door.clear()
    late = asyncio.create_task(till.authorise())
    await till.bank.visited.wait()
    with pytest.raises(ApplicationError):
        await till.release()
    till.bank.door.set()
    await asyncio.sleep(0)
    till.bank.says = Unavailable("The gateway is gone.")
    with pytest.raises(ApplicationError):
        await late
    till.bank.says = None
    if till.bank.state is PaymentState.AUTHORISED:
        await till.release()
    assert till.bank.state is PaymentState.VOIDED


async def test_an_attempt_that_is_repeated_after_a_lost_answer_ends_the_uncertainty(till: Till) -> None:
    till.bank.says = Unavailable("No answer.")
    with pytest.raises(ApplicationError):
        await till.authorise()
    till.bank.says = None
    await till.authorise()
    released = await till.release()
    assert released is not None
    assert released.state is PaymentState.VOIDED


async def test_an_attempt_that_nobody_waits_for_any_more_comes_to_its_own_end(till: Till) -> None:
    """Its time is over and the worker cancels it, but what was asked of the gateway is done and the fence must hear of it."""
    till.bank.door.clear()
    attempt = asyncio.create_task(till.authorise())
    await till.bank.visited.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert till.gate.under_way is not None
    with pytest.raises(ApplicationError) as waits:
        await till.release()
    assert waits.value.type == "attempt_under_way"
    till.bank.door.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert till.gate.under_way is None
    assert till.bank.state is PaymentState.VOIDED
    assert till.bank.asked == ["authorise", "void"]


async def test_a_hold_that_is_captured_while_it_is_being_voided_is_refunded(till: Till) -> None:
    class Hurried(Bank):
        async def void(self, order: PaymentOrder) -> Payment:
            self.asked.append("void")
            self.state = PaymentState.CAPTURED
            raise PaymentDeclined("It has been captured meanwhile.", code="not_voidable")

    till = Till(Hurried())
    till.bank.state = PaymentState.AUTHORISED
    released = await till.release()
    assert released is not None
    assert released.state is PaymentState.REFUNDED
    assert till.bank.asked == ["void", "refund"]


async def test_a_refund_that_is_refused_for_good_is_told(till: Till) -> None:
    till.bank.state = PaymentState.CAPTURED
    till.bank.says = PaymentDeclined("The account is closed.", code="account_closed")
    with pytest.raises(ApplicationError) as refused:
        await till.release()
    assert (refused.value.type, refused.value.non_retryable) == ("account_closed", True)
    assert till.bank.asked == ["refund"], "once is enough when nothing has moved"


async def test_without_a_clock_of_its_own_the_undo_goes_by_the_time_of_day() -> None:
    till = Till()
    verbs = PaymentActivities(till.bank, till.gate, SETTLING)
    till.gate.under_way = datetime.now(UTC) - timedelta(seconds=5)
    with pytest.raises(ApplicationError) as waits:
        await ActivityEnvironment().run(verbs.release_payment, RELEASE)
    assert waits.value.next_retry_delay is not None
    assert timedelta(seconds=30) < waits.value.next_retry_delay <= SETTLING - timedelta(seconds=5)
