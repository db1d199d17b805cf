"""A run is paused, resumed, slowed down and cancelled by people, and survives its workers."""

import asyncio
import contextlib
import csv
import io
import uuid
from datetime import UTC, datetime
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

from domain.access import Principal, Role
from domain.bulk import BulkInput, NewRun
from domain.keys import bulk_workflow_id, workflow_id
from starter.bulk.checking import RowCheck
from starter.bulk.files import read
from starter.onboardings import Onboardings
from tests.bulk.conftest import DRAMA, TENANT, Works, a_row, an_order, as_csv, as_lines, sqlite_only, until
from tests.simulators import Fault


class Gate:
    """Lets the first starts through, and holds the next until it is opened."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self, count: int) -> None:
        if count > self._first:
            self.reached.set()
            await self.opened.wait()


async def state_of(handle: WorkflowHandle[Any, Any], wanted: str) -> bool:
    return bool((await handle.query("state"))["state"] == wanted)


async def test_a_paused_run_starts_nothing_until_it_is_resumed(busy: Works) -> None:
    # Twelve a minute: one row every five seconds.
    run = await busy.run(as_csv([a_row(number) for number in range(1, 13)]), rate=12)
    answer = await busy.decide(run, "pause", key="p")
    assert (answer.status_code, answer.json()["state"]) == (200, "paused")
    seen = await busy.look(run)
    assert (seen["state"], seen["seconds_left"]) == ("paused", None)
    started = len(busy.starts.asked)
    assert started < 12
    again = await busy.decide(run, "pause", key="other")
    assert (again.status_code, again.json()["code"]) == (409, "already_paused")
    faster = await busy.decide(run, "throttle", json={"rate": 6000})
    assert faster.json()["rate"] == 6000
    # A query is answered after everything that was decided before it.
    progress = await busy.client.get_workflow_handle(bulk_workflow_id(run)).query("progress")
    assert (progress["state"], len(busy.starts.asked)) == ("paused", started)
    answer = await busy.decide(run, "resume")
    assert (answer.status_code, answer.json()["state"]) == (200, "running")
    end = await busy.over(run)
    assert (end["state"], end["rate"], end["onboardings"]) == ("finished", 6000, {"active": 12})
    late = await busy.decide(run, "pause")
    assert (late.status_code, late.json()["code"]) == (409, "run_over")


async def test_a_cancelled_run_leaves_what_was_started_and_deletes_the_rest(busy: Works) -> None:
    busy.starts.before = gate = Gate(5)
    # Ten rows at a time: five are started, five are being started when the cancel comes, twenty wait.
    run = await busy.run(as_csv([a_row(number) for number in range(1, 31)]), rate=120)
    await gate.reached.wait()
    answer = await busy.decide(run, "cancel", key="c")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    gate.opened.set()
    end = await busy.over(run)
    assert end["state"] == "cancelled"
    assert set(end["rows"]) == {"started", "withdrawn"}
    assert end["rows"]["started"] == len(set(busy.starts.asked)) == 10
    assert end["onboardings"] == {"active": 10}
    again = await busy.decide(run, "cancel", key="c")
    assert (again.status_code, again.json()["state"]) == (200, "cancelled"), "its answer may have been lost"
    assert (await busy.decide(run, "cancel", key="another")).json()["code"] == "run_over"
    kept = await busy.database._transactions.read(
        lambda connection: connection.exec_driver_sql("SELECT count(*) FROM bulk_rows WHERE onboarding IS NOT NULL").scalar()
    )
    assert kept == 0


async def test_a_cancel_of_temporals_own_is_a_cancel(busy: Works) -> None:
    run = await busy.run(as_csv([a_row(number) for number in range(1, 31)]), rate=12)
    await busy.decide(run, "pause")
    handle = busy.client.get_workflow_handle(bulk_workflow_id(run))
    await handle.cancel()
    await handle.result()
    end = await busy.look(run)
    assert (end["state"], end["left"]) == ("cancelled", 0)


async def test_undoing_one_row_undoes_that_one(busy: Works) -> None:
    await busy.database.admin.import_numbers(TENANT.id, DRAMA[100:140])
    service = {"numbers": {"criteria": {"prefix": "+44121496"}}}
    orders = [
        an_order(number, administration="customer", payer="self", services=[service], terms_accepted=False)
        for number in range(1, 4)
    ]
    run = await busy.run(as_lines(orders), kind="application/x-ndjson")
    await busy.finished(run)
    rows = await busy.rows(run)
    for row in rows:
        handle = busy.client.get_workflow_handle(workflow_id(row["onboarding_id"]))
        await until(lambda handle=handle: state_of(handle, "awaiting_activation"))
    answer = await busy.decide(run, "rows/2/undo", json={"reason": "ordered by mistake"})
    assert answer.status_code == 200, answer.text
    await busy.client.get_workflow_handle(workflow_id(rows[1]["onboarding_id"])).result()
    states = [(row["number"], row["onboarding_state"]) for row in await busy.rows(run)]
    assert states == [(1, "awaiting_activation"), (2, "cancelled"), (3, "awaiting_activation")]
    held = [number for number in (await busy.database.books.read()).numbers if number.state == "held"]
    assert {number.onboarding_id for number in held} == {rows[0]["onboarding_id"], rows[2]["onboarding_id"]}
    again = await busy.decide(run, "rows/2/undo")
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_undo")
    assert "is cancelled" in again.json()["detail"]
    assert "by itself" not in again.json()["detail"], "somebody has undone it"
    for row in (rows[0], rows[2]):
        await busy.ask("POST", f"/v1/onboardings/{row['onboarding_id']}/cancel")


async def test_a_row_that_waits_is_undone_by_never_starting_it(busy: Works) -> None:
    run = await busy.run(as_csv([a_row(number) for number in range(1, 7)]), rate=12)
    await busy.decide(run, "pause")
    answer = await busy.decide(run, "rows/6/undo")
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn")
    again = await busy.decide(run, "rows/6/undo")
    assert (again.status_code, again.json()["state"]) == (200, "withdrawn")
    await busy.decide(run, "throttle", json={"rate": 6000})
    await busy.decide(run, "resume")
    end = await busy.over(run)
    assert (end["rows"], end["onboardings"]) == ({"started": 5, "withdrawn": 1}, {"active": 5})
    live = await busy.decide(run, "rows/1/undo")
    assert (live.status_code, live.json()["code"]) == (409, "point_of_no_return")
    assert (await busy.decide(run, "rows/7/undo")).status_code == 404


@sqlite_only
async def test_no_more_are_worked_on_at_once_than_was_said(busy: Works) -> None:
    busy.world.faults["provision"] = Fault("slow")
    orders = [an_order(number, services=[{"label": "Line"}]) for number in range(1, 11)]
    run = await busy.run(as_lines(orders), kind="application/x-ndjson", at_once=3)
    handle = busy.client.get_workflow_handle(bulk_workflow_id(run))

    async def has_looked_again() -> bool:
        return bool((await handle.query("progress"))["busy"] == 3)

    await until(has_looked_again)
    assert len(busy.starts.asked) == 3
    busy.world.go_on.set()
    assert (await busy.over(run))["onboardings"] == {"active": 10}


async def test_rows_that_wait_for_an_answer_about_a_substitute_keep_no_place(busy: Works) -> None:
    await busy.database.admin.import_numbers(TENANT.id, DRAMA[700:710])
    services = [[{"numbers": {"explicit": [number]}}] for number in DRAMA[700:703]]
    taken = [an_order(number, services=service) for number, service in enumerate(services, 1)]
    await busy.over(await busy.run(as_lines(taken), kind="application/x-ndjson"))
    # The same numbers once more: these orderers are asked about others, and nobody answers for days.
    orders = [an_order(number, services=service) for number, service in enumerate([*services, [], []], 11)]
    run = await busy.run(as_lines(orders), kind="application/x-ndjson", at_once=3)
    handle = busy.client.get_workflow_handle(bulk_workflow_id(run))

    async def three_wait() -> bool:
        return bool((await busy.look(run))["waiting"] == {"orderer": 3})

    async def has_looked_again() -> bool:
        # By itself it looks after 1, 2, 4, ... 30 seconds, whenever they have come to wait. It may just have ended.
        with contextlib.suppress(RPCError):
            await handle.signal("look_again")
        return bool((await busy.look(run))["left"] == 0)

    await until(three_wait)
    await until(has_looked_again)
    end = await busy.finished(run)
    assert (end["state"], end["rows"]) == ("finished", {"started": 5})

    async def all_wait() -> bool:
        seen = await busy.look(run)
        return bool(seen["waiting"] == {"orderer": 3} and seen["onboardings"] == {"reserving": 3, "active": 2})

    await until(all_wait)
    rows = await busy.rows(run)
    assert [row["onboarding_waits_for"] for row in rows] == ["orderer"] * 3 + [None] * 2
    report = (await busy.ask("GET", f"/v1/bulk-runs/{run}/rows", params={"format": "csv"})).text
    assert [line["onboarding_waits_for"] for line in csv.DictReader(io.StringIO(report))] == ["orderer"] * 3 + [""] * 2
    for row in rows[:3]:
        path = f"/v1/onboardings/{row['onboarding_id']}/substitute"
        assert (await busy.ask("POST", path, json={"accept": False})).status_code == 200
    assert (await busy.over(run))["waiting"] == {}


@sqlite_only
async def test_a_run_of_another_white_label_is_not_there(busy: Works) -> None:
    run = await busy.run(as_csv([a_row(1)]))
    await busy.over(run)
    paths: list[tuple[str, str, Any]] = [("GET", "", None), ("GET", "/rows", None), ("POST", "/rows/1/retry", an_order(1))]
    paths += [("POST", f"/{verb}", None) for verb in ("pause", "resume", "cancel", "rows/1/undo")]
    paths += [("POST", "/throttle", {"rate": 5})]
    for method, path, body in paths:
        answer = await busy.ask(method, f"/v1/bulk-runs/{run}{path}", by="other", json=body)
        assert answer.status_code == 404, (path, answer.text)
    assert (await busy.ask("GET", "/v1/bulk-runs", by="other")).json()["items"] == []
    # The same key of another white label is another run.
    other = await busy.send(as_csv([a_row(2)]), by="other", key="once")
    mine = await busy.send(as_csv([a_row(3)]), key="once")
    assert other.json()["id"] != mine.json()["id"]
    assert (await busy.ask("GET", f"/v1/bulk-runs/{run}", by="platform")).status_code == 200
    for done in (other.json()["id"], mine.json()["id"]):
        await busy.client.get_workflow_handle(bulk_workflow_id(done)).result()


@sqlite_only
async def test_who_may_only_look_may_only_look(busy: Works) -> None:
    run = await busy.run(as_csv([a_row(1)]))
    await busy.over(run)
    for by in ("auditor", "approver"):
        assert (await busy.send(as_csv([a_row(2)]), by=by)).status_code == 403
        assert (await busy.ask("GET", f"/v1/bulk-runs/{run}/rows", by=by)).status_code == 200
        for verb in ("pause", "resume", "cancel", "rows/1/undo"):
            assert (await busy.decide(run, verb, by=by)).status_code == 403, verb
        assert (await busy.decide(run, "rows/1/retry", by=by, json=an_order(1))).status_code == 403


async def test_a_run_continued_as_new_again_and_again_starts_every_row_once(busy: Works) -> None:
    """As one with ten thousand rows is; this one after every second batch."""
    rows, run = 25, str(uuid.uuid4())
    content = as_csv([a_row(number) for number in range(1, rows + 1)])
    tenant = await busy.database.catalogue.tenant(TENANT.id)
    by = Principal(id="key-bulk", name="bulk", person="bulk", tenant_id=TENANT.id, role=Role.ADMIN)
    onboardings = Onboardings(busy.client, busy.database.reader, busy.database.catalogue, busy.task_queue)
    checked = await RowCheck(onboardings, by, tenant, run, fingerprint="f").all(read(io.BytesIO(content), "csv"))
    new = NewRun(
        id=run, tenant_id=TENANT.id, fingerprint="f", rate=60, at_once=100, created_by="key-bulk", created_at=datetime.now(UTC)
    )
    assert await busy.database.bulk.keep(new, checked)
    # Five rows together, every five seconds.
    begin = BulkInput(run_id=run, rate=60, at_once=100, most_batches=2)
    handle = await busy.client.start_workflow("bulk", begin, id=bulk_workflow_id(run), task_queue=busy.task_queue)
    await handle.result()
    end = await busy.over(run)
    assert (end["state"], end["rows"], end["onboardings"]) == ("finished", {"started": rows}, {"active": rows})
    assert sorted(busy.starts.asked) == sorted({row.begin.id for row in checked if row.begin})
    first = busy.client.get_workflow_handle(bulk_workflow_id(run), run_id=handle.first_execution_run_id)
    assert (await first.describe()).status is WorkflowExecutionStatus.CONTINUED_AS_NEW
    assert len((await first.fetch_history()).events) < 60
