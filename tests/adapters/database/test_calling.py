"""The right to call in our own records, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.database import Database
from domain.calling import Calling, CallingChange, RateGroup, SuspensionReason
from domain.errors import NotFound, Refused
from domain.keys import line_name
from domain.onboarding import Step
from tests.adapters.database.conftest import TENANT
from tests.adapters.database.steps import DRAMA, Case
from tests.builders import a_tenant

_R = SuspensionReason


async def live(database: Database, **calling: Any) -> Case:
    """An active customer; with nothing said about calling one from before it was."""
    await database.admin.import_numbers(TENANT.id, DRAMA[:5])
    case = Case()
    await database.records.open_account(case.opening())
    reservation = await database.numbers.reserve(case.reservation())
    await database.ledger.hold(case.on_ledger())
    await database.ledger.take(case.on_ledger())
    begins = Calling(account_id=case.account, onboarding_id=case.id, **calling) if calling else None
    await database.records.go_live(case.going_live(reservation).model_copy(update={"calling": begins}))
    return case


def change(case: Case, key: str, act: str = "suspend", reason: _R | None = _R.FRAUD, **more: Any) -> CallingChange:
    values = {"key": key, "account_id": case.account, "tenant_id": TENANT.id, "actor": "key:1", "act": act, "reason": reason}
    return CallingChange.model_validate({**values, "at": datetime.now(UTC), **more})


async def test_an_account_goes_live_with_its_right_to_call_and_loses_it_when_that_is_withdrawn(database: Database) -> None:
    case = await live(database, rate_group="uk", late_payment_exempt=True)
    found = await database.calling.get(case.account, TENANT.id)
    assert (found.rate_group, found.late_payment_exempt, found.version, found.switch_version) == ("uk", True, 0, 0)
    await database.records.withdraw(case.undo(Step.GO_LIVE))
    with pytest.raises(Refused) as refused:
        await database.calling.get(case.account)
    assert refused.value.code == "not_active"
    with pytest.raises(Refused) as refused:
        await database.calling.change(change(case, "late"))
    assert refused.value.code == "not_active"


async def test_an_account_from_before_may_call_and_can_be_suspended(database: Database) -> None:
    case = await live(database)
    before = await database.calling.get(case.account)
    assert (before.barred(datetime.now(UTC)), before.onboarding_id) == ((), case.id)
    write = await database.calling.change(change(case, "1"))
    assert write.calling.suspended_for == (_R.FRAUD,)
    assert [(line.username, line.domain) for line in write.lines] == [(line_name(case.id, 0), TENANT.sip_domain)]
    after = await database.calling.get(case.account)
    assert (after.version, after.switch_version) == (1, 0)
    for version in (1, 0):
        await database.calling.confirm(case.account, version)
    assert (await database.calling.get(case.account)).switch_version == 1


async def test_a_change_is_made_once_per_key_and_told_once(database: Database) -> None:
    case = await live(database, rate_group="uk")
    for _ in range(2):
        write = await database.calling.change(change(case, "same", note="told by the fraud desk"))
        assert write.calling.version == 1
    assert (await database.calling.change(change(case, "another"))).calling.version == 1, "it changes nothing"
    told = [(event.event, event.actor, event.detail) for event in await database.reader.timeline(case.id)]
    assert told[-1] == ("suspended", "key:1", {"reason": "fraud", "note": "told by the fraud desk"})
    assert [event for event, _, _ in told].count("suspended") == 1


async def test_changes_at_the_same_moment_all_count(database: Database) -> None:
    case = await live(database, rate_group="uk")
    await asyncio.gather(*(database.calling.change(change(case, f"{index}", reason=reason)) for index, reason in enumerate(_R)))
    found = await database.calling.get(case.account)
    assert (set(found.suspended_for), found.version) == (set(_R), len(_R))
    lifted = await asyncio.gather(
        *(database.calling.change(change(case, f"up {index}", "resume", reason)) for index, reason in enumerate(_R))
    )
    assert sorted(write.calling.version for write in lifted) == [5, 6, 7, 8]
    assert (await database.calling.get(case.account)).suspended_for == ()


async def test_a_refused_change_leaves_no_trace_and_may_be_asked_for_again(database: Database) -> None:
    case = await live(database, rate_group="uk", late_payment_exempt=True)
    with pytest.raises(Refused) as refused:
        await database.calling.change(change(case, "1", reason=_R.PAYMENT))
    assert refused.value.code == "exempt_from_late_payment"
    assert (await database.calling.get(case.account)).version == 0
    await database.calling.change(change(case, "2", "set", None, fields={"late_payment_exempt"}))
    assert (await database.calling.change(change(case, "1", reason=_R.PAYMENT))).calling.suspended_for == (_R.PAYMENT,)


async def test_other_white_labels_and_things_that_are_no_customers_are_not_found(database: Database) -> None:
    case = await live(database, rate_group="uk")
    for account, tenant in ((case.account, "somebody else"), ("nobody", None), (TENANT.id, TENANT.id)):
        with pytest.raises(NotFound):
            await database.calling.get(account, tenant)
    with pytest.raises(Refused) as refused:
        await database.calling.change(change(case, "1", "resume").model_copy(update={"tenant_id": "somebody else"}))
    assert refused.value.code == "moved_meanwhile"


async def test_rate_groups_are_created_at_the_end_and_changed_where_they_stand(database: Database) -> None:
    await asyncio.gather(
        *(database.admin.put_rate_group(TENANT.id, RateGroup(code=f"g{index}", name="G")) for index in range(8))
    )
    assert len(await database.admin.rate_groups(TENANT.id)) == 9, "none is lost when several are created at once"
    ended = RateGroup(code="uk-standard", name="UK", valid_until=datetime.now(UTC).date() - timedelta(days=1))
    await database.admin.put_rate_group(TENANT.id, ended)
    assert (await database.admin.rate_groups(TENANT.id))[0] == ended
    with pytest.raises(NotFound):
        await database.admin.put_rate_group("nobody", ended)


async def test_putting_a_white_label_again_keeps_the_rate_groups_that_its_file_does_not_know(database: Database) -> None:
    await database.admin.put_rate_group(TENANT.id, RateGroup(code="special", name="Special"))
    await database.admin.put_tenant(a_tenant(rate_groups=(RateGroup(code="new", name="New"),)))
    assert [group.code for group in await database.admin.rate_groups(TENANT.id)] == ["new", "uk-standard", "special"]
