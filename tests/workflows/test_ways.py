"""The ways through an onboarding that works, what each costs, and what can be asked meanwhile and afterwards."""

import pytest

from domain.catalogue import Plan, PriceList
from domain.keys import account_id
from domain.numbers import NumberSelection
from domain.onboarding import OnboardingInput, OnboardingStatus, State, UndoResolution
from domain.orders import AccountType, Administration, Service
from domain.payments import MeansKind
from tests.builders import a_tenant, an_onboarding, an_order, paid_by_parent
from tests.simulators import FORWARD, Fault, World
from tests.workflows.conftest import Office
from tests.workflows.people import activate, events, pay, quiet, refusal

FREE = a_tenant(price_list=PriceList(version="1", plans=(Plan(code="free", name="Free", period_minor=0),)))


async def test_an_order_that_costs_nothing_asks_for_no_card(office: Office, world: World) -> None:
    onboarding = an_onboarding(tenant=FREE)
    assert onboarding.quote.total_minor == 0
    handle = await office.start(onboarding)
    await activate(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    assert world.effects == ["open_account", "reserve_numbers", "provision", "go_live"]
    assert world.payments == {}


@pytest.mark.parametrize("fault", ["provision", "go_live"])
async def test_an_order_that_costs_nothing_is_undone_without_money(office: Office, world: World, fault: str) -> None:
    world.faults[fault] = Fault("done_then_broken")
    handle = await office.start(an_onboarding(tenant=FREE))
    await activate(office, handle)
    if fault == "provision":
        await office.reaches(handle, State.HELD)
    await handle.cancel()
    with pytest.raises(Exception, match="Workflow execution"):
        await handle.result()
    assert world.effects == []
    assert world.calls["release_payment"] == 0


async def test_an_account_with_credit_pays_for_itself(office: Office, world: World) -> None:
    order = an_order(administration=Administration.OPERATOR, account_type=AccountType.POSTPAID, credit_limit_minor=100_000)
    onboarding = an_onboarding(order)
    assert (await (await office.start(onboarding)).result()).state is State.ACTIVE
    (means,) = world.paid_by.values()
    assert (means.kind, means.reference) == (MeansKind.OWN_ACCOUNT, account_id(onboarding.id))
    assert world.effects == list(FORWARD)


async def test_a_parent_pays_from_its_own_ledger(office: Office, world: World) -> None:
    onboarding = an_onboarding(paid_by_parent())
    assert (await (await office.start(onboarding)).result()).state is State.ACTIVE
    (means,) = world.paid_by.values()
    assert (means.kind, means.reference) == (MeansKind.PARENT_ACCOUNT, onboarding.tenant_id)


async def test_a_ledger_that_cannot_bear_the_amount_declines(office: Office, world: World) -> None:
    world.faults["authorise"] = Fault("refused")
    outcome = await (await office.start(an_onboarding(paid_by_parent()))).result()
    assert outcome.state is State.DECLINED
    assert world.effects == []


@pytest.mark.parametrize("services", [(), (Service(numbers=NumberSelection()),)])
async def test_an_order_without_numbers_holds_none(office: Office, world: World, services: tuple[Service, ...]) -> None:
    handle = await office.start(an_onboarding(paid_by_parent(services=services)))
    assert (await handle.result()).state is State.ACTIVE
    assert ("provision" in world.effects) == bool(services)
    assert "reserve_numbers" not in world.effects
    assert world.reservations == {}


def customers_own() -> OnboardingInput:
    return an_onboarding(an_order())


async def test_the_longest_way_stays_small(office: Office, world: World) -> None:
    """One number, a customer who activates and pays by card: what everybody pays for in storage and replay."""
    handle = await office.start(customers_own())
    await activate(office, handle)
    await pay(office, handle)
    assert (await handle.result()).state is State.ACTIVE
    described = (await handle.describe()).raw_description.workflow_execution_info
    assert described.history_length < 75, described.history_length
    assert described.history_size_bytes < 20_000, described.history_size_bytes


async def test_the_shortest_way_stays_smaller(office: Office) -> None:
    handle = await office.start(an_onboarding(paid_by_parent()))
    assert (await handle.result()).state is State.ACTIVE
    described = (await handle.describe()).raw_description.workflow_execution_info
    assert described.history_length < 45, described.history_length
    assert described.history_size_bytes < 15_000, described.history_size_bytes


async def test_the_state_can_be_asked_for_while_it_waits_and_after_it_has_ended(office: Office, world: World) -> None:
    onboarding = customers_own()
    handle = await office.start(onboarding)
    waiting = await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    assert waiting.deadline is not None
    assert (waiting.id, waiting.numbers, waiting.outcome) == (onboarding.id, ("+441214960000",), None)
    length = await quiet(handle)
    for _ in range(3):
        await handle.query("state", result_type=OnboardingStatus)
    assert len(await events(handle)) == length, "asking costs nothing"
    await activate(office, handle)
    await pay(office, handle)
    outcome = await handle.result()
    ended = await handle.query("state", result_type=OnboardingStatus)
    assert (ended.state, ended.outcome, ended.waits_for, ended.deadline) == (State.ACTIVE, outcome, None, None)
    assert world.state(onboarding.id) is State.ACTIVE


async def test_what_people_see_is_what_the_workflow_says(office: Office, world: World) -> None:
    onboarding = customers_own()
    handle = await office.start(onboarding)
    for reach in (State.AWAITING_ACTIVATION, State.AWAITING_PAYMENT):
        status = await office.reaches(handle, reach, waits_for="customer")
        row = world.rows[onboarding.id]
        assert (row.state, row.waits_for, row.deadline, row.generation) == (
            status.state,
            status.waits_for,
            status.deadline,
            status.generation,
        )
        await (activate if reach is State.AWAITING_ACTIVATION else pay)(office, handle)
    await handle.result()


async def test_an_undo_that_is_not_stuck_needs_nobody(office: Office) -> None:
    handle = await office.start(customers_own())
    await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
    resolution = UndoResolution(actor="key:operator", undo="close_account", resolved=True, reason="looks done")
    assert await refusal(office, handle, "resolve_undo", resolution) == "not_stuck"
