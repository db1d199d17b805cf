"""Customers and services as they were changed after their order."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("onboardings", sa.Column("sip_domain", sa.String(length=64), nullable=True))
    op.create_table(
        "customers",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_customers_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_customers")),
    )
    op.create_table(
        "services",
        sa.Column("line", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("switch_version", sa.BigInteger(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_services_account_id_accounts")),
        sa.PrimaryKeyConstraint("line", name=op.f("pk_services")),
    )
    op.create_index(op.f("ix_services_account_id"), "services", ["account_id"], unique=False)
