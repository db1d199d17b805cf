"""Who set a password, which session was switched from which, and memberships that count once the invitation is accepted."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # In the order in which live work locks rows: accounts, which the new table refers to, before users.
        op.execute("LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE")
    op.add_column("users", sa.Column("password_set_by", sa.String(length=64), nullable=True))
    op.add_column("sessions", sa.Column("parent_id", sa.String(length=64), nullable=True))
    op.create_table(
        "offers",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("rights", sa.Text(), nullable=False),
        sa.Column("granted_by", sa.String(length=200), nullable=False),
        sa.Column("invitation", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_offers_account_id_accounts")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_offers_user_id_users")),
        sa.PrimaryKeyConstraint("account_id", "user_id", name=op.f("pk_offers")),
    )
    op.create_index(op.f("ix_offers_user_id"), "offers", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_offers_user_id"), table_name="offers")
    op.drop_table("offers")
    op.drop_column("sessions", "parent_id")
    op.drop_column("users", "password_set_by")
