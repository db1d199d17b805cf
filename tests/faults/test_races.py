"""A step and its undo at the same instant, on the real adapters, in whatever order the database lets them in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from temporalio.exceptions import ApplicationError

from activities.payments import PaymentActivities
from adapters.crypto import Secrets
from adapters.payments.stripe import StripeGateway
from adapters.voice import voice_switch
from domain import keys
from domain.books import Books
from domain.errors import KeyClosed
from domain.money import Money
from domain.onboarding import Step
from domain.payments import PaymentMeans, PaymentOrder
from domain.ports import VoiceSwitch
from domain.steps import PaymentRelease
from domain.voice import Line, LineRemoval
from tests.adapters.database.steps import Case
from tests.builders import paid_by_parent
from tests.faults.conftest import both
from tests.faults.ground import Ground
from tests.faults.worker import SETTLING
from tests.stripe import left_card

ROUNDS = 10
Act = Callable[[], Awaitable[object]]
STEPS = ("open", "reserve", "hold", "take", "go_live")


def steps_and_undos(ground: Ground, case: Case) -> list[tuple[Act, Act]]:
    """Each step in our database beside its undo, in the order of ``STEPS``."""
    records, numbers, ledger = ground.database.records, ground.database.numbers, ground.database.ledger

    async def go_live() -> None:
        # The same reservation again: what was held under the key before.
        await records.go_live(case.going_live(await numbers.reserve(case.reservation())))

    return [
        (lambda: records.open_account(case.opening()), lambda: records.close_account(case.undo(Step.OPEN_ACCOUNT))),
        (lambda: numbers.reserve(case.reservation()), lambda: numbers.release(case.undo(Step.RESERVE_NUMBERS))),
        (lambda: ledger.hold(case.on_ledger()), lambda: ledger.release(case.payment())),
        (lambda: ledger.take(case.on_ledger()), lambda: ledger.release(case.payment())),
        (go_live, lambda: records.withdraw(case.undo(Step.GO_LIVE))),
    ]


def nothing_left(books: Books) -> None:
    assert {order.account_status for order in books.orders} <= {"closed", None}
    assert {hold.state for hold in books.holds} <= {"released", "refunded"}
    assert [account.held_minor for account in books.accounts] == [0] * len(books.accounts)
    assert [charge for charge in books.charges or () if charge.captured_minor != charge.refunded_minor] == []
    assert [charge for charge in books.charges or () if charge.authorised_minor] == []
    assert (books.numbers, books.lines) == ((), ())


@both
@pytest.mark.parametrize("name", STEPS)
async def test_a_step_and_its_undo_at_the_same_instant_leave_nothing(ground: Ground, name: str) -> None:
    async def once(number: int) -> None:
        case = Case(paid_by_parent(name=f"Ada's Bakery {number}"))
        *before, (step, undo) = steps_and_undos(ground, case)[: STEPS.index(name) + 1]
        for do, _ in before:
            await do()
        stepped, undone = await asyncio.gather(step(), undo(), return_exceptions=True)
        assert stepped is None or not isinstance(stepped, BaseException) or isinstance(stepped, KeyClosed), stepped
        assert not isinstance(undone, BaseException), undone
        for _, undo_before in reversed(before):
            await undo_before()

    await asyncio.gather(*map(once, range(ROUNDS)))
    nothing_left(await ground.books())


@asynccontextmanager
async def the_switch(ground: Ground) -> AsyncIterator[VoiceSwitch]:
    switch = voice_switch(ground.settings, Secrets(ground.settings.secret))
    try:
        yield switch
    finally:
        await switch.close()


@both
async def test_a_line_and_its_removal_at_the_same_instant_leave_no_line(ground: Ground) -> None:
    async with the_switch(ground) as switch:

        async def once(case: Case) -> None:
            key, name = case.key(Step.PROVISION_LINE), keys.line_name(case.id, 0)
            line = Line(key=key, onboarding_id=case.id, username=name, domain="sip.example")
            removal = LineRemoval(key=key, onboarding_id=case.id, username=name, domain="sip.example")
            made, removed = await asyncio.gather(switch.provision(line), switch.remove(removal), return_exceptions=True)
            assert removed is None
            assert made is None or isinstance(made, KeyClosed)

        await asyncio.gather(*(once(Case()) for _ in range(ROUNDS)))
    nothing_left(await ground.books())


@asynccontextmanager
async def card_payments(ground: Ground) -> AsyncIterator[PaymentActivities]:
    gateway = StripeGateway.connect(ground.settings.stripe_api_key, ground.gateway.url)
    try:
        yield PaymentActivities(gateway, ground.database.fence, SETTLING)
    finally:
        await gateway.close()


async def test_a_card_payment_and_its_release_at_the_same_instant_keep_no_money(ground: Ground) -> None:
    async with card_payments(ground) as payments:

        async def released(payment: PaymentOrder) -> None:
            """As Temporal does it: again and again, after the time that the undo asks for."""
            while True:
                try:
                    await payments.release_payment(PaymentRelease(payment=payment))
                except ApplicationError as error:
                    if error.non_retryable:
                        raise
                    await asyncio.sleep(error.next_retry_delay.total_seconds() if error.next_retry_delay else 0.05)
                else:
                    return

        async def once(means: PaymentMeans, case: Case) -> None:
            ground.orders[case.id] = case.input
            key, amount = case.key(Step.AUTHORISE_PAYMENT), Money(minor=1999, currency="GBP")
            payment = PaymentOrder(key=key, onboarding_id=case.id, amount=amount, means=means)

            async def made() -> None:
                with suppress(ApplicationError):
                    await payments.authorise_payment(payment)
                    await payments.capture_payment(payment)

            await asyncio.gather(made(), released(payment))

        means = await left_card(ground.cards, ground.gateway.url)
        await asyncio.gather(*(once(means, Case()) for _ in range(ROUNDS)))
    nothing_left(await ground.books())
