"""The plan that is shown before an order is placed is what then happens."""

import itertools

import pytest

from domain.mails import MailKind
from domain.onboarding import OnboardingInput, State
from domain.orders import AccountType, Administration, Order, Payer
from domain.plan import Phase, plan
from tests.builders import a_card, a_tenant, activation, an_onboarding, an_order, by
from tests.simulators import World
from tests.workflows.conftest import Office

WAYS = [
    pytest.param(administration, payer, lines, asked, id=f"{administration.value}-{payer.value}-{lines}-{asked or 'unasked'}")
    for administration, payer, lines, asked in itertools.product(Administration, Payer, (0, 2), ("", "total"))
]


def the_order(administration: Administration, payer: Payer, lines: int) -> Order:
    services = an_order().services[:1] * lines
    return an_order(administration=administration, payer=payer, account_type=AccountType.POSTPAID, services=services)


@pytest.mark.requirement("S3-41")
@pytest.mark.parametrize(("administration", "payer", "lines", "asked"), WAYS)
async def test_what_was_planned_is_what_is_done(
    office: Office, world: World, administration: Administration, payer: Payer, lines: int, asked: str
) -> None:
    begun = an_onboarding(the_order(administration, payer, lines), approval_reasons=(asked,) if asked else ())
    planned = plan(begun.order, begun.quote, begun.approval_reasons, begun.schedule)
    waited = await the_people_do_their_part(office, begun)
    assert [step.phase for step in planned if step.waits_for] == waited
    assert ("reserve_numbers" in world.effects) == (begun.order.number_count > 0)
    assert sum(effect.startswith("provision") for effect in world.effects) == lines
    shown = next(step.effect for step in planned if step.phase is Phase.PROVISION)
    assert shown.startswith(str(lines) if lines else "No line")
    mailed = {mail.kind for mail in world.mails}
    assert (MailKind.ACTIVATION in mailed) == (Phase.ACTIVATION in [step.phase for step in planned])


async def the_people_do_their_part(office: Office, begun: OnboardingInput) -> list[Phase]:
    """Answer whatever is asked, and tell in which phases somebody was asked."""
    handle, asked = await office.start(begun), list[Phase]()
    while True:
        status = await office.reaches(
            handle, State.AWAITING_APPROVAL, State.AWAITING_ACTIVATION, State.AWAITING_PAYMENT, State.ACTIVE
        )
        if status.state is State.ACTIVE:
            return asked
        if status.waits_for not in {"approver", "customer"}:
            continue
        if status.state is State.AWAITING_APPROVAL and Phase.APPROVAL not in asked:
            asked.append(Phase.APPROVAL)
            await office.tell(handle, "approve", by("key:approver"))
        elif status.state is State.AWAITING_ACTIVATION and Phase.ACTIVATION not in asked:
            asked.append(Phase.ACTIVATION)
            await office.tell(handle, "activate", activation())
        elif status.state is State.AWAITING_PAYMENT and Phase.AUTHORISE_PAYMENT not in asked:
            asked.append(Phase.AUTHORISE_PAYMENT)
            await office.tell(handle, "pay", a_card())


def test_the_plan_speaks_of_one_and_of_many() -> None:
    tenant = a_tenant()
    begun = an_onboarding(the_order(Administration.OPERATOR, Payer.PARENT, 2), approval_reasons=("total", "number_grade"))
    said = {step.phase: step for step in plan(begun.order, begun.quote, begun.approval_reasons, tenant.schedule)}
    assert said[Phase.PROVISION].effect == "2 lines are set up on the voice switch."
    assert said[Phase.APPROVAL].effect == (
        "An approver decides, because the total is above the limit and a number is of a grade that needs it."
    )
    assert said[Phase.APPROVAL].window == tenant.schedule.approval_window
    assert "the white label's account" in said[Phase.AUTHORISE_PAYMENT].effect
