"""What an account may do, enforced by the real Kamailio over both databases and seen on the wire."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.voice.kamailio import KamailioSwitch
from domain.calling import Calling, CallingWrite, DialRule, LineName, SuspensionReason
from domain.voice import Forward, Line
from tests.adapters.voice.ground import DOMAIN, line, password, removal, rows, sql
from tests.sip import Answer, RunningKamailio, require_sip

BOB = line("d00b0b", "+441214960102")
TO_BOB = "+441214960102"
OUTSIDE = "+442079460018"


def allowed(**changes: Any) -> Calling:
    return Calling(**{"account_id": "acc-alice", "rate_group": "uk", **changes})


def alice(calling: Calling | None = None, **more: Any) -> Line:
    return line("d0a11ce", "+441214960101", rights=(calling or allowed()).rights, **more)


async def call(kamailio: RunningKamailio, callee: str, by: Line | None = None, **more: Any) -> Answer:
    by = by or alice()
    return await kamailio.call(by.username, DOMAIN, password(by), callee, **more)


@pytest.mark.parametrize(
    ("calling", "reason"),
    [
        (allowed(rate_group=None, rated=False), "Calls Barred: No Rate Group"),
        (allowed(rated_until=datetime.now(UTC) - timedelta(days=400)), "Calls Barred: No Rate Group"),
        (allowed(expires_at=datetime.now(UTC) - timedelta(days=400)), "Calls Barred: Account Expired"),
        (allowed(suspended_for=(SuspensionReason.ADMIN,)), "Calls Barred: Account Suspended"),
        (allowed(suspended_for=(SuspensionReason.PAYMENT, SuspensionReason.FRAUD)), "Calls Barred: Account Suspended"),
        (allowed(suspended_for=(SuspensionReason.EXPIRY,)), "Calls Barred: Account Expired"),
    ],
    ids=["no rate group", "rate group ended", "expired", "suspended", "suspended twice over", "expired by a person"],
)
async def test_an_account_that_may_not_call_registers_and_is_called_and_cannot_call(
    kamailio: RunningKamailio, switch: KamailioSwitch, calling: Calling, reason: str
) -> None:
    await switch.provision(alice(calling))
    await switch.provision(BOB)
    async with (
        kamailio.phone(alice().username, DOMAIN, password(alice())) as phone,
        kamailio.phone(BOB.username, DOMAIN, password(BOB)) as bobs,
    ):
        answer = await call(kamailio, TO_BOB)
        assert (answer.status, answer.reason) == (403, reason)
        assert await call(kamailio, "+441214960101", BOB), "incoming calls are not barred"
        assert len(phone.invites) == 1
        assert not bobs.invites


async def test_an_account_whose_time_has_not_come_calls(kamailio: RunningKamailio, switch: KamailioSwitch) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    await switch.provision(alice(allowed(expires_at=soon, rated_until=soon)))
    await switch.provision(BOB)
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)):
        assert await call(kamailio, TO_BOB)


@pytest.mark.requirement("S4-20")
async def test_an_account_expires_by_itself_while_the_switch_runs(kamailio: RunningKamailio, switch: KamailioSwitch) -> None:
    await switch.provision(alice(allowed(expires_at=datetime.now(UTC) + timedelta(hours=1))))
    await switch.provision(BOB)
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)):
        assert await call(kamailio, TO_BOB)
        ends = datetime.now(UTC) + timedelta(seconds=2)
        await switch.allow(CallingWrite(calling=allowed(version=1, expires_at=ends)))
        async with asyncio.timeout(10):
            while (answer := await call(kamailio, TO_BOB)).status == 200:
                pass
    assert answer.reason == "Calls Barred: Account Expired"
    assert datetime.now(UTC) >= ends


async def test_a_change_works_from_the_next_call_and_an_older_one_that_arrives_late_does_not(
    kamailio: RunningKamailio, switch: KamailioSwitch
) -> None:
    await switch.provision(alice())
    await switch.provision(BOB)
    suspended = allowed(version=1, suspended_for=(SuspensionReason.PAYMENT,))
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)):
        await switch.allow(CallingWrite(calling=allowed(version=2)))
        await switch.allow(CallingWrite(calling=suspended))
        assert await call(kamailio, TO_BOB), "the older change came late"
        await switch.allow(CallingWrite(calling=suspended.model_copy(update={"version": 3})))
        assert (await call(kamailio, TO_BOB)).status == 403
        await switch.provision(alice())
        assert (await call(kamailio, TO_BOB)).status == 403, "a line that is provisioned anew does not lift a suspension"
        await switch.allow(CallingWrite(calling=allowed(version=4)))
        assert await call(kamailio, TO_BOB)


async def test_a_line_from_before_accounts_were_known_is_suspended_too(
    kamailio: RunningKamailio, switch: KamailioSwitch
) -> None:
    old = line("d0a11ce", "+441214960101")
    await switch.provision(old)
    await switch.provision(BOB)
    names = (LineName(username=old.username, domain=DOMAIN), LineName(username="d0nevermade", domain=DOMAIN))
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)):
        assert await call(kamailio, TO_BOB, old)
        await switch.allow(CallingWrite(calling=allowed(version=1, suspended_for=(SuspensionReason.ADMIN,)), lines=names))
        assert (await call(kamailio, TO_BOB, old)).status == 403


@pytest.mark.parametrize(
    ("dialled", "arrives"),
    [("02079460018", OUTSIDE), ("00442079460018", OUTSIDE), ("+442079460018", OUTSIDE), ("9*02079460018", OUTSIDE)],
    ids=["national", "international", "E.164", "outside line"],
)
async def test_what_is_dialled_is_translated_before_it_leaves(
    kamailio_with_gateway: RunningKamailio, switch: KamailioSwitch, dialled: str, arrives: str
) -> None:
    rules = tuple(DialRule(strip=strip, replace=replace) for strip, replace in (("9*0", "+44"), ("00", "+"), ("0", "+44")))
    await switch.provision(alice(allowed(dial_rules=rules), caller_id="+441214960177"))
    async with kamailio_with_gateway.gateway() as gateway:
        assert await call(kamailio_with_gateway, dialled)
        [invite] = gateway.invites
    assert invite.startswith(f"INVITE sip:{arrives}@")
    assert f"P-Asserted-Identity: <sip:+441214960177@{DOMAIN}>" in invite
    assert "+441210000000" not in invite, "what the telephone claims is taken off"


async def test_without_rules_a_number_leaves_as_it_was_dialled_and_a_national_one_not_at_all(
    kamailio_with_gateway: RunningKamailio, switch: KamailioSwitch
) -> None:
    await switch.provision(alice())
    async with kamailio_with_gateway.gateway() as gateway:
        assert await call(kamailio_with_gateway, "442079460018")
        assert (await call(kamailio_with_gateway, "02079460018")).status == 404
        [invite] = gateway.invites
    assert invite.startswith(f"INVITE sip:{OUTSIDE}@")
    assert f"P-Asserted-Identity: <sip:+441214960101@{DOMAIN}>" in invite


async def test_emergency_calls_pass_whatever_keeps_the_account_from_calling(
    kamailio_with_gateway: RunningKamailio, switch: KamailioSwitch
) -> None:
    barred = allowed(
        rated=False,
        expires_at=datetime.now(UTC) - timedelta(days=1),
        suspended_for=(SuspensionReason.FRAUD,),
        dial_rules=(DialRule(strip="9", replace=""),),
    )
    await switch.provision(alice(barred, max_channels=1))
    async with kamailio_with_gateway.gateway() as gateway:
        for dialled in ("112", "999", "9112"):
            assert await call(kamailio_with_gateway, dialled), dialled
        assert (await call(kamailio_with_gateway, OUTSIDE)).status == 403
        assert [invite.split("@")[0] for invite in gateway.invites] == ["INVITE sip:112", "INVITE sip:999", "INVITE sip:112"]


async def test_a_line_whose_rights_cannot_be_read_is_told_to_come_back_and_calls_for_help_all_the_same(
    kamailio_with_gateway: RunningKamailio, switch: KamailioSwitch, database_url: str
) -> None:
    await switch.provision(alice())
    await sql(database_url, "DELETE FROM usr_preferences WHERE attribute = 'rights'")
    async with kamailio_with_gateway.gateway():
        assert (await call(kamailio_with_gateway, OUTSIDE)).status == 500
        assert await call(kamailio_with_gateway, "999")


async def test_without_a_gateway_an_emergency_call_is_not_pretended(kamailio: RunningKamailio, switch: KamailioSwitch) -> None:
    await switch.provision(alice())
    assert (await call(kamailio, "999")).status == 404


async def test_channels_count_calls_to_the_telephone_network_and_emergency_calls_need_none(
    kamailio_with_gateway: RunningKamailio, switch: KamailioSwitch
) -> None:
    await switch.provision(alice(max_channels=1))
    async with kamailio_with_gateway.gateway() as gateway:
        enough = asyncio.Event()
        talking = asyncio.create_task(call(kamailio_with_gateway, OUTSIDE, until=enough))
        await gateway.has_answered(1)
        second = await call(kamailio_with_gateway, OUTSIDE)
        assert (second.status, second.reason) == (486, "All channels of this line are in use")
        assert await call(kamailio_with_gateway, "999")
        enough.set()
        assert await talking
        assert await call(kamailio_with_gateway, OUTSIDE), "a call that ended gives its channel back"


async def test_a_forwarded_number_reaches_its_target_and_does_not_ring_the_line(
    kamailio_with_gateway: RunningKamailio, switch: KamailioSwitch
) -> None:
    numbers = ("+441214960101", "+441214960111", "+441214960112")
    forwards = (Forward(number=numbers[1], to=OUTSIDE), Forward(number=numbers[2], to=TO_BOB))
    await switch.provision(line("d0a11ce", *numbers, rights=allowed().rights, forwards=forwards))
    await switch.provision(BOB)
    caller = line("d0ca401", "+441214960103")
    await switch.provision(caller)
    async with (
        kamailio_with_gateway.gateway() as gateway,
        kamailio_with_gateway.phone(alice().username, DOMAIN, password(alice())) as own,
        kamailio_with_gateway.phone(BOB.username, DOMAIN, password(BOB)) as bobs,
    ):
        for dialled in (*numbers, numbers[1].removeprefix("+")):
            assert await call(kamailio_with_gateway, dialled, caller), dialled
        assert len(own.invites) == len(bobs.invites) == 1
        assert len(gateway.invites) == 2
        invite = gateway.invites[0]
    assert invite.startswith(f"INVITE sip:{OUTSIDE}@")
    assert f"Diversion: <sip:{numbers[1]}@{DOMAIN}>;reason=unconditional" in invite
    assert f"P-Asserted-Identity: <sip:+441214960103@{DOMAIN}>" in invite


async def test_a_suspended_account_does_not_forward_either(
    kamailio_with_gateway: RunningKamailio, switch: KamailioSwitch
) -> None:
    suspended = allowed(suspended_for=(SuspensionReason.FRAUD,))
    await switch.provision(alice(suspended, forwards=(Forward(number="+441214960101", to=OUTSIDE),)))
    await switch.provision(BOB)
    async with kamailio_with_gateway.gateway() as gateway:
        answer = await call(kamailio_with_gateway, "+441214960101", BOB)
        assert (answer.status, answer.reason) == (480, "Forwarding Barred")
        assert not gateway.invites


async def test_numbers_that_forward_to_each_other_end(kamailio: RunningKamailio, switch: KamailioSwitch) -> None:
    numbers = ("+441214960101", "+441214960111")
    circle = (Forward(number=numbers[0], to=numbers[1]), Forward(number=numbers[1], to=numbers[0]))
    await switch.provision(line("d0a11ce", *numbers, rights=allowed().rights, forwards=circle))
    await switch.provision(BOB)
    assert (await call(kamailio, numbers[0], BOB)).status == 482


async def test_the_first_call_that_goes_through_is_remembered_and_no_later_one(
    kamailio: RunningKamailio, switch: KamailioSwitch
) -> None:
    await switch.provision(alice())
    await switch.provision(BOB)
    assert (await call(kamailio, TO_BOB)).status == 480
    assert await switch.first_call("acc-alice") is None
    async with kamailio.phone(BOB.username, DOMAIN, password(BOB)):
        before = datetime.now(UTC).replace(microsecond=0)
        assert await call(kamailio, TO_BOB)
        first = await switch.first_call("acc-alice")
        assert first is not None
        assert before <= first <= datetime.now(UTC)
        await asyncio.sleep(1.1)  # the switch counts seconds
        assert await call(kamailio, TO_BOB)
        assert await switch.first_call("acc-alice") == first


async def test_removing_the_lines_removes_all_that_came_with_them(switch: KamailioSwitch, database_url: str) -> None:
    forwards = (Forward(number="+441214960101", to=OUTSIDE),)
    first = alice(allowed(dial_rules=(DialRule(strip="0", replace="+44"),)), forwards=forwards, max_channels=2)
    second = line("d0a2", rights=allowed().rights)
    for one in (first, second):
        await switch.provision(one)
    await switch.remove(removal(first))
    left = {(row["username"], row["uuid"], row["attribute"]) for row in await rows(database_url, "usr_preferences")}
    assert left == {("d0a2", "", "account"), ("", "acc-alice", "rights"), ("", "acc-alice", "dial_rules")}
    await switch.remove(removal(second))
    for table in ("subscriber", "dbaliases", "usr_preferences", "dialtone_first_calls"):
        assert await rows(database_url, table) == [], table


async def test_lines_of_one_account_come_and_go_at_once(switch: KamailioSwitch, database_url: str) -> None:
    lines = [line(f"d{index}", f"+4412149603{index:02}", rights=allowed().rights) for index in range(20)]
    await asyncio.gather(*(switch.provision(one) for one in lines))
    assert len([row for row in await rows(database_url, "usr_preferences") if row["attribute"] == "rights"]) == 1
    await asyncio.gather(*(switch.remove(removal(one)) for one in lines))
    assert await rows(database_url, "usr_preferences") == []


async def test_what_people_decided_outlives_the_lines(switch: KamailioSwitch, database_url: str) -> None:
    await switch.provision(alice())
    await switch.allow(CallingWrite(calling=allowed(version=1, suspended_for=(SuspensionReason.FRAUD,))))
    await switch.remove(removal(alice()))
    [row] = await rows(database_url, "usr_preferences")
    assert (row["uuid"], row["value"]) == ("acc-alice", "version=1;barred=fraud")


async def test_a_gateway_that_looks_at_from_sees_the_number_there_and_the_telephone_its_own_name(
    database_url: str, switch: KamailioSwitch
) -> None:
    require_sip()
    await switch.provision(alice(caller_id="+441214960177"))
    async with (
        RunningKamailio(database_url, gateway=True, defines=["FROM_SHOWS_NUMBER"]) as kamailio,
        kamailio.gateway() as gateway,
    ):
        # The telephone would not recognise an answer to a From that it did not send, nor the gateway its own hanging up.
        assert await call(kamailio, OUTSIDE)
        [invite] = gateway.invites
    assert f"From: <sip:+441214960177@{DOMAIN}>;tag=" in invite
    assert alice().username not in next(header for header in invite.splitlines() if header.startswith("From:"))
