"""A number that changes hands takes nothing of its former customer along: neither where calls went nor whose number is shown."""

from operator import itemgetter

from adapters.voice.kamailio import KamailioSwitch
from adapters.voice.tables import create_tables
from domain.calling import CallingRights
from domain.voice import Forward, Line, RoutedNumber
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
