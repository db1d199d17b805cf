"""The worker of a bulk run is killed (SIGKILL) in the middle of a batch: no row is started twice, none is lost."""

import uuid

import pytest

from domain.access import Principal, Role
from domain.bulk import RowState
from domain.keys import bulk_onboarding_id, bulk_run_id, bulk_workflow_id
from starter.bulk.checking import RowCheck
from starter.bulk.files import RawRow
from starter.bulk.office import Asked, BulkOffice
from starter.onboardings import Onboardings
from tests.bulk.conftest import an_order
from tests.faults.conftest import both
from tests.faults.director import When
from tests.faults.ground import TENANT, Ground

ROWS, DEADLY = 25, 14
BY = Principal(id="key-bulk", name="bulk", person="bulk", tenant_id=TENANT.id, role=Role.ADMIN)


@both
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_worker_killed_in_a_batch_starts_every_row_once(ground: Ground, when: When) -> None:
    """After: Temporal has the onboarding, and our row does not say so yet. There is no worse moment."""
    onboardings = Onboardings(ground.client, ground.database.reader, ground.database.catalogue, ground.settings.task_queue)
    office = BulkOffice(ground.client, ground.database.bulk, onboardings, ground.settings.task_queue)
    rows = [RawRow(number=number, line=number, data=an_order(number)) for number in range(1, ROWS + 1)]
    # A key of this test's own: the Temporal server is that of all cases, and ids follow from the key.
    key = str(uuid.uuid4())
    run_id = bulk_run_id(TENANT.id, key)
    checked = await RowCheck(onboardings, BY, TENANT, run_id, fingerprint="f").all(rows)
    ground.orders |= {row.begin.id: row.begin for row in checked if row.begin}
    assert len(ground.orders) == ROWS
    cue = ground.director.cue("starts.start", when, "kill", bulk_onboarding_id(run_id, DEADLY))
    async with ground.kept_worker():
        await office.start(BY, TENANT, rows, Asked(fingerprint="f", rate=6000, at_once=100), key)
        await ground.client.get_workflow_handle(bulk_workflow_id(run_id)).result()
        for onboarding in ground.orders:
            assert await ground.over(onboarding) == "active"
    assert (cue.fired, ground.deaths) == (1, 1)
    run = await office.get(run_id, TENANT.id)
    assert (run.rows, run.left) == ({RowState.STARTED: ROWS}, 0)
    assert ground.director.times("starts.start", "before") > ROWS
    await ground.sound()
