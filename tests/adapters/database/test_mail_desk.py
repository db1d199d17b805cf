"""Letters: to whom, with which facts, and once."""

import pytest

from adapters.database import Database
from domain.errors import NotFound
from domain.mails import MailKind, MailOrder
from domain.onboarding import State
from tests.adapters.database.conftest import TENANT
from tests.adapters.database.steps import DRAMA, Case
from tests.builders import a_tenant, an_order


def letter(case: Case, kind: MailKind, **changes: object) -> MailOrder:
    return MailOrder(**{"key": f"{case.id}:{kind}", "kind": kind, "onboarding_id": case.id, **changes})


async def opened(database: Database, case: Case | None = None) -> Case:
    case = case or Case(an_order())
    await database.records.open_account(case.opening())
    return case


async def test_a_letter_has_every_fact_that_a_template_may_ask_for(database: Database) -> None:
    await database.admin.import_numbers(TENANT.id, DRAMA[:3])
    case = await opened(database, Case(an_order(), {"approval_reasons": ("total",)}))
    await database.numbers.reserve(case.reservation())
    deadline = case.input.submitted_at
    await database.records.record(
        case.progress(State.AWAITING_ACTIVATION, waits_for="customer", deadline=deadline, needs_attention="look")
    )
    mail = await database.mail_desk.address(letter(case, MailKind.ACTIVATION, generation=3, code="why"))
    assert mail is not None
    assert mail.recipients == ("ada@example.com",)
    assert mail.facts == {
        "onboarding_id": case.id,
        "generation": 3,
        "code": "why",
        "customer_name": "Ada's Bakery",
        "contact_name": "Ada Baker",
        "tenant_name": "Brumtel",
        "support_email": "support@brumtel.example",
        "numbers": [DRAMA[1]],
        "state": "awaiting_activation",
        "waits_for": "customer",
        "deadline": deadline.isoformat(),
        "needs_attention": "look",
        "approval_reasons": ["total"],
        "administration": "customer",
        "account_kind": "customer",
        "adds": False,
        "plan_name": "Office 20",
        "lines": [
            {"text": "Office 20, set-up", "quantity": 1, "unit": "£25.00", "total": "£25.00"},
            {"text": "Office 20, first month", "quantity": 1, "unit": "£15.00", "total": "£15.00"},
            {"text": "Telephone number, first month", "quantity": 1, "unit": "£2.00", "total": "£2.00"},
        ],
        "net": "£42.00",
        "tax_name": "VAT",
        "tax": "£8.40",
        "total": "£50.40",
    }


@pytest.mark.requirement("S4-27")
@pytest.mark.parametrize(("currency", "total"), [("JPY", "5,040 JPY"), ("KWD", "5.040 KWD"), ("EUR", "€50.40")])
async def test_amounts_in_a_letter_are_written_as_the_account_s_currency_is(
    database: Database, currency: str, total: str
) -> None:
    case = Case(an_order())
    quote = case.input.quote.model_copy(update={"currency": currency})
    case = await opened(database, Case(an_order(), {"quote": quote}))
    mail = await database.mail_desk.address(letter(case, MailKind.ACTIVATION))
    assert mail is not None
    assert mail.facts["total"] == total


@pytest.mark.parametrize("kind", [MailKind.APPROVAL_NEEDED, MailKind.OPERATOR_NEEDED])
async def test_what_operators_must_do_is_written_to_operators(database: Database, kind: MailKind) -> None:
    case = await opened(database)
    mail = await database.mail_desk.address(letter(case, kind))
    assert mail is not None
    assert mail.recipients == TENANT.operator_emails
    ordered = await database.mail_desk.address(letter(case, MailKind.CLOSED, to="operators"))
    assert ordered is not None
    assert ordered.recipients == TENANT.operator_emails


async def test_without_operators_the_support_address_is_written_to(database: Database) -> None:
    tenant = a_tenant(id="lonely", slug="lonely", operator_emails=())
    await database.admin.put_tenant(tenant)
    case = await opened(database, Case(an_order(), {"tenant": tenant}))
    mail = await database.mail_desk.address(letter(case, MailKind.OPERATOR_NEEDED))
    assert mail is not None
    assert mail.recipients == (tenant.support_email,)


async def test_a_letter_that_was_sent_is_not_addressed_again_and_is_told_of_once(database: Database) -> None:
    case = await opened(database)
    order = letter(case, MailKind.WELCOME)
    assert await database.mail_desk.address(order) is not None
    for _ in range(2):
        await database.mail_desk.sent(order)
    assert await database.mail_desk.address(order) is None
    assert [kind for kind, _ in await database.reader.mails(case.id)] == [MailKind.WELCOME]
    told = [event for event in await database.reader.timeline(case.id) if event.event == "mail_sent"]
    assert [event.detail for event in told] == [{"mail": "welcome"}]
    assert told[0].state is State.OPENING


async def test_nobody_is_written_to_about_an_unknown_onboarding(database: Database) -> None:
    with pytest.raises(NotFound):
        await database.mail_desk.address(MailOrder(key="k", kind=MailKind.WELCOME, onboarding_id="nobody"))
