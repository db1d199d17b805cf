"""Holding telephone numbers and giving them back."""

from temporalio import activity

from activities.failures import translated
from domain.numbers import Reservation
from domain.ports import NumberInventory
from domain.steps import ReservationOrder, Undo


class NumberActivities:
    def __init__(self, numbers: NumberInventory) -> None:
        self._numbers = numbers

    @activity.defn(name="reserve_numbers")
    @translated
    async def reserve_numbers(self, order: ReservationOrder) -> Reservation:
        return await self._numbers.reserve(order)

    @activity.defn(name="release_numbers")
    @translated
    async def release_numbers(self, undo: Undo) -> None:
        await self._numbers.release(undo)
