"""Starting, steering and correcting bulk runs. What is in a run is read from its rows; how it goes on is its workflow's."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import NoReturn

from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError

from domain import keys
from domain.access import Principal
from domain.base import Value
from domain.bulk import (
    MOST_OTHERS,
    BulkInput,
    BulkProgress,
    BulkRow,
    BulkRun,
    BulkRuns,
    NewRow,
    NewRun,
    RowProblem,
    RowState,
    RunState,
)
from domain.catalogue import Tenant
from domain.errors import NotFound, Refused, Unavailable
from domain.onboarding import Decision, State
from starter.asking import PATIENCE, Gone, answered, cause, decide
from starter.bulk.checking import RowCheck
from starter.bulk.files import RawRow
from starter.onboardings import Onboardings
from starter.problems import MOST_ERRORS, Problem, ProblemError
from starter.schemas.orders import CreateOnboarding

_TENANT = SearchAttributeKey.for_keyword("TenantId")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """How a file is to be carried out. ``fingerprint`` recognises file and options, ``address`` is the client's IP address."""

    fingerprint: str
    rate: int
    at_once: int
    skip_bad_rows: bool = False
    acknowledged: Sequence[str] = ()
    address: str | None = None


class BulkOffice:
    """What people do with bulk runs."""

    def __init__(
        self, client: Client, runs: BulkRuns, onboardings: Onboardings, task_queue: str, most_others: int = MOST_OTHERS
    ) -> None:
        """``most_others``: how many other recipients the letters of one run may have."""
        self._most_others = most_others
        self._client = client
        self._runs = runs
        self._onboardings = onboardings
        self._task_queue = task_queue

    async def check(self, principal: Principal, tenant: Tenant, rows: Iterable[RawRow], asked: Asked) -> list[NewRow]:
        """Every row, checked; nothing is kept. Raises ``Unreadable``."""
        return await self._check(principal, tenant, "check", asked).all(rows)

    async def start(
        self, principal: Principal, tenant: Tenant, rows: Iterable[RawRow], asked: Asked, key: str
    ) -> tuple[BulkRun, bool]:
        """Start the run of a file, once per tenant and ``key``. Returns it, and whether it was there already.

        Raises ``Unreadable``, ``Problem`` for rows that are not valid or a key that stands for another request, and
        ``Unavailable`` without Temporal: then the same request with the same key is safe to send again.
        """
        run_id = keys.bulk_run_id(tenant.id, key)
        earlier = await self._earlier(run_id, tenant, asked)
        if earlier is not None:
            return earlier, True
        checked = await self._check(principal, tenant, run_id, asked).all(rows)
        bad = [row for row in checked if row.begin is None]
        if len(bad) == len(checked) or (bad and not asked.skip_bad_rows):
            raise of_rows(bad, len(checked))
        run = NewRun(
            id=run_id,
            tenant_id=tenant.id,
            fingerprint=asked.fingerprint,
            rate=asked.rate,
            at_once=asked.at_once,
            created_by=principal.actor,
            created_at=datetime.now(UTC),
        )
        if not await self._runs.keep(run, checked):
            # Somebody was faster with the same key.
            earlier = await self._earlier(run_id, tenant, asked)
            assert earlier is not None
            return earlier, True
        kept = await self._runs.get(run_id, tenant.id)
        await self._begin(kept)
        return kept, False

    async def get(self, run_id: str, scope: str) -> BulkRun:
        """One run of this scope's subtree. Raises ``NotFound``."""
        return await self._runs.get(run_id, scope)

    async def steer(self, run: BulkRun, update: str, value: Value, update_id: str | None) -> BulkProgress:
        """Pass a decision on. A repetition with the same ``update_id`` is answered as the first one was.

        Raises ``Refused`` for an answer that is no, ``Unavailable`` if nobody answers in time.
        """
        handle = self._client.get_workflow_handle(keys.bulk_workflow_id(run.id))
        if run.state.is_over:
            # Perhaps by this very decision, whose answer was lost.
            earlier = await answered(handle, update_id, BulkProgress) if update_id else None
            if earlier is not None:
                return earlier
            raise Refused(f"This run is over: it was {run.state.value}. Nothing about it can be changed.", code="run_over")
        if run.state is RunState.ACCEPTED:
            await self._begin(run)
        try:
            return await decide(handle, update, value, update_id, BulkProgress, "run")
        except Gone as error:
            raise Refused("This run is over. Nothing about it can be changed.", code="run_over") from error

    async def undo(self, principal: Principal, run: BulkRun, number: int, reason: str | None, update_id: str | None) -> BulkRow:
        """Undo one row and no other: one that waits is never started, the onboarding of one that was is cancelled.

        One that will never be started may be undone again. Raises ``Refused`` with what to do instead where that is too late, ``NotFound`` for no such row.
        """
        row = await self._runs.row(run.id, number)
        if row.state is RowState.WAITING and await self._runs.withdraw(run.id, number):
            return await self._runs.row(run.id, number)
        row = await self._runs.row(run.id, number)
        if row.state is RowState.WITHDRAWN:
            return row
        if row.state is RowState.REFUSED:
            raise Refused("Nothing of this row was started, so there is nothing to undo.", code="nothing_to_undo")
        decision = Decision(actor=principal.actor, person=principal.person, reason=reason)
        try:
            await self._onboardings.steer(row.onboarding_id, "cancel", decision, update_id)
        except NotFound as error:
            raise Refused(
                "This row is being started at this very moment. Undo it in a few seconds.", code="row_busy"
            ) from error
        except Refused as error:
            self._too_late(error, await self._runs.row(run.id, number))
        return await self._runs.row(run.id, number)

    @staticmethod
    def _too_late(error: Refused, row: BulkRow) -> NoReturn:
        if row.onboarding_state is State.ACTIVE or error.code == "point_of_no_return":
            raise Refused(
                "The service of this row is live, so its order cannot be undone any more. Suspend the account, and give its "
                "numbers back, to end it.",
                code="point_of_no_return",
            ) from error
        if row.onboarding_state is not None and row.onboarding_state.is_final:
            raise Refused(
                f"The onboarding of this row has ended already: it is {row.onboarding_state.value}. Nothing of it is left to undo.",
                code="nothing_to_undo",
            ) from error
        raise error

    async def correct(
        self, principal: Principal, tenant: Tenant, run: BulkRun, number: int, body: CreateOnboarding, asked: Asked
    ) -> BulkRow:
        """Start a row after all that was refused, with a corrected order. A repetition of the same is answered by the same row.

        Raises ``Problem`` if it is not valid either, ``Refused`` if it was not refused, ``NotFound`` for no such row,
        ``Unavailable`` without Temporal: then the same request is safe to send again.
        """
        before = await self._runs.row(run.id, number)
        if before.state is RowState.REFUSED:
            checked = await self._check(principal, tenant, run.id, asked).body(RawRow(number=number, line=before.line), body)
            if checked.begin is None:
                errors = [_error(problem) for problem in checked.problems]
                raise Problem("invalid_request", "The corrected order is not valid either.", errors=errors)
            await self._runs.correct(run.id, checked)
        # Whether it is this order that the row has: a repetition, or somebody else's correction, finds it corrected already.
        if await self._ordered(run, number) != asked.fingerprint:
            raise Refused(
                "Only a row that was refused can be corrected, and only while its run was not cancelled. Place a new order.",
                code="row_not_refused",
            )
        row = await self._runs.row(run.id, number)
        if row.state in {RowState.WAITING, RowState.STARTING}:
            # Also if it was corrected before: the answer to that may have been that Temporal was away.
            await self._begin(run)
            row = await self._runs.row(run.id, number)
        return row

    async def _ordered(self, run: BulkRun, number: int) -> str | None:
        """The fingerprint of the request that the order of a row is from; ``None`` for a row that has none."""
        waits = await self._runs.fingerprint(run.id, number)
        row = await self._runs.row(run.id, number)
        if waits is None and row.state is RowState.STARTED:
            return (await self._onboardings.view(row.onboarding_id, None)).fingerprint
        return waits

    def _check(self, principal: Principal, tenant: Tenant, run_id: str, asked: Asked) -> RowCheck:
        return RowCheck(
            self._onboardings,
            principal,
            tenant,
            run_id,
            fingerprint=asked.fingerprint,
            acknowledged=asked.acknowledged,
            address=asked.address,
            most_others=self._most_others,
        )

    async def _earlier(self, run_id: str, tenant: Tenant, asked: Asked) -> BulkRun | None:
        try:
            run = await self._runs.get(run_id, tenant.id)
        except NotFound:
            return None
        if run.fingerprint != asked.fingerprint:
            raise Problem(
                "idempotency_key_reused",
                "This Idempotency-Key was used for another file, or with other options. Use a new key for a new file.",
            )
        if run.state is RunState.ACCEPTED:
            await self._begin(run)
        return run

    async def _begin(self, run: BulkRun) -> None:
        """See to it that the run's workflow runs and looks at the rows; one that runs is not started again."""
        begin = BulkInput(run_id=run.id, rate=run.rate, at_once=run.at_once, paused=run.state is RunState.PAUSED)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._client.start_workflow(
                    "bulk",
                    begin,
                    id=keys.bulk_workflow_id(run.id),
                    task_queue=self._task_queue,
                    start_signal="look_again",
                    search_attributes=TypedSearchAttributes([SearchAttributePair(_TENANT, run.tenant_id)]),
                    static_summary=f"{run.total} rows",
                )
        except (RPCError, RuntimeError, TimeoutError) as error:
            _log.warning("start of a bulk run refused by Temporal", extra={"cause": cause(error)})
            raise Unavailable(
                "This is kept, but cannot begin right now. Send the same request again, with the same Idempotency-Key if it had "
                "one: it will be carried out once.",
                code="temporal_unavailable",
                retry_after=PATIENCE,
            ) from error


def of_rows(bad: Sequence[NewRow], total: int) -> Problem:
    """Rows that keep a file from being carried out."""
    found = sum(len(row.problems) for row in bad)
    untold = f" The first {MOST_ERRORS} problems are told." if found > MOST_ERRORS else ""
    errors = list(islice((_error(problem, row) for row in bad for problem in row.problems), MOST_ERRORS))
    detail = (
        f"{len(bad)} of {total} rows cannot be ordered, so none was. Mend them, or send the file with on_bad_row=skip.{untold}"
    )
    if len(bad) == total:
        detail = f"None of the {total} rows can be ordered.{untold}"
    return Problem("invalid_request", detail, errors=errors)


def _error(problem: RowProblem, row: NewRow | None = None) -> ProblemError:
    """A row's problem in a list of problems. The pointer's first part is the row where there are several, from 1."""
    if row is None:
        return ProblemError(code=problem.code, detail=problem.detail, pointer=problem.pointer)
    column = f", column {problem.column}" if problem.column else ""
    where = f"Row {row.number} (line {row.line}{column}): "
    return ProblemError(code=problem.code, detail=where + problem.detail, pointer=f"/{row.number}{problem.pointer or ''}")
