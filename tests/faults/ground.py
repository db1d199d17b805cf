"""One installation for one test: databases and workers of its own, on the servers of the session."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from adapters.database import Database
from adapters.payments.card_page import StripeCardPage
from adapters.settings import Settings
from domain.books import Books
from domain.errors import DialtoneError
from domain.keys import workflow_id
from domain.mails import MailKind
from domain.onboarding import CardPresented, OnboardingInput, Outcome, State
from domain.views import OnboardingView
from starter.local.stripe_edge import RunningGateway
from tests import builders, invariants
from tests.faults.director import Cue, Director
from tests.faults.foundry import Foundry, WorkerProcess
from tests.stripe import WORKS, left_card
from workflows.onboarding import OnboardingWorkflow
from workflows.options import ONBOARDING_STATE, TENANT_ID

T = TypeVar("T")
Handle = WorkflowHandle[OnboardingWorkflow, Outcome]
TENANT = builders.a_tenant()
TASK_TIMEOUT = timedelta(seconds=2)
"""How long the server waits for a worker that has died in the middle of a workflow task (the product: 10 s)."""
LOOK_EVERY = 0.03
PATIENCE = 60.0


@dataclass
class Ground:
    """Starts workers that a test may kill, places orders, and is their customers."""

    settings: Settings
    environment: Mapping[str, str]
    client: Client
    foundry: Foundry
    director: Director
    gateway: RunningGateway
    mailbox_url: str
    log: Path
    database: Database
    cards: StripeCardPage
    orders: dict[str, OnboardingInput] = field(default_factory=dict)
    deaths: int = 0

    # Workers

    def launch(self, **tuning: int) -> WorkerProcess:
        """A worker process; ``tuning`` are options of the SDK's worker."""
        fields = self.settings.model_dump(
            mode="json",
            include={"state_dir", "database_url", "voice_database_url", "smtp_port", "stripe_api_base", "task_queue"},
        )
        return self.foundry.start(
            settings=fields, environment=self.environment, port=self.director.port, log=self.log, tuning=tuning
        )

    @asynccontextmanager
    async def worker(self, **tuning: int) -> AsyncIterator[WorkerProcess]:
        """A worker that is not replaced when it dies."""
        process = self.launch(**tuning)
        try:
            yield process
        finally:
            process.kill()
            await process.ended()

    @asynccontextmanager
    async def kept_worker(self) -> AsyncIterator["Keeper"]:
        """A worker that is replaced as soon as it dies, as a service manager would."""
        keeper = Keeper(self)
        try:
            # A group: a worker that ends by itself ends the test.
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(keeper.keep())
                yield keeper
                keeping.cancel()
        finally:
            keeper.process.kill()
            await keeper.process.ended()

    # Orders

    async def order(self, onboarding: OnboardingInput, rpc_timeout: timedelta | None = None) -> Handle:
        """Start an onboarding as the web process does. Once acknowledged, it must never be lost."""
        attributes = [SearchAttributePair(ONBOARDING_STATE, "opening"), SearchAttributePair(TENANT_ID, onboarding.tenant_id)]
        handle = await self.client.start_workflow(
            OnboardingWorkflow.run,
            onboarding,
            id=workflow_id(onboarding.id),
            task_queue=self.settings.task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            memo={"fingerprint": onboarding.fingerprint, "tenant": onboarding.tenant_id},
            search_attributes=TypedSearchAttributes(attributes),
            task_timeout=TASK_TIMEOUT,
            rpc_timeout=rpc_timeout,
        )
        self.orders[onboarding.id] = onboarding
        return handle

    def handle(self, onboarding: str) -> Handle:
        return self.client.get_workflow_handle_for(OnboardingWorkflow.run, workflow_id(onboarding))

    async def view(self, onboarding: str) -> OnboardingView | None:
        """Its row, if there is one and the database answers."""
        try:
            return await self.database.reader.get(onboarding)
        except DialtoneError:
            return None

    async def reaches(self, onboarding: str, *states: State, waits_for: str | None = None) -> OnboardingView:
        """Wait until its row says one of these states. Fails if it ends otherwise."""
        view = await self.reaches_or_ends(onboarding, *states, waits_for=waits_for)
        assert view.state in states, f"{onboarding} ended {view.outcome} instead of reaching {states}"
        return view

    async def reaches_or_ends(self, onboarding: str, *states: State, waits_for: str | None = None) -> OnboardingView:
        """As ``reaches``, for one that may also end otherwise."""

        async def there() -> OnboardingView | None:
            view = await self.view(onboarding)
            reached = view and view.state in states and waits_for in {None, view.waits_for}
            return view if reached or (view and view.state.is_final) else None

        return await self.until(there, f"{onboarding} to be {', '.join(states)}")

    async def until(self, look: Callable[[], Coroutine[Any, Any, T | None]], what: str, seconds: float = PATIENCE) -> T:
        """What ``look`` finds, as soon as it finds something."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (found := await look()):
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"Waited {seconds:.0f} s in vain for {what}.\n{self.director.story()}")
            await asyncio.sleep(LOOK_EVERY)
        return found

    async def sees(self, cue: Cue, seconds: float = PATIENCE) -> None:
        """Wait until the moment of this cue has come."""
        try:
            await asyncio.wait_for(cue.reached.wait(), seconds)
        except TimeoutError:
            raise AssertionError(f"{cue.call} ({cue.when}) did not come.\n{self.director.story()}") from None

    async def tell(self, onboarding: str, update: str, value: Any, *, once_said: Collection[str | None] = ()) -> None:
        """Send an update until it is answered, however many workers die meanwhile. Codes in ``once_said`` mean "done before"."""
        handle, update_id = self.handle(onboarding), str(uuid.uuid4())
        while True:
            try:
                await handle.execute_update(update, value, id=update_id, rpc_timeout=timedelta(seconds=5))
            except (WorkflowUpdateRPCTimeoutOrCancelledError, RPCError) as error:
                if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND and onboarding in self.orders:
                    return  # it has ended
                await asyncio.sleep(LOOK_EVERY)  # no worker, or no server
                continue
            except WorkflowUpdateFailedError as error:
                if isinstance(error.cause, ApplicationError) and error.cause.type in once_said:
                    return
                raise
            return

    async def activated(self, onboarding: str) -> None:
        """The customer presses the button behind the newest link, again if the page says that it is not time yet."""

        async def pressed() -> bool:
            view = await self.reaches_or_ends(onboarding, *_ONCE_ACTIVATED, State.AWAITING_ACTIVATION)
            if view.state is State.AWAITING_ACTIVATION and await self.has_sent(onboarding, MailKind.ACTIVATION):
                await self.tell(onboarding, "activate", builders.activation(view.generation), once_said=_NOT_NOW)
            return view.state is not State.AWAITING_ACTIVATION

        await self.until(pressed, f"{onboarding} to be activated")

    async def has_sent(self, onboarding: str, letter: MailKind) -> bool:
        """Whether our records know of such a letter. Not while the database is away."""
        try:
            return any(kind is letter for kind, _ in await self.database.reader.mails(onboarding))
        except DialtoneError:
            return False

    async def paid(self, onboarding: str, number: str = WORKS) -> None:
        """The customer leaves a card at the gateway's page."""
        means = await left_card(self.cards, self.gateway.url, number, onboarding)
        await self.reaches(onboarding, State.AWAITING_PAYMENT, waits_for="customer")
        card = CardPresented(session=str(uuid.uuid4()), means=means)
        await self.tell(onboarding, "pay", card, once_said=_NOT_NOW)

    async def over(self, onboarding: str, seconds: float = PATIENCE) -> State:
        """Wait for the workflow's end; the state that our row has then."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await self.handle(onboarding).result()
                except WorkflowFailureError:
                    status = (await self.handle(onboarding).describe()).status
                    assert status in {WorkflowExecutionStatus.CANCELED, WorkflowExecutionStatus.FAILED}, status
                except (RPCError, RuntimeError):
                    await asyncio.sleep(LOOK_EVERY)  # the server is away
                    continue
                break
        view = await self.until(lambda: self.view(onboarding), f"the row of {onboarding}")
        return view.state

    # Truth

    async def books(self) -> Books:
        return await invariants.books(self._evidence())

    async def sound(self, *, copies: int = 1, replay: bool = True) -> None:
        """Fails unless every invariant holds over every ledger; shows the trace of what went wrong."""
        found = await invariants.violations(self._evidence(copies, replay=replay))
        about = {onboarding[:36] for onboarding in self.orders if any(onboarding in said for said in found)}
        stories = "\n\n".join(self.director.story(onboarding) for onboarding in sorted(about)[:3])
        assert not found, "\n".join([*found, "", stories])

    def _evidence(self, copies: int = 1, *, replay: bool = True) -> invariants.Evidence:
        customers = [begun.order.customer for begun in self.orders.values()]
        secrets = {word for customer in customers for word in (customer.contact.email, customer.name)}
        return invariants.Evidence(
            settings=self.settings,
            client=self.client,
            onboardings=list(self.orders),
            mailbox_url=self.mailbox_url,
            logs=[self.log] if self.log.exists() else [],
            secrets=sorted(secrets),
            copies=copies,
            replay=replay,
        )


_ONCE_ACTIVATED = (State.AWAITING_PAYMENT, State.PROVISIONING, State.HELD, State.COMPENSATING)
# Done already, or the workflow is behind its row: the task that wrote the row was forgotten and runs again.
_NOT_NOW = ("already_activated", "card_already_presented", "payment_in_progress", "not_waiting", "link_superseded")


class Keeper:
    """Keeps one worker running."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.process = ground.launch()

    async def keep(self) -> None:
        while True:
            status = await self.process.ended()
            assert status == -signal.SIGKILL, f"A worker ended by itself ({status}): {self._ground.log.read_text()[-2000:]}"
            self._ground.deaths += 1
            self.process = self._ground.launch()


def an_order(name: str, *, card: bool = False, **changes: Any) -> OnboardingInput:
    """An order of a customer of this name: paid by card after activation, or by the white label at once."""
    address = f"{name.replace(' ', '-').lower()}-{uuid.uuid4().hex[:8]}@example.com"
    make = builders.an_order if card else builders.paid_by_parent
    order_changes = changes.pop("order", {})
    return builders.an_onboarding(make(name=f"{name} {uuid.uuid4().hex[:8]}", email=address, **order_changes), **changes)


async def together(*named: tuple[str, Coroutine[Any, Any, None]]) -> None:
    """Run independent cases at once; every one that fails is told by its name."""

    async def case(name: str, run: Coroutine[Any, Any, None]) -> None:
        try:
            await run
        except BaseException as error:
            error.add_note(f"case: {name}")
            raise

    results = await asyncio.gather(*(case(name, run) for name, run in named), return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise BaseExceptionGroup(f"{len(errors)} of {len(named)} cases failed", errors)
