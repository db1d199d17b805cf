"""Money that runs low: somebody is told once for every fall below the mark; and money that is paid in."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import ScheduleActionStartWorkflow

from adapters.alerting import alert_schedule_id, keep_alerting
from domain.alerts import AlertBounds, AlertsHandedOn, AlertTold
from domain.mails import MailKind
from tests.tenancy.conftest import Town

ALERTS = "treasurer@harbour.example.com"
MARK = 5_000
LINE = [{"label": "Front desk"}]
PRICE = 4_800  # of one line, with tax


async def a_reseller(town: Town, **alert: Any) -> str:
    """A reseller with an alert: its customers' orders are what moves its balance."""
    alert = {"below_minor": MARK, "email": ALERTS, **alert}
    view = await town.live("upper", "Sub Voice", account_kind="reseller", low_balance_alert=alert)
    return str(view["account_id"])


async def pay(town: Town, account: str, minor: int, by: str = "upper", key: str | None = None, **changes: Any) -> Any:
    return await town.ask(
        "POST",
        f"/v1/accounts/{account}/credits",
        by,
        json={"amount_minor": minor, "reference": "Transfer 114", **changes},
        headers={"Idempotency-Key": key or str(uuid.uuid4())},
    )


async def spend(town: Town, account: str, name: str) -> None:
    view = await town.live("upper", name, white_label=account, services=LINE, email=f"{uuid.uuid4()}@example.com")
    assert (view["state"], view["charged_minor"]) == ("active", PRICE)


async def sweep(town: Town) -> int:
    done: AlertsHandedOn = await town.client.execute_workflow(
        "balance_alerts", AlertBounds(), id=f"sweep-{uuid.uuid4()}", task_queue=town.task_queue, result_type=AlertsHandedOn
    )
    return done.letters


async def letter(town: Town, account: str, crossing: int) -> bool:
    """Whether the letter of this crossing went out, once its workflow has ended."""
    handle = town.client.get_workflow_handle(f"low-balance/{account}/{crossing}", result_type=AlertTold)
    told: AlertTold = await handle.result()
    return told.told


@pytest.mark.requirement("S4-34", "S4-36")
async def test_the_alert_address_is_told_once_for_every_fall_below_the_mark(town: Town) -> None:
    account = await a_reseller(town)
    assert await sweep(town) == 0, "it began below the mark, and has not fallen"
    assert (await pay(town, account, 10_000)).json()["balance_minor"] == 10_000
    await spend(town, account, "One")
    assert await sweep(town) == 0
    await spend(town, account, "Two")  # 400 are left
    assert await sweep(town) == 1
    assert await letter(town, account, 1)
    assert await sweep(town) == 0
    (first,) = town.post.to(ALERTS, MailKind.LOW_BALANCE)
    for part in (first.text, first.html):
        assert "4.00" in part
        assert "50.00" in part
    assert first.subject.startswith("Sub Voice")
    await pay(town, account, 1_000)  # still below
    await spend(town, account, "Three")
    assert await sweep(town) == 0
    await pay(town, account, 20_000)
    assert await sweep(town) == 0
    for name in ("Four", "Five", "Six"):
        await spend(town, account, name)
    assert await sweep(town) == 1
    assert await letter(town, account, 2)
    assert len(town.post.to(ALERTS, MailKind.LOW_BALANCE)) == 2
    told = [mail.recipients for mail, _ in town.post.letters if mail.kind is MailKind.LOW_BALANCE]
    assert told == [(ALERTS,)] * 2, "neither the contact nor anybody else"


@pytest.mark.requirement("S4-35")
async def test_nobody_is_told_where_that_is_off(town: Town) -> None:
    account = await a_reseller(town, enabled=False)
    await pay(town, account, 6_000)
    await spend(town, account, "One")
    assert await sweep(town) == 0
    assert all(mail.kind is not MailKind.LOW_BALANCE for mail, _ in town.post.letters)


@pytest.mark.requirement("S4-34")
async def test_the_first_charge_of_an_account_can_be_the_fall(town: Town) -> None:
    alert = {"below_minor": 0, "email": ALERTS}
    view = await town.live("upper", payer="self", services=LINE, low_balance_alert=alert)
    assert await sweep(town) == 1
    assert await letter(town, view["account_id"], 1)
    events = [event["detail"] for event in await town.timeline(view["id"]) if event["event"] == "mail_sent"]
    assert {"mail": "low_balance"} in events


async def test_sweeps_at_once_and_again_send_one_letter(town: Town) -> None:
    account = await a_reseller(town)
    await pay(town, account, 6_000)
    await spend(town, account, "One")
    assert sum(await asyncio.gather(*(sweep(town) for _ in range(4)))) >= 1
    assert await letter(town, account, 1)
    assert len(town.post.to(ALERTS, MailKind.LOW_BALANCE)) == 1


async def test_payments_and_orders_at_once_are_each_one_fall_at_most(town: Town) -> None:
    account = await a_reseller(town)
    await pay(town, account, 3 * PRICE + MARK - 1)
    await asyncio.gather(*(spend(town, account, f"Customer {number}") for number in range(4)))
    assert await sweep(town) == 1
    assert await letter(town, account, 1)
    assert len(town.post.to(ALERTS, MailKind.LOW_BALANCE)) == 1


async def test_a_worker_has_the_ledger_looked_at_every_minute(town: Town) -> None:
    queue = f"alerts-{uuid.uuid4()}"
    await keep_alerting(town.client, queue)
    await keep_alerting(town.client, queue)  # each worker does
    handle = town.client.get_schedule_handle(alert_schedule_id(queue))
    described = (await handle.describe()).schedule
    assert isinstance(described.action, ScheduleActionStartWorkflow)
    assert described.action.workflow == "balance_alerts"
    assert [one.every for one in described.spec.intervals] == [timedelta(minutes=1)]
    await handle.delete()


async def test_an_address_that_is_refused_is_told_of_in_the_timeline(town: Town) -> None:
    town.post.refused = {ALERTS}
    alert = {"below_minor": 0, "email": ALERTS}
    view = await town.live("upper", payer="self", services=LINE, low_balance_alert=alert)
    await sweep(town)
    assert not await letter(town, view["account_id"], 1)
    failed = [event["detail"] for event in await town.timeline(view["id"]) if event["event"] == "mail_failed"]
    assert failed == [{"mail": "low_balance", "code": "recipient_refused"}]


async def test_a_payment_is_posted_once_and_recorded_with_who_made_it(town: Town) -> None:
    view = await town.live("upper")
    account, key = view["account_id"], str(uuid.uuid4())
    answers = await asyncio.gather(*(pay(town, account, 2_500, key=key) for _ in range(4)))
    assert {(answer.status_code, answer.json()["balance_minor"]) for answer in answers} == {(201, 2_500)}
    assert sum(answer.headers.get("Idempotent-Replayed") == "true" for answer in answers) == 3
    other = await pay(town, account, 2_501, key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    events = [event for event in await town.timeline(view["id"]) if event["event"] == "account_credited"]
    assert [event["detail"] for event in events] == [{"amount_minor": "2500", "currency": "GBP"}]
    assert events[0]["actor"].startswith("key-")
    books = await town.database.books.read()
    assert all(one.balance_minor == one.entries_minor for one in books.accounts)


async def test_only_those_of_an_account_above_pay_in(town: Town) -> None:
    account = (await town.live("upper"))["account_id"]
    boss = await town.user("upper", account, "boss@example.com", "account_administrator")
    for by, of, status in (
        ("other", account, 404), ("auditor", account, 403), ("approver", account, 403), (boss, account, 403),
        ("platform", "platform", 403),
    ):  # fmt: skip
        assert (await pay(town, of, 100, by)).status_code == status
    assert (await pay(town, account, 100, "platform")).status_code == 201
    path, headers = f"/v1/accounts/{account}/credits", {"Idempotency-Key": "wrong"}
    for wrong in (
        {"amount_minor": 0},
        {"amount_minor": -5},
        {"amount_minor": 1.5},
        {"amount_minor": 10**9 + 1},
        {"reference": ""},
    ):
        body = {"amount_minor": 100, "reference": "Cash", **wrong}
        assert (await town.ask("POST", path, "upper", json=body, headers=headers)).status_code == 422
