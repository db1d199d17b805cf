"""The PINs of accounts, by their digests."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from adapters.database import progress
from adapters.database.statements import PerDialect, now
from adapters.database.tables import account_pins, accounts, onboardings
from adapters.transactions import Transactions
from domain.errors import Refused
from domain.onboarding import Entry, State
from domain.pins import NewPin

_p, _o = account_pins.c, onboardings.c
_PUT = PerDialect(
    account_pins,
    lambda put: put.on_conflict_do_update(
        index_elements=[_p.account_id], set_={name: put.excluded[name] for name in ("digest", "set_by", "set_at")}
    ),
)
_GET = select(_p.digest).where(_p.account_id == bindparam("of"))
_STATUS = select(accounts.c.status).where(accounts.c.id == bindparam("of"))
# Locked before the account's own rows, as everywhere.
OPENED_BY = (
    select(_o.id)
    .where(_o.account_id == bindparam("of"), _o.state == State.ACTIVE.value)
    .order_by(_o.created_at, _o.id)
    .limit(1)
    .with_for_update(key_share=True)
)


class AccountPins:
    """``domain.pins.Pins``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def digest(self, account_id: str) -> str | None:
        return await self._transactions.read(
            lambda connection: connection.execute(_GET, {"of": account_id}).scalar_one_or_none()
        )

    async def put(self, new: NewPin) -> None:
        def work(connection: Connection) -> None:
            moment = now()
            opened_by = connection.execute(OPENED_BY, {"of": new.account_id}).scalar_one_or_none()
            if connection.execute(_STATUS, {"of": new.account_id}).scalar_one_or_none() != "active":
                raise Refused("The account is not active, so it has no PIN to be set.", code="account_not_active")
            begin(connection, new, moment)
            if opened_by is not None:
                entry = Entry(key=f"pin_set:{moment.isoformat()}", at=moment, event="pin_set", actor=new.actor)
                progress.append(connection, opened_by, State.ACTIVE, (entry,))

        await self._transactions.write(work)


def begin(connection: Connection, new: NewPin, moment: datetime) -> None:
    """Write the PIN of an account that goes live."""
    row = {"account_id": new.account_id, "digest": new.digest, "set_by": new.actor, "set_at": moment}
    connection.execute(_PUT.on(connection), row)


def end(connection: Connection, account_id: str) -> None:
    """The account has no PIN from now on."""
    connection.execute(delete(account_pins).where(_p.account_id == account_id))
