"""The right to call, per account."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "calling",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("switch_version", sa.BigInteger(), nullable=False),
        sa.Column("calling", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_calling_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_calling")),
    )
    op.create_index(op.f("ix_onboardings_account_id"), "onboardings", ["account_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_onboardings_account_id"), table_name="onboardings")
    op.drop_table("calling")
