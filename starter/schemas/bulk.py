"""Bulk runs as the API shows and takes them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from domain.bulk import AtOnce, BulkProgress, BulkRow, BulkRun, NewRow, Rate, RowProblem, RowState, RunState
from domain.onboarding import State
from starter.schemas.base import Body, Listing


class RunLinks(BaseModel):
    """Where to go from here."""

    self: str
    rows: str


class RunBody(BaseModel):
    """One file of orders being carried out."""

    id: str
    state: RunState
    tenant_id: str
    total: int = Field(description="Rows of the file")
    left: int = Field(description="Rows that are still to be started")
    rows: dict[RowState, int] = Field(description="Rows by their state; those that are 0 are left out")
    onboardings: dict[State, int] = Field(description="Onboardings that were started, by theirs")
    waiting: dict[str, int] = Field(description="Onboardings of these that wait for a person, by whom: no place of `at_once`")
    rate: int = Field(description="Orders started a minute, at most")
    at_once: int = Field(description="Onboardings worked on at once, at most")
    seconds_left: int | None = Field(description="How long starting the rest takes at least; null while it does not go on")
    created_by: str
    created_at: datetime
    ended_at: datetime | None
    links: RunLinks

    @classmethod
    def of(cls, run: BulkRun) -> "RunBody":
        time_left = run.least_time_left
        return cls(
            id=run.id,
            state=run.state,
            tenant_id=run.tenant_id,
            total=run.total,
            left=run.left,
            rows=dict(run.rows),
            onboardings=dict(run.onboardings),
            waiting=dict(run.waiting),
            rate=run.rate,
            at_once=run.at_once,
            seconds_left=None if time_left is None else round(time_left.total_seconds()),
            created_by=run.created_by,
            created_at=run.created_at,
            ended_at=run.ended_at,
            links=RunLinks(self=f"/v1/bulk-runs/{run.id}", rows=f"/v1/bulk-runs/{run.id}/rows"),
        )


class RunPage(Listing[RunBody]):
    """Runs, newest first."""


class RowBody(BaseModel):
    """One row: what became of it, or what is wrong with it."""

    number: int = Field(description="Of the order in the file, from 1; the line with the names of the columns does not count")
    line: int = Field(description="Of the file, from 1, in which the row begins")
    state: RowState
    onboarding_id: str | None = Field(description="Null unless it was started")
    onboarding_state: State | None
    onboarding_waits_for: str | None = Field(
        description="The person it waits for, such as customer, or orderer for a substitute"
    )
    onboarding_code: str | None = Field(description="Why the onboarding ended, if it did not end active")
    started_at: datetime | None
    problems: tuple[RowProblem, ...]

    @classmethod
    def of(cls, row: BulkRow) -> "RowBody":
        return cls(
            number=row.number,
            line=row.line,
            state=row.state,
            onboarding_id=row.onboarding_id if row.state is RowState.STARTED else None,
            onboarding_state=row.onboarding_state,
            onboarding_waits_for=row.onboarding_waits_for,
            onboarding_code=row.onboarding_code,
            started_at=row.started_at,
            problems=row.problems,
        )


class RowPage(Listing[RowBody]):
    """Rows in the order of the file."""


class CheckedRow(BaseModel):
    """What would become of one row."""

    number: int
    line: int
    valid: bool
    total_minor: int | None = Field(description="What it costs, minor units, tax included; null if it is not valid")
    needs_approval: tuple[str, ...]
    problems: tuple[RowProblem, ...]


class FileCheck(BaseModel):
    """The validity report of a file. Nothing was kept."""

    valid: bool = Field(description="Whether every row is")
    total: int
    bad: int
    currency: str
    total_minor: int = Field(description="What all valid rows cost together, minor units, tax included")
    rows: list[CheckedRow]

    @classmethod
    def of(cls, rows: list[NewRow], currency: str) -> "FileCheck":
        shown = [
            CheckedRow(
                number=row.number,
                line=row.line,
                valid=row.begin is not None,
                total_minor=row.begin.quote.total_minor if row.begin else None,
                needs_approval=row.begin.approval_reasons if row.begin else (),
                problems=row.problems,
            )
            for row in rows
        ]
        bad = sum(not row.valid for row in shown)
        total_minor = sum(row.total_minor or 0 for row in shown)
        return cls(valid=not bad, total=len(shown), bad=bad, currency=currency, total_minor=total_minor, rows=shown)


class Column(BaseModel):
    """A column that a file may have."""

    name: str = Field(examples=["customer.contact.email", "services.N.max_channels"])
    kind: str = Field(description="string, integer, number, boolean, or list: values separated by |")


class ColumnList(Listing[Column]):
    """Every column. `N` is the position of an entry, from 1."""


class ThrottleBody(Body):
    """How fast a run goes; what is left out stays."""

    rate: Annotated[Rate, Field(strict=True)] | None = Field(default=None, examples=[120])
    at_once: Annotated[AtOnce, Field(strict=True)] | None = Field(default=None, examples=[20])

    @model_validator(mode="after")
    def _something(self) -> "ThrottleBody":
        if self.rate is None and self.at_once is None:
            raise ValueError("Say what to change: rate or at_once.")
        return self


class Progress(BulkProgress):
    """How a run goes on, as its workflow says."""
