"""What the desk gathers is what the letters are made from: our records in, words out."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.database import Database, migrate
from adapters.mail.render import Renderer
from domain import keys
from domain.mails import MailKind, MailOrder
from domain.numbers import NumberSelection
from domain.onboarding import Progress, State, Step
from domain.orders import Service
from domain.steps import Opening, ReservationOrder
from tests.adapters.mail.samples import BASE_URL, SECRETS
from tests.builders import a_tenant, an_onboarding, an_order

NUMBER = "+441214960123"


# A low balance is told from what crossed the mark (tests/messages/test_low_balance.py), an invitation from whom it is for
# (tests/existing/test_contacts.py).
@pytest.mark.parametrize("kind", [kind for kind in MailKind if kind not in {MailKind.LOW_BALANCE, MailKind.INVITATION}])
async def test_a_letter_is_written_from_our_records(kind: MailKind, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'dialtone.db'}"
    await migrate(url)
    database = Database(url)
    tenant = a_tenant()
    await database.admin.put_platform()
    await database.admin.put_tenant(tenant)
    await database.admin.import_numbers(tenant.id, [NUMBER])
    order = an_order(services=(Service(numbers=NumberSelection(explicit=(NUMBER,))),))
    onboarding = an_onboarding(order, approval_reasons=("total",))
    deadline = datetime(2026, 12, 6, 14, 0, tzinfo=UTC)

    def progress(version: int) -> Progress:
        state = State.AWAITING_APPROVAL
        return Progress(onboarding_id=onboarding.id, version=version, state=state, waits_for="approver", deadline=deadline)

    opening_key = keys.step_key(onboarding.id, Step.OPEN_ACCOUNT)
    opening = Opening(key=opening_key, account_id=keys.account_id(onboarding.id), onboarding=onboarding, progress=progress(1))
    await database.records.open_account(opening)
    reservation = ReservationOrder(
        key=keys.step_key(onboarding.id, Step.RESERVE_NUMBERS),
        onboarding_id=onboarding.id,
        tenant_id=tenant.id,
        selections=tuple(service.numbers for service in order.services),
        until=deadline,
        progress=progress(2),
    )
    await database.numbers.reserve(reservation)
    mail = await database.mail_desk.address(
        MailOrder(key="k:1", kind=kind, onboarding_id=onboarding.id, generation=3, code="card_declined")
    )
    await database.close()
    assert mail is not None

    letter = Renderer(BASE_URL, SECRETS).render(mail)
    facts = letter.facts
    assert (facts.onboarding_id, facts.generation, facts.code) == (onboarding.id, 3, "card_declined")
    assert (facts.customer_name, facts.contact_name) == ("Ada's Bakery", "Ada Baker")
    assert (facts.tenant_name, facts.support_email) == ("Brumtel", "support@brumtel.example")
    assert [line.text for line in facts.lines] == [line.text for line in onboarding.quote.lines]
    assert facts.total == str(onboarding.quote.total)
    assert facts.until == "6 December 2026, 14:00 UTC"
    assert facts.telephone_numbers == ("+44 121 496 0123",)
    assert facts.reasons == ("The total is above the limit that needs no approval.",)
    assert (facts.state, facts.waits_for, facts.administration) == ("awaiting_approval", "approver", "customer")
    assert letter.text
