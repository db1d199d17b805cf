"""The worker of these tests: the product's worker process, with a fault layer at every port and shorter waits.

Run as a program it is a foundry: it has imported everything and forks a worker for each line of JSON that it reads, so that a
test can kill a real process and have the next one within a tenth of a second.
"""

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import select
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy

from activities.bulk import BulkActivities
from activities.calling import CallingActivities
from activities.mails import MailActivities
from activities.numbers import NumberActivities
from activities.payments import LedgerActivities, PaymentActivities
from activities.records import RecordActivities
from activities.registry import methods_of
from activities.voice import VoiceActivities
from adapters.crypto import Secrets
from adapters.database import Database
from adapters.mail import mailer
from adapters.passwords import Argon2Passwords
from adapters.payments.stripe import StripeGateway
from adapters.settings import Settings
from adapters.starting import TemporalStarts
from adapters.temporal import connect
from adapters.voice import voice_switch
from domain.errors import DialtoneError, Refused, Unavailable
from domain.onboarding import OnboardingInput
from worker import onboarding_worker
from workflows import options
from workflows.starting import start_options

STEP = timedelta(seconds=2.5)
"""How long an attempt may take: a killed worker's steps are tried again only after that."""
SETTLING = STEP + timedelta(seconds=6)
_ONBOARDING_ID = 36  # characters; every key begins with it
_SOON = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(milliseconds=500))


def hurry() -> None:
    """Shorten every wait between two attempts. What is waited for, and how often it is tried, stays the product's."""
    most = options.RECORDS["retry_policy"]
    assert most is not None
    options.RECORDS.update(
        {"start_to_close_timeout": STEP, "retry_policy": dataclasses.replace(_SOON, maximum_attempts=most.maximum_attempts)}
    )
    for config in (options.RECORDS_AT_LENGTH, options.MONEY, options.SWITCH, options.MAIL, options.UNDO, options.BATCH):
        config.update({"start_to_close_timeout": STEP, "retry_policy": _SOON})


class Stage:
    """The connection to the test that says what goes wrong."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def moment(self, call: str, when: str, onboarding: str) -> None:
        """Ask what is to happen now, and let it happen. Raises what the test wants the port to have raised."""
        do = ""
        try:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(json.dumps([call, when, onboarding]).encode() + b"\n")
            do = (await reader.readline()).decode().strip()
            self._idle.append((reader, writer))
        except OSError:
            pass
        if not do:
            os._exit(3)  # the test is over
        if do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if do == "fail":
            raise Unavailable("No answer (a fault that a test asked for).")
        if do == "refuse":
            raise Refused("No (a fault that a test asked for).", code="refused_by_test")


class Faulty:
    """A port with faults: every call asks before its effect and after it.

    The call goes on when its caller gives up, as a request does that is on the wire already.
    """

    def __init__(self, name: str, port: object, stage: Stage) -> None:
        self._name, self._port, self._stage = name, port, stage
        self._running: set[asyncio.Task[Any]] = set()

    def __getattr__(self, verb: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._port, verb)

        async def call(value: Any) -> Any:
            task = asyncio.create_task(self._call(f"{self._name}.{verb}", method, value))
            self._running.add(task)
            task.add_done_callback(self._ended)
            return await asyncio.shield(task)

        return call

    async def _call(self, name: str, method: Callable[..., Coroutine[Any, Any, Any]], value: Any) -> Any:
        about = onboarding_of(value)
        await self._stage.moment(name, "before", about)
        try:
            answer = await method(value)
        except DialtoneError:
            await self._stage.moment(name, "refused", about)
            raise
        await self._stage.moment(name, "after", about)
        return answer

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), DialtoneError):
            logging.getLogger("faults").info("%s after its caller may have left", error.code)


def onboarding_of(value: Any) -> str:
    """Which onboarding a port is called for: every argument says it, most by their key."""
    if isinstance(value, OnboardingInput):
        return value.id
    payment = getattr(value, "payment", value)
    if found := getattr(payment, "onboarding_id", None):
        return str(found)
    return str(getattr(payment, "key", payment))[:_ONBOARDING_ID]


@asynccontextmanager
async def activities(settings: Settings, stage: Stage) -> AsyncIterator[Sequence[Callable[..., Any]]]:
    """As ``worker.activities``, on the same adapters, each behind its faults."""
    secrets = Secrets(settings.secret)
    database = Database(settings.database)
    switch, post = voice_switch(settings, secrets), mailer(settings, secrets)
    gateway = StripeGateway.connect(settings.stripe_api_key, settings.stripe_api_base)

    def faulty(name: str, port: object) -> Any:
        return Faulty(name, port, stage)

    try:
        yield methods_of(
            RecordActivities(faulty("records", database.records)),
            NumberActivities(faulty("numbers", database.numbers)),
            LedgerActivities(faulty("ledger", database.ledger)),
            PaymentActivities(faulty("gateway", gateway), faulty("fence", database.fence), SETTLING),
            VoiceActivities(faulty("switch", switch)),
            MailActivities(faulty("mailer", post), faulty("desk", database.mail_desk)),
            CallingActivities(faulty("calling", database.calling)),
            BulkActivities(
                database.bulk,
                faulty(
                    "starts",
                    TemporalStarts(
                        await connect(settings),
                        database.reader,
                        settings.task_queue,
                        start_options,
                        secrets,
                        Argon2Passwords(),
                    ),
                ),
            ),
        )
    finally:
        for part in (post, gateway, switch, database):
            await part.close()


async def work(settings: Settings, port: int, tuning: dict[str, Any]) -> None:
    """Work until killed, or until the test is over."""
    hurry()
    client = await connect(settings)
    async with (
        activities(settings, Stage(port)) as methods,
        onboarding_worker(
            client,
            settings,
            methods,
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
            **tuning,
        ),
    ):
        # Held open for as long as the test lives.
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        await reader.read()
    os._exit(0)


def _child(order: dict[str, Any]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null, log = os.open(os.devnull, os.O_RDONLY), os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for fd, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, fd)
    os.environ.update(order["environment"])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s %(message)s")
    asyncio.run(work(Settings.model_validate(order["settings"]), order["port"], order["tuning"]))


def main() -> None:
    """Fork a worker for each line of standard input; say when each started and ended; end all at its end."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake)
    tokens: dict[int, str] = {}
    rest = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            for pid in list(tokens):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    code = os.waitstatus_to_exitcode(status)
                    os.write(1, json.dumps({"token": tokens.pop(pid), "ended": code}).encode() + b"\n")
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if not pid:
                    try:
                        _child(order)
                    finally:
                        os._exit(1)
                tokens[pid] = order["token"]
                os.write(1, json.dumps({"token": order["token"], "started": pid}).encode() + b"\n")
    for pid in tokens:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
