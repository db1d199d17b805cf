"""A number that changes hands takes nothing of its former customer along: neither where calls went nor whose number is shown."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from operator import itemgetter

import asyncpg
import pytest

from adapters.voice.kamailio import KamailioSwitch
from adapters.voice.tables import create_tables
from domain.calling import CallingRights
from domain.voice import Forward, Line, LineSetup, RoutedNumber
from tests.adapters.voice.ground import DOMAIN, line, password, rows, sql
from tests.sip import RunningKamailio

NUMBER, OTHER, OUTSIDE = "+441214960101", "+441214960111", "+442079460018"
ACCOUNT = CallingRights(account_id="acc-former")
FORMER = line(
    "d0f0", NUMBER, OTHER, rights=ACCOUNT, caller_id=NUMBER, forwards=(Forward(number=NUMBER, to=OUTSIDE),), max_channels=3
)
SIBLING = line("d0f1", "+441214960112", rights=ACCOUNT, caller_id=NUMBER)
NEXT = line("d0ae", NUMBER, rights=CallingRights(account_id="acc-next"))
CALLER = line("d0ca401", "+441214960103")
GIVEN_BACK = RoutedNumber(e164=NUMBER, username=FORMER.username)


async def _settings(url: str, of: Line) -> set[tuple[str, str]]:
    found = await rows(url, "usr_preferences")
    return {(row["attribute"], row["value"]) for row in found if (row["username"], row["domain"]) == (of.username, of.domain)}


async def test_calls_to_a_number_that_was_given_back_reach_its_next_customer(
    kamailio_with_gateway: RunningKamailio, switch: KamailioSwitch
) -> None:
    for one in (FORMER, SIBLING, CALLER):
        await switch.provision(one)
    await switch.silence(GIVEN_BACK)
    await switch.provision(NEXT)
    kamailio = kamailio_with_gateway
    async with kamailio.gateway() as gateway, kamailio.phone(NEXT.username, DOMAIN, password(NEXT)) as phone:
        assert await kamailio.call(CALLER.username, DOMAIN, password(CALLER), NUMBER)
        assert (len(phone.invites), len(gateway.invites)) == (1, 0), "where the former customer had them forwarded to"
        for one in (FORMER, SIBLING):
            assert await kamailio.call(one.username, DOMAIN, password(one), OUTSIDE)
            shown = [header for header in gateway.invites[-1].splitlines() if header.startswith("P-Asserted-Identity:")]
            assert NUMBER not in "".join(shown), "the former customer still shows it"


async def test_a_number_that_comes_back_is_forwarded_and_shown_as_before(switch: KamailioSwitch, database_url: str) -> None:
    for one in (FORMER, SIBLING):
        await switch.provision(one)
    before = sorted(await rows(database_url, "usr_preferences"), key=itemgetter("id"))
    for _ in range(2):
        await switch.silence(GIVEN_BACK)
    for one in (FORMER, SIBLING):
        assert not {setting for setting in await _settings(database_url, one) if setting[0] in {"forward", "caller_id"}}
    for _ in range(2):
        await switch.ring(GIVEN_BACK)
    assert sorted(await rows(database_url, "usr_preferences"), key=itemgetter("id")) == before


async def test_what_rested_with_a_number_is_gone_once_somebody_else_has_had_it(
    switch: KamailioSwitch, database_url: str
) -> None:
    for one in (FORMER, SIBLING):
        await switch.provision(one)
    await switch.silence(GIVEN_BACK)
    await switch.provision(NEXT)
    await switch.silence(RoutedNumber(e164=NUMBER, username=NEXT.username))
    await switch.ring(GIVEN_BACK)
    assert await _settings(database_url, FORMER) == {("account", "acc-former"), ("max_channels", "3")}
    assert await _settings(database_url, SIBLING) == {("account", "acc-former")}


async def test_a_line_that_takes_a_number_over_leaves_nobody_elses_settings_with_it(
    switch: KamailioSwitch, database_url: str
) -> None:
    for one in (FORMER, SIBLING):
        await switch.provision(one)
    # As numbers were given back before: only what rings was removed.
    await sql(database_url, f"DELETE FROM dbaliases WHERE alias_username IN ('{NUMBER}', '{NUMBER[1:]}')")
    await switch.provision(NEXT)
    settings = await _settings(database_url, FORMER) | await _settings(database_url, SIBLING)
    assert settings == {("account", "acc-former"), ("max_channels", "3")}


async def test_another_line_of_the_account_goes_on_showing_the_number_when_its_line_is_written_anew(
    switch: KamailioSwitch, database_url: str
) -> None:
    for one in (SIBLING, FORMER, FORMER):
        await switch.provision(one)
    assert ("caller_id", NUMBER) in await _settings(database_url, SIBLING)


async def test_a_forward_that_another_line_left_behind_is_not_followed(
    kamailio_with_gateway: RunningKamailio, switch: KamailioSwitch, database_url: str
) -> None:
    kamailio = kamailio_with_gateway
    await switch.provision(NEXT)
    await switch.provision(CALLER)
    await sql(
        database_url,
        "INSERT INTO usr_preferences (uuid, username, domain, attribute, value)"
        f" VALUES ('{NUMBER}', 'd0f0', '{DOMAIN}', 'forward', '{OUTSIDE}')",
    )
    async with kamailio.gateway() as gateway, kamailio.phone(NEXT.username, DOMAIN, password(NEXT)) as phone:
        assert await kamailio.call(CALLER.username, DOMAIN, password(CALLER), NUMBER)
        assert (len(phone.invites), len(gateway.invites)) == (1, 0)


async def test_rows_from_before_numbers_were_noted_on_them_are_found_by_number_after_migrating(
    switch: KamailioSwitch, database_url: str
) -> None:
    await switch.provision(SIBLING)
    await sql(database_url, "UPDATE usr_preferences SET uuid = '' WHERE attribute = 'caller_id'")
    await create_tables(database_url)
    await switch.silence(GIVEN_BACK)
    assert await _settings(database_url, SIBLING) == {("account", "acc-former"), ("resting_caller_id", NUMBER)}


async def test_a_line_that_was_set_up_to_show_another_number_since_shows_that_one_alone(
    switch: KamailioSwitch, database_url: str
) -> None:
    for one in (FORMER, SIBLING):
        await switch.provision(one)
    await switch.silence(GIVEN_BACK)
    setup = LineSetup(username=SIBLING.username, account_id=ACCOUNT.account_id, version=1, caller_id=OTHER)
    await switch.configure(setup)
    await switch.ring(GIVEN_BACK)
    shown = {value for attribute, value in await _settings(database_url, SIBLING) if attribute.endswith("caller_id")}
    assert shown == {OTHER}
    assert ("caller_id", NUMBER) in await _settings(database_url, FORMER), "the line that was not set up anew shows it again"


async def test_what_a_line_was_set_up_with_while_a_number_rested_counts_once_it_is_back(
    switch: KamailioSwitch, database_url: str
) -> None:
    await switch.provision(FORMER)
    await switch.silence(GIVEN_BACK)
    elsewhere = (Forward(number=NUMBER, to="+442079460999"),)
    await switch.configure(_setup(1, elsewhere))
    assert not {setting for setting in await _settings(database_url, FORMER) if setting[0] in {"forward", "caller_id"}}
    await switch.ring(GIVEN_BACK)
    wanted = {("forward", "+442079460999"), ("caller_id", NUMBER)}
    assert wanted <= await _settings(database_url, FORMER)


def _setup(version: int, forwards: tuple[Forward, ...]) -> LineSetup:
    return LineSetup(
        username=FORMER.username, account_id=ACCOUNT.account_id, version=version, caller_id=NUMBER, forwards=forwards
    )


@asynccontextmanager
async def _blocked_at_its_writing(url: str) -> AsyncIterator[None]:
    """On PostgreSQL whoever sets the line up has looked at what is there, and cannot write it; SQLite has one writer anyway."""
    if not url.startswith("postgresql"):
        yield
        return
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM usr_preferences WHERE attribute = 'max_channels' FOR UPDATE")
            yield
    finally:
        await connection.close()


async def _waits(url: str, how_many: int) -> None:
    """Until so many wait for locks."""
    if not url.startswith("postgresql"):
        return
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    try:
        while await connection.fetchval(waiting) < how_many:  # noqa: ASYNC110 - nobody else tells
            await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def test_a_number_that_is_given_back_while_its_line_is_set_up_is_not_forwarded(
    switch: KamailioSwitch, database_url: str
) -> None:
    """The setting up has read that the number rings, and has not written yet."""
    await switch.provision(FORMER.model_copy(update={"forwards": ()}))
    async with asyncio.timeout(20), asyncio.TaskGroup() as both, _blocked_at_its_writing(database_url):
        both.create_task(switch.configure(_setup(1, FORMER.forwards)))
        await _waits(database_url, 1)
        silencing = both.create_task(switch.silence(GIVEN_BACK))
        if database_url.startswith("postgresql"):
            waits = asyncio.create_task(_waits(database_url, 2))
            await asyncio.wait({silencing, waits}, return_when=asyncio.FIRST_COMPLETED)
            waits.cancel()
    left = {attribute for attribute, _ in await _settings(database_url, FORMER)}
    assert not left & {"forward", "caller_id"}
    assert {"resting_forward", "resting_caller_id"} <= left


async def test_a_number_that_comes_back_while_its_line_is_set_up_is_shown_once(
    switch: KamailioSwitch, database_url: str
) -> None:
    """The setting up has read what rests, and has not written yet."""
    await switch.provision(FORMER)
    await switch.silence(GIVEN_BACK)
    async with asyncio.timeout(20), asyncio.TaskGroup() as both, _blocked_at_its_writing(database_url):
        both.create_task(switch.configure(_setup(1, ()).model_copy(update={"caller_id": OTHER})))
        await _waits(database_url, 1)
        ringing = both.create_task(switch.ring(GIVEN_BACK))
        if database_url.startswith("postgresql"):
            waits = asyncio.create_task(_waits(database_url, 2))
            await asyncio.wait({ringing, waits}, return_when=asyncio.FIRST_COMPLETED)
            waits.cancel()
    assert [value for attribute, value in sorted(await _settings(database_url, FORMER)) if attribute == "caller_id"] == [OTHER]


@pytest.mark.parametrize("first", ["silence", "ring"])
async def test_of_many_who_set_up_silence_and_ring_at_once_none_waits_for_ever(switch: KamailioSwitch, first: str) -> None:
    for one in (FORMER, SIBLING):
        await switch.provision(one)
    acts = [getattr(switch, first), switch.silence, switch.ring] * 4
    sibling = LineSetup(username=SIBLING.username, account_id=ACCOUNT.account_id, version=1, caller_id=NUMBER)
    setups = [_setup(version, FORMER.forwards) for version in range(1, 7)] + [sibling] * 6
    await asyncio.gather(*(act(GIVEN_BACK) for act in acts), *(switch.configure(setup) for setup in setups))
