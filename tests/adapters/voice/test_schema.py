"""The tables are Kamailio's own: those of its packages, or those of a switch that already runs."""

import re
from pathlib import Path

import pytest
from sqlalchemy import make_url

from adapters.voice.kamailio import KamailioSwitch
from adapters.voice.tables import VERSIONS, create_tables, metadata
from domain.errors import Refused
from tests.adapters.voice.ground import DOMAIN, SECRETS, line, rows, sql
from tests.sip import require_sip

SHIPPED = {"sqlite": Path("/usr/share/kamailio/db_sqlite"), "postgresql": Path("/usr/share/kamailio/postgres")}
PARTS = ("standard", "auth_db", "alias_db", "avpops")


def shipped(kind: str) -> list[str]:
    """The statements that Debian's package would make the tables with."""
    require_sip()
    script = "\n".join((SHIPPED[kind] / f"{part}-create.sql").read_text() for part in PARTS)
    return [statement.strip() for statement in script.split(";") if statement.strip()]


async def test_creating_twice_is_creating_once(database_url: str) -> None:
    await create_tables(database_url)
    assert {row["table_name"]: row["table_version"] for row in await rows(database_url, "version")} == VERSIONS


async def test_the_tables_of_a_switch_that_runs_are_used_as_they_are(empty_database_url: str) -> None:
    kind = make_url(empty_database_url).get_backend_name()
    await sql(
        empty_database_url,
        *shipped(kind),
        f"INSERT INTO subscriber (username, domain, ha1) VALUES ('reception', '{DOMAIN}', 'kept')",
    )
    await create_tables(empty_database_url)

    assert [row["ha1"] for row in await rows(empty_database_url, "subscriber")] == ["kept"]
    switch = KamailioSwitch(empty_database_url, SECRETS)
    try:
        await switch.provision(line("d1", "+441214960101", max_channels=2))
    finally:
        await switch.close()
    assert len(await rows(empty_database_url, "dbaliases")) == 2


@pytest.mark.parametrize("kind", sorted(SHIPPED))
def test_names_lengths_and_versions_are_those_of_the_package(kind: str) -> None:
    for statement in shipped(kind):
        if made := re.match(r"CREATE TABLE (\w+) \((.*)\)", statement, re.DOTALL):
            theirs = dict(re.findall(r"^ {4}(?!CONSTRAINT)(\w+) (\w+(?:\(\d+\))?)", made[2], re.MULTILINE))
            ours = {
                column.name: str(column.type).replace("DATETIME", "TIMESTAMP") for column in metadata.tables[made[1]].columns
            }
            assert ours == {name: kind.replace("SERIAL", "INTEGER") for name, kind in theirs.items()}
        elif recorded := re.search(r"values \('(\w+)','(\d+)'\)", statement):
            assert VERSIONS[recorded[1]] == int(recorded[2])


async def test_a_switch_that_already_has_a_number_twice_is_reported(database_url: str) -> None:
    alias = "INSERT INTO dbaliases (alias_username, alias_domain, username, domain) VALUES ('+441214960101', 'a', '{}', 'a')"
    await sql(database_url, "DROP INDEX dialtone_one_line_per_number", alias.format("x"), alias.format("y"))
    with pytest.raises(Refused, match="same number"):
        await create_tables(database_url)
