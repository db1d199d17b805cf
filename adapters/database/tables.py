"""The tables: one model for SQLite and PostgreSQL.

Core tables rather than mapped classes, because every write is a single conditional statement whose answer ("was it me?")
is the point, and an identity map would only stand in between.

Money is a whole number of minor units beside an ISO 4217 code. Times are UTC and carry their zone. Values of the domain that
are read back whole and never searched are JSON text.
"""

from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator

from domain.access import Right
from domain.bulk import RowProblem
from domain.calling import Calling
from domain.catalogue import PriceList, Tenant, Terms
from domain.customers import CustomerDetails
from domain.drafts import Draft
from domain.onboarding import OnboardingInput, Outcome
from domain.orders import Order, TermsAcceptance
from domain.payments import PaymentMeans
from domain.quotes import Quote
from domain.services import ServiceSettings

T = TypeVar("T")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite knows no zones, so it is stored there without one and gets it back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone reached the database; give every datetime its zone, for example UTC.")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[T], Generic[T]):
    """A value of the domain as JSON text, written and validated by pydantic."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[T]) -> None:
        super().__init__()
        self.kind = kind
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    def __repr__(self) -> str:
        return f"Json({self.kind!r})"

    def process_bind_param(self, value: T | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else self._adapter.dump_json(value).decode()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> T | None:  # noqa: ARG002
        return None if value is None else self._adapter.validate_json(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(64)
Key = String(200)
Word = String(32)
# Byte order on every server, whatever its locale: a prefix search is a range of the index only then.
Digits = String(16).with_variant(String(16, collation="C"), "postgresql")
# SQLite counts by itself only in a column that is exactly INTEGER.
Sequence = BigInteger().with_variant(Integer(), "sqlite")


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("parent_id", Id, ForeignKey("accounts.id")),
    Column("kind", Word, nullable=False),
    Column("name", String(200), nullable=False),
    Column("name_key", String(400), nullable=False),
    Column("number", String(20)),
    Column("status", Word, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("balance_minor", BigInteger, nullable=False),
    Column("held_minor", BigInteger, nullable=False),
    Column("credit_limit_minor", BigInteger, nullable=False),
    Column("account_type", Word, nullable=False),
    Column("payer", Word, nullable=False),
    Column("administration", Word, nullable=False),
    Column("segment", Word, nullable=False),
    Column("means", Json(PaymentMeans)),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("activated_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
    CheckConstraint("kind IN ('platform', 'reseller', 'customer')", name="kind"),
    CheckConstraint("status IN ('pending', 'active', 'closed')", name="status"),
    CheckConstraint("held_minor >= 0 AND credit_limit_minor >= 0", name="not_negative"),
    # A name is free again once its account is closed (S2-12, C4).
    Index("uq_accounts_number", "number", unique=True),
    _partial("uq_accounts_open_name", "name_key", unique=True, where="kind = 'customer' AND status <> 'closed'"),
    # What a page of children is read from; and what walks down the tree, past any number of customers.
    Index(None, "parent_id", "kind", "id"),
    _partial("ix_accounts_resellers", "parent_id", "id", where="kind = 'reseller'"),
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", Id, ForeignKey("accounts.id"), primary_key=True),
    Column("slug", String(40), nullable=False, unique=True),
    Column("settings", Json(Tenant), nullable=False),
)

onboardings = Table(
    "onboardings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("accounts.id"), nullable=False),
    # No foreign key: an onboarding whose name was taken has no account.
    Column("account_id", Id, nullable=False, index=True),
    Column("version", BigInteger, nullable=False),
    Column("state", Word, nullable=False),
    Column("waits_for", String(64)),
    Column("deadline", UtcDateTime),
    Column("generation", Integer, nullable=False),
    Column("needs_attention", Text),
    Column("outcome", Json(Outcome)),
    Column("requested_by", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("fingerprint", String(128), nullable=False),
    Column("order", Json(Order), nullable=False),
    Column("quote", Json(Quote), nullable=False),
    Column("approval_reasons", Json(tuple[str, ...]), nullable=False),
    Column("terms", Json(TermsAcceptance)),
    # Where its lines are on the switch, if that is not the domain of its white label: it was another's when they were made.
    Column("sip_domain", String(64)),
    Index(None, "created_at", "id"),
    Index(None, "state", "created_at", "id"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "state", "created_at", "id"),
)

timeline = Table(
    "timeline",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("onboarding_id", Id, ForeignKey("onboardings.id"), nullable=False),
    Column("key", Key, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("state", Word, nullable=False),
    Column("event", String(64), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("detail", Json(dict[str, str]), nullable=False),
    UniqueConstraint("onboarding_id", "key"),
    Index(None, "onboarding_id", "sequence"),
    # Without it SQLite may give a number out again, and a reader that resumes after it would miss an entry.
    sqlite_autoincrement=True,
)

numbers = Table(
    "numbers",
    metadata,
    Column("e164", Digits, primary_key=True),
    Column("tenant_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("grade", Word, nullable=False),
    Column("state", Word, nullable=False),
    # Kept while the number is assigned, so that going live can be withdrawn exactly.
    Column("held_by", Key),
    Column("held_until", UtcDateTime),
    Column("onboarding_id", Id),
    Column("service", Integer),
    Column("quarantined_until", UtcDateTime),
    # "public", or the account for which the number is kept (S3-26). A word and not a null: only an equality leaves the index
    # behind it in order.
    Column("pool", Id, nullable=False, server_default="public"),
    Column("basket_id", Id),
    CheckConstraint("state IN ('available', 'held', 'assigned', 'quarantined')", name="state"),
    # One column, so one holder; and no holder without saying which.
    CheckConstraint(
        "(state IN ('held', 'assigned')) = (held_by IS NOT NULL AND (onboarding_id IS NOT NULL OR basket_id IS NOT NULL))",
        name="holder",
    ),
    CheckConstraint("basket_id IS NULL OR (state = 'held' AND onboarding_id IS NULL)", name="basket"),
    CheckConstraint("(state = 'quarantined') = (quarantined_until IS NOT NULL)", name="quarantine"),
    # What a claim walks: only free numbers are in it, so it costs the same however many were sold. It is a column of its own
    # because a planner may read a range of e164 by the primary key, past every number that is sold.
    Column("free_e164", Digits, Computed("CASE WHEN state = 'available' THEN e164 END", persisted=True)),
    _partial("ix_numbers_free", "tenant_id", "pool", "grade", "free_e164", where="free_e164 IS NOT NULL"),
    _partial("ix_numbers_holder", "onboarding_id", where="onboarding_id IS NOT NULL"),
    # What a transfer takes back of what was kept for the customer.
    _partial("ix_numbers_kept", "pool", "e164", where="pool <> 'public'"),
    _partial("ix_numbers_basket", "basket_id", where="basket_id IS NOT NULL"),
    # What the reaper walks, the longest overdue first.
    _partial("ix_numbers_held_until", "held_until", "e164", where="state = 'held'"),
    _partial("ix_numbers_quarantined_until", "quarantined_until", "e164", where="quarantined_until IS NOT NULL"),
    Index(None, "tenant_id", "e164"),
    Index(None, "tenant_id", "state", "e164"),
    sqlite_with_rowid=False,
)

baskets = Table(
    "baskets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("accounts.id"), nullable=False, index=True),
    # Whose pool its numbers may come from beside the public one.
    Column("pool", Id, nullable=False),
    Column("plan", String(40)),
    Column("price_list", String(40)),
    Column("created_by", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    # Of the request that opened it; unset before requests were told apart.
    Column("fingerprint", String(64)),
    _partial("ix_baskets_open", "expires_at", "id", where="closed_at IS NULL"),
)

# Every assigned number that was given back: how long it rests, and who may have it again meanwhile.
number_releases = Table(
    "number_releases",
    metadata,
    Column("e164", Digits, ForeignKey("numbers.e164"), primary_key=True),
    Column("onboarding_id", Id, ForeignKey("onboardings.id"), primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("service", Integer, nullable=False),
    Column("held_by", Key, nullable=False),
    Column("released_at", UtcDateTime, nullable=False),
    Column("quarantined_until", UtcDateTime, nullable=False),
    Column("reclaimed_at", UtcDateTime),
    Index(None, "onboarding_id"),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", Sequence, primary_key=True, autoincrement=True),
    Column("key", Key, nullable=False, unique=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("onboarding_id", Id, index=True),
    Column("kind", Word, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("reference", String(255)),
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint("kind IN ('opening', 'charge', 'payment', 'refund', 'repayment')", name="kind"),
)

ledger_holds = Table(
    "ledger_holds",
    metadata,
    Column("key", Key, primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("onboarding_id", Id, nullable=False, index=True),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("state", Word, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("amount_minor >= 0", name="not_negative"),
    CheckConstraint("state IN ('held', 'taken', 'posted', 'released', 'refunded')", name="state"),
)

step_keys = Table(
    "step_keys",
    metadata,
    Column("key", Key, primary_key=True),
    # 0: only ever closed. 1: the step happened. More: it was repeated.
    Column("uses", Integer, nullable=False),
    Column("result", Word),
    # Attempts of a step outside our database that have begun and not ended, and when the latest began.
    Column("running", Integer, nullable=False),
    Column("started_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
    sqlite_with_rowid=False,
)

mail_log = Table(
    "mail_log",
    metadata,
    Column("key", Key, primary_key=True),
    Column("onboarding_id", Id, nullable=False, index=True),
    Column("kind", Word, nullable=False),
    Column("sent_at", UtcDateTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("person", String(200), nullable=False),
    Column("tenant_id", Id, ForeignKey("accounts.id"), index=True),
    Column("role", Word, nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

# An account without a row was active before there were rights to call, and may call. The version is a column of its own
# because it decides who writes, and the switch's because it is written without reading the rest.
calling = Table(
    "calling",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("switch_version", BigInteger, nullable=False),
    Column("calling", Json(Calling), nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("email", String(254), nullable=False),
    Column("email_key", String(254), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("password_hash", String(255)),
    # When the mailbox was proven by a link sent to it. A password that somebody else has set proves nothing.
    Column("proven_at", UtcDateTime),
    # Who set the password, and so knows it, while that is somebody else: a user, or an API key.
    Column("password_set_by", Id),
    # The newest link; it works until then, and once.
    Column("invitation", Integer, nullable=False),
    Column("invited_until", UtcDateTime),
    # The onboarding that made this user, so that going live can be withdrawn exactly.
    Column("onboarding_id", Id),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("tenant_id", "email_key"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id"), primary_key=True),
    # A user, or the API key that created the account: so no foreign key.
    Column("member_id", Id, primary_key=True, index=True),
    Column("role", Word, nullable=False),
    Column("rights", Json(frozenset[Right]), nullable=False),
    Column("granted_by", String(200), nullable=False),
    Column("onboarding_id", Id),
    Column("created_at", UtcDateTime, nullable=False),
)

offers = Table(
    "offers",
    metadata,
    # What somebody becomes a member with, once they have opened the link of this generation. Until then they are shown as
    # whoever invited wrote them: nobody learns by inviting who is a user already.
    Column("account_id", Id, ForeignKey("accounts.id"), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True, index=True),
    Column("email", String(254), nullable=False),
    Column("name", String(200), nullable=False),
    Column("role", Word, nullable=False),
    Column("rights", Json(frozenset[Right]), nullable=False),
    Column("granted_by", String(200), nullable=False),
    Column("invitation", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    # The session that it was switched from; its own id otherwise. They end together.
    Column("root_id", Id, nullable=False, index=True),
    # The one right before it, where it was switched from a switched one.
    Column("parent_id", Id),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("user_id", Id, ForeignKey("users.id"), index=True),
    Column("key_id", Id, ForeignKey("api_keys.id")),
    # Where it acts, and the membership that it may do so by; they differ after a switch.
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("member_of", Id, ForeignKey("accounts.id"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    CheckConstraint("(user_id IS NULL) <> (key_id IS NULL)", name="one_holder"),
)

attempts = Table(
    "attempts",
    metadata,
    # A digest: whose sign-in was tried is personal.
    Column("counter", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("until", UtcDateTime, nullable=False, index=True),
    sqlite_with_rowid=False,
)

# Every version of a price list that there ever was: orders and accounts refer to them by name.
price_list_versions = Table(
    "price_list_versions",
    metadata,
    Column("tenant_id", Id, ForeignKey("accounts.id"), primary_key=True),
    Column("code", String(40), primary_key=True),
    Column("version", String(200), primary_key=True),
    Column("price_list", Json(PriceList), nullable=False),
    Column("made_by", String(200), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)

# Every text that customers were asked to accept, by its hash.
terms_versions = Table(
    "terms_versions",
    metadata,
    Column("tenant_id", Id, ForeignKey("accounts.id"), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("terms", Json(Terms), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)

# Which plan decides an account's charges, from when on. Before the first of them it is the plan of the account's order.
plan_assignments = Table(
    "plan_assignments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("plan", String(40), nullable=False),
    Column("price_list", String(40), nullable=False),
    Column("effective_from", UtcDateTime, nullable=False),
    Column("assigned_by", String(200), nullable=False),
    Column("assigned_at", UtcDateTime, nullable=False),
    Column("cancelled_by", String(200)),
    Column("cancelled_at", UtcDateTime),
    Index(None, "account_id", "effective_from"),
)

account_pins = Table(
    "account_pins",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id"), primary_key=True),
    # Keyed with the installation's secret: it can be compared with, and not read.
    Column("digest", String(64), nullable=False),
    Column("set_by", String(200), nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
)

# An account without a row tells nobody. Crossings are counted in the transaction of the posting that crosses, and handed on
# from there: ``handed`` is the last one whose letter has a workflow.
balance_alerts = Table(
    "balance_alerts",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id"), primary_key=True),
    Column("onboarding_id", Id, nullable=False),
    Column("email", String(254), nullable=False),
    Column("below_minor", BigInteger, nullable=False),
    Column("armed", Boolean, nullable=False),
    Column("crossing", Integer, nullable=False),
    Column("handed", Integer, nullable=False),
    Column("balance_minor", BigInteger),
    Column("crossed_at", UtcDateTime),
    _partial("ix_balance_alerts_due", "crossed_at", where="crossing > handed"),
)

# What an account's customer is called, where it lives, how it is reached: as it was changed last. Without a row it is what the
# order that opened the account says.
customers = Table(
    "customers",
    metadata,
    Column("account_id", Id, ForeignKey("accounts.id"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("details", Json(CustomerDetails), nullable=False),
)

# A service as it was set up last, by the name of its line; without a row it is as it was ordered. Versions as those of calling.
services = Table(
    "services",
    metadata,
    Column("line", Id, primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False, index=True),
    Column("version", BigInteger, nullable=False),
    Column("switch_version", BigInteger, nullable=False),
    Column("settings", Json(ServiceSettings), nullable=False),
)

drafts = Table(
    "drafts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("accounts.id"), nullable=False),
    # Whose it is; what follows repeats what the draft says, because it is searched by it.
    Column("person", String(200), nullable=False),
    Column("state", Word, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    # When it expires, and when it is deleted after that.
    Column("ends_at", UtcDateTime, nullable=False, index=True),
    Column("draft", Json(Draft), nullable=False),
    Index(None, "tenant_id", "changed_at", "id"),
)

bulk_runs = Table(
    "bulk_runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("fingerprint", String(128), nullable=False),
    Column("state", Word, nullable=False),
    Column("rate", Integer, nullable=False),
    Column("at_once", Integer, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    CheckConstraint("state IN ('accepted', 'running', 'paused', 'finished', 'cancelled')", name="state"),
    Index(None, "tenant_id", "created_at", "id"),
)

bulk_rows = Table(
    "bulk_rows",
    metadata,
    Column("run_id", Id, ForeignKey("bulk_runs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("line", Integer, nullable=False),
    Column("state", Word, nullable=False),
    Column("onboarding_id", Id, nullable=False, unique=True),
    # Started, and as far as we have looked still being worked on.
    Column("working", Integer, nullable=False),
    Column("problems", Json(tuple[RowProblem, ...]), nullable=False),
    # The only personal data here, and only from the upload to the start: then the onboarding has them.
    Column("onboarding", Json(OnboardingInput)),
    Column("started_at", UtcDateTime),
    CheckConstraint("state IN ('waiting', 'starting', 'started', 'refused', 'withdrawn')", name="state"),
    CheckConstraint("(onboarding IS NOT NULL) = (state IN ('waiting', 'starting'))", name="kept_while_needed"),
    Index(None, "run_id", "state", "number"),
    _partial("ix_bulk_rows_working", "run_id", "number", where="working = 1"),
    sqlite_with_rowid=False,
)
