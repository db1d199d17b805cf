"""Passwords of a file's rows are hashed one by one as their rows are started, and rest sealed until then."""

from pydantic import SecretStr

from adapters.crypto import Secrets
from adapters.starting import TemporalStarts
from domain.bulk import BatchOrder
from domain.credentials import Credential
from domain.keys import workflow_id
from tests.bulk.conftest import TENANT, Works, a_row, as_csv, sqlite_only
from workflows.starting import start_options

PASSWORD = "correct horse battery staple"


def rows(many: int) -> bytes:
    return as_csv([a_row(number, credential="set", password=PASSWORD) for number in range(1, many + 1)])


@sqlite_only
async def test_a_dry_run_hashes_no_password(works: Works) -> None:
    report = await works.check(rows(30))
    assert (report["valid"], works.at_door.hashed) == (True, 0)
    # Looked at it is nevertheless, as that of one order is.
    short = await works.check(as_csv([a_row(1, credential="set", password="short")]))
    assert [problem["pointer"] for problem in short["rows"][0]["problems"]] == ["/password"]


async def test_each_password_is_hashed_when_its_row_is_started(works: Works) -> None:
    run = await works.run(rows(5))
    assert (works.at_door.hashed, works.at_work.hashed) == (0, 0)
    kept = await works.database._transactions.read(
        lambda connection: connection.exec_driver_sql("SELECT onboarding FROM bulk_rows").scalars().all()
    )
    assert len(kept) == 5
    assert not [row for row in kept if PASSWORD in row]
    async with works.worker():
        assert (await works.over(run))["onboardings"] == {"active": 5}
    assert (works.at_door.hashed, works.at_work.hashed) == (0, 5)
    for number in range(1, 6):
        user = await works.database.users.sign_in(f"shop{number}@example.com", TENANT.id)
        assert user is not None
        assert await works.at_work.verify(user.password_hash, PASSWORD)
    for row in await works.rows(run):
        history = await works.client.get_workflow_handle(workflow_id(row["onboarding_id"])).fetch_history()
        for event in history.events:
            for payload in event.workflow_execution_started_event_attributes.input.payloads:
                assert PASSWORD.encode() not in payload.data
                assert b'"sealed_password":null' in payload.data


@sqlite_only
async def test_whoever_has_a_password_from_before_a_new_secret_is_invited(works: Works) -> None:
    run = await works.run(rows(1))
    other = Secrets(SecretStr("another secret of the tests, long enough"))
    starts = TemporalStarts(works.client, works.database.reader, works.task_queue, start_options, other, works.at_work)
    (row,) = (await works.database.bulk.claim(BatchOrder(run_id=run, most=1, at_once=1))).rows
    assert row.begin is not None
    assert row.begin.credentials.credential is Credential.SET
    await starts.start(row.begin)
    async with works.worker():
        await works.client.get_workflow_handle(workflow_id(row.begin.id)).result()
    user = await works.database.users.sign_in("shop1@example.com", TENANT.id)
    assert user is not None
    assert user.password_hash is None
    assert works.at_work.hashed == 0
