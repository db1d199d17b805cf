"""Bulk runs and their rows. A row is started by whoever claims it, and one workflow at a time claims.

A row's order is here from the upload to its start and no longer: then the onboarding has it. The table itself says so.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, insert, literal, or_, select, tuple_, update

from adapters.database import page_tokens, tree
from adapters.database.statements import PerDialect, now
from adapters.database.tables import bulk_rows, bulk_runs, onboardings
from adapters.transactions import Transactions
from domain.bulk import (
    BUSY,
    PEOPLE,
    BatchOrder,
    BulkRow,
    BulkRun,
    Claimed,
    NewRow,
    NewRun,
    RowState,
    RunNote,
    RunState,
)
from domain.errors import NotFound
from domain.keys import bulk_onboarding_id
from domain.onboarding import State
from domain.views import Page

_LARGEST_PAGE = 500
_ROWS_AT_A_TIME = 500
_RUN, _ROW, _o = bulk_runs.c, bulk_rows.c, onboardings.c
_OVER = tuple(state.value for state in RunState if state.is_over)
_TO_START = (RowState.STARTING, RowState.WAITING)

_KEEP = PerDialect(bulk_runs, lambda new: new.on_conflict_do_nothing(index_elements=[_RUN.id]).returning(_RUN.id))
_LOCK = select(bulk_runs).where(_RUN.id == bindparam("run")).with_for_update()
# "starting" comes before "waiting" by the alphabet: what an earlier attempt left behind is done first.
_NEXT = (
    select(_ROW.number, _ROW.line, _ROW.onboarding)
    .where(_ROW.run_id == bindparam("run"), _ROW.state.in_(bindparam("states", expanding=True)))
    .order_by(_ROW.state, _ROW.number)
    .limit(bindparam("most"))
    # Looked at and claimed in one: PostgreSQL looks again at a row that somebody else is withdrawing, and leaves it out then.
    .with_for_update()
)
_CLAIM = (
    update(bulk_rows)
    .where(_ROW.run_id == bindparam("run"), _ROW.number == bindparam("row"), _ROW.state == RowState.WAITING)
    .values(state=RowState.STARTING)
)
_STARTED = (
    update(bulk_rows)
    .where(_ROW.run_id == bindparam("run"), _ROW.number == bindparam("row"), _ROW.state == RowState.STARTING)
    .values(state=RowState.STARTED, working=1, onboarding=None, started_at=bindparam("moment"))
)
_AT_REST = (
    select(_ROW.number)
    .join(onboardings, _o.id == _ROW.onboarding_id)
    .where(_ROW.run_id == bindparam("run"), _ROW.working == 1)
    .where(or_(_o.state.not_in(sorted(BUSY)), _o.waits_for.in_(sorted(PEOPLE))))
)
_RESTS = update(bulk_rows).where(_ROW.run_id == bindparam("run"), _ROW.number == bindparam("row")).values(working=0)
_WORKING = select(func.count()).where(_ROW.run_id == bindparam("run"), _ROW.working == 1)
_LEFT = select(func.count()).where(_ROW.run_id == bindparam("run"), _ROW.state.in_(_TO_START))
_WITHDRAW = {"state": RowState.WITHDRAWN, "onboarding": None}
_WITHDRAW_ALL = update(bulk_rows).where(_ROW.run_id == bindparam("run"), _ROW.state == RowState.WAITING).values(**_WITHDRAW)


class BulkRecords:
    """``domain.bulk.BulkRows`` and ``domain.bulk.BulkRuns``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    # For the workflow

    async def claim(self, order: BatchOrder) -> Claimed:
        return await self._transactions.write(lambda connection: _claim(connection, order))

    async def started(self, run_id: str, numbers: Sequence[int]) -> None:
        def work(connection: Connection) -> None:
            moment = now()
            if numbers:
                connection.execute(_STARTED, [{"run": run_id, "row": number, "moment": moment} for number in numbers])

        await self._transactions.write(work)

    async def note(self, note: RunNote) -> None:
        def work(connection: Connection) -> None:
            run = connection.execute(_LOCK, {"run": note.run_id}).first()
            if run is None or run.state in _OVER:
                return
            ended = now() if note.state.is_over else None
            values = {"state": note.state, "rate": note.rate, "at_once": note.at_once, "ended_at": ended}
            connection.execute(update(bulk_runs).where(_RUN.id == note.run_id).values(**values))
            if note.state is RunState.CANCELLED:
                connection.execute(_WITHDRAW_ALL, {"run": note.run_id})

        await self._transactions.write(work)

    async def finish(self, run_id: str) -> bool:
        def work(connection: Connection) -> bool:
            run = connection.execute(_LOCK, {"run": run_id}).first()
            if run is None or run.state in _OVER:
                return True
            if connection.execute(_LEFT, {"run": run_id}).scalar_one():
                return False
            connection.execute(update(bulk_runs).where(_RUN.id == run_id).values(state=RunState.FINISHED, ended_at=now()))
            return True

        return await self._transactions.write(work)

    # For people

    async def keep(self, run: NewRun, rows: Sequence[NewRow]) -> bool:
        def work(connection: Connection) -> bool:
            values = {**run.model_dump(), "state": RunState.ACCEPTED}
            if connection.execute(_KEEP.on(connection), values).first() is None:
                return False
            for first in range(0, len(rows), _ROWS_AT_A_TIME):
                connection.execute(insert(bulk_rows), [_new(run.id, row) for row in rows[first : first + _ROWS_AT_A_TIME]])
            return True

        return await self._transactions.write(work)

    async def get(self, run_id: str, scope: str) -> BulkRun:
        def work(connection: Connection) -> BulkRun:
            row = connection.execute(select(bulk_runs).where(_RUN.id == run_id)).first()
            if row is None or not tree.covers(connection, scope, row.tenant_id):
                raise NotFound("There is no such bulk run, or it is not yours to see.")
            return _runs(connection, [row])[0]

        return await self._transactions.read(work)

    async def list(self, tenant_id: str, page_size: int, page_token: str | None) -> Page[BulkRun]:
        filters = ("bulk_runs", tenant_id)
        size = min(page_size, _LARGEST_PAGE)
        query = select(bulk_runs).where(_RUN.tenant_id == tenant_id)
        query = query.order_by(_RUN.created_at.desc(), _RUN.id.desc()).limit(size + 1)
        if page_token is not None:
            created_at, last = page_tokens.read(filters, page_token, 2)
            moment = page_tokens.moment(created_at)
            position = tuple_(literal(moment, _RUN.created_at.type), literal(last, _RUN.id.type))
            query = query.where(tuple_(_RUN.created_at, _RUN.id) < position)

        def work(connection: Connection) -> tuple[list[BulkRun], bool]:
            rows = connection.execute(query).all()
            return _runs(connection, rows[:size]), len(rows) > size

        shown, more = await self._transactions.read(work)
        token = page_tokens.make(filters, (shown[-1].created_at.isoformat(), shown[-1].id)) if more else None
        return Page[BulkRun](items=tuple(shown), next_page_token=token)

    async def rows(self, run_id: str, state: RowState | None, page_size: int, page_token: str | None) -> Page[BulkRow]:
        filters = ("bulk_rows", run_id, state)
        size = min(page_size, _LARGEST_PAGE)
        query = _rows_of(run_id).order_by(_ROW.number).limit(size + 1)
        if state is not None:
            query = query.where(_ROW.state == state)
        if page_token is not None:
            query = query.where(_ROW.number > page_tokens.number(page_tokens.read(filters, page_token, 1)[0]))
        found = await self._transactions.read(lambda connection: connection.execute(query).all())
        shown = found[:size]
        token = page_tokens.make(filters, (str(shown[-1].number),)) if len(found) > size else None
        return Page[BulkRow](items=tuple(_row(row) for row in shown), next_page_token=token)

    async def row(self, run_id: str, number: int) -> BulkRow:
        query = _rows_of(run_id).where(_ROW.number == number)
        found = await self._transactions.read(lambda connection: connection.execute(query).first())
        if found is None:
            raise NotFound("This bulk run has no such row.")
        return _row(found)

    async def fingerprint(self, run_id: str, number: int) -> str | None:
        query = select(_ROW.onboarding).where(_ROW.run_id == run_id, _ROW.number == number)
        kept = await self._transactions.read(lambda connection: connection.execute(query).scalar())
        return kept.fingerprint if kept else None

    async def withdraw(self, run_id: str, number: int) -> bool:
        statement = (
            update(bulk_rows)
            .where(_ROW.run_id == run_id, _ROW.number == number, _ROW.state == RowState.WAITING)
            .values(**_WITHDRAW)
        )
        return await self._transactions.write(lambda connection: connection.execute(statement).rowcount == 1)

    async def correct(self, run_id: str, row: NewRow) -> bool:
        def work(connection: Connection) -> bool:
            run = connection.execute(_LOCK, {"run": run_id}).first()
            if run is None or run.state == RunState.CANCELLED:
                return False
            refused = and_(_ROW.run_id == run_id, _ROW.number == row.number, _ROW.state == RowState.REFUSED)
            values = {"state": RowState.WAITING, "onboarding": row.begin, "problems": ()}
            if connection.execute(update(bulk_rows).where(refused).values(**values)).rowcount != 1:
                return False
            if run.state == RunState.FINISHED:
                again = {"state": RunState.ACCEPTED, "ended_at": None}
                connection.execute(update(bulk_runs).where(_RUN.id == run_id).values(**again))
            return True

        return await self._transactions.write(work)


def _claim(connection: Connection, order: BatchOrder) -> Claimed:
    run = connection.execute(_LOCK, {"run": order.run_id}).first()
    if run is None:
        return Claimed(rows=(), left=0, busy=0)
    # A run that was cancelled while a worker died in the middle of a batch: what it had claimed may have been started already.
    states = [RowState.STARTING] if run.state in _OVER else list(_TO_START)
    resting = connection.execute(_AT_REST, {"run": order.run_id}).scalars().all()
    if resting:
        connection.execute(_RESTS, [{"run": order.run_id, "row": number} for number in resting])
    busy = connection.execute(_WORKING, {"run": order.run_id}).scalar_one()
    left = connection.execute(_LEFT, {"run": order.run_id}).scalar_one()
    most = min(order.most, order.at_once - busy)
    if most <= 0:
        return Claimed(rows=(), left=left, busy=busy)
    found = connection.execute(_NEXT, {"run": order.run_id, "most": most, "states": states}).all()
    if found:
        connection.execute(_CLAIM, [{"run": order.run_id, "row": row.number} for row in found])
    rows = tuple(NewRow(number=row.number, line=row.line, begin=row.onboarding) for row in found)
    return Claimed(rows=rows, left=left, busy=busy)


def _new(run_id: str, row: NewRow) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "number": row.number,
        "line": row.line,
        "state": RowState.WAITING if row.begin else RowState.REFUSED,
        "onboarding_id": bulk_onboarding_id(run_id, row.number),
        "working": 0,
        "problems": row.problems,
        "onboarding": row.begin,
    }


def _rows_of(run_id: str) -> Any:
    columns = [column for column in bulk_rows.c if column is not _ROW.onboarding]
    of_onboarding = (_o.state.label("onboarding_state"), _o.waits_for, _o.outcome)
    query = select(*columns, *of_onboarding).outerjoin(onboardings, _o.id == _ROW.onboarding_id)
    return query.where(_ROW.run_id == run_id)


def _row(row: Row[Any]) -> BulkRow:
    return BulkRow(
        number=row.number,
        line=row.line,
        state=RowState(row.state),
        onboarding_id=row.onboarding_id,
        problems=row.problems,
        started_at=row.started_at,
        onboarding_state=State(row.onboarding_state) if row.onboarding_state else None,
        onboarding_waits_for=row.waits_for if row.waits_for in PEOPLE else None,
        onboarding_code=row.outcome.code if row.outcome else None,
    )


def _runs(connection: Connection, rows: Sequence[Row[Any]]) -> list[BulkRun]:
    """The runs with their counts, in two statements however many runs there are."""
    ids = [row.id for row in rows]
    if not ids:
        return []
    by_state: dict[str, dict[RowState, int]] = {run: {} for run in ids}
    counts = select(_ROW.run_id, _ROW.state, func.count().label("many")).where(_ROW.run_id.in_(ids))
    for one in connection.execute(counts.group_by(_ROW.run_id, _ROW.state)):
        by_state[one.run_id][RowState(one.state)] = one.many
    theirs: dict[str, dict[State, int]] = {run: {} for run in ids}
    waiting: dict[str, dict[str, int]] = {run: {} for run in ids}
    by = (_ROW.run_id, _o.state, _o.waits_for)
    join = select(*by, func.count().label("many")).join(onboardings, _o.id == _ROW.onboarding_id)
    for one in connection.execute(join.where(_ROW.run_id.in_(ids)).group_by(*by)):
        state = State(one.state)
        theirs[one.run_id][state] = theirs[one.run_id].get(state, 0) + one.many
        if one.waits_for in PEOPLE:
            waiting[one.run_id][one.waits_for] = waiting[one.run_id].get(one.waits_for, 0) + one.many
    kept = ("id", "tenant_id", "fingerprint", "state", "rate", "at_once", "created_by", "created_at", "ended_at")
    return [
        BulkRun(
            **{name: getattr(row, name) for name in kept},
            rows=by_state[row.id],
            onboardings=theirs[row.id],
            waiting=waiting[row.id],
        )
        for row in rows
    ]
