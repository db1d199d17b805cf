"""Bulk runs: many orders from one file."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_RUN_STATES = "state IN ('accepted', 'running', 'paused', 'finished', 'cancelled')"
_ROW_STATES = "state IN ('waiting', 'starting', 'started', 'refused', 'withdrawn')"
_KEPT = "(onboarding IS NOT NULL) = (state IN ('waiting', 'starting'))"
_WORKING = sa.text("working = 1")


def upgrade() -> None:
    op.create_table(
        "bulk_runs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("at_once", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(_RUN_STATES, name=op.f("ck_bulk_runs_state")),
        sa.ForeignKeyConstraint(["tenant_id"], ["accounts.id"], name=op.f("fk_bulk_runs_tenant_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_runs")),
    )
    op.create_index(op.f("ix_bulk_runs_tenant_id_created_at_id"), "bulk_runs", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "bulk_rows",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("onboarding_id", sa.String(length=64), nullable=False),
        sa.Column("working", sa.Integer(), nullable=False),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column("onboarding", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(_ROW_STATES, name=op.f("ck_bulk_rows_state")),
        sa.CheckConstraint(_KEPT, name=op.f("ck_bulk_rows_kept_while_needed")),
        sa.ForeignKeyConstraint(["run_id"], ["bulk_runs.id"], name=op.f("fk_bulk_rows_run_id_bulk_runs")),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_bulk_rows")),
        sa.UniqueConstraint("onboarding_id", name=op.f("uq_bulk_rows_onboarding_id")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_bulk_rows_run_id_state_number"), "bulk_rows", ["run_id", "state", "number"], unique=False)
    op.create_index(
        "ix_bulk_rows_working", "bulk_rows", ["run_id", "number"], sqlite_where=_WORKING, postgresql_where=_WORKING
    )
