"""The worker is killed (SIGKILL) before and after the effect of a step, and started again: nothing is lost, nothing is twice."""

import pytest

from domain.onboarding import State
from tests.faults.conftest import GroundMaker
from tests.faults.director import When
from tests.faults.ground import Ground, an_order, together

PARENT_STEPS = (
    "records.open_account",
    "numbers.reserve",
    "ledger.hold",
    "switch.provision",
    "ledger.take",
    "records.go_live",
    "mailer.send",
    "desk.sent",
)
CARD_STEPS = ("mailer.send", "fence.enter", "gateway.authorise", "fence.leave", "gateway.capture", "records.go_live")
PARENT_UNDOS = ("records.withdraw", "switch.remove", "ledger.release", "numbers.release", "records.close_account")
CARD_UNDOS = ("fence.close", "gateway.void", "gateway.refund")
STORIES = pytest.mark.parametrize("card", [False, True], ids=["parent", "card"])
WHENS = pytest.mark.parametrize("when", ["before", "after"])


async def brought_through(ground: Ground, *, card: bool) -> State:
    begun = an_order("Ada's Bakery", card=card)
    await ground.order(begun)
    if card:
        await ground.activated(begun.id)
        await ground.paid(begun.id)
    return await ground.over(begun.id)


@WHENS
@STORIES
async def test_a_worker_killed_at_a_step_costs_the_customer_nothing(new_ground: GroundMaker, when: When, card: bool) -> None:
    async def case(step: str) -> None:
        ground = await new_ground()
        cue = ground.director.cue(step, when, "kill")
        async with ground.kept_worker():
            assert await brought_through(ground, card=card) is State.ACTIVE
        assert (cue.fired, ground.deaths) == (1, 1)
        # Killed between the relay's yes and our note of it, a letter is sent again: the one thing that may be there twice.
        await ground.sound(copies=2 if (step, when) in {("mailer.send", "after"), ("desk.sent", "before")} else 1)

    steps = CARD_STEPS if card else PARENT_STEPS
    await together(*((f"{step} {when}", case(step)) for step in steps))


@WHENS
@STORIES
async def test_a_worker_killed_at_an_undo_leaves_nothing_behind(new_ground: GroundMaker, when: When, card: bool) -> None:
    async def case(undo: str) -> None:
        ground = await new_ground()
        # Everything is done, and the last answer of all is no: whatever was done must be undone.
        last = "gateway.capture" if undo == "gateway.void" else "records.go_live"
        refused = ground.director.cue(last, "before" if undo == "gateway.void" else "after", "refuse")
        cue = ground.director.cue(undo, when, "kill")
        async with ground.kept_worker():
            assert await brought_through(ground, card=card) is State.REJECTED
        assert (refused.fired, cue.fired, ground.deaths) == (1, 1, 1)
        await ground.sound()

    undos = CARD_UNDOS if card else PARENT_UNDOS
    await together(*((f"{undo} {when}", case(undo)) for undo in undos))
