"""Many orders from one file: a run of rows, each of which becomes an onboarding of its own.

A row counts as started when its onboarding runs; how that goes on is the onboarding's own matter, and read from its row.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import Field

from domain.base import Value
from domain.onboarding import OnboardingInput, State
from domain.views import Page

MOST_ROWS = 10_000
MOST_BYTES = 20_000_000
MOST_PROBLEMS = 20
"""How many problems of one row are kept."""
MOST_OTHERS = 100
"""How many addresses beside customers and white label the letters of one run go to, unless the settings say otherwise. Whoever is
told of many orders is named in many rows; a file in which every row names new ones is a mailing."""
BATCH_SECONDS = 5
_MOST_IN_A_BATCH = 100

Rate = Annotated[int, Field(ge=1, le=6_000, description="Orders started a minute, at most")]
AtOnce = Annotated[
    int,
    Field(
        ge=1,
        le=500,
        description="Onboardings of this run that are worked on at once, at most; those that wait for a person do not count",
    ),
]


class RunState(StrEnum):
    """Where a run stands. ``accepted``: kept, and not yet begun."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return self in {RunState.FINISHED, RunState.CANCELLED}


class RowState(StrEnum):
    """Where a row stands. ``refused`` at the door; ``withdrawn`` before it was started, by undoing it or cancelling the run."""

    WAITING = "waiting"
    STARTING = "starting"
    STARTED = "started"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


BUSY = frozenset({State.OPENING, State.RESERVING, State.PROVISIONING, State.COMPENSATING})
"""States in which an onboarding is worked on, unless it waits for one of ``PEOPLE`` in it."""
PEOPLE = frozenset({"approver", "customer", "operator", "orderer"})
"""Whom an onboarding may wait for, days long, without being worked on. ``reserving`` waits for the orderer about a substitute."""


class RowProblem(Value):
    """What is wrong with a row: a stable code, where (JSON pointer into the order, and the file's column), and what to do."""

    code: str
    detail: str
    pointer: str | None = None
    column: str | None = None


class NewRow(Value):
    """A row as it was read: an order that can be started, or what is wrong with it. ``line`` of the file, from 1."""

    number: int
    line: int
    begin: OnboardingInput | None = None
    problems: tuple[RowProblem, ...] = ()


class NewRun(Value):
    """A run as it was asked for. ``fingerprint`` is a digest of the file and the options."""

    id: str
    tenant_id: str
    fingerprint: str
    rate: Rate
    at_once: AtOnce
    created_by: str
    created_at: datetime


class BulkRun(Value):
    """One run as its row has it. ``rows`` counts rows by state, ``onboardings`` those that were started, by theirs, and ``waiting``
    those of them that wait for a person, by whom. UTC."""

    id: str
    tenant_id: str
    fingerprint: str
    state: RunState
    rate: int
    at_once: int
    created_by: str
    created_at: datetime
    ended_at: datetime | None = None
    rows: Mapping[RowState, int] = Field(default_factory=dict)
    onboardings: Mapping[State, int] = Field(default_factory=dict)
    waiting: Mapping[str, int] = Field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    @property
    def left(self) -> int:
        """Rows that are still to be started."""
        return self.rows.get(RowState.WAITING, 0) + self.rows.get(RowState.STARTING, 0)

    @property
    def least_time_left(self) -> timedelta | None:
        """How long starting the rest takes at this rate if nothing is in its way; ``None`` unless it goes on."""
        if self.state not in {RunState.ACCEPTED, RunState.RUNNING}:
            return None
        return timedelta(minutes=self.left / self.rate)


class BulkRow(Value):
    """One row of a run, with the state of its onboarding where it has one."""

    number: int
    line: int
    state: RowState
    onboarding_id: str
    problems: tuple[RowProblem, ...] = ()
    started_at: datetime | None = None
    onboarding_state: State | None = None
    onboarding_waits_for: str | None = None
    onboarding_code: str | None = None


class BulkInput(Value):
    """What the workflow of a run takes: ids, counts and the throttle; never an order. It continues as new with the same."""

    run_id: str
    rate: Rate
    at_once: AtOnce
    paused: bool = False
    begun: bool = False
    started: int = 0
    not_before: datetime | None = None
    most_batches: int = 300
    """After so many it is continued as new, or when the server suggests it."""


class BulkProgress(Value):
    """The workflow's answer to ``progress`` and to every accepted update. ``left`` is unknown before the first batch."""

    run_id: str
    state: RunState
    rate: int
    at_once: int
    started: int
    left: int | None = None
    busy: int = 0


class Throttle(Value):
    """Change how fast a run goes; unset fields stay."""

    actor: str
    rate: Rate | None = None
    at_once: AtOnce | None = None


class BatchOrder(Value):
    """Start the next rows of a run: ``most``, as long as no more than ``at_once`` are being worked on."""

    run_id: str
    most: int
    at_once: int


class BatchDone(Value):
    """What came of it. ``left`` rows are still to be started, ``busy`` onboardings were being worked on before."""

    started: int
    left: int
    busy: int


class RunNote(Value):
    """Write down how a run stands; a run that is ``cancelled`` withdraws every row that is not being started."""

    run_id: str
    state: RunState
    rate: int
    at_once: int


class Claimed(Value):
    """Rows that are being started now, and by nobody else."""

    rows: tuple[NewRow, ...]
    left: int
    busy: int


def batch_size(rate: int) -> int:
    """How many rows go together: what the rate allows in ``BATCH_SECONDS``, so that a slow run still goes on evenly."""
    return max(1, min(_MOST_IN_A_BATCH, rate * BATCH_SECONDS // 60))


class BulkRows(Protocol):
    """What the workflow of a run does to its rows. Everything may be repeated."""

    async def claim(self, order: BatchOrder) -> Claimed:
        """The next rows, now ``starting``; those first that an earlier attempt has left behind so. None of an ended run."""

    async def started(self, run_id: str, numbers: Sequence[int]) -> None:
        """These onboardings run: their orders are theirs to keep now, and are deleted here."""

    async def note(self, note: RunNote) -> None:
        """Write down state and throttle."""

    async def finish(self, run_id: str) -> bool:
        """End the run if no row is left to start. False if there is one, which somebody has corrected meanwhile."""


class BulkRuns(Protocol):
    """The runs of a white label, as people start and look at them. Another's id is ``NotFound``."""

    async def keep(self, run: NewRun, rows: Sequence[NewRow]) -> bool:
        """Keep a run and all its rows, or nothing. False if a run of this id is there already, which stays as it is."""

    async def get(self, run_id: str, scope: str) -> BulkRun:
        """One run of this scope's subtree. Raises ``NotFound``."""

    async def list(self, tenant_id: str, page_size: int, page_token: str | None) -> Page[BulkRun]:
        """Newest first. Raises ``ValueError`` for a page token that is not ours."""

    async def rows(self, run_id: str, state: RowState | None, page_size: int, page_token: str | None) -> Page[BulkRow]:
        """In the order of the file. Raises ``ValueError`` for a page token that is not ours."""

    async def row(self, run_id: str, number: int) -> BulkRow:
        """One row. Raises ``NotFound``."""

    async def fingerprint(self, run_id: str, number: int) -> str | None:
        """That of the request which brought the order that a row keeps; ``None`` if it keeps none (any more)."""

    async def withdraw(self, run_id: str, number: int) -> bool:
        """Take back a row that waits to be started. False if it does not wait any more."""

    async def correct(self, run_id: str, row: NewRow) -> bool:
        """Let a row that was refused wait to be started, with a corrected order. False if it is not refused (any more)."""


class OnboardingStarts(Protocol):
    """Starts onboardings that were made ready before."""

    async def start(self, begin: OnboardingInput) -> None:
        """Start it; one that runs or has run is success. Raises ``Unavailable``."""
