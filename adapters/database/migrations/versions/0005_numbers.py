"""Pools, baskets and quarantine of numbers.

SQLite cannot change a constraint, so the table is written anew there; its indexes are made anew on both.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_DIGITS = sa.String(length=16).with_variant(sa.String(length=16, collation="C"), "postgresql")
_CHECKS = {
    "holder": "(state IN ('held', 'assigned')) = (held_by IS NOT NULL AND (onboarding_id IS NOT NULL OR basket_id IS NOT NULL))",
    "basket": "basket_id IS NULL OR (state = 'held' AND onboarding_id IS NULL)",
    "quarantine": "(state = 'quarantined') = (quarantined_until IS NOT NULL)",
}
_KEPT = "e164, tenant_id, grade, state, held_by, held_until, onboarding_id, service, quarantined_until"


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        _write_anew()
    else:
        _alter()
    _index("ix_numbers_free", "numbers", ["tenant_id", "pool", "grade", "free_e164"], "free_e164 IS NOT NULL")
    _index("ix_numbers_basket", "numbers", ["basket_id"], "basket_id IS NOT NULL")
    _index("ix_numbers_held_until", "numbers", ["held_until", "e164"], "state = 'held'")
    _index("ix_numbers_quarantined_until", "numbers", ["quarantined_until", "e164"], "quarantined_until IS NOT NULL")
    op.create_table(
        "baskets",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.String(length=40), nullable=True),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["accounts.id"], name=op.f("fk_baskets_tenant_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baskets")),
    )
    op.create_index(op.f("ix_baskets_tenant_id"), "baskets", ["tenant_id"], unique=False)
    _index("ix_baskets_open", "baskets", ["expires_at", "id"], "closed_at IS NULL")
    op.create_table(
        "number_releases",
        sa.Column("e164", _DIGITS, nullable=False),
        sa.Column("onboarding_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("service", sa.Integer(), nullable=False),
        sa.Column("held_by", sa.String(length=200), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quarantined_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reclaimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["e164"], ["numbers.e164"], name=op.f("fk_number_releases_e164_numbers")),
        sa.ForeignKeyConstraint(["onboarding_id"], ["onboardings.id"], name=op.f("fk_number_releases_onboarding_id_onboardings")),
        sa.PrimaryKeyConstraint("e164", "onboarding_id", name=op.f("pk_number_releases")),
    )
    op.create_index(op.f("ix_number_releases_onboarding_id"), "number_releases", ["onboarding_id"], unique=False)


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, unique=False, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _alter() -> None:
    op.add_column("numbers", sa.Column("pool", sa.String(length=64), nullable=False, server_default="public"))
    op.add_column("numbers", sa.Column("basket_id", sa.String(length=64), nullable=True))
    op.drop_constraint(op.f("ck_numbers_holder"), "numbers", type_="check")
    for name, condition in _CHECKS.items():
        op.create_check_constraint(op.f(f"ck_numbers_{name}"), "numbers", condition)
    op.drop_index("ix_numbers_free", "numbers")


def _write_anew() -> None:
    op.create_table(
        "numbers_anew",
        sa.Column("e164", _DIGITS, nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("grade", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("held_by", sa.String(length=200), nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("onboarding_id", sa.String(length=64), nullable=True),
        sa.Column("service", sa.Integer(), nullable=True),
        sa.Column("quarantined_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pool", sa.String(length=64), nullable=False, server_default="public"),
        sa.Column("basket_id", sa.String(length=64), nullable=True),
        sa.Column(
            "free_e164", _DIGITS, sa.Computed("CASE WHEN state = 'available' THEN e164 END", persisted=True), nullable=True
        ),
        *(sa.CheckConstraint(condition, name=op.f(f"ck_numbers_{name}")) for name, condition in _CHECKS.items()),
        sa.CheckConstraint("state IN ('available', 'held', 'assigned', 'quarantined')", name=op.f("ck_numbers_state")),
        sa.ForeignKeyConstraint(["tenant_id"], ["accounts.id"], name=op.f("fk_numbers_tenant_id_accounts")),
        sa.PrimaryKeyConstraint("e164", name=op.f("pk_numbers")),
        sqlite_with_rowid=False,
    )
    op.execute(f"INSERT INTO numbers_anew ({_KEPT}) SELECT {_KEPT} FROM numbers")  # noqa: S608, a constant
    op.drop_table("numbers")
    op.rename_table("numbers_anew", "numbers")
    _index("ix_numbers_holder", "numbers", ["onboarding_id"], "onboarding_id IS NOT NULL")
    op.create_index(op.f("ix_numbers_tenant_id_e164"), "numbers", ["tenant_id", "e164"], unique=False)
    op.create_index(op.f("ix_numbers_tenant_id_state_e164"), "numbers", ["tenant_id", "state", "e164"], unique=False)
