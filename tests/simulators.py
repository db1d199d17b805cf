"""An outside world in memory, for tests of the process: keeps the ledgers of truth, and misbehaves on demand.

It follows the same rules as the real adapters (their contract tests are in tests/adapters): keys, tombstones, "never heard
of it is success". ``World.effects`` lists what is in force now, oldest first; ``World.undone`` what was undone, in order.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.exceptions import ApplicationError

from activities.calling import CallingActivities
from activities.mails import MailActivities
from activities.numbers import NumberActivities
from activities.payments import LedgerActivities, PaymentActivities
from activities.records import RecordActivities
from activities.registry import methods_of
from activities.voice import VoiceActivities
from domain.calling import Calling, CallingChange, CallingWrite, changed
from domain.errors import KeyClosed, NameTaken, PaymentDeclined, ProvisioningRefused, RecipientRefused, Refused, Unavailable
from domain.mails import Mail, MailOrder
from domain.numbers import HeldNumber, Reservation, Substitute
from domain.onboarding import Entry, Progress, State
from domain.payments import Payment, PaymentMeans, PaymentOrder, PaymentState
from domain.steps import Amendment, GoLive, LedgerPayment, Opening, ReservationOrder, Undo
from domain.voice import Line, LineRemoval

FORWARD = ("open_account", "reserve_numbers", "authorise", "provision", "capture", "go_live")


class Broken(ApplicationError):
    """Fails for good without being an answer: what is left when all retries are used up."""

    def __init__(self) -> None:
        super().__init__("It is broken and stays so.", type="broken_for_good", non_retryable=True)


REFUSALS: dict[str, Refused] = {
    "open_account": NameTaken("The name is taken."),
    "reserve_numbers": Refused("No such number is free.", code="number_unavailable"),
    "authorise": PaymentDeclined("The card was declined.", code="card_declined"),
    "provision": ProvisioningRefused("The switch refuses the line."),
    "capture": Refused("The authorisation is gone.", code="authorisation_expired"),
    "go_live": Refused("It cannot go live.", code="not_possible"),
    "send_mail": RecipientRefused("The relay refuses the address."),
}


@dataclass
class Fault:
    """What happens when a step is called: how often, and how.

    ``refused`` and ``broken`` fail before the effect; ``done_then_timeout`` and ``done_then_broken`` after it;
    ``unavailable`` fails before it, retryably; ``slow`` has the effect only after ``World.go_on`` is set.
    """

    kind: str
    times: int = 1_000_000


@dataclass
class World:
    faults: dict[str, Fault] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    closed: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    under_way: dict[str, datetime] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    paid_by: dict[str, PaymentMeans] = field(default_factory=dict)
    charges: list[str] = field(default_factory=list)
    refunds: list[str] = field(default_factory=list)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    mails: list[MailOrder] = field(default_factory=list)
    callings: dict[str, Calling] = field(default_factory=dict)
    allowed: list[CallingWrite] = field(default_factory=list)
    rows: dict[str, Progress] = field(default_factory=dict)
    registered: set[str] = field(default_factory=set)
    timeline: dict[str, Entry] = field(default_factory=dict)
    began: dict[str, asyncio.Event] = field(default_factory=dict)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    settling: timedelta = timedelta(seconds=1)

    def activities(self) -> list[Callable[..., Any]]:
        return methods_of(
            RecordActivities(_Records(self)),
            NumberActivities(_Numbers(self)),
            LedgerActivities(_Ledger(self)),
            PaymentActivities(_Gateway(self), _Fence(self), self.settling),
            VoiceActivities(_Switch(self)),
            MailActivities(_Post(self), _Post(self)),
            CallingActivities(_Callings(self)),
        )

    @property
    def events(self) -> list[str]:
        return [entry.event for entry in self.timeline.values()]

    def state(self, onboarding_id: str) -> State:
        return self.rows[onboarding_id].state

    def event(self, step: str) -> asyncio.Event:
        return self.began.setdefault(step, asyncio.Event())

    async def act(self, step: str, effect: Callable[[], Any]) -> Any:
        """Have the effect of a step, with the fault that is planned for it."""
        self.calls[step] += 1
        self.event(step).set()
        fault = self.faults.get(step)
        if fault is None or self.fired[step] >= fault.times:
            return effect()
        self.fired[step] += 1
        if fault.kind == "refused":
            raise REFUSALS[step.rstrip("0123456789")]
        if fault.kind == "lapsed":
            raise Refused("The authorisation has lapsed.", code="payment_voided")
        if fault.kind == "broken":
            raise Broken
        if fault.kind == "unavailable":
            raise Unavailable("It does not answer.", retry_after=0.05)
        if fault.kind == "slow":
            await self.go_on.wait()
            return effect()
        effect()
        if fault.kind == "done_then_broken":
            raise Broken
        assert fault.kind == "done_then_timeout", fault.kind
        raise Unavailable("The answer was lost.", retry_after=0.05)

    def do(self, effect: str, key: str) -> None:
        if key in self.closed:
            raise KeyClosed("This step was undone before it arrived.")
        if effect not in self.effects:
            self.effects.append(effect)

    def undo(self, effect: str, key: str | None = None) -> None:
        if key is not None:
            self.closed.add(key)
        if effect in self.effects:
            self.effects.remove(effect)
            self.undone.append(effect)

    def write(self, progress: Progress) -> None:
        row = self.rows.get(progress.onboarding_id)
        if row is None or progress.version >= row.version:
            self.rows[progress.onboarding_id] = progress
        for entry in progress.entries:
            self.timeline.setdefault(entry.key, entry)


@dataclass
class _Records:
    world: World

    async def open_account(self, opening: Opening) -> None:
        self.world.registered.add(opening.onboarding.id)

        def effect() -> None:
            self.world.do("open_account", opening.key)
            self.world.write(opening.progress)

        await self.world.act("open_account", effect)

    async def register(self, opening: Opening) -> None:
        self.world.registered.add(opening.onboarding.id)
        self.world.write(opening.progress)

    async def close_account(self, undo: Undo) -> None:
        await self.world.act("close_account", lambda: self.world.undo("open_account", undo.key))

    async def record(self, progress: Progress) -> None:
        assert progress.onboarding_id in self.world.registered, "a state was recorded for an onboarding that is nowhere"
        await self.world.act("record", lambda: self.world.write(progress))

    async def amend(self, amendment: Amendment) -> None:
        await self.world.act("amend", lambda: self.world.write(amendment.progress))

    async def go_live(self, order: GoLive) -> None:
        def effect() -> None:
            self.world.do("go_live", order.key)
            self.world.write(order.progress)

        await self.world.act("go_live", effect)

    async def withdraw(self, undo: Undo) -> None:
        await self.world.act("withdraw", lambda: self.world.undo("go_live", undo.key))


@dataclass
class _Numbers:
    world: World

    async def reserve(self, order: ReservationOrder) -> Reservation:
        def effect() -> Reservation:
            self.world.do("reserve_numbers", order.key)
            held = [
                HeldNumber(e164=f"+44121496{service:02}{index:02}", service=service)
                for service, selection in enumerate(order.selections)
                for index in range(selection.count)
            ]
            self.world.write(order.progress)
            named = {e164 for selection in order.selections for e164 in selection.explicit}
            given = tuple(
                Substitute(lost=lost, given=lost[:-1] + "0") for lost in sorted(named & self.world.lost) if order.substitute
            )
            return self.world.reservations.setdefault(order.key, Reservation(numbers=tuple(held), substitutes=given))

        reservation: Reservation = await self.world.act("reserve_numbers", effect)
        return reservation

    async def release(self, undo: Undo) -> None:
        await self.world.act("release_numbers", lambda: self.world.undo("reserve_numbers", undo.key))


@dataclass
class _Ledger:
    world: World

    async def hold(self, order: LedgerPayment) -> Payment:
        def effect() -> Payment:
            self.world.do("authorise", order.payment.key)
            self.world.write(order.progress)
            return _payment(self.world, order.payment, PaymentState.AUTHORISED)

        result: Payment = await self.world.act("authorise", effect)
        return result

    async def take(self, order: LedgerPayment) -> Payment:
        def effect() -> Payment:
            self.world.do("capture", order.payment.key)
            self.world.write(order.progress)
            return _capture(self.world, order.payment)

        result: Payment = await self.world.act("capture", effect)
        return result

    async def release(self, payment: PaymentOrder) -> Payment | None:
        def effect() -> Payment | None:
            self.world.closed.add(payment.key)
            return _release(self.world, payment)

        result: Payment | None = await self.world.act("release_payment", effect)
        return result


def _payment(world: World, order: PaymentOrder, state: PaymentState) -> Payment:
    world.paid_by[order.key] = order.means
    payment = Payment(key=order.key, reference=f"ref-{order.key}", amount=order.amount, state=state)
    return world.payments.setdefault(order.key, payment)


def _set(world: World, order: PaymentOrder, state: PaymentState) -> Payment:
    world.payments[order.key] = world.payments[order.key].model_copy(update={"state": state})
    return world.payments[order.key]


def _capture(world: World, order: PaymentOrder) -> Payment:
    if world.payments[order.key].state is PaymentState.AUTHORISED:
        world.charges.append(order.key)
    return _set(world, order, PaymentState.CAPTURED)


def _release(world: World, order: PaymentOrder) -> Payment | None:
    known = world.payments.get(order.key)
    if known is None or known.state in {PaymentState.VOIDED, PaymentState.REFUNDED}:
        return known
    if known.state is PaymentState.CAPTURED:
        world.refunds.append(order.key)
        world.undo("capture")
        world.undo("authorise")
        return _set(world, order, PaymentState.REFUNDED)
    world.undo("authorise")
    return _set(world, order, PaymentState.VOIDED)


@dataclass
class _Gateway:
    world: World

    async def authorise(self, payment: PaymentOrder) -> Payment:
        def effect() -> Payment:
            if "authorise" not in self.world.effects:
                self.world.effects.append("authorise")
            return _payment(self.world, payment, PaymentState.AUTHORISED)

        result: Payment = await self.world.act("authorise", effect)
        return result

    async def capture(self, payment: PaymentOrder) -> Payment:
        def effect() -> Payment:
            if "capture" not in self.world.effects:
                self.world.effects.append("capture")
            return _capture(self.world, payment)

        result: Payment = await self.world.act("capture", effect)
        return result

    async def void(self, payment: PaymentOrder) -> Payment:
        result: Payment = await self.world.act("release_payment", lambda: _release(self.world, payment))
        return result

    async def refund(self, payment: PaymentOrder) -> Payment:
        return await self.void(payment)

    async def find(self, payment: PaymentOrder) -> Payment | None:
        return self.world.payments.get(payment.key)


@dataclass
class _Fence:
    world: World

    async def enter(self, key: str) -> None:
        if key in self.world.closed:
            raise KeyClosed("This payment was undone before it arrived.")
        self.world.under_way[key] = datetime.now(UTC)

    async def leave(self, key: str) -> bool:
        self.world.under_way.pop(key, None)
        return key in self.world.closed

    async def close(self, key: str) -> datetime | None:
        self.world.closed.add(key)
        return self.world.under_way.get(key)


@dataclass
class _Switch:
    world: World

    async def provision(self, line: Line) -> None:
        position = line.key.split(":")[2]
        name = "provision" if position == "0" else f"provision{position}"
        await self.world.act(name, lambda: self.world.do(name, line.key))

    async def remove(self, removal: LineRemoval) -> None:
        position = removal.key.split(":")[2]
        name = "provision" if position == "0" else f"provision{position}"
        await self.world.act("remove_line", lambda: self.world.undo(name, removal.key))

    async def allow(self, write: CallingWrite) -> None:
        await self.world.act("allow", lambda: self.world.allowed.append(write))

    async def first_call(self, account_id: str) -> datetime | None:
        return None


@dataclass
class _Callings:
    world: World

    async def get(self, account_id: str, tenant_id: str | None = None) -> Calling:
        return self.world.callings[account_id]

    async def change(self, change: CallingChange) -> CallingWrite:
        def effect() -> CallingWrite:
            self.world.callings[change.account_id] = changed(self.world.callings[change.account_id], change)
            return CallingWrite(calling=self.world.callings[change.account_id])

        write: CallingWrite = await self.world.act("change_calling", effect)
        return write

    async def confirm(self, account_id: str, version: int) -> None:
        def effect() -> None:
            row = self.world.callings[account_id]
            self.world.callings[account_id] = row.model_copy(update={"switch_version": max(version, row.switch_version)})

        await self.world.act("confirm_calling", effect)


@dataclass
class _Post:
    world: World

    async def address(self, order: MailOrder) -> Mail | None:
        if any(sent.key == order.key for sent in self.world.mails):
            return None
        return Mail(key=order.key, kind=order.kind, recipients=("somebody@example.com",), facts={})

    async def send(self, mail: Mail) -> None:
        await self.world.act("send_mail", lambda: None)

    async def sent(self, order: MailOrder) -> None:
        self.world.mails.append(order)
