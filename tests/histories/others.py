"""The shorter processes beside the onboarding, as plays for the recorder: a change of calling, and what happens to numbers."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import WorkflowHandle

from activities.alerts import AlertActivities
from activities.bulk import BulkActivities
from activities.drafts import DraftActivities
from activities.registry import methods_of
from activities.stock import QuarantineActivities, ReaperActivities, RoutingActivities
from domain.alerts import AlertBounds, LowBalance, UndeliveredAlert
from domain.bulk import BatchOrder, BulkInput, Claimed, NewRow, RunNote, Throttle
from domain.calling import Calling, CallingChange, SuspensionReason
from domain.customers import CustomerChange
from domain.errors import NumberUnavailable, Refused, Unavailable
from domain.letters import LetterAct
from domain.numbers import Assignment
from domain.onboarding import Decision, OnboardingInput
from domain.quarantine import Hold, Reclaim, Release, SweepBounds, Swept
from domain.services import ServiceChange
from domain.transfers import Transfer
from domain.voice import RoutedNumber
from tests.builders import an_onboarding, by
from tests.histories import existing
from tests.simulators import Fault
from tests.workflows.conftest import Office
from workflows.alerts import BalanceAlertsWorkflow, LowBalanceWorkflow
from workflows.bulk import BulkWorkflow
from workflows.calling import CallingWorkflow
from workflows.customers import CustomerWorkflow
from workflows.letters import LetterWorkflow
from workflows.numbers import NumberReaperWorkflow, NumberReclaimWorkflow, NumberReleaseWorkflow
from workflows.services import ServiceWorkflow
from workflows.transfers import TransferWorkflow

AnyHandle = WorkflowHandle[Any, Any]


@dataclass
class Shelf:
    """Numbers after their onboarding. ``no`` names the calls that are refused, ``slow`` those that fail once and then work."""

    no: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    baskets: int = 0
    drafts: int = 0
    holds: list[Hold] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    low: list[LowBalance] = field(default_factory=list)
    rows: int = 0

    def activities(self) -> list[Callable[..., Any]]:
        own = methods_of(
            QuarantineActivities(self),
            RoutingActivities(self),
            ReaperActivities(self, self),
            AlertActivities(self),
            DraftActivities(self),
            BulkActivities(self, self),
        )
        return [*own, *existing.activities(self._called)]

    def _called(self, name: str) -> None:
        if name in self.slow:
            self.slow.remove(name)
            raise Unavailable("The database does not answer.")
        if name in self.no:
            kind = NumberUnavailable if name == "reclaim" else Refused
            raise kind("Somebody else has this number.")

    async def quarantine(self, release: Release) -> None:
        self._called("quarantine")

    async def reclaim(self, reclaim: Reclaim) -> None:
        self._called("reclaim")

    async def relinquish(self, reclaim: Reclaim) -> None:
        self._called("relinquish")

    async def silence(self, number: RoutedNumber) -> None:
        self._called("silence")

    async def ring(self, number: RoutedNumber) -> None:
        self._called("ring")

    async def sweep_baskets(self, most: int) -> Swept:
        freed = min(most, self.baskets)
        self.baskets -= freed
        return Swept(things=freed, numbers=freed, more=self.baskets > 0)

    async def sweep_drafts(self, most: int) -> Swept:
        ended = min(most, self.drafts)
        self.drafts -= ended
        return Swept(things=ended, more=self.drafts > 0)

    async def sweep_quarantine(self, most: int) -> Swept:
        self._called("sweep_quarantine")
        return Swept()

    async def overdue(self, most: int, after: str | None = None) -> Sequence[Hold]:
        return [hold for hold in self.holds if after is None or hold.onboarding_id > after][:most]

    async def free_holds(self, holds: Sequence[Hold]) -> Swept:
        self.holds = [hold for hold in self.holds if hold not in holds]
        return Swept(things=len(holds), numbers=len(holds))

    async def ended(self, onboarding_ids: Sequence[str]) -> Sequence[str]:
        return [one for one in onboarding_ids if one not in self.running]

    async def due(self, most: int) -> Sequence[LowBalance]:
        return self.low[:most]

    async def handed(self, alerts: Sequence[LowBalance]) -> None:
        self.low = [one for one in self.low if one not in alerts]

    async def undelivered(self, undelivered: UndeliveredAlert) -> None:
        self._called("undelivered")

    async def claim(self, order: BatchOrder) -> Claimed:
        self._called("claim")
        rows = [NewRow(number=number, line=number, begin=an_onboarding()) for number in range(min(order.most, self.rows))]
        return Claimed(rows=tuple(rows), left=self.rows, busy=0)

    async def started(self, run_id: str, numbers: Sequence[int]) -> None:
        self.rows -= len(numbers)

    async def note(self, note: RunNote) -> None:
        self._called("note")

    async def finish(self, run_id: str) -> bool:
        return self.rows == 0

    async def start(self, begin: OnboardingInput) -> None:
        self._called("start")


Play = Callable[[Office, Shelf], Awaitable[AnyHandle]]


@dataclass(frozen=True)
class Other:
    """``ends`` is what of the outcome tells this play from the others."""

    play: Play
    ends: dict[str, Any]


OTHERS: dict[str, Other] = {}


def other(**ends: Any) -> Callable[[Play], Play]:
    def add(play: Play) -> Play:
        OTHERS[play.__name__] = Other(play, ends)
        return play

    return add


NUMBER = Assignment(e164="+441214960000", tenant_id="tenant", account_id="account", onboarding_id="onboarding", service=0)


async def begin(office: Office, workflow: Any, value: Any) -> AnyHandle:
    return await office.client.start_workflow(workflow, value, id=f"recorded/{uuid.uuid4()}", task_queue=office.task_queue)


async def _suspend(office: Office, calling: Calling) -> AnyHandle:
    office.world.callings["account"] = calling
    change = CallingChange(
        key="k",
        account_id="account",
        tenant_id="tenant",
        actor="key:1",
        act="suspend",
        reason=SuspensionReason.PAYMENT,
        at=datetime.now(UTC),
    )
    return await begin(office, CallingWorkflow.run, change)


@other(code=None)
async def calling_changed(office: Office, _: Shelf) -> AnyHandle:
    office.world.faults["allow"] = Fault("unavailable", times=2)
    return await _suspend(office, Calling(account_id="account", rate_group="uk"))


@other(code="exempt_from_late_payment")
async def calling_change_refused(office: Office, _: Shelf) -> AnyHandle:
    return await _suspend(office, Calling(account_id="account", late_payment_exempt=True))


async def _release(office: Office) -> AnyHandle:
    now = datetime.now(UTC)
    release = Release(number=NUMBER, released_at=now, until=now + timedelta(days=90), actor="key:1")
    return await begin(office, NumberReleaseWorkflow.run, release)


@other(done=True)
async def number_released(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.slow = {"silence", "quarantine"}
    return await _release(office)


@other(done=False, code="refused")
async def number_release_refused(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.no = {"quarantine"}
    return await _release(office)


async def _reclaim(office: Office) -> AnyHandle:
    return await begin(office, NumberReclaimWorkflow.run, Reclaim(number=NUMBER, actor="key:1", at=datetime.now(UTC)))


@other(done=True)
async def number_reclaimed(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.slow = {"reclaim", "ring"}
    return await _reclaim(office)


@other(done=False, code="number_unavailable")
async def number_had_by_somebody_else(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.no = {"reclaim"}
    return await _reclaim(office)


@other(done=False, code="refused")
async def number_reclaimed_in_vain(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.no = {"ring"}
    return await _reclaim(office)


@other(baskets=3, holds=2, holds_kept=1, more=False)
async def numbers_swept(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.baskets, shelf.slow, shelf.running = 3, {"sweep_quarantine"}, {"b"}
    shelf.holds = [Hold(onboarding_id=one, key=f"{one}:reserve_numbers:1") for one in "abc"]
    return await begin(office, NumberReaperWorkflow.run, SweepBounds(batch=2, batches=5))


@other(baskets=0, holds=0, more=False)
async def nothing_to_sweep(office: Office, _: Shelf) -> AnyHandle:
    return await begin(office, NumberReaperWorkflow.run, SweepBounds())


def _low(crossing: int = 1) -> LowBalance:
    return LowBalance(account_id=str(uuid.uuid4()), onboarding_id="onboarding", crossing=crossing)


@other(letters=2)
async def low_balances_handed_on(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.low = [_low(), _low(2)]
    return await begin(office, BalanceAlertsWorkflow.run, AlertBounds())


@other(letters=0)
async def no_low_balance(office: Office, _: Shelf) -> AnyHandle:
    return await begin(office, BalanceAlertsWorkflow.run, AlertBounds())


@other(told=True)
async def low_balance_told(office: Office, _: Shelf) -> AnyHandle:
    return await begin(office, LowBalanceWorkflow.run, _low())


@other(told=False, code="recipient_refused")
async def low_balance_told_to_nobody(office: Office, _: Shelf) -> AnyHandle:
    office.world.faults["send_mail"] = Fault("refused")
    return await begin(office, LowBalanceWorkflow.run, _low())


def _decided() -> dict[str, Any]:
    return {"key": "k", "account_id": "account", "tenant_id": "tenant", "actor": "key:1", "at": datetime.now(UTC)}


@other(done=True)
async def customer_changed(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.slow = {"customer"}
    office.world.callings["account"] = Calling(account_id="account", version=1)
    return await begin(office, CustomerWorkflow.run, CustomerChange(**_decided(), patch={"late_payment_exempt": True}))


@other(done=False, code="refused")
async def customer_change_refused(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.no = {"customer"}
    return await begin(office, CustomerWorkflow.run, CustomerChange(**_decided(), patch={"company": "X"}))


@other(done=True)
async def customer_change_approved(office: Office, _: Shelf) -> AnyHandle:
    office.world.callings["account"] = Calling(account_id="account", version=1)
    change = CustomerChange(**_decided(), patch={"credit_limit_minor": 1}, needs_approval=True)
    handle = await begin(office, CustomerWorkflow.run, change)
    await handle.execute_update("approve", Decision(actor="key:2"))
    return handle


@other(done=True)
async def service_changed(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.slow = {"service", "configure", "confirm"}
    return await begin(office, ServiceWorkflow.run, ServiceChange(**_decided(), line="d0", patch={"max_channels": 2}))


@other(done=False, code="refused")
async def service_change_refused(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.no = {"service"}
    return await begin(office, ServiceWorkflow.run, ServiceChange(**_decided(), line="d0", patch={"max_channels": 2}))


def _moving() -> Transfer:
    return Transfer(**_decided(), to="other", plan="office-20", reason="Moved", consent="In writing")


@other(done=True)
async def customer_moved(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.slow = {"transfer"}
    office.world.callings["account"] = Calling(account_id="account", version=1)
    return await begin(office, TransferWorkflow.run, _moving())


@other(done=False, code="refused")
async def customer_not_moved(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.no = {"transfer"}
    return await begin(office, TransferWorkflow.run, _moving())


def _letter(**changes: Any) -> LetterAct:
    return LetterAct(**_decided() | {"onboarding_id": "onboarding", "place": 0, "act": "resend"} | changes)


@other(done=True)
async def letter_sent_again(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.slow = {"letter", "close letter"}
    return await begin(office, LetterWorkflow.run, _letter())


@other(done=True)
async def letter_dismissed(office: Office, _: Shelf) -> AnyHandle:
    return await begin(office, LetterWorkflow.run, _letter(act="dismiss", reason="Told by telephone"))


@other(done=False, code="letter_refused_again")
async def letter_refused_again(office: Office, _: Shelf) -> AnyHandle:
    office.world.faults["send_mail"] = Fault("refused")
    return await begin(office, LetterWorkflow.run, _letter())


@other(done=False, code="refused")
async def letter_not_refused(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.no = {"letter"}
    return await begin(office, LetterWorkflow.run, _letter())


@other(drafts=3, baskets=0, more=False)
async def drafts_swept(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.drafts = 3
    return await begin(office, NumberReaperWorkflow.run, SweepBounds(batch=2, batches=5))


async def _bulk(office: Office, shelf: Shelf, rows: int) -> AnyHandle:
    shelf.rows = rows
    return await begin(office, BulkWorkflow.run, BulkInput(run_id="run", rate=60, at_once=20))


@other(state="running", started=12, left=0, rate=6000)
async def bulk_paused_and_resumed(office: Office, shelf: Shelf) -> AnyHandle:
    shelf.slow = {"note", "claim", "start"}
    handle = await _bulk(office, shelf, 12)
    await handle.execute_update("pause", by())
    await handle.execute_update("throttle", Throttle(actor="key:1", rate=6000))
    await handle.signal("look_again")
    await handle.execute_update("resume", by())
    return handle


@other(state="cancelled")
async def bulk_cancelled(office: Office, shelf: Shelf) -> AnyHandle:
    handle = await _bulk(office, shelf, 100)
    await handle.execute_update("cancel", by())
    return handle


@other(state="cancelled")
async def bulk_cancelled_by_temporal(office: Office, shelf: Shelf) -> AnyHandle:
    handle = await _bulk(office, shelf, 100)
    await handle.execute_update("pause", by())
    await handle.cancel()
    return handle
