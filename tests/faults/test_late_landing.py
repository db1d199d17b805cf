"""A step whose effect lands after its undo: refused at the closed key, or undone by itself. Nothing is left afterwards."""

from functools import partial

import pytest

from domain.onboarding import State
from tests.builders import by
from tests.faults.conftest import GroundMaker, both
from tests.faults.ground import Ground, an_order, together

PARENT_STEPS = (
    "records.open_account",
    "numbers.reserve",
    "ledger.hold",
    "switch.provision",
    "ledger.take",
    "records.go_live",
)
CARD_STEPS = ("gateway.authorise", "gateway.capture")
# A frozen worker's polls stay open, and what the server hands to them is lost until it times out: few are enough here.
FEW_POLLS = {"max_concurrent_workflow_task_polls": 2, "max_concurrent_activity_task_polls": 1}


async def up_to_the_step(ground: Ground, *, card: bool) -> str:
    begun = an_order("Ada's Bakery", card=card)
    await ground.order(begun)
    if card:
        await ground.activated(begun.id)
        await ground.paid(begun.id)
    return begun.id


@both
async def test_a_step_of_a_worker_that_was_frozen_finds_its_key_closed_when_it_goes_on(new_ground: GroundMaker) -> None:
    """The worker is frozen in front of the effect, another one takes over and undoes everything; then the first goes on."""

    async def case(step: str) -> None:
        ground = await new_ground()
        held = ground.director.cue(step, "before", "hold")
        async with ground.worker(**FEW_POLLS) as frozen:
            onboarding = await up_to_the_step(ground, card=False)
            await ground.sees(held)
            frozen.freeze()
            await ground.handle(onboarding).signal("cancel", by())
            async with ground.worker():
                assert await ground.over(onboarding) is State.CANCELLED
                landed = ground.director.cue(step, "refused", "go")
                held.released.set()
                frozen.thaw()
                await ground.sees(landed, 20)
        await ground.sound()

    await together(*((step, case(step)) for step in PARENT_STEPS))


async def test_a_card_payment_of_a_worker_that_was_frozen_is_undone_by_itself(new_ground: GroundMaker) -> None:
    """The gateway knows nothing of our undos, so the payment may be made: whoever makes it takes it back."""

    async def case(step: str) -> None:
        ground = await new_ground()
        held = ground.director.cue(step, "before", "hold")
        async with ground.worker(**FEW_POLLS) as frozen:
            onboarding = await up_to_the_step(ground, card=True)
            await ground.sees(held)
            frozen.freeze()
            await ground.handle(onboarding).signal("cancel", by())
            async with ground.worker():
                assert await ground.over(onboarding) is State.CANCELLED
                ended = ground.director.cue("fence.leave", "after", "go")
                held.released.set()
                frozen.thaw()
                await ground.sees(ended)
                await ground.until(partial(no_money_kept, ground), "the late payment to be undone", seconds=10)
        await ground.sound()

    await together(*((step, case(step)) for step in CARD_STEPS))


async def no_money_kept(ground: Ground) -> bool:
    charges = (await ground.books()).charges or ()
    return all(charge.captured_minor == charge.refunded_minor and not charge.authorised_minor for charge in charges)


@pytest.mark.parametrize("then", ["lives", "dies"])
async def test_a_step_that_timed_out_and_lands_during_its_undo_leaves_nothing(new_ground: GroundMaker, then: str) -> None:
    """The attempt hangs past its time, the order is cancelled, the undo comes, and the effect lands right after it.

    If the worker dies at that moment, nobody is left who knows of the effect: the undo must look again.
    """

    async def case(step: str, undo: str) -> None:
        ground = await new_ground()
        held = ground.director.cue(step, "before", "hold")
        undone = ground.director.cue(undo, "after", "go")
        if then == "dies":
            ground.director.cue(step, "after", "kill")
        async with ground.kept_worker():
            onboarding = await up_to_the_step(ground, card=step in CARD_STEPS)
            await ground.sees(held)
            await ground.tell(onboarding, "cancel", by())
            await ground.sees(undone, 20)
            held.released.set()
            assert await ground.over(onboarding) is State.CANCELLED
        await ground.sound()

    await together(
        ("authorise", case("gateway.authorise", "fence.close")),
        ("capture", case("gateway.capture", "fence.close")),
        ("provision", case("switch.provision", "switch.remove")),
    )


async def test_a_capture_that_lands_between_the_look_and_the_void_is_refunded(ground: Ground) -> None:
    held = ground.director.cue("gateway.capture", "before", "hold")
    void = ground.director.cue("gateway.void", "before", "hold")
    landed = ground.director.cue("gateway.capture", "after", "go")
    async with ground.kept_worker():
        onboarding = await up_to_the_step(ground, card=True)
        await ground.sees(held)
        # Whoever made it must not be the one who takes it back.
        ground.director.cue("fence.leave", "before", "fail")
        await ground.tell(onboarding, "cancel", by())
        await ground.sees(void, 20)
        held.released.set()
        await ground.sees(landed, 20)
        void.released.set()
        assert await ground.over(onboarding) is State.CANCELLED
    assert ground.director.times("gateway.refund") == 1
    assert ground.director.times("desk.sent") == 2, "the link and the farewell, and no call for help"
    await ground.sound()
