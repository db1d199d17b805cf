"""The first schema."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("parent_id", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.String(length=400), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("held_minor", sa.BigInteger(), nullable=False),
        sa.Column("credit_limit_minor", sa.BigInteger(), nullable=False),
        sa.Column("account_type", sa.String(length=32), nullable=False),
        sa.Column("payer", sa.String(length=32), nullable=False),
        sa.Column("administration", sa.String(length=32), nullable=False),
        sa.Column("segment", sa.String(length=32), nullable=False),
        sa.Column("means", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('platform', 'reseller', 'customer')", name=op.f("ck_accounts_kind")),
        sa.CheckConstraint("status IN ('pending', 'active', 'closed')", name=op.f("ck_accounts_status")),
        sa.CheckConstraint("held_minor >= 0 AND credit_limit_minor >= 0", name=op.f("ck_accounts_not_negative")),
        sa.ForeignKeyConstraint(["parent_id"], ["accounts.id"], name=op.f("fk_accounts_parent_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_index(op.f("ix_accounts_parent_id"), "accounts", ["parent_id"], unique=False)
    op.create_index(
        "uq_accounts_open_name",
        "accounts",
        ["name_key"],
        unique=True,
        sqlite_where=sa.text("kind = 'customer' AND status <> 'closed'"),
        postgresql_where=sa.text("kind = 'customer' AND status <> 'closed'"),
    )
    op.create_table(
        "mail_log",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("onboarding_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_mail_log")),
    )
    op.create_index(op.f("ix_mail_log_onboarding_id"), "mail_log", ["onboarding_id"], unique=False)
    op.create_table(
        "step_keys",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("result", sa.String(length=32), nullable=True),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_step_keys")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=True),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["accounts.id"], name=op.f("fk_api_keys_tenant_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("sha256", name=op.f("uq_api_keys_sha256")),
    )
    op.create_index(op.f("ix_api_keys_tenant_id"), "api_keys", ["tenant_id"], unique=False)
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("onboarding_id", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('opening', 'charge', 'payment', 'refund', 'repayment')", name=op.f("ck_ledger_entries_kind")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_ledger_entries_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint("key", name=op.f("uq_ledger_entries_key")),
    )
    op.create_index(op.f("ix_ledger_entries_account_id"), "ledger_entries", ["account_id"], unique=False)
    op.create_index(op.f("ix_ledger_entries_onboarding_id"), "ledger_entries", ["onboarding_id"], unique=False)
    op.create_table(
        "ledger_holds",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("onboarding_id", sa.String(length=64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('held', 'taken', 'posted', 'released', 'refunded')", name=op.f("ck_ledger_holds_state")),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_ledger_holds_not_negative")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_ledger_holds_account_id_accounts")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_ledger_holds")),
    )
    op.create_index(op.f("ix_ledger_holds_account_id"), "ledger_holds", ["account_id"], unique=False)
    op.create_index(op.f("ix_ledger_holds_onboarding_id"), "ledger_holds", ["onboarding_id"], unique=False)
    op.create_table(
        "numbers",
        sa.Column("e164", sa.String(length=16).with_variant(sa.String(length=16, collation="C"), "postgresql"), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("grade", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("held_by", sa.String(length=200), nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("onboarding_id", sa.String(length=64), nullable=True),
        sa.Column("service", sa.Integer(), nullable=True),
        sa.Column("quarantined_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "free_e164",
            sa.String(length=16).with_variant(sa.String(length=16, collation="C"), "postgresql"),
            sa.Computed("CASE WHEN state = 'available' THEN e164 END", persisted=True),
            nullable=True,
        ),
        sa.CheckConstraint(
            "(state IN ('held', 'assigned')) = (held_by IS NOT NULL AND onboarding_id IS NOT NULL)",
            name=op.f("ck_numbers_holder"),
        ),
        sa.CheckConstraint("state IN ('available', 'held', 'assigned', 'quarantined')", name=op.f("ck_numbers_state")),
        sa.ForeignKeyConstraint(["tenant_id"], ["accounts.id"], name=op.f("fk_numbers_tenant_id_accounts")),
        sa.PrimaryKeyConstraint("e164", name=op.f("pk_numbers")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_numbers_free",
        "numbers",
        ["tenant_id", "grade", "free_e164"],
        unique=False,
        sqlite_where=sa.text("free_e164 IS NOT NULL"),
        postgresql_where=sa.text("free_e164 IS NOT NULL"),
    )
    op.create_index(
        "ix_numbers_holder",
        "numbers",
        ["onboarding_id"],
        unique=False,
        sqlite_where=sa.text("onboarding_id IS NOT NULL"),
        postgresql_where=sa.text("onboarding_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_numbers_tenant_id_e164"), "numbers", ["tenant_id", "e164"], unique=False)
    op.create_index(op.f("ix_numbers_tenant_id_state_e164"), "numbers", ["tenant_id", "state", "e164"], unique=False)
    op.create_table(
        "onboardings",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("waits_for", sa.String(length=64), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("needs_attention", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.Column("order", sa.Text(), nullable=False),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("approval_reasons", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["accounts.id"], name=op.f("fk_onboardings_tenant_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_onboardings")),
    )
    op.create_index(op.f("ix_onboardings_created_at_id"), "onboardings", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_onboardings_state_created_at_id"), "onboardings", ["state", "created_at", "id"], unique=False)
    op.create_index(
        op.f("ix_onboardings_tenant_id_created_at_id"), "onboardings", ["tenant_id", "created_at", "id"], unique=False
    )
    op.create_index(
        op.f("ix_onboardings_tenant_id_state_created_at_id"),
        "onboardings",
        ["tenant_id", "state", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["accounts.id"], name=op.f("fk_tenants_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenants_slug")),
    )
    op.create_table(
        "timeline",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("onboarding_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["onboarding_id"], ["onboardings.id"], name=op.f("fk_timeline_onboarding_id_onboardings")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_timeline")),
        sa.UniqueConstraint("onboarding_id", "key", name=op.f("uq_timeline_onboarding_id_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_timeline_onboarding_id_sequence"), "timeline", ["onboarding_id", "sequence"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_timeline_onboarding_id_sequence"), table_name="timeline")
    op.drop_table("timeline")
    op.drop_table("tenants")
    op.drop_index(op.f("ix_onboardings_tenant_id_state_created_at_id"), table_name="onboardings")
    op.drop_index(op.f("ix_onboardings_tenant_id_created_at_id"), table_name="onboardings")
    op.drop_index(op.f("ix_onboardings_state_created_at_id"), table_name="onboardings")
    op.drop_index(op.f("ix_onboardings_created_at_id"), table_name="onboardings")
    op.drop_table("onboardings")
    op.drop_index(op.f("ix_numbers_tenant_id_state_e164"), table_name="numbers")
    op.drop_index(op.f("ix_numbers_tenant_id_e164"), table_name="numbers")
    op.drop_index(
        "ix_numbers_holder",
        table_name="numbers",
        sqlite_where=sa.text("onboarding_id IS NOT NULL"),
        postgresql_where=sa.text("onboarding_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_numbers_free",
        table_name="numbers",
        sqlite_where=sa.text("free_e164 IS NOT NULL"),
        postgresql_where=sa.text("free_e164 IS NOT NULL"),
    )
    op.drop_table("numbers")
    op.drop_index(op.f("ix_ledger_holds_onboarding_id"), table_name="ledger_holds")
    op.drop_index(op.f("ix_ledger_holds_account_id"), table_name="ledger_holds")
    op.drop_table("ledger_holds")
    op.drop_index(op.f("ix_ledger_entries_onboarding_id"), table_name="ledger_entries")
    op.drop_index(op.f("ix_ledger_entries_account_id"), table_name="ledger_entries")
    op.drop_table("ledger_entries")
    op.drop_index(op.f("ix_api_keys_tenant_id"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("step_keys")
    op.drop_index(op.f("ix_mail_log_onboarding_id"), table_name="mail_log")
    op.drop_table("mail_log")
    op.drop_index(
        "uq_accounts_open_name",
        table_name="accounts",
        sqlite_where=sa.text("kind = 'customer' AND status <> 'closed'"),
        postgresql_where=sa.text("kind = 'customer' AND status <> 'closed'"),
    )
    op.drop_index(op.f("ix_accounts_parent_id"), table_name="accounts")
    op.drop_table("accounts")
