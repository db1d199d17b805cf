"""The picture in the README is what happens: both of its ways are played, and compared line by line."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.testing import TimeSkipper
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor, Worker

from domain.mails import MailKind, MailOrder
from domain.onboarding import State
from tests.builders import a_card, activation, an_onboarding, by
from tests.simulators import Fault, World
from tests.workflows.conftest import Office

README = Path(__file__).parents[2] / "README.md"
_BOOKKEEPING = "record_progress"  # writes down what happened, between the steps


class Witness(Interceptor):
    """Notes every activity as it begins, as the picture writes it."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        witness = self

        class Inbound(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
                (value,) = input.args
                name = activity.info().activity_type
                if name != _BOOKKEEPING:
                    witness.seen.append(f"{name} ({value.kind})" if isinstance(value, MailOrder) else name)
                return await self.next.execute_activity(input)

        return Inbound(next)


def drawn(branch: str) -> list[str]:
    """The messages to and from the workflow in the picture: the common beginning, then this branch (``alt`` or ``else``)."""
    picture = re.search(r"```mermaid\nsequenceDiagram\n(.*?)```", README.read_text(), re.DOTALL)
    assert picture is not None
    common, rest = re.split(r"\n\s*alt .*\n", picture[1])
    first, second = re.split(r"\n\s*else .*\n", rest)
    text = common + "\n" + {"alt": first, "else": second}[branch]
    found = []
    for name, words in re.findall(r"(?:W->>[A-Z]|[A-Z]->>W): ([a-z_]+)\b(.*)", text):
        found.append(f"{name}{words}" if name == "send_mail" else name)
    return found


@pytest.mark.parametrize("branch", ["alt", "else"])
async def test_the_picture_shows_what_happens(
    client: Client, world: World, start_worker: Callable[..., Worker], branch: str
) -> None:
    witness = Witness()
    queue = f"picture-{branch}"
    if branch == "else":
        world.faults["provision"] = Fault("refused")

    async with start_worker(queue, interceptors=[witness]):
        office = Office(client, TimeSkipper(client), queue, world)
        handle = await office.start(an_onboarding())

        async def tell(update: str, value: Any) -> None:
            witness.seen.append(update)
            await office.tell(handle, update, value)

        await office.reaches(handle, State.AWAITING_ACTIVATION, waits_for="customer")
        while not any(mail.kind is MailKind.ACTIVATION for mail in world.mails):
            await office.reaches(handle, State.AWAITING_ACTIVATION)
        await tell("activate", activation())
        await office.reaches(handle, State.AWAITING_PAYMENT, waits_for="customer")
        await tell("pay", a_card())
        if branch == "else":
            await office.reaches(handle, State.HELD)
            while not any(mail.kind is MailKind.OPERATOR_NEEDED for mail in world.mails):
                await office.reaches(handle, State.HELD)
            await tell("give_up", by())
        outcome = await handle.result()

    assert outcome.state is (State.ACTIVE if branch == "alt" else State.FAILED)
    assert witness.seen == drawn(branch)
