"""The part of Kamailio's own schema that Dialtone writes, and one small table of ours beside it.

Names, types and version numbers are those of Kamailio 5.6 (``/usr/share/kamailio``), so that the tables of a running switch
are used as they are, and those made here suit a switch that is installed later.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError

from adapters.transactions import connect
from domain.errors import Refused

metadata = MetaData()


def _string(name: str, length: int) -> Column[str]:
    return Column(name, String(length), nullable=False, server_default="")


version = Table(
    "version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("table_name", String(32), nullable=False),
    Column("table_version", Integer, nullable=False, server_default="0"),
    UniqueConstraint("table_name", name="version_table_name_idx"),
)

subscriber = Table(
    "subscriber",
    metadata,
    Column("id", Integer, primary_key=True),
    _string("username", 64),
    _string("domain", 64),
    _string("password", 64),
    _string("ha1", 128),
    _string("ha1b", 128),
    UniqueConstraint("username", "domain", name="subscriber_account_idx"),
    Index("subscriber_username_idx", "username"),
)

dbaliases = Table(
    "dbaliases",
    metadata,
    Column("id", Integer, primary_key=True),
    _string("alias_username", 64),
    _string("alias_domain", 64),
    _string("username", 64),
    _string("domain", 64),
    Index("dbaliases_alias_user_idx", "alias_username"),
    Index("dbaliases_alias_idx", "alias_username", "alias_domain"),
    Index("dbaliases_target_idx", "username", "domain"),
)

usr_preferences = Table(
    "usr_preferences",
    metadata,
    Column("id", Integer, primary_key=True),
    _string("uuid", 64),
    Column("username", String(255), nullable=False, server_default="0"),
    _string("domain", 64),
    _string("attribute", 32),
    Column("type", Integer, nullable=False, server_default="0"),
    _string("value", 128),
    Column("last_modified", DateTime, nullable=False, server_default="2000-01-01 00:00:01"),
    Index("usr_preferences_ua_idx", "uuid", "attribute"),
    Index("usr_preferences_uda_idx", "username", "domain", "attribute"),
)

line_keys = Table(
    "dialtone_line_keys",
    metadata,
    Column("key", String(255), primary_key=True),
    Column(
        "closed_at", DateTime(timezone=True), comment="When the line was undone; nothing may be created under the key since"
    ),
)

first_calls = Table(
    "dialtone_first_calls",
    metadata,
    Column("account_id", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False, comment="Seconds since 1970 (UTC); written by the switch, once"),
)

call_records = Table(
    "dialtone_call_records",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("account_id", String(64), nullable=False),
    Column("line", String(128), nullable=False),
    Column("caller", String(64), nullable=False),
    Column("called", String(64), nullable=False),
    Column("began_at", BigInteger, nullable=False, comment="When it was answered, in seconds since 1970 (UTC)"),
    Column("seconds", BigInteger, nullable=False),
    Index("dialtone_call_records_account_idx", "account_id", "began_at", "id"),
)

VERSIONS = {"version": 1, "subscriber": 7, "dbaliases": 1, "usr_preferences": 2}

# A number rings one line in the whole switch, whatever domain it was dialled at. Kamailio does not see to that. Only the form
# with the plus is ours to guard: a provider's own short codes may repeat from one domain to the next.
_NUMBER_GUARD = text(
    "CREATE UNIQUE INDEX IF NOT EXISTS dialtone_one_line_per_number"
    " ON dbaliases (alias_username) WHERE substr(alias_username, 1, 1) = '+'"
)

# A caller's number is found by the number when it is given back. Rows from before that have it as their value alone.
_NOTE_CALLER_IDS = text("UPDATE usr_preferences SET uuid = value WHERE attribute = 'caller_id' AND uuid = ''")

# The switch has a role that reads. These two tables it writes, and nothing else of it.
_SWITCH_MAY_WRITE = text(
    "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'kamailio')"
    " THEN GRANT SELECT, INSERT ON dialtone_first_calls TO kamailio; GRANT INSERT ON dialtone_call_records TO kamailio;"
    " GRANT USAGE ON SEQUENCE dialtone_call_records_id_seq TO kamailio; END IF; END $$"
)


async def create_tables(url: str) -> None:
    """Create what is absent in the switch's database; touches no table, row or version that is there.

    Raises ``Unavailable`` if the database does not answer, and ``Refused`` (``number_twice``) if two of its lines share a number.
    """
    transactions = connect(url, whose="The switch's", patient=True)
    try:
        await transactions.write(_create)
    except IntegrityError as error:
        raise Refused(
            "Two lines in the switch's `dbaliases` have the same number, so a call to it could reach either, and nothing was "
            "created. Remove one of them (SELECT alias_username FROM dbaliases GROUP BY 1 HAVING count(*) > 1), then run "
            "`dialtone migrate` again.",
            code="number_twice",
        ) from error
    finally:
        await transactions.close()


def _create(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Two processes may start at once, and CREATE TABLE IF NOT EXISTS of one name is not safe against that.
        connection.execute(select(func.pg_advisory_xact_lock(0x4449414C)))
    metadata.create_all(connection)
    known = set(connection.scalars(select(version.c.table_name)))
    missing = [{"table_name": name, "table_version": number} for name, number in VERSIONS.items() if name not in known]
    if missing:
        connection.execute(insert(version), missing)
    connection.execute(_NUMBER_GUARD)
    connection.execute(_NOTE_CALLER_IDS)
    if connection.dialect.name == "postgresql":
        connection.execute(_SWITCH_MAY_WRITE)
