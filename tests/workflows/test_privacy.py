"""What lies in Temporal for years: no personal data where it is never encrypted, and none anywhere with encryption on."""

import asyncio
import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
)
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import TimeSkipper

from adapters.settings import Settings
from adapters.temporal import data_converter
from domain.access import Principal, Role
from domain.base import Value
from domain.catalogue import ApprovalPolicy
from domain.customer import Address, Contact, Customer
from domain.keys import workflow_id
from domain.onboarding import Correction, State
from domain.orders import Order, Service
from starter.local.temporal_server import RunningTemporal
from starter.onboardings import Onboardings
from tests.builders import a_card, a_tenant, accepted, activation, an_order, by
from tests.simulators import FORWARD, Fault, World
from tests.starter.memory import Catalogue, Reader
from tests.workflows.conftest import Handle, Office
from worker import onboarding_worker
from workflows.onboarding import OnboardingWorkflow

KEYS = f"k1:{base64.b64encode(b'1' * 32).decode()}"
ENCRYPTED = b"binary/dialtone-1"
CANARIES = [
    "Kanarienvogel Ltd",
    "Carla Canary",
    "carla@canary.example",
    "corrected@canary.example",
    "bills@canary.example",
    "77 Canary Row",
    "Canarytown",
    "+441214960777",
    "+441214960000",  # the number that is held
    "Canary desk",
    "198.51.100.77",
    "pm_canary",
    "cus_canary",
    "because of Carla",
]
TENANT = a_tenant(approval=ApprovalPolicy(total_over_minor=0))
REASON = "because of Carla"


def order() -> Order:
    address = Address(lines=("77 Canary Row",), city="Canarytown", country="GB")
    contact = Contact(full_name="Carla Canary", email="carla@canary.example", telephone="+441214960777")
    customer = Customer(
        name="Kanarienvogel Ltd",
        contact=contact,
        billing_email="bills@canary.example",
        billing_address=address,
        service_address=address,
    )
    numbers = an_order().services[0].numbers
    return an_order(customer=customer, services=(Service(label="Canary desk", numbers=numbers),))


def settings(*, encrypted: bool, **changes: Any) -> Settings:
    return Settings(payload_keys=KEYS if encrypted else None, **changes)


async def an_eventful_life(client: Client, server: Settings, world: World) -> tuple[Handle, Handle]:
    """Two customers who meet everything that leaves words behind: one goes live, the other fails and is undone with trouble.

    What the workflows show of themselves to whoever looks is looked at here, while there is a worker to show it.
    """
    onboardings = Onboardings(client, Reader(), Catalogue([TENANT]), server.task_queue)
    admin = Principal(id="key:requester", name="Carla Canary", person="Carla Canary", tenant_id=TENANT.id, role=Role.ADMIN)

    async def begin() -> Handle:
        started = await onboardings.start(
            admin, TENANT, order(), idempotency_key=str(uuid.uuid4()), fingerprint="f" * 64, address="198.51.100.77"
        )
        return client.get_workflow_handle_for(OnboardingWorkflow.run, workflow_id(started.id))

    async with onboarding_worker(client, server, world.activities()):
        office = Office(client, TimeSkipper(client), server.task_queue, world)

        async def to_provisioning(handle: Handle) -> None:
            await office.reaches(handle, State.AWAITING_APPROVAL)
            await office.tell(handle, "approve", by("key:approver", REASON))
            await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
            await office.tell(handle, "correct", Correction(actor="key:op", reason=REASON, email="corrected@canary.example"))
            while (await office.reaches(handle, State.AWAITING_ACTIVATION)).generation == 1:
                pass
            terms = accepted().model_copy(update={"accepted_by": "Carla Canary", "address": "198.51.100.77"})
            await office.tell(handle, "activate", activation(2).model_copy(update={"terms": terms}))
            await office.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
            card = a_card("cs_1", "pm_canary")
            means = card.means.model_copy(update={"customer": "cus_canary"})
            await office.tell(handle, "pay", card.model_copy(update={"means": means}))

        world.faults = {"provision": Fault("refused", times=1)}
        live = await begin()
        await to_provisioning(live)
        await office.reaches(live, State.HELD)
        await office.tell(live, "retry", by("key:op", REASON))
        assert (await live.result()).state is State.ACTIVE
        assert world.effects == list(FORWARD)
        world.effects.clear()
        world.faults = {"go_live": Fault("done_then_broken"), "release_numbers": Fault("unavailable", times=2)}
        failed = await begin()
        await to_provisioning(failed)
        (outcome,) = await asyncio.gather(failed.result(), return_exceptions=True)
        assert isinstance(outcome, Exception)
        assert world.effects == []
        for handle in (live, failed):
            assert betrayed(str(await handle.query("__temporal_workflow_metadata"))) == []
    return live, failed


async def raw(client: Client, handle: Handle) -> list[Message]:
    """The history and the description as the server keeps and shows them, before any decoding."""
    service, namespace = client.workflow_service, client.namespace
    execution = {"workflow_id": handle.id}
    history = await service.get_workflow_execution_history(
        GetWorkflowExecutionHistoryRequest(namespace=namespace, execution=execution)  # type: ignore[arg-type]
    )
    description = await service.describe_workflow_execution(
        DescribeWorkflowExecutionRequest(namespace=namespace, execution=execution)  # type: ignore[arg-type]
    )
    assert len(history.history.events) > 50
    assert not history.next_page_token
    return [history, description]


def parts(message: Message) -> Iterator[tuple[str, Message]]:
    """Every message within a message, with the name of the field that it is in."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            children = [child for child in value.values() if isinstance(child, Message)]
        else:
            children = list(value) if field.is_repeated else [value]
        for child in children:
            yield field.name, child
            yield from parts(child)


def betrayed(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text or json.dumps(canary)[1:-1] in text]


# What the SDK notes of a step inside our database: which, when, how often; never its values.
ABOUT_A_PATCH = {"id", "deprecated"}
ABOUT_A_LOCAL_STEP = {
    "seq",
    "attempt",
    "activity_id",
    "activity_type",
    "complete_time",
    "backoff",
    "original_schedule_time",
    "activation_index",
}


def is_clear(payload: Payload) -> bool:
    return payload.metadata["encoding"] != ENCRYPTED


@pytest.fixture
async def connect(temporal_server: RunningTemporal) -> Any:
    async def connecting(server: Settings) -> Client:
        return await Client.connect(temporal_server.address, data_converter=data_converter(server))

    return connecting


async def test_what_is_never_encrypted_holds_no_personal_data(connect: Any, world: World) -> None:
    server = settings(encrypted=False, task_queue=f"office-{uuid.uuid4()}")
    client = await connect(server)
    everything, looked_at = "", set()
    for handle in await an_eventful_life(client, server, world):
        assert betrayed(handle.id) == []
        for message in await raw(client, handle):
            everything += str(message)
            for name, part in parts(message):
                if isinstance(part, SearchAttributes | Failure) or name in {"memo", "user_metadata", "header", "execution"}:
                    looked_at.add(type(part).__name__)
                    assert betrayed(str(part)) == [], (name, part)
    assert {"SearchAttributes", "Memo", "UserMetadata", "Failure"} <= looked_at
    assert betrayed(everything) == CANARIES, "every canary was in the inputs, or this test looks for nothing"


async def test_with_keys_nothing_at_all_can_be_read(connect: Any, world: World) -> None:
    server = settings(encrypted=True, task_queue=f"office-{uuid.uuid4()}")
    client = await connect(server)
    handles = await an_eventful_life(client, server, world)
    for handle in handles:
        for message in await raw(client, handle):
            written = message.SerializeToString()
            assert [canary for canary in CANARIES if canary.encode() in written] == []
            payloads = [part for _, part in parts(message) if isinstance(part, Payload)]
            assert any(payload.metadata["encoding"] == ENCRYPTED for payload in payloads)
            # Search attributes, the only ones with a type, must be in clear: the server searches them. So is which of our changes
            # the workflow's code had.
            in_clear = [payload for payload in payloads if payload.metadata["encoding"] != ENCRYPTED]
            for payload in in_clear:
                known = (ABOUT_A_LOCAL_STEP, ABOUT_A_PATCH)
                assert "type" in payload.metadata or json.loads(payload.data).keys() in known
    stranger = await connect(settings(encrypted=False))
    live, failed = (stranger.get_workflow_handle(handle.id, result_type=Value) for handle in handles)
    with pytest.raises(KeyError, match="Unknown payload encoding"):
        await live.result()
    with pytest.raises(WorkflowFailureError) as ended:
        await failed.result()
    assert isinstance(ended.value.cause, ApplicationError)
    assert ended.value.cause.message == "Encoded failure", "only its code can be read"
