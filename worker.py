"""The worker process: builds the adapters, hands them to the activities, and runs until it is told to stop.

Run it with ``python worker.py`` or ``dialtone worker``. SIGTERM and SIGINT drain: no new work is taken, and steps that
run are given ``GRACE`` to end; one that does not is tried again elsewhere.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.alerts import AlertActivities
from activities.bulk import BulkActivities
from activities.calling import CallingActivities
from activities.customers import CustomerActivities
from activities.drafts import DraftActivities
from activities.letters import LetterActivities
from activities.mails import MailActivities
from activities.numbers import NumberActivities
from activities.payments import LedgerActivities, PaymentActivities
from activities.records import RecordActivities
from activities.registry import methods_of
from activities.services import ServiceActivities
from activities.stock import QuarantineActivities, ReaperActivities, RoutingActivities
from activities.transfers import TransferActivities
from activities.voice import VoiceActivities
from adapters.alerting import keep_alerting
from adapters.crypto import Secrets
from adapters.database import Database
from adapters.mail import mailer
from adapters.passwords import Argon2Passwords
from adapters.payments.stripe import StripeGateway
from adapters.reaping import TemporalRuns, keep_reaping
from adapters.sandbox import ContextFreeSandbox, require_context_free
from adapters.settings import Settings
from adapters.starting import TemporalStarts
from adapters.temporal import connect
from adapters.voice import voice_switch
from domain.errors import Unavailable
from workflows.alerts import BalanceAlertsWorkflow, LowBalanceWorkflow
from workflows.bulk import BulkWorkflow
from workflows.calling import CallingWorkflow
from workflows.customers import CustomerWorkflow
from workflows.letters import LetterWorkflow
from workflows.numbers import NumberReaperWorkflow, NumberReclaimWorkflow, NumberReleaseWorkflow
from workflows.onboarding import OnboardingWorkflow
from workflows.options import MONEY
from workflows.services import ServiceWorkflow
from workflows.starting import start_options
from workflows.transfers import TransferWorkflow

GRACE = timedelta(seconds=30)
# How long a card payment's attempt that never reported back may still be under way: its timeout, and some for the wire.
SETTLING = (MONEY["start_to_close_timeout"] or timedelta()) + timedelta(seconds=15)

WORKFLOWS = [
    OnboardingWorkflow,
    BulkWorkflow,
    CallingWorkflow,
    CustomerWorkflow,
    ServiceWorkflow,
    TransferWorkflow,
    LetterWorkflow,
    NumberReleaseWorkflow,
    NumberReclaimWorkflow,
    NumberReaperWorkflow,
    BalanceAlertsWorkflow,
    LowBalanceWorkflow,
]

_log = logging.getLogger("dialtone.worker")


@asynccontextmanager
async def activities(settings: Settings) -> AsyncIterator[Sequence[Callable[..., Any]]]:
    """Every activity, on the adapters that the settings name; closes them afterwards."""
    secrets = Secrets(settings.secret)
    database = Database(settings.database)
    switch = voice_switch(settings, secrets)
    post = mailer(settings, secrets)
    gateway = StripeGateway.connect(settings.stripe_api_key, settings.stripe_api_base)
    try:
        yield methods_of(
            RecordActivities(database.records),
            NumberActivities(database.numbers),
            LedgerActivities(database.ledger),
            PaymentActivities(gateway, database.fence, SETTLING),
            VoiceActivities(switch),
            MailActivities(post, database.mail_desk),
            CallingActivities(database.calling),
            QuarantineActivities(database.stock),
            RoutingActivities(switch),
            AlertActivities(database.alerts),
            LetterActivities(database.letters),
            CustomerActivities(database.customers),
            TransferActivities(database.transfers),
            ServiceActivities(database.services, switch),
            DraftActivities(database.drafts),
            ReaperActivities(database.stock, TemporalRuns(await connect(settings, lazy=True))),
            BulkActivities(
                database.bulk,
                TemporalStarts(
                    await connect(settings, lazy=True),
                    database.reader,
                    settings.task_queue,
                    start_options,
                    secrets,
                    Argon2Passwords(),
                ),
            ),
        )
    finally:
        for part in (post, gateway, switch, database):
            await part.close()


def sandbox(*, strict: bool = False) -> SandboxedWorkflowRunner:
    """Where workflows run, and stored histories are replayed.

    What a workflow imports and is not passed through is loaded again for every run. ``strict`` passes through only what is
    pure (``domain``, ``activities``), so that clocks, chance and the outside are refused to our workflow code: so the tests
    run it. In production the workflow modules that passed them are passed through too, which halves what a run costs
    (docs/scaling.md).
    """
    trusted = ("domain", "activities") if strict else ("domain", "activities", "workflows")
    return ContextFreeSandbox(restrictions=SandboxRestrictions.default.with_passthrough_modules(*trusted))


def onboarding_worker(
    client: Client, settings: Settings, methods: Sequence[Callable[..., Any]], *, strict: bool = False, **options: Any
) -> Worker:
    """A worker for onboardings; ``strict`` is for ``sandbox``, other options are the SDK's."""
    require_context_free(client.data_converter)
    # Onboardings wait for weeks, so a run moves on to the newest version instead of keeping old workers alive for it.
    deployment = WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=settings.deployment_name, build_id=settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=WORKFLOWS,
        activities=methods,
        workflow_runner=sandbox(strict=strict),
        deployment_config=deployment if settings.build_id else None,
        graceful_shutdown_timeout=GRACE,
        **options,
    )


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await connect(settings)
    async with activities(settings) as methods, onboarding_worker(client, settings, methods):
        _log.info("Working on task queue %s", settings.task_queue)
        try:
            await keep_reaping(client, settings.task_queue)
            await keep_alerting(client, settings.task_queue)
        except Unavailable as error:
            # Onboardings do not need it; the next worker that starts tries again.
            _log.warning("%s", error.message)
        await stop.wait()
        _log.info("Draining: running steps have %s s to end", int(GRACE.total_seconds()))
    _log.info("Stopped")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # They log the address of every request to the gateway.
    for talkative in ("httpx", "stripe"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    asyncio.run(run(Settings()))


if __name__ == "__main__":
    main()
