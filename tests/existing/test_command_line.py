"""The commands for customers and services, against a web process that listens."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.existing.conftest import DRAMA, OTHER, UPPER, House
from tests.tenancy.conftest import Town
from tests.tenancy.test_the_command_line import Run, listening, run

__all__ = ["listening", "run"]


@pytest.fixture
def town(house: House) -> Town:
    return house


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.requirement("S3-60", "S3-61", "S5-24", "S5-26")
async def test_customers_and_services_are_shown_edited_and_added(house: House, run: Run, tmp_path: Path) -> None:
    account = (await house.customer(services=[{"label": "Front desk", "numbers": {"explicit": DRAMA[:1]}}]))["account_id"]

    async def dialtone(*arguments: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(run, *arguments)

    status, out, _ = await dialtone(
        "customer", "edit", account, "--email", "new@harbour.example.com", "--telephone", "0121 496 0007"
    )
    assert status == 0
    assert "new@harbour.example.com" in out
    file = tmp_path / "patch.json"
    file.write_text(json.dumps({"billing_address": {"city": "Leeds"}, "contact": {"full_name": "Ada Stone"}}))
    status, out, _ = await dialtone("customer", "edit", account, "--patch", str(file), "--telephone", "none")
    assert (status, "Leeds" in out, "Ada Stone" in out, "0007" in out) == (0, True, True, False)
    status, out, _ = await dialtone("customer", "show", account, "--json")
    assert json.loads(out)["contact"] == {"full_name": "Ada Stone", "email": "new@harbour.example.com", "telephone": None}
    status, _, err = await dialtone("customer", "edit", account, "--time-zone", "Mars/Olympus")
    assert (status, "/time_zone" in err) == (1, True)
    assert (await dialtone("customer", "edit", account))[0] == 1

    arguments = ("--label", "Back office", "--count", "1", "--prefix", "+44121", "--terms-accepted")
    status, out, _ = await dialtone("services", "add", account, *arguments)
    assert status == 0
    assert (await house.ended(out.strip(), "upper"))["state"] == "active"
    status, out, _ = await dialtone("services", "list", account)
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[1] for row in rows] == ["Front desk", "Back office"]
    front = rows[0][0]
    status, out, _ = await dialtone(
        "services", "edit", account, front, "--channels", "4", "--forward", f"{DRAMA[0]}=+442079460018"
    )
    assert (status, "forwarded to +442079460018" in out, "agrees" in out) == (0, True, True)
    line = (await house.lines(account))[front]
    assert (line["max_channels"], line["forward"]) == ("4", {DRAMA[0]: "+442079460018"})
    assert (await dialtone("services", "edit", account, front, "--ring", DRAMA[0]))[0] == 0
    status, out, _ = await dialtone("services", "show", account, front)
    assert (status, "rings the telephones" in out) == (0, True)
    assert (await dialtone("services", "edit", account, front, "--forward", DRAMA[0]))[0] == 1
    assert (await dialtone("services", "add", account, "--count", "1"))[0] == 1


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.requirement("S5-25")
async def test_a_customer_is_transferred(house: House, run: Run) -> None:
    account = (await house.customer())["account_id"]
    arguments = ("--reason", "Moved", "--consent", "In writing", "--key", house.keys["platform"])
    status, out, _ = await asyncio.to_thread(run, "customer", "transfer", account, "northway", *arguments)
    assert (status, OTHER.id in out) == (0, True)
    assert (await house.ask("GET", f"/v1/accounts/{account}", "other")).status_code == 200
    status, _, err = await asyncio.to_thread(run, "customer", "transfer", account, "northway", *arguments)
    assert (status, "already" in err) == (1, True)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.requirement("S2-26")
async def test_a_high_limit_is_asked_for_and_approved_by_another(house: House, run: Run) -> None:
    policy = UPPER.approval.model_copy(update={"credit_limit_over_minor": 60_000})
    await house.database.admin.put_tenant(UPPER.model_copy(update={"approval": policy}))  # type: ignore[attr-defined]
    account = (await house.live("upper"))["account_id"]
    status, _, err = await asyncio.to_thread(run, "customer", "edit", account, "--credit-limit", "90000")
    assert (status, "another person" in err) == (0, True)
    change = err.split()[-1]
    assert (await asyncio.to_thread(run, "customer", "approve", account, change))[0] == 1, "not by who asked for it"
    by = ("--key", house.keys["approver"])
    status, out, _ = await asyncio.to_thread(run, "customer", "approve", account, change, *by)
    assert (status, "900.00" in out) == (0, True)
    assert (await asyncio.to_thread(run, "customer", "reject", account, change, *by))[0] == 1, "it is decided"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_refused_letter_is_sent_to_another_address_and_another_one_dismissed(house: House, run: Run) -> None:
    house.post.refused = {"gone@example.org", "away@example.org"}
    plan = [{"to": "other", "email": address} for address in sorted(house.post.refused)]
    order = (await house.live("upper", notifications=plan))["id"]
    status, out, err = await asyncio.to_thread(run, "show", order)
    assert (status, "letter 0 to away@example.org, letter 1 to gone@example.org" in out) == (0, True)
    assert f"dialtone resend-notification {order} 0" in err
    status, out, _ = await asyncio.to_thread(run, "resend-notification", order, "0", "--email", "here@example.org")
    assert (status, out.strip()) == (0, "refused for good: letter 1 to gone@example.org")
    status, out, _ = await asyncio.to_thread(run, "dismiss-notification", order, "1", "--reason", "Told by telephone")
    assert (status, out.strip()) == (0, "nothing needs attention")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_much_money_is_paid_in_by_two(house: House, run: Run) -> None:
    policy = UPPER.approval.model_copy(update={"credit_limit_over_minor": 60_000})
    await house.database.admin.put_tenant(UPPER.model_copy(update={"approval": policy}))  # type: ignore[attr-defined]
    account = (await house.customer())["account_id"]
    status, out, err = await asyncio.to_thread(run, "accounts", "credit", account, "70000", "--reference", "Transfer 114")
    assert (status, "dialtone customer approve" in err) == (0, True)
    approving = ("customer", "approve", account, out.strip(), "--key", house.keys["approver"])
    assert (await asyncio.to_thread(run, *approving))[0] == 0
    assert (await house.account(account))["balance_minor"] == 70_000
