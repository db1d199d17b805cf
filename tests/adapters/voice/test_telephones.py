"""What a customer notices, with the real Kamailio over both databases and real SIP on the wire."""

import asyncio

import httpx
import pytest

from adapters.voice.kamailio import KamailioSwitch
from tests.adapters.voice.ground import DOMAIN, SECRETS, line, password, removal, sql
from tests.sip import RunningKamailio

ALICE = line("d0a11ce", "+441214960101")
BOB = line("d00b0b", "+441214960102")


@pytest.fixture
async def customers(switch: KamailioSwitch) -> None:
    """Two customers' lines, provisioned while the switch may already be running."""
    await switch.provision(ALICE)
    await switch.provision(BOB)


async def test_a_device_registers_as_soon_as_its_line_is_provisioned(kamailio: RunningKamailio, switch: KamailioSwitch) -> None:
    assert (await kamailio.register(ALICE.username, DOMAIN, password(ALICE))).status == 403
    await switch.provision(ALICE)
    assert (await kamailio.register(ALICE.username, DOMAIN, password(ALICE))).status == 200


@pytest.mark.usefixtures("customers")
async def test_a_wrong_password_and_an_unknown_line_are_refused_alike(kamailio: RunningKamailio) -> None:
    wrong = await kamailio.register(ALICE.username, DOMAIN, password(BOB))
    unknown = await kamailio.register("d0nob0dy", DOMAIN, password(BOB))
    elsewhere = await kamailio.register(ALICE.username, "sip.otherlabel.example", password(ALICE))
    assert wrong == unknown == elsewhere
    assert wrong.status == 403


@pytest.mark.usefixtures("customers")
async def test_a_removed_customer_can_neither_register_nor_call_nor_be_called(
    kamailio: RunningKamailio, switch: KamailioSwitch
) -> None:
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)) as phone:
        assert await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102")
        await switch.remove(removal(BOB))

        assert (await kamailio.register(BOB.username, DOMAIN, password(BOB))).status == 403
        assert (await kamailio.call(BOB.username, DOMAIN, password(BOB), "+441214960101")).status == 403
        for callee in ("+441214960102", "441214960102", BOB.username):
            assert (await kamailio.call(ALICE.username, DOMAIN, password(ALICE), callee)).status == 404
        assert len(phone.invites) == 1


@pytest.mark.usefixtures("customers")
async def test_with_json_rpc_the_removed_device_is_forgotten_at_once(kamailio: RunningKamailio, database_url: str) -> None:
    address = f"{BOB.username}@{DOMAIN}"
    await kamailio.register(BOB.username, DOMAIN, password(BOB))
    assert "result" in await kamailio.rpc("ul.lookup", "location", address)

    switch = KamailioSwitch(database_url, SECRETS, kamailio.rpc_url)
    try:
        await switch.remove(removal(BOB))
        assert "error" in await kamailio.rpc("ul.lookup", "location", address)
        await switch.remove(removal(BOB))
    finally:
        await switch.close()


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "rebound.example"}],
    ids=["a page that names itself", "a browser", "a name that was made to resolve to loopback"],
)
async def test_a_web_page_cannot_command_the_switch(kamailio: RunningKamailio, headers: dict[str, str]) -> None:
    command = b'{"jsonrpc": "2.0", "id": 1, "method": "core.uptime"}'
    async with httpx.AsyncClient(trust_env=False) as browser:
        answer = await browser.post(kamailio.rpc_url, content=command, headers=headers)
    assert answer.status_code == 403
    assert "result" not in answer.text
    assert "result" in await kamailio.rpc("core.uptime"), "our own programs still may"


@pytest.mark.usefixtures("customers")
async def test_a_call_to_a_customers_number_reaches_the_registered_device(kamailio: RunningKamailio) -> None:
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)) as phone:
        for callee in ("+441214960102", "441214960102"):
            assert await kamailio.call(ALICE.username, DOMAIN, password(ALICE), callee)
        assert len(phone.invites) == 2


async def test_a_call_crosses_from_one_white_label_to_another(kamailio: RunningKamailio, switch: KamailioSwitch) -> None:
    other = line("d0ca401", "+441214960103", domain="sip.otherlabel.example")
    await switch.provision(ALICE)
    await switch.provision(other)
    async with kamailio.phone(other.username, other.domain, password(other)) as phone:
        assert await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960103")
        assert len(phone.invites) == 1


@pytest.mark.usefixtures("customers")
async def test_a_call_shows_the_callers_own_number_whatever_the_device_claims(kamailio: RunningKamailio) -> None:
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)) as phone:
        assert await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102")
        [invite] = phone.invites
    identities = [header for header in invite.splitlines() if header.lower().startswith("p-asserted-identity:")]
    assert identities == [f"P-Asserted-Identity: <sip:+441214960101@{DOMAIN}>"]


@pytest.mark.usefixtures("customers")
async def test_nobody_calls_under_another_lines_name_or_with_a_wrong_password(kamailio: RunningKamailio) -> None:
    assert (await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102", as_user=BOB.username)).status == 403
    assert (await kamailio.call(ALICE.username, DOMAIN, password(BOB), "+441214960102")).status == 403


@pytest.mark.usefixtures("customers")
async def test_a_device_that_is_off_is_480_and_a_number_of_nobody_is_404(kamailio: RunningKamailio) -> None:
    assert (await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102")).status == 480
    assert (await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960109")).status == 404
    assert (await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "d0nob0dy")).status == 404


@pytest.mark.usefixtures("customers")
async def test_a_device_behind_a_home_router_is_reached_where_it_came_from(kamailio: RunningKamailio) -> None:
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB), contact="192.168.1.20:5060") as phone:
        assert await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102")
        assert len(phone.invites) == 1


@pytest.mark.requirement("S4-17")
async def test_a_line_makes_no_more_calls_at_once_than_it_has_channels(
    kamailio: RunningKamailio, switch: KamailioSwitch
) -> None:
    await switch.provision(line(ALICE.username, *ALICE.numbers, max_channels=2))
    await switch.provision(BOB)

    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)) as phone:
        enough = asyncio.Event()
        talking = [
            asyncio.create_task(kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102", until=enough))
            for _ in range(2)
        ]
        await phone.has_answered(2)
        third = await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102")
        assert (third.status, third.reason) == (486, "All channels of this line are in use")
        enough.set()
        assert all(await asyncio.gather(*talking))
        assert await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102"), (
            "a call that ended gives its channel back"
        )
        assert len(phone.invites) == 3


async def test_calls_that_start_at_the_same_instant_do_not_share_the_last_channel(
    kamailio: RunningKamailio, switch: KamailioSwitch
) -> None:
    await switch.provision(line(ALICE.username, *ALICE.numbers, max_channels=2))
    await switch.provision(BOB)
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)) as phone:
        enough = asyncio.Event()
        calls = [
            asyncio.create_task(kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102", until=enough))
            for _ in range(8)
        ]
        refused = asyncio.as_completed(calls)
        for _ in range(6):
            await next(refused)
        enough.set()
        answers = [answer.status for answer in await asyncio.gather(*calls)]
        assert sorted(answers) == [200, 200] + [486] * 6
        assert len(phone.invites) == 2


@pytest.mark.requirement("S4-17")
async def test_a_line_without_a_limit_makes_as_many_calls_as_it_likes(
    kamailio: RunningKamailio, switch: KamailioSwitch
) -> None:
    await switch.provision(ALICE)
    await switch.provision(BOB)
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)) as phone:
        calls = [kamailio.call(ALICE.username, DOMAIN, password(ALICE), "+441214960102", talk=0.5) for _ in range(4)]
        assert all(await asyncio.gather(*calls))
        assert len(phone.invites) == 4


@pytest.mark.usefixtures("customers")
async def test_a_device_is_told_to_come_back_when_subscribers_cannot_be_read(
    kamailio: RunningKamailio, database_url: str
) -> None:
    await sql(database_url, "ALTER TABLE subscriber RENAME TO away")
    assert (await kamailio.register(ALICE.username, DOMAIN, password(ALICE))).status == 500
    await sql(database_url, "ALTER TABLE away RENAME TO subscriber")
    assert (await kamailio.register(ALICE.username, DOMAIN, password(ALICE))).status == 200


@pytest.mark.usefixtures("customers")
async def test_a_device_registers_while_lines_are_being_written(kamailio: RunningKamailio, switch: KamailioSwitch) -> None:
    writing = asyncio.gather(*(switch.provision(line(f"d{index}", f"+4412149602{index:02}")) for index in range(100)))
    assert (await kamailio.register(ALICE.username, DOMAIN, password(ALICE))).status == 200
    await writing
