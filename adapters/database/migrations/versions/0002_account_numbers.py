"""Account numbers: unique over the platform."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("number", sa.String(length=20), nullable=True))
    op.create_index("uq_accounts_number", "accounts", ["number"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_accounts_number", table_name="accounts")
    op.drop_column("accounts", "number")
