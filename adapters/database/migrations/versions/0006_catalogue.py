"""Versions of price lists and terms, plans of accounts, and the price list of a basket."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    # Tables are locked in the order in which live work locks their rows: baskets, then accounts (by the foreign keys).
    op.add_column("baskets", sa.Column("price_list", sa.String(length=40), nullable=True))
    op.create_table(
        "price_list_versions",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("price_list", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["accounts.id"], name=op.f("fk_price_list_versions_tenant_id_accounts")),
        sa.PrimaryKeyConstraint("tenant_id", "code", "version", name=op.f("pk_price_list_versions")),
    )
    op.create_table(
        "terms_versions",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["accounts.id"], name=op.f("fk_terms_versions_tenant_id_accounts")),
        sa.PrimaryKeyConstraint("tenant_id", "sha256", name=op.f("pk_terms_versions")),
    )
    op.create_table(
        "plan_assignments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.String(length=40), nullable=False),
        sa.Column("price_list", sa.String(length=40), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assigned_by", sa.String(length=200), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_by", sa.String(length=200), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_plan_assignments_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_assignments")),
    )
    op.create_index(
        op.f("ix_plan_assignments_account_id_effective_from"), "plan_assignments", ["account_id", "effective_from"], unique=False
    )
