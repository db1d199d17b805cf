"""Taking money, and the one undo for money.

After a timeout nobody knows whether money is held, taken or neither, so the workflow must not have to choose between
void and refund. ``release_payment`` asks and does what is needed; the choice is written once, here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities.failures import translated
from domain.errors import KeyClosed, Refused, Unavailable
from domain.payments import Payment, PaymentOrder, PaymentState
from domain.ports import Fence, Ledger, PaymentGateway
from domain.steps import LedgerPayment, PaymentRelease


class LedgerActivities:
    """Payment from an account of ours. One transaction each: fit to run as local activities."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn(name="hold_on_ledger")
    @translated
    async def hold_on_ledger(self, order: LedgerPayment) -> Payment:
        return await self._ledger.hold(order)

    @activity.defn(name="take_from_ledger")
    @translated
    async def take_from_ledger(self, order: LedgerPayment) -> Payment:
        return await self._ledger.take(order)

    @activity.defn(name="release_on_ledger")
    @translated
    async def release_on_ledger(self, release: PaymentRelease) -> Payment | None:
        return await self._ledger.release(release.payment)


class PaymentActivities:
    """Payment by card.

    ``settling`` is how long an attempt that never reported back may still be under way: the start-to-close timeout of the
    forward steps plus slack. An undo that meets such an attempt undoes what it sees, waits, and looks again.
    """

    def __init__(
        self, gateway: PaymentGateway, fence: Fence, settling: timedelta, now: Callable[[], datetime] | None = None
    ) -> None:
        self._gateway = gateway
        self._fence = fence
        self._settling = settling
        self._now = now or (lambda: datetime.now(UTC))
        self._attempts: set[asyncio.Task[Payment]] = set()

    @activity.defn(name="authorise_payment")
    @translated
    async def authorise_payment(self, payment: PaymentOrder) -> Payment:
        return await self._guarded(payment, self._gateway.authorise)

    @activity.defn(name="capture_payment")
    @translated
    async def capture_payment(self, payment: PaymentOrder) -> Payment:
        return await self._guarded(payment, self._gateway.capture)

    @activity.defn(name="release_payment")
    @translated
    async def release_payment(self, release: PaymentRelease) -> Payment | None:
        payment = release.payment
        under_way_since = await self._fence.close(payment.key)
        released = await self._undo(payment)
        if under_way_since is not None:
            left = (under_way_since + self._settling - self._now()).total_seconds()
            if left > 0:
                raise Unavailable(
                    "A payment attempt never reported back and may still be under way; it is undone again once it must have ended.",
                    code="attempt_under_way",
                    retry_after=left,
                )
        return released

    async def _guarded(self, payment: PaymentOrder, verb: Callable[[PaymentOrder], Awaitable[Payment]]) -> Payment:
        """An attempt comes to its own end, even when its time is over and nobody waits for it any more.

        Cut off in the middle, it could leave a payment at the gateway that nobody undoes.
        """
        attempt = asyncio.create_task(self._attempt(payment, verb))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        return await asyncio.shield(attempt)

    async def _attempt(self, payment: PaymentOrder, verb: Callable[[PaymentOrder], Awaitable[Payment]]) -> Payment:
        """Do one verb between the fence's gates.

        An attempt without an answer is not reported as ended: what it asked for may still happen, and the undo must know.
        """
        await self._fence.enter(payment.key)
        try:
            done = await verb(payment)
        except Refused:
            await self._fence.leave(payment.key)
            raise
        if await self._fence.leave(payment.key):
            # The undo came and went meanwhile, so this effect is ours to undo.
            await self._undo(payment)
            raise KeyClosed("The payment landed after it had been undone, and was undone again.")
        return done

    async def _undo(self, payment: PaymentOrder) -> Payment | None:
        # A late attempt may move the payment between our look and our verb; it only moves forward, so this comes to an end.
        while True:
            known = await self._gateway.find(payment)
            try:
                if known is not None and known.state is PaymentState.AUTHORISED:
                    return await self._gateway.void(payment)
                if known is not None and known.state is PaymentState.CAPTURED:
                    return await self._gateway.refund(payment)
            except Refused:
                if await self._gateway.find(payment) == known:
                    raise
            else:
                return known
