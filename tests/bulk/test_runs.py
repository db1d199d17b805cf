"""A file of orders is carried out row by row, once, and tells what became of each."""

import asyncio
import csv
import io
import uuid
from typing import Any

from domain.keys import bulk_workflow_id, workflow_id
from tests.bulk.conftest import DRAMA, TENANT, Works, a_row, an_order, as_csv, as_lines, sqlite_only


async def test_every_row_of_a_file_becomes_an_onboarding(busy: Works) -> None:
    run = await busy.run(as_csv([a_row(number) for number in range(1, 31)]))
    end = await busy.over(run)
    assert (end["state"], end["total"], end["left"]) == ("finished", 30, 0)
    assert (end["rows"], end["onboardings"]) == ({"started": 30}, {"active": 30})
    rows = await busy.rows(run)
    assert [row["number"] for row in rows] == list(range(1, 31))
    assert [row["line"] for row in rows] == list(range(2, 32))
    names = set()
    for row in rows:
        view = (await busy.ask("GET", f"/v1/onboardings/{row['onboarding_id']}")).json()
        names.add(view["order"]["customer"]["name"])
    assert names == {f"Shop {number}" for number in range(1, 31)}


async def test_what_was_sent_is_deleted_as_soon_as_it_is_started(busy: Works) -> None:
    run = await busy.run(as_csv([a_row(1), a_row(2)]))
    await busy.finished(run)
    kept = await busy.database._transactions.read(
        lambda connection: connection.exec_driver_sql("SELECT onboarding FROM bulk_rows").all()
    )
    assert [row[0] for row in kept] == [None, None]
    history = await busy.client.get_workflow_handle(bulk_workflow_id(run)).fetch_history()
    for word in ("Shop 1", "shop1@example.com", "Ada Reed"):
        assert word not in history.to_json()


async def test_the_same_file_twice_is_one_run(busy: Works) -> None:
    content = as_csv([a_row(number) for number in range(1, 6)])
    first, second = await asyncio.gather(busy.send(content, key="once"), busy.send(content, key="once"))
    assert {first.status_code, second.status_code} == {202}
    assert first.json()["id"] == second.json()["id"]
    await busy.over(first.json()["id"])
    third = await busy.send(content, key="once")
    assert (third.json()["id"], third.headers["Idempotent-Replayed"]) == (first.json()["id"], "true")
    assert (third.json()["state"], sorted(busy.starts.asked)) == ("finished", sorted(set(busy.starts.asked)))
    listed = (await busy.ask("GET", "/v1/bulk-runs")).json()["items"]
    assert [run["id"] for run in listed] == [first.json()["id"]]


async def test_another_file_under_the_same_key_is_refused(busy: Works) -> None:
    await busy.run(as_csv([a_row(1)]), key="once")
    for content, options in ((as_csv([a_row(2)]), {}), (as_csv([a_row(1)]), {"rate": 30})):
        answer = await busy.send(content, key="once", **options)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


@sqlite_only
async def test_json_lines_and_forms_are_read_as_well(busy: Works) -> None:
    orders = [an_order(number) for number in range(1, 4)]
    run = await busy.run(as_lines(orders), kind="application/x-ndjson")
    assert (await busy.over(run))["onboardings"] == {"active": 3}
    files = {"file": ("orders.csv", as_csv([a_row(number) for number in range(4, 7)]))}
    answer = await busy.ask("POST", "/v1/bulk-runs", key="form", files=files)
    assert answer.status_code == 202, answer.text
    assert (await busy.over(answer.json()["id"]))["onboardings"] == {"active": 3}


@sqlite_only
async def test_one_bad_row_among_a_thousand_starts_nothing(busy: Works) -> None:
    rows = [a_row(number) for number in range(1, 1001)]
    rows[616]["customer.contact.email"] = "nobody"
    answer = await busy.send(as_csv(rows))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    (problem,) = answer.json()["errors"]
    assert problem["pointer"] == "/617/customer/contact/email"
    assert problem["detail"].startswith("Row 617 (line 618, column customer.contact.email): ")
    assert "nobody" not in answer.text
    assert (await busy.ask("GET", "/v1/bulk-runs")).json()["items"] == []
    assert busy.starts.asked == []


async def test_the_good_rows_are_started_and_a_bad_one_is_corrected_later(busy: Works) -> None:
    rows = [a_row(number) for number in range(1, 6)]
    rows[2]["plan"] = "no-such-plan"
    run = await busy.run(as_csv(rows), on_bad_row="skip")
    end = await busy.over(run)
    assert (end["state"], end["rows"]) == ("finished", {"started": 4, "refused": 1})
    (bad,) = await busy.rows(run, state="refused")
    assert (bad["number"], bad["onboarding_id"]) == (3, None)
    assert [(one["code"], one["pointer"], one["column"]) for one in bad["problems"]] == [("unknown_plan", "/plan", "plan")]
    wrong = await busy.decide(run, "rows/3/retry", json=an_order(3, plan="still-not"))
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/plan")
    answer = await busy.decide(run, "rows/3/retry", json=an_order(3))
    assert (answer.status_code, answer.json()["number"]) == (200, 3)
    end = await busy.over(run)
    assert (end["state"], end["rows"], end["onboardings"]) == ("finished", {"started": 5}, {"active": 5})
    again = await busy.decide(run, "rows/3/retry", json=an_order(3))
    assert (again.status_code, again.json()["onboarding_state"]) == (200, "active"), "the same again is the same row"
    assert len(busy.starts.asked) == 5
    for number, order in ((3, an_order(3, payer="self")), (1, an_order(1))):
        other = await busy.decide(run, f"rows/{number}/retry", json=order)
        assert (other.status_code, other.json()["code"]) == (409, "row_not_refused")


async def test_what_was_kept_while_temporal_was_away_is_carried_out_by_the_same_request_again(busy: Works) -> None:
    content = as_csv([a_row(1), a_row(2, plan="no-such-plan"), a_row(3, plan="no-such-plan")])
    key = str(uuid.uuid4())
    busy.line.is_cut = True
    away = await busy.send(content, key=key, on_bad_row="skip")
    assert (away.status_code, away.json()["code"]) == (503, "temporal_unavailable")
    busy.line.is_cut = False
    run = (await busy.send(content, key=key, on_bad_row="skip")).json()["id"]
    assert (await busy.over(run))["onboardings"] == {"active": 1}
    # Its contact becomes a user: the very order, checked anew, would be refused.
    corrected = an_order(2, password="correct horse battery staple")
    busy.line.is_cut = True
    away = await busy.decide(run, "rows/2/retry", json=corrected)
    assert (away.status_code, away.json()["code"]) == (503, "temporal_unavailable")
    busy.line.is_cut = False
    answers = [await busy.decide(run, "rows/2/retry", json=corrected) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    end = await busy.over(run)
    assert (end["state"], end["onboardings"]) == ("finished", {"active": 2})
    late = await busy.decide(run, "rows/2/retry", json=corrected)
    assert (late.status_code, late.json()["onboarding_state"]) == (200, "active")
    assert len(busy.starts.asked) == 2


@sqlite_only
async def test_two_runs_for_the_same_scarce_numbers_leave_each_with_one_holder(busy: Works) -> None:
    await busy.database.admin.import_numbers(TENANT.id, DRAMA[810:820])

    def orders(first: int) -> list[dict[str, Any]]:
        services = [{"numbers": {"explicit": [number]}} for number in DRAMA[810:820]]
        return [an_order(first + place, services=[service], substitutes="refuse") for place, service in enumerate(services)]

    runs = [await busy.run(as_lines(orders(first)), kind="application/x-ndjson") for first in (1, 101)]
    ends = [await busy.over(run) for run in runs]
    active = sum(end["onboardings"].get("active", 0) for end in ends)
    assert (active, sum(sum(end["onboardings"].values()) for end in ends)) == (10, 20)
    lost = [row for run in runs for row in await busy.rows(run) if row["onboarding_state"] == "rejected"]
    assert {row["onboarding_code"] for row in lost} == {"number_unavailable"}
    books = await busy.database.books.read()
    assert sorted((number.e164, number.state) for number in books.numbers) == [(e164, "assigned") for e164 in DRAMA[810:820]]
    charged = [entry for entry in books.entries if entry.account_id == TENANT.id and entry.amount_minor < 0]
    won = {row["onboarding_id"] for run in runs for row in await busy.rows(run) if row["onboarding_state"] == "active"}
    assert {entry.onboarding_id for entry in charged} == won
    (payer,) = [account for account in books.accounts if account.id == TENANT.id]
    assert (payer.held_minor, payer.balance_minor) == (0, payer.entries_minor)


@sqlite_only
async def test_the_report_can_be_had_as_a_file_that_no_spreadsheet_carries_out(busy: Works) -> None:
    rows = [a_row(1), a_row(2, **{"customer.name": "Shop 1"}), a_row(3, **{"customer.contact.email": "=1+1"})]
    run = await busy.run(as_csv(rows), on_bad_row="skip")
    await busy.over(run)
    answer = await busy.ask("GET", f"/v1/bulk-runs/{run}/rows", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(line["row"], line["state"], line["column"], line["code"]) for line in lines] == [
        ("1", "started", "", ""),
        ("2", "refused", "customer.name", "name_taken"),
        ("3", "refused", "customer.contact.email", "value_error"),
    ]
    assert not [cell for line in lines for cell in line.values() if cell.startswith(("=", "+", "-", "@"))]


async def test_the_onboardings_are_started_as_orders_by_themselves_are(busy: Works) -> None:
    run = await busy.run(as_csv([a_row(1)]))
    await busy.over(run)
    (row,) = await busy.rows(run)
    # A key of this run's own: the Temporal server is that of all tests.
    alone = await busy.ask("POST", "/v1/onboardings", key=str(uuid.uuid4()), json=an_order(2))
    described = []
    for onboarding in (row["onboarding_id"], alone.json()["id"]):
        handle = busy.client.get_workflow_handle(workflow_id(onboarding))
        await handle.result()
        seen = await handle.describe()
        described.append((seen.workflow_type, seen.task_queue, sorted(await seen.memo()), seen.search_attributes))
    assert described[0] == described[1]
