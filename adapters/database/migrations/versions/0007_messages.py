"""PINs of accounts, and who is told when the money of an account runs low."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "account_pins",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("set_by", sa.String(length=200), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_account_pins_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_pins")),
    )
    op.create_table(
        "balance_alerts",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("onboarding_id", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("below_minor", sa.BigInteger(), nullable=False),
        sa.Column("armed", sa.Boolean(), nullable=False),
        sa.Column("crossing", sa.Integer(), nullable=False),
        sa.Column("handed", sa.Integer(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=True),
        sa.Column("crossed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_balance_alerts_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_balance_alerts")),
    )
    due = sa.text("crossing > handed")
    op.create_index("ix_balance_alerts_due", "balance_alerts", ["crossed_at"], sqlite_where=due, postgresql_where=due)
