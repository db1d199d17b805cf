"""Many onboardings at once in every way, a worker that dies every few seconds, and every call failing now and then.

What goes wrong is drawn from a seed, per call and not per moment in time, so the same seed gives the same faults as far as the
same calls are made. A failing run prints seed and trace; ``FAULTS_SEED=<seed>`` repeats it.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from temporalio.service import RPCError

from domain.errors import DialtoneError
from domain.onboarding import OnboardingInput, State, UndoResolution
from tests.builders import by
from tests.faults.director import Do, Moment
from tests.faults.ground import Ground, Keeper, an_order

FULL = os.environ.get("FULL") == "1"
ORDERS = 300 if FULL else 60
PLACED_WITHIN = 90.0 if FULL else 16.0
FAULTY_FOR = 120.0 if FULL else 24.0
"""Seconds from the start until the faults stop; the rest is for coming to rest."""
LIVES = (2.5, 5.5)
"""Seconds that a worker lives."""

# How often, of a hundred calls, before and after the effect.
RATES: dict[Do, float] = {"fail": 5.0, "slow": 1.5}
REFUSALS = 5.0
REFUSABLE = {
    "numbers.reserve",
    "ledger.hold",
    "gateway.authorise",
    "gateway.capture",
    "switch.provision",
    "records.go_live",
    "mailer.send",
}
WAYS = {"parent": 24, "card": 14, "approved": 6, "rejected": 3, "cancelled": 7, "stopped": 3, "expired": 3}
LEAST: dict[Do, int] = {"fail": 20, "slow": 5, "refuse": 2}
LEAST_DEATHS, LEAST_ACTIVE, LEAST_UNDONE = 4, ORDERS * 4 // 10, ORDERS // 10


@dataclass
class Town:
    """The people of one run, drawn from a seed."""

    ground: Ground
    seed: str
    over: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.names: dict[str, int] = {}

    def draw(self, *what: object) -> random.Random:
        """Chance that depends on the seed and on what it is about, and on nothing else."""
        return random.Random(f"{self.seed}:{what}")

    def fate(self, moment: Moment) -> Do:
        """What goes wrong at a moment."""
        if moment.when == "refused":
            return "go"
        number = self.names.get(moment.onboarding)
        roll = self.draw(number, moment.call, moment.when, moment.nth).random() * 100
        for do, rate in RATES.items():
            if roll < rate:
                return do
            roll -= rate
        # A refusal says that nothing was done, so it is no lie only where no earlier attempt can have done it.
        untouched = moment.when == "before" and moment.nth == 1
        return "refuse" if roll < REFUSALS and untouched and moment.call in REFUSABLE else "go"

    async def customer(self, number: int) -> None:
        """One order, from the door to its end."""
        chance = self.draw("customer", number)
        way = chance.choices(list(WAYS), list(WAYS.values()))[0]
        begun = self._order(number, way, chance)
        self.names[begun.id] = number
        await asyncio.sleep(chance.uniform(0, PLACED_WITHIN))
        await self.ground.order(begun)
        async with asyncio.TaskGroup() as group:
            doing = [group.create_task(self._keep_at_it(begun.id, way))]
            if way in {"cancelled", "stopped"}:
                doing.append(group.create_task(self._change_of_mind(begun.id, way, chance.uniform(0, 6))))
            await self.ground.over(begun.id, seconds=FAULTY_FOR + 90)
            for task in doing:
                task.cancel()

    def _order(self, number: int, way: str, chance: random.Random) -> OnboardingInput:
        card = way in {"card", "expired"} or (way != "parent" and chance.random() < 0.4)
        begun = an_order(f"Customer {number}", card=card)
        reasons = ("total",) if way in {"approved", "rejected"} else ()
        window = {"activation_window": timedelta(seconds=3), "activation_reminders": (timedelta(seconds=1),)}
        schedule = begun.schedule.model_copy(update=window if way == "expired" else {})
        return begun.model_copy(update={"approval_reasons": reasons, "schedule": schedule})

    async def _keep_at_it(self, onboarding: str, way: str) -> None:
        """Do whatever is asked for, whoever must do it: approver, customer, operator."""
        looks = self.draw("people", self.names[onboarding])
        while True:
            view = await self.ground.view(onboarding)
            state = view.state if view else None
            with suppress(DialtoneError, AssertionError):
                if state is State.AWAITING_APPROVAL:
                    await self._say(onboarding, "reject" if way == "rejected" else "approve", by("key:approver"))
                elif state is State.AWAITING_ACTIVATION and way != "expired":
                    await self.ground.activated(onboarding)
                elif state is State.AWAITING_PAYMENT and view and view.waits_for == "customer":
                    await self.ground.paid(onboarding)
                elif state is State.HELD:
                    await self._say(onboarding, "give_up" if looks.random() < 0.2 else "retry", by())
                elif state is State.COMPENSATING and view and view.needs_attention:
                    undo = view.needs_attention.partition(":")[2]
                    resolution = UndoResolution(actor="key:operator", undo=undo, resolved=False, reason="again")
                    await self._say(onboarding, "resolve_undo", resolution)
            await asyncio.sleep(0.2)

    async def _say(self, onboarding: str, update: str, value: Any) -> None:
        """An answer like "too late" is one that people live with."""
        await self.ground.tell(onboarding, update, value, once_said=_TOO_LATE)

    async def _change_of_mind(self, onboarding: str, way: str, after: float) -> None:
        await asyncio.sleep(after)
        with suppress(RPCError):  # it has ended
            if way == "stopped":
                await self.ground.handle(onboarding).cancel()
            elif self.draw("cancel", self.names[onboarding]).random() < 0.5:
                await self.ground.handle(onboarding).signal("cancel", by())
            else:
                await self._say(onboarding, "cancel", by())

    async def short_lives(self, keeper: Keeper) -> None:
        """Kill the worker every few seconds."""
        chance = self.draw("deaths")
        while True:
            await asyncio.sleep(chance.uniform(*LIVES))
            keeper.process.kill()


_TOO_LATE = ("not_waiting", "already_decided", "already_ending", "point_of_no_return", "not_stuck")


async def for_a_while(seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"] if FULL else ["sqlite"])
async def test_whatever_happens_nothing_is_lost_and_nothing_is_done_twice(ground: Ground) -> None:
    seed = os.environ.get("FAULTS_SEED") or f"{random.SystemRandom().getrandbits(32):08x}"
    town = Town(ground, seed)
    try:
        await run(town)
    except BaseException as error:
        error.add_note(f"FAULTS_SEED={seed}")
        print(f"FAULTS_SEED={seed}\n{ground.director.story()}")
        raise


async def run(town: Town) -> None:
    ground, director = town.ground, town.ground.director
    director.chance = town.fate
    async with ground.kept_worker() as keeper, asyncio.TaskGroup() as people:
        for number in range(ORDERS):
            people.create_task(town.customer(number))
        await for_a_while(FAULTY_FOR, lambda: town.short_lives(keeper))
        director.chance = None
    faults, states = director.faults(), Counter(order.state for order in (await ground.books()).orders)
    # Sent, and nobody could note it: each such fault may be one more copy of one letter.
    await ground.sound(copies=4)
    told = f"{dict(faults)}, {ground.deaths} deaths, {dict(states)}"
    print(told)
    assert all(faults[do] >= least for do, least in LEAST.items()), f"too few faults for this to mean anything: {told}"
    assert ground.deaths >= LEAST_DEATHS, told
    assert states[State.ACTIVE] >= LEAST_ACTIVE, f"too few became active for this to mean anything: {told}"
    assert sum(states.values()) - states[State.ACTIVE] >= LEAST_UNDONE, f"too few were undone for this to mean anything: {told}"
