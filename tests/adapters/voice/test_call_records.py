"""Call records: written by the real Kamailio when a call has ended, over both databases."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from adapters.voice.kamailio import KamailioSwitch
from domain.call_records import CallRecord
from domain.calling import Calling, DialRule
from tests.adapters.voice.ground import DOMAIN, line, password, sql
from tests.sip import RunningKamailio

BOB = line("d00b0b", "+441214960102")
RULES = Calling(account_id="acc-alice", rate_group="uk", dial_rules=(DialRule(strip="0", replace="+44"),))
ALICE = line("d0a11ce", "+441214960101", rights=RULES.rights)


async def records(switch: KamailioSwitch, most: int = 100, after: tuple[int, int] | None = None) -> Sequence[CallRecord]:
    now = datetime.now(UTC)
    return await switch.call_records("acc-alice", now - timedelta(hours=1), now + timedelta(hours=1), after, most)


async def recorded(switch: KamailioSwitch, count: int) -> Sequence[CallRecord]:
    async with asyncio.timeout(30):
        while len(found := await records(switch)) < count:  # noqa: ASYNC110, the switch writes them
            await asyncio.sleep(0.05)
    return found


async def test_an_answered_call_leaves_a_record_when_it_has_ended(kamailio: RunningKamailio, switch: KamailioSwitch) -> None:
    await switch.provision(ALICE)
    await switch.provision(BOB)

    async def call(callee: str, talk: float = 0.1) -> bool:
        return bool(await kamailio.call(ALICE.username, DOMAIN, password(ALICE), callee, talk=talk))

    assert not await call("+441214960102"), "nobody answers"
    before = datetime.now(UTC).replace(microsecond=0)
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)):
        assert await call("01214960102", talk=2.2)
        assert await kamailio.call(BOB.username, DOMAIN, password(BOB), "+441214960101") is not None
    [record] = await recorded(switch, 1)
    assert (record.account_id, record.line) == ("acc-alice", ALICE.username)
    assert (record.caller, record.called) == ("+441214960101", "+441214960102")
    assert before <= record.began_at <= datetime.now(UTC)
    assert 2 <= record.seconds <= 30


async def test_what_somebody_dials_never_reaches_a_statement_as_anything_but_a_name(
    kamailio: RunningKamailio, switch: KamailioSwitch, database_url: str
) -> None:
    """A provider's own subscriber may be called anything, and whoever calls it dials that."""
    await switch.provision(ALICE)
    ha1 = hashlib.md5(f"o'b:{DOMAIN}:secret".encode(), usedforsecurity=False).hexdigest()
    values = f"('o''b', '{DOMAIN}', '', '{ha1}', '{ha1}')"
    await sql(database_url, f"INSERT INTO subscriber (username, domain, password, ha1, ha1b) VALUES {values}")
    async with kamailio.phone("o'b", DOMAIN, "secret"):
        assert await kamailio.call(ALICE.username, DOMAIN, password(ALICE), "o'b")
    [record] = await recorded(switch, 1)
    assert record.called == "unknown"


async def test_records_are_read_in_their_order_page_by_page(switch: KamailioSwitch, database_url: str) -> None:
    now = int(datetime.now(UTC).timestamp())
    for at in (5, 3, 3, 9):
        values = f"('acc-alice', 'd1', '', '{at}', {now - 60 + at}, {at})"
        await sql(
            database_url,
            f"INSERT INTO dialtone_call_records (account_id, line, caller, called, began_at, seconds) VALUES {values}",
        )
    found, after = [], None
    while page := await records(switch, 2, after):
        found += page
        after = page[-1].position
    assert [one.seconds for one in found] == [3, 3, 5, 9]
    assert await switch.call_records("acc-bob", datetime.now(UTC) - timedelta(days=1), datetime.now(UTC), None, 9) == []
