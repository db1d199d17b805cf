"""More orders than numbers: every number has one holder, and whoever gets none is not charged."""

import asyncio
from collections import Counter

from domain.numbers import Grade, NumberCriteria, NumberSelection, grade_of
from domain.onboarding import State
from domain.orders import Service
from tests.faults.conftest import both
from tests.faults.ground import TENANT, Ground, an_order

RARE = [number for number in (f"+44121496{last:04}" for last in range(900, 1000)) if grade_of(number) is Grade.STANDARD][:10]
PREFIX = "+4412149609"


async def outcomes(ground: Ground, orders: int, numbers: NumberSelection) -> Counter[State]:
    """That many orders for the same numbers at the same time, half of them to be paid by card."""

    async def customer(position: int) -> State:
        card = bool(position % 2)
        begun = an_order(f"Customer {position}", card=card, order={"services": (Service(numbers=numbers),)})
        await ground.order(begun)
        if card:
            view = await ground.reaches_or_ends(begun.id, State.AWAITING_ACTIVATION, waits_for="customer")
            if view.state is State.AWAITING_ACTIVATION:
                await ground.activated(begun.id)
                await ground.paid(begun.id)
        return await ground.over(begun.id)

    async with ground.kept_worker():
        return Counter(await asyncio.gather(*map(customer, range(orders))))


@both
async def test_of_two_orders_for_the_last_number_one_wins_and_the_other_pays_nothing(ground: Ground) -> None:
    await ground.database.admin.import_numbers(TENANT.id, RARE[:1])
    assert await outcomes(ground, 2, NumberSelection(explicit=(RARE[0],))) == {State.ACTIVE: 1, State.REJECTED: 1}
    assert [(number.e164, number.state) for number in (await ground.books()).numbers] == [(RARE[0], "assigned")]
    await ground.sound()


@both
async def test_of_twenty_orders_for_ten_numbers_ten_win(ground: Ground) -> None:
    await ground.database.admin.import_numbers(TENANT.id, RARE)
    wanted = NumberSelection(criteria=NumberCriteria(prefix=PREFIX))
    assert await outcomes(ground, 20, wanted) == {State.ACTIVE: 10, State.REJECTED: 10}
    assert {number.e164 for number in (await ground.books()).numbers} == set(RARE)
    await ground.sound()
