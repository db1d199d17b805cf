"""Balances that fall below their mark: noted by the posting, handed on by the sweep."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, delete, insert, select, update

from adapters.database import progress
from adapters.database.statements import now
from adapters.database.tables import accounts, balance_alerts, onboardings
from adapters.transactions import Transactions
from domain.alerts import LowBalance, UndeliveredAlert
from domain.billing import LowBalanceAlert
from domain.onboarding import Entry, State

_b, _a, _o = balance_alerts.c, accounts.c, onboardings.c
_OF = _b.account_id == bindparam("of")
_BALANCE = select(_a.balance_minor).where(_a.id == bindparam("of")).scalar_subquery()
_moment = bindparam("moment", type_=_b.crossed_at.type)
# One winner: whoever moves the balance holds the account's row, and an alert that has gone off is not armed.
_CROSS = (
    update(balance_alerts)
    .where(_OF, _b.armed.is_(True), _b.below_minor > _BALANCE)
    .values(armed=False, crossing=_b.crossing + 1, balance_minor=_BALANCE, crossed_at=_moment)
)
_ARM = update(balance_alerts).where(_OF, _b.armed.is_(False), _b.below_minor <= _BALANCE).values(armed=True)
_NEVER = -(2**53)
"""A mark that no balance falls below."""
_READ_BALANCE = select(_a.balance_minor).where(_a.id == bindparam("of"))
_BEGIN = insert(balance_alerts)
_DUE = (
    select(_b.account_id, _b.onboarding_id, _b.crossing)
    .where(_b.crossing > _b.handed)
    .order_by(_b.crossed_at)
    .limit(bindparam("most", type_=BigInteger))
)
_HANDED = update(balance_alerts).where(_OF, _b.handed < bindparam("upto")).values(handed=bindparam("upto"))
_STATE = select(_o.state).where(_o.id == bindparam("of")).with_for_update(key_share=True)


def watch(connection: Connection, account_id: str, moment: datetime) -> None:
    """Look at an account's balance after it has moved, in the same transaction. Below the mark once is one crossing; at the mark
    or above it the alert is armed again."""
    if not connection.execute(_CROSS, {"of": account_id, "moment": moment}).rowcount:
        connection.execute(_ARM, {"of": account_id})


def begin(connection: Connection, account_id: str, onboarding_id: str, alert: LowBalanceAlert | None) -> None:
    """Set the alert of an account that goes live; one that is off tells nobody. Armed only if there is something to fall from."""
    if alert is None or not alert.enabled:
        return
    balance = connection.execute(_READ_BALANCE, {"of": account_id}).scalar_one()
    row = {
        "account_id": account_id,
        "onboarding_id": onboarding_id,
        "email": alert.email,
        "below_minor": alert.below_minor,
        "armed": balance >= alert.below_minor,
        "crossing": 0,
        "handed": 0,
    }
    connection.execute(_BEGIN, row)


def change(connection: Connection, account_id: str, onboarding_id: str, alert: LowBalanceAlert | None) -> None:
    """Set the alert anew. One that is switched off keeps its row: crossings are counted on, never from the beginning."""
    on = alert is not None and alert.enabled
    balance = connection.execute(_READ_BALANCE, {"of": account_id}).scalar_one()
    below = alert.below_minor if alert is not None and on else _NEVER
    row: dict[str, Any] = {"below_minor": below, "armed": balance >= below}
    if alert is not None:
        row["email"] = alert.email
    if not on:
        row["handed"] = _b.crossing  # a fall that nobody was told of yet is nobody's business any more
    if not connection.execute(update(balance_alerts).where(_b.account_id == account_id).values(**row)).rowcount:
        begin(connection, account_id, onboarding_id, alert)


def end(connection: Connection, account_id: str) -> None:
    """Undo ``begin``."""
    connection.execute(delete(balance_alerts).where(_b.account_id == account_id))


class Alerts:
    """``domain.alerts.BalanceAlerts``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def due(self, most: int) -> Sequence[LowBalance]:
        rows = await self._transactions.read(lambda connection: connection.execute(_DUE, {"most": most}).all())
        return [LowBalance(account_id=row.account_id, onboarding_id=row.onboarding_id, crossing=row.crossing) for row in rows]

    async def handed(self, alerts: Sequence[LowBalance]) -> None:
        def work(connection: Connection) -> None:
            for alert in sorted(alerts, key=lambda one: one.account_id):
                connection.execute(_HANDED, {"of": alert.account_id, "upto": alert.crossing})

        await self._transactions.write(work)

    async def undelivered(self, undelivered: UndeliveredAlert) -> None:
        def work(connection: Connection) -> None:
            alert = undelivered.alert
            state = connection.execute(_STATE, {"of": alert.onboarding_id}).scalar_one_or_none()
            if state is None:
                return
            detail = {"mail": alert.letter.kind.value, "code": undelivered.code}
            entry = Entry(key=f"mail_failed:{alert.letter.key}", at=now(), event="mail_failed", detail=detail)
            progress.append(connection, alert.onboarding_id, State(state), (entry,))

        await self._transactions.write(work)
