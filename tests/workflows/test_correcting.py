"""Correcting the address of somebody who waits for a link: it is sent anew, and not to the whole world."""

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain.mails import MailKind
from domain.onboarding import Correction, State
from tests.builders import an_onboarding, by
from tests.workflows.conftest import Office

MOST = 10


async def test_one_order_writes_to_a_handful_of_addresses_and_to_no_more(office: Office) -> None:
    handle = await office.start(an_onboarding())
    for number in range(MOST):
        await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
        await office.tell(handle, "correct", Correction(actor="key:operator", email=f"person{number}@example.com"))
        while (await office.reaches(handle, State.AWAITING_ACTIVATION)).generation < number + 2:
            pass
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await office.tell(handle, "correct", Correction(actor="key:operator", email="one.more@example.com"))
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "too_many_corrections"
    await office.tell(handle, "cancel", by())
    await handle.result()
    assert sum(mail.kind is MailKind.ACTIVATION for mail in office.world.mails) == MOST + 1
