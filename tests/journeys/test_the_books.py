"""The audit of the running stack: right after everything that the other journeys did, and wrong as soon as something is."""

import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from adapters.payments.stripe_api import StripeApi
from starter.local.stack import Stack
from tests.journeys.conftest import Town


@contextmanager
def database(stack: Stack, name: str) -> Iterator[sqlite3.Connection]:
    """One of the stack's own files, to do what nobody should."""
    with closing(sqlite3.connect(stack.state.path / name, timeout=10)) as connection, connection:
        yield connection


@pytest.fixture
async def gateway(stack: Stack) -> AsyncIterator[StripeApi]:
    """The gateway, as somebody with the white label's own login reaches it: past us."""
    api = StripeApi(SecretStr("sk_test_dialtone"), stack.urls["gateway"], timeout=10)
    yield api
    await api.close()


async def test_after_everything_the_books_agree(town: Town, tmp_path: Path) -> None:
    # One at least, should this be the only test that runs.
    onboarding = await town.northway.must_order(town.customer("1", tmp_path).order)
    await town.northway.wait_for(onboarding, "awaiting_activation")
    await _for_nothing_and_invited(town, tmp_path)
    report = await town.audit()
    assert report.findings == ()
    assert report.left_out == ()


async def _for_nothing_and_invited(town: Town, directory: Path) -> None:
    """A customer whose order costs nothing and is paid from a ledger, and somebody who is invited to the account."""
    free = {"name": "Free", "position": 99, "plans": [{"code": "nothing", "name": "Nothing", "period_minor": 0}]}
    (await town.northway._http.put("/v1/price-lists/free", json=free)).raise_for_status()
    paid = {"administration": "operator", "payer": "parent", "terms_accepted": True}
    customer = town.customer("1", directory, price_list="free", plan="nothing", **paid)
    view = await town.northway.wait_until_over(await town.northway.must_order(customer.order))
    assert (view["state"], view["charged_minor"]) == ("active", 0), view["outcome"]
    await town.mailbox.letter(customer.address, "welcome")
    who = {"act": "invite", "email": f"clerk.{customer.address}", "name": "Grace Clerk", "role": "standard_user"}
    (await town.northway._http.post(f"/v1/accounts/{view['account_id']}/users", json=who)).raise_for_status()
    await town.mailbox.letter(who["email"], "invitation")


def _stray_line(stack: Stack) -> None:
    with database(stack, "kamailio.db") as switch:
        switch.execute(
            "INSERT INTO subscriber (username, domain, ha1) VALUES ('d0123456789abcdef0123', 'sip.example.com', 'x')"
        )


def _stray_line_removed(stack: Stack) -> None:
    with database(stack, "kamailio.db") as switch:
        switch.execute("DELETE FROM subscriber WHERE username = 'd0123456789abcdef0123'")


def _number_held_for_nobody(stack: Stack) -> None:
    with database(stack, "dialtone.db") as ours:
        # Any one that is free: orders before this took some at random.
        planted = ours.execute(
            "UPDATE numbers SET state = 'held', held_by = 'nobody:reserve_numbers:1', onboarding_id = 'nobody' "
            "WHERE e164 = (SELECT max(e164) FROM numbers WHERE tenant_id = 'northway' AND state = 'available')"
        )
        assert planted.rowcount == 1


def _number_available_again(stack: Stack) -> None:
    with database(stack, "dialtone.db") as ours:
        ours.execute(
            "UPDATE numbers SET state = 'available', held_by = NULL, onboarding_id = NULL WHERE onboarding_id = 'nobody'"
        )


def _money_from_nowhere(stack: Stack) -> None:
    with database(stack, "dialtone.db") as ours:
        ours.execute("UPDATE accounts SET balance_minor = balance_minor + 1 WHERE id = 'brindley'")


def _money_back_to_nowhere(stack: Stack) -> None:
    with database(stack, "dialtone.db") as ours:
        ours.execute("UPDATE accounts SET balance_minor = balance_minor - 1 WHERE id = 'brindley'")


PLANTED = {
    "lines": (_stray_line, _stray_line_removed),
    "numbers": (_number_held_for_nobody, _number_available_again),
    "ledgers-add-up": (_money_from_nowhere, _money_back_to_nowhere),
}


@pytest.mark.parametrize("check", PLANTED)
async def test_what_is_planted_in_a_real_ledger_is_found_and_gone_when_it_is_mended(
    check: str, town: Town, stack: Stack
) -> None:
    plant, mend = PLANTED[check]
    plant(stack)
    try:
        assert [finding.check for finding in (await town.audit()).findings] == [check]
    finally:
        mend(stack)
    assert (await town.audit()).findings == ()


async def test_a_second_charge_and_a_forgotten_hold_at_the_gateway_are_found(
    town: Town, stack: Stack, gateway: StripeApi, tmp_path: Path
) -> None:
    customer = town.customer("1", tmp_path)
    onboarding = await town.northway.must_order(customer.order)
    await town.activated(customer, onboarding)
    view = await town.northway.wait_until_over(onboarding)
    await town.mailbox.letter(customer.address, "welcome")

    client = gateway.client
    ours = next(charge for charge in await _intents(stack) if charge["metadata"].get("onboarding_id") == onboarding)
    again = await client.v1.payment_intents.create_async(
        {
            "amount": view["quote"]["total_minor"],
            "currency": "gbp",
            "customer": ours["customer"],
            "payment_method": ours["payment_method"],
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "capture_method": "manual",
            "confirm": True,
            "off_session": True,
            "metadata": {"onboarding_id": onboarding},
        },
        options={"idempotency_key": str(uuid.uuid4())},
    )
    assert {finding.check for finding in (await town.audit()).findings} == {"nothing-authorised"}
    await client.v1.payment_intents.capture_async(again.id, options={"idempotency_key": str(uuid.uuid4())})
    found = [(finding.check, finding.subject) for finding in (await town.audit()).findings]
    assert found == [("one-charge", onboarding), ("money-in-money-owed", onboarding)]
    await client.v1.refunds.create_async({"payment_intent": again.id}, options={"idempotency_key": str(uuid.uuid4())})
    # The money is back, and that it was taken twice stays a finding: nobody's books forget it.
    assert [finding.check for finding in (await town.audit()).findings] == ["one-charge"]


async def _intents(stack: Stack) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"{stack.urls['gateway']}/_edge/objects")).json()["payment_intents"]


@pytest.mark.requirement("S1-12")
async def test_a_white_label_with_an_account_of_its_own_is_paid_there_and_nowhere_else(
    town: Town, stack: Stack, tmp_path: Path
) -> None:
    known = {finding.subject for finding in (await town.audit()).findings}
    for operator, account in ((town.brindley, "acct_1BrindleyTelecom"), (town.northway, None)):
        slug = "brindley" if account else "northway"
        customer = town.customer("1", tmp_path, white_label=slug, plan="line" if account else "office")
        onboarding = await operator.must_order(customer.order)
        await town.activated(customer, onboarding, by=operator)
        view = await operator.wait_until_over(onboarding)
        assert view["state"] == "active", view["outcome"]
        await town.mailbox.letter(customer.address, "welcome")
        paid = [intent for intent in await _intents(stack) if intent["metadata"].get("onboarding_id") == onboarding]
        assert [(intent["status"], intent["amount_received"], intent["account"]) for intent in paid] == [
            ("succeeded", view["quote"]["total_minor"], account)
        ]
    # What other tests left in the books is theirs.
    assert {finding.subject for finding in (await town.audit()).findings} <= known
