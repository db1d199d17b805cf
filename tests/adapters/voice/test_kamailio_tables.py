"""The contract of the switch: what a step and its undo leave in Kamailio's tables, on both databases."""

import asyncio
import hashlib
import socket

import pytest

from adapters.voice.kamailio import KamailioSwitch
from domain.errors import DialtoneError, KeyClosed, ProvisioningRefused, Unavailable
from tests.adapters.voice.ground import DOMAIN, SECRETS, line, password, removal, rows, sql

NUMBER = "+441214960101"
OTHER_NUMBER = "+441214960102"


async def test_a_line_is_a_subscriber_without_a_password(switch: KamailioSwitch, database_url: str) -> None:
    ordered = line("d1", NUMBER)
    await switch.provision(ordered)

    [row] = await rows(database_url, "subscriber")
    assert (row["username"], row["domain"], row["password"]) == ("d1", DOMAIN, "")
    assert row["ha1"] == hashlib.md5(f"d1:{DOMAIN}:{password(ordered)}".encode()).hexdigest()
    assert row["ha1b"] == hashlib.md5(f"d1@{DOMAIN}:{DOMAIN}:{password(ordered)}".encode()).hexdigest()
    assert password(ordered) not in str([await rows(database_url, table) for table in ("subscriber", "dbaliases")])


async def test_a_number_rings_the_line_with_and_without_its_plus(switch: KamailioSwitch, database_url: str) -> None:
    await switch.provision(line("d1", NUMBER, OTHER_NUMBER))

    aliases = await rows(database_url, "dbaliases")
    assert sorted(row["alias_username"] for row in aliases) == [
        "+441214960101",
        "+441214960102",
        "441214960101",
        "441214960102",
    ]
    assert {(row["alias_domain"], row["username"], row["domain"]) for row in aliases} == {(DOMAIN, "d1", DOMAIN)}


async def test_a_channel_limit_is_a_preference_and_no_limit_is_none(switch: KamailioSwitch, database_url: str) -> None:
    await switch.provision(line("d1", max_channels=3))
    await switch.provision(line("d2"))

    [row] = await rows(database_url, "usr_preferences")
    assert (row["username"], row["domain"], row["attribute"], row["value"]) == ("d1", DOMAIN, "max_channels", "3")


async def test_the_same_line_twice_is_one_line(switch: KamailioSwitch, database_url: str) -> None:
    await switch.provision(line("d1", NUMBER, max_channels=2))
    before = [await rows(database_url, table) for table in ("subscriber", "dbaliases", "usr_preferences")]
    await switch.provision(line("d1", NUMBER, max_channels=2))

    assert [await rows(database_url, table) for table in ("subscriber", "dbaliases", "usr_preferences")] == before


async def test_a_corrected_line_replaces_the_first_attempt(switch: KamailioSwitch, database_url: str) -> None:
    await switch.provision(line("d1", NUMBER, max_channels=2))
    await switch.provision(line("d1", OTHER_NUMBER, max_channels=5))

    assert sorted(row["alias_username"] for row in await rows(database_url, "dbaliases")) == ["+441214960102", "441214960102"]
    assert [row["value"] for row in await rows(database_url, "usr_preferences")] == ["5"]
    await switch.provision(line("d1", OTHER_NUMBER))
    assert await rows(database_url, "usr_preferences") == []


@pytest.mark.parametrize("domain", [DOMAIN, "sip.otherlabel.example"])
async def test_a_number_of_another_line_is_refused_and_nothing_is_written(
    switch: KamailioSwitch, database_url: str, domain: str
) -> None:
    await switch.provision(line("d1", NUMBER))

    with pytest.raises(ProvisioningRefused) as refusal:
        await switch.provision(line("d2", OTHER_NUMBER, NUMBER, domain=domain))

    assert refusal.value.code == "alias_taken"
    assert NUMBER not in refusal.value.message
    assert [row["username"] for row in await rows(database_url, "subscriber")] == ["d1"]
    assert len(await rows(database_url, "dbaliases")) == 2


async def test_a_number_that_somebody_gave_away_by_hand_is_refused(switch: KamailioSwitch, database_url: str) -> None:
    await sql(
        database_url,
        "INSERT INTO dbaliases (alias_username, alias_domain, username, domain)"
        f" VALUES ('441214960101', '{DOMAIN}', 'reception', '{DOMAIN}')",
    )
    with pytest.raises(ProvisioningRefused):
        await switch.provision(line("d1", NUMBER))


async def test_two_lines_that_want_one_number_at_once_have_one_winner(switch: KamailioSwitch, database_url: str) -> None:
    wanted = [line(f"d{index}", NUMBER, OTHER_NUMBER) for index in range(12)]

    outcomes = await asyncio.gather(*(switch.provision(one) for one in wanted), return_exceptions=True)

    assert outcomes.count(None) == 1
    assert {getattr(outcome, "code", "") for outcome in outcomes if outcome} == {"alias_taken"}
    assert len(await rows(database_url, "subscriber")) == 1
    assert len(await rows(database_url, "dbaliases")) == 4


async def test_a_removed_line_leaves_nothing_and_its_number_is_free(switch: KamailioSwitch, database_url: str) -> None:
    await switch.provision(line("d1", NUMBER, max_channels=1))
    await switch.provision(line("d2", OTHER_NUMBER, max_channels=1))
    await switch.remove(removal(line("d1")))

    for table in ("subscriber", "dbaliases", "usr_preferences"):
        assert {row["username"] for row in await rows(database_url, table)} == {"d2"}
    await switch.provision(line("d3", NUMBER))


async def test_removing_a_line_never_heard_of_is_a_success_twice(switch: KamailioSwitch, database_url: str) -> None:
    await switch.remove(removal(line("d1")))
    first = await rows(database_url, "dialtone_line_keys")
    await switch.remove(removal(line("d1")))
    second = await rows(database_url, "dialtone_line_keys")
    assert first == second
    assert len([row for row in first if row["closed_at"] is not None]) == 1


async def test_a_line_that_arrives_after_its_undo_is_not_made(switch: KamailioSwitch, database_url: str) -> None:
    late = line("d1", NUMBER, max_channels=1)
    await switch.remove(removal(late))

    with pytest.raises(KeyClosed):
        await switch.provision(late)

    for table in ("subscriber", "dbaliases", "usr_preferences"):
        assert await rows(database_url, table) == []
    await switch.provision(line("d2", NUMBER))


async def test_a_step_and_its_undo_at_once_never_leave_a_line_behind(switch: KamailioSwitch, database_url: str) -> None:
    pairs = [line(f"d{index}", f"+4412149601{index:02}") for index in range(40)]
    other = KamailioSwitch(database_url, SECRETS)  # the undo may run in another worker
    try:
        outcomes = await asyncio.gather(
            *(call for one in pairs for call in (switch.provision(one), other.remove(removal(one)))), return_exceptions=True
        )
    finally:
        await other.close()

    assert {type(outcome) for outcome in outcomes} <= {type(None), KeyClosed}
    assert await rows(database_url, "subscriber") == []
    assert await rows(database_url, "dbaliases") == []


async def test_fifty_lines_at_once_are_fifty_lines(switch: KamailioSwitch, database_url: str) -> None:
    await asyncio.gather(*(switch.provision(line(f"d{index}", f"+4412149601{index:02}")) for index in range(50)))
    assert len(await rows(database_url, "subscriber")) == 50
    assert len(await rows(database_url, "dbaliases")) == 100


async def test_a_database_without_tables_is_unavailable_and_says_what_to_do(empty_database_url: str) -> None:
    switch = KamailioSwitch(empty_database_url, SECRETS)
    try:
        with pytest.raises(Unavailable, match="dialtone migrate"):
            await switch.provision(line("d1", NUMBER))
    finally:
        await switch.close()


async def test_a_database_that_does_not_answer_is_unavailable_without_telling_names() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        switch = KamailioSwitch(f"postgresql+asyncpg://dialtone:pw@127.0.0.1:{closed.getsockname()[1]}/none", SECRETS)
        try:
            with pytest.raises(DialtoneError) as failure:
                await switch.provision(line("d1", NUMBER))
        finally:
            await switch.close()
    assert isinstance(failure.value, Unavailable)
    assert "d1" not in failure.value.message
    assert NUMBER not in failure.value.message


def test_a_database_of_another_kind_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="SQLite or PostgreSQL"):
        KamailioSwitch("mysql://localhost/kamailio", SECRETS)
