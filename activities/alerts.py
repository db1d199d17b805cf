"""Handing on what the ledger has noted: balances below their mark."""

from temporalio import activity

from activities.failures import translated
from domain.alerts import AlertBounds, BalanceAlerts, LowBalance, UndeliveredAlert


class AlertActivities:
    def __init__(self, alerts: BalanceAlerts) -> None:
        self._alerts = alerts

    @activity.defn(name="due_alerts")
    @translated
    async def due_alerts(self, bounds: AlertBounds) -> list[LowBalance]:
        return list(await self._alerts.due(bounds.most))

    @activity.defn(name="hand_on_alerts")
    @translated
    async def hand_on_alerts(self, alerts: list[LowBalance]) -> None:
        await self._alerts.handed(alerts)

    @activity.defn(name="note_undelivered_alert")
    @translated
    async def note_undelivered_alert(self, undelivered: UndeliveredAlert) -> None:
        await self._alerts.undelivered(undelivered)
