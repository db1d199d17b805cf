"""The schedule that looks for balances below their mark."""

from datetime import timedelta

from temporalio.client import Client

from adapters.schedules import keep_schedule
from domain.alerts import AlertBounds

EVERY = timedelta(minutes=1)
_MISSING = "The schedule of the low-balance letters could not be made, so nobody is told."


def alert_schedule_id(task_queue: str) -> str:
    """One for each task queue, as the reaper has."""
    return f"balance-alerts/{task_queue}"


async def keep_alerting(client: Client, task_queue: str) -> None:
    """See to it that Temporal looks every minute. Raises ``Unavailable``."""
    name = alert_schedule_id(task_queue)
    await keep_schedule(client, name, "balance_alerts", AlertBounds(), task_queue, EVERY, _MISSING)
