"""The numbers that are kept for one customer are found by the customer."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    kept = sa.text("pool <> 'public'")
    op.create_index("ix_numbers_kept", "numbers", ["pool", "e164"], unique=False, sqlite_where=kept, postgresql_where=kept)


def downgrade() -> None:
    op.drop_index("ix_numbers_kept", table_name="numbers")
