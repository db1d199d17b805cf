"""The stock of numbers as people choose from it and give back to it, and what frees what is held for nobody."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, bindparam, literal_column, select, update

from adapters.database import baskets, number_search, progress, step_keys
from adapters.database.statements import PerDialect, now
from adapters.database.tables import number_releases, numbers, onboardings
from adapters.transactions import Transactions
from domain.errors import NotFound, NumberUnavailable, Refused
from domain.numbers import PUBLIC, Assignment, GradedNumber, NumberSearch
from domain.onboarding import Entry, State
from domain.quarantine import Hold, Reclaim, Release, Swept

_n, _r, _o = numbers.c, number_releases.c, onboardings.c

_FREE_NAMED = (
    select(_n.e164)
    .where(_n.e164.in_(bindparam("named", expanding=True)), _n.tenant_id == bindparam("tenant"), _n.state == "available")
    .order_by(_n.e164)
    .with_for_update(key_share=True)
)
_KEEP = update(numbers).where(_n.e164.in_(bindparam("named", expanding=True))).values(pool=bindparam("into"))
_HOLDER = select(_n.state, _n.onboarding_id, _n.service).where(_n.e164 == bindparam("of"), _n.tenant_id == bindparam("tenant"))
_ORDER = select(_o.account_id, _o.order, _o.state).where(_o.id == bindparam("of"))
_LOCK_ORDER = _ORDER.with_for_update(key_share=True)
_FORMER = (
    select(number_releases)
    .join(numbers, (_n.e164 == _r.e164) & (_n.quarantined_until == _r.quarantined_until))
    .where(
        _n.e164 == bindparam("of"), _n.tenant_id == bindparam("tenant"), _n.state == "quarantined", _r.reclaimed_at.is_(None)
    )
)
_LOCK_ASSIGNED = (
    select(_n.held_by)
    .where(_n.e164 == bindparam("of"), _n.onboarding_id == bindparam("onboarding"), _n.state == "assigned")
    .with_for_update(key_share=True)
)
_REST = (
    update(numbers)
    .where(_n.e164 == bindparam("of"), _n.onboarding_id == bindparam("onboarding"), _n.state == "assigned")
    .values(
        state="quarantined",
        quarantined_until=bindparam("until"),
        held_by=None,
        held_until=None,
        onboarding_id=None,
        service=None,
    )
)
_TELL = PerDialect(
    number_releases,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[_r.e164, _r.onboarding_id],
        set_={
            name: insert.excluded[name] for name in ("service", "held_by", "released_at", "quarantined_until", "reclaimed_at")
        },
    ),
)
_RELEASED = select(number_releases).where(_r.e164 == bindparam("of"), _r.onboarding_id == bindparam("onboarding"))
_GIVE_BACK = (
    update(numbers)
    .where(_n.e164 == bindparam("of"), _n.state == "quarantined", _n.quarantined_until == bindparam("until"))
    .values(
        state="assigned",
        quarantined_until=None,
        held_by=bindparam("key"),
        onboarding_id=bindparam("onboarding"),
        service=bindparam("position"),
    )
)
_MARK = (
    update(number_releases)
    .where(_r.e164 == bindparam("of"), _r.onboarding_id == bindparam("onboarding"))
    .values(reclaimed_at=bindparam("at"))
)
_RESTED = (
    select(_n.e164)
    .where(_n.quarantined_until.is_not(None), _n.quarantined_until <= bindparam("moment"))
    .order_by(_n.quarantined_until, _n.e164)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_AVAILABLE = (
    update(numbers).where(_n.e164.in_(bindparam("named", expanding=True))).values(state="available", quarantined_until=None)
)
# A word instead of a parameter, and an expression instead of a column: so both databases read the index of what is held by its end, and
# neither the index of every number that an onboarding holds or has.
_whose = _n.onboarding_id.concat(literal_column("''"))
_OVERDUE = (
    select(_whose.label("onboarding_id"), _n.held_by)
    .distinct()
    .where(
        _n.state == literal_column("'held'"),
        _n.held_until <= bindparam("moment"),
        _n.onboarding_id.is_not(None),
        _whose > bindparam("after"),
    )
    .order_by(_whose, _n.held_by)
    .limit(bindparam("most"))
)
_FREE_HOLD = (
    update(numbers)
    .where(_n.onboarding_id == bindparam("onboarding"), _n.held_by == bindparam("key"), _n.state == "held")
    .values(state="available", held_by=None, held_until=None, onboarding_id=None, service=None)
)


class Stock:
    """``domain.ports.NumberStock``, ``Quarantine`` and ``Reaper``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    # Choosing

    async def search(self, tenant_id: str, wish: NumberSearch) -> Sequence[GradedNumber]:
        return await self._transactions.read(lambda connection: number_search.search(connection, tenant_id, wish))

    async def keep(self, tenant_id: str, pool: str, numbers: Sequence[str]) -> None:
        def work(connection: Connection) -> None:
            if pool != PUBLIC:
                baskets.require_customer(connection, tenant_id, pool)
            wanted = sorted(set(numbers))
            free = set(connection.execute(_FREE_NAMED, {"named": wanted, "tenant": tenant_id}).scalars())
            if missing := tuple(e164 for e164 in wanted if e164 not in free):
                raise NumberUnavailable(
                    "Not every one of these numbers is free, so none was moved. Leave out those that are not.", numbers=missing
                )
            if pool != PUBLIC:
                # Again, with a lock: numbers before accounts, as everywhere. Kept for a customer who has moved meanwhile, nobody could have them.
                baskets.require_customer(connection, tenant_id, pool, lock=True)
            connection.execute(_KEEP, {"named": wanted, "into": pool})

        await self._transactions.write(work)

    # Giving back

    async def assignment(self, tenant_id: str, e164: str) -> Assignment:
        def work(connection: Connection) -> Assignment:
            row = _number(connection, tenant_id, e164)
            if row.state != "assigned":
                raise Refused("Nobody has this number, so nothing can be given back.", code="number_not_assigned")
            return _assignment(connection, tenant_id, e164, row.onboarding_id, row.service)

        return await self._transactions.read(work)

    async def former(self, tenant_id: str, e164: str, account_id: str) -> Assignment:
        def work(connection: Connection) -> Assignment:
            row = _number(connection, tenant_id, e164)
            if row.state != "quarantined":
                raise Refused("This number does not rest, so there is nothing to reclaim.", code="number_not_quarantined")
            release = connection.execute(_FORMER, {"of": e164, "tenant": tenant_id}).first()
            if release is None or release.account_id != account_id:
                raise Refused(
                    "Only the customer that had this number may have it back while it rests.", code="not_former_customer"
                )
            return _assignment(connection, tenant_id, e164, release.onboarding_id, release.service)

        return await self._transactions.read(work)

    async def quarantine(self, release: Release) -> None:
        await self._transactions.write(partial(_quarantine, release))

    async def reclaim(self, reclaim: Reclaim) -> None:
        await self._transactions.write(partial(_reclaim, reclaim))

    async def relinquish(self, reclaim: Reclaim) -> None:
        await self._transactions.write(partial(_relinquish, reclaim))

    # Freeing what is held for nobody

    async def sweep_baskets(self, most: int) -> Swept:
        freed = await self._transactions.write(lambda connection: baskets.sweep(connection, most))
        return Swept(things=len(freed), numbers=sum(freed), more=len(freed) == most)

    async def sweep_quarantine(self, most: int) -> Swept:
        def work(connection: Connection) -> int:
            rested = connection.execute(_RESTED, {"moment": now(), "most": most}).scalars().all()
            if rested:
                connection.execute(_AVAILABLE, {"named": sorted(rested)})
            return len(rested)

        freed = await self._transactions.write(work)
        return Swept(things=freed, numbers=freed, more=freed == most)

    async def overdue(self, most: int, after: str | None = None) -> Sequence[Hold]:
        terms = {"moment": now(), "after": after or "", "most": most}
        rows = await self._transactions.read(lambda connection: connection.execute(_OVERDUE, terms).all())
        return [Hold(onboarding_id=row.onboarding_id, key=row.held_by) for row in rows]

    async def free_holds(self, holds: Sequence[Hold]) -> Swept:
        def work(connection: Connection) -> list[int]:
            freed = []
            for hold in sorted(holds, key=lambda hold: hold.key):
                # Closed, so that an attempt of the step that is still on its way finds the door shut.
                step_keys.close(connection, hold.key)
                terms = {"onboarding": hold.onboarding_id, "key": hold.key}
                freed.append(connection.execute(_FREE_HOLD, terms).rowcount)
            return [count for count in freed if count]

        counts = await self._transactions.write(work)
        return Swept(things=len(counts), numbers=sum(counts))


def _number(connection: Connection, tenant_id: str, e164: str) -> Row[*tuple[Any, ...]]:
    row: Row[*tuple[Any, ...]] | None = connection.execute(_HOLDER, {"of": e164, "tenant": tenant_id}).first()
    if row is None:
        raise NotFound("There is no such number in the inventory, or it is not yours to see.")
    return row


def _assignment(connection: Connection, tenant_id: str, e164: str, onboarding_id: str, service: int) -> Assignment:
    order = connection.execute(_ORDER, {"of": onboarding_id}).one()
    return Assignment(
        e164=e164,
        tenant_id=tenant_id,
        account_id=order.account_id,
        onboarding_id=onboarding_id,
        service=service,
        kind=order.order.customer.kind,
    )


def _quarantine(release: Release, connection: Connection) -> None:
    number = release.number
    named = {"of": number.e164, "onboarding": number.onboarding_id}
    held_by = connection.execute(_LOCK_ASSIGNED, named).scalar_one_or_none()
    if held_by is None:
        earlier = connection.execute(_RELEASED, named).first()
        if earlier is not None and earlier.released_at == release.released_at:
            return
        raise Refused(
            "This customer does not have this number any more, so it cannot be given back.", code="number_not_assigned"
        )
    connection.execute(_REST, named | {"until": release.until})
    row = {
        "e164": number.e164,
        "onboarding_id": number.onboarding_id,
        "account_id": number.account_id,
        "service": number.service,
        "held_by": held_by,
        "released_at": release.released_at,
        "quarantined_until": release.until,
        "reclaimed_at": None,
    }
    connection.execute(_TELL.on(connection), row)
    detail = {"until": release.until.date().isoformat()}
    if release.reason:
        detail["reason"] = release.reason
    moment = release.released_at.isoformat()
    _note(
        connection,
        number,
        Entry(key=f"released:{moment}", at=now(), event="number_released", actor=release.actor, detail=detail),
    )


def _reclaim(reclaim: Reclaim, connection: Connection) -> None:
    number = reclaim.number
    named = {"of": number.e164, "onboarding": number.onboarding_id}
    release = connection.execute(_RELEASED, named).first()
    if release is not None and release.reclaimed_at is None:
        back = {"key": release.held_by, "position": release.service, "until": release.quarantined_until}
        if connection.execute(_GIVE_BACK, named | back).rowcount:
            connection.execute(_MARK, named | {"at": reclaim.at})
            entry = Entry(key=f"reclaimed:{reclaim.at.isoformat()}", at=now(), event="number_reclaimed", actor=reclaim.actor)
            _note(connection, number, entry)
            return
    if release is None or release.reclaimed_at != reclaim.at:
        raise NumberUnavailable("This number does not rest any more, so it cannot be reclaimed. Search for it instead.")


def _relinquish(reclaim: Reclaim, connection: Connection) -> None:
    named = {"of": reclaim.number.e164, "onboarding": reclaim.number.onboarding_id}
    release = connection.execute(_RELEASED, named).first()
    if release is None or release.reclaimed_at != reclaim.at:
        return
    connection.execute(_REST, named | {"until": release.quarantined_until})
    connection.execute(_MARK, named | {"at": None})


def _note(connection: Connection, number: Assignment, entry: Entry) -> None:
    order = connection.execute(_LOCK_ORDER, {"of": number.onboarding_id}).one()
    progress.append(connection, number.onboarding_id, State(order.state), [entry])
