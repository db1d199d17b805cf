"""The servers that these tests share, and an installation of its own for each test."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from adapters.database import Database, migrate
from adapters.payments.card_page import StripeCardPage
from adapters.settings import Settings
from adapters.voice.tables import create_tables
from starter.local.inbox import RunningInbox, start_inbox
from starter.local.processes import Guard
from starter.local.stripe_edge import RunningGateway, start_gateway
from starter.local.temporal_server import RunningTemporal
from tests.faults.director import Director
from tests.faults.foundry import Foundry
from tests.faults.ground import TENANT, Ground
from tests.postgres import PostgresServer, running_postgres

T = TypeVar("T")
NUMBERS = [f"+44121496{last:04}" for last in range(400)]
GroundMaker = Callable[..., Awaitable[Ground]]


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop of its own: these fixtures live longer than the loop of a test."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def foundry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foundry]:
    with Guard() as guard:
        foundry = Foundry(guard, tmp_path_factory.mktemp("foundry") / "foundry.log")
        yield foundry
        foundry.close()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    running = run_apart(start_gateway(tmp_path_factory.mktemp("gateway"), persistent=False))
    yield running
    run_apart(running.stop())


@dataclass(frozen=True)
class Mailbox:
    """The inbox of the session, without the loop that started it."""

    smtp_port: int
    url: str


@pytest.fixture(scope="session")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    """The inbox, in a loop of its own: a process that asyncio has started belongs to the loop that did."""
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1) as thread:
        thread.submit(loop.run_forever)
        inbox: RunningInbox = asyncio.run_coroutine_threadsafe(start_inbox(tmp_path_factory.mktemp("inbox")), loop).result()
        yield Mailbox(inbox.smtp_port, inbox.url)
        asyncio.run_coroutine_threadsafe(inbox.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
    loop.close()


@pytest.fixture(scope="session")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the databases of an installation that has just been set up."""
    folder = tmp_path_factory.mktemp("template")
    run_apart(_set_up(f"sqlite:///{folder / 'dialtone.db'}", f"sqlite:///{folder / 'kamailio.db'}"))
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        run_apart(_set_up(server.create("template_dialtone"), server.create("template_kamailio")))
        yield server


async def _set_up(url: str, voice_url: str) -> None:
    await migrate(url)
    await create_tables(voice_url)
    database = Database(url)
    await database.admin.put_tenant(TENANT, credit_limit_minor=0, opening_balance_minor=100_000_00)
    await database.admin.import_numbers(TENANT.id, NUMBERS)
    await database.close()


_places = itertools.count(1)


@pytest.fixture
def kind() -> str:
    """Which database. Tests that are worth running over both are parametrised with ``both``."""
    return "sqlite"


both = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


@pytest.fixture
def urls(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Callable[[], tuple[str, str]]:
    """Makes the databases of an installation: ours and the switch's."""

    def make() -> tuple[str, str]:
        place = next(_places)
        if kind == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            ours, voice = f"dialtone_{place}", f"kamailio_{place}"
            return server.create(ours, "template_dialtone"), server.create(voice, "template_kamailio")
        folder = tmp_path / str(place)
        shutil.copytree(request.getfixturevalue("sqlite_files"), folder)
        return f"sqlite:///{folder / 'dialtone.db'}", f"sqlite:///{folder / 'kamailio.db'}"

    return make


@pytest.fixture
async def new_ground(
    urls: Callable[[], tuple[str, str]],
    temporal_server: RunningTemporal,
    foundry: Foundry,
    gateway: RunningGateway,
    mailbox: Mailbox,
    tmp_path: Path,
) -> AsyncIterator[GroundMaker]:
    """Makes installations. Each has databases, a task queue and a director of its own."""
    profile = tmp_path / "temporal.toml"
    profile.write_text("")
    async with AsyncExitStack() as stack:

        async def make(temporal_address: str = temporal_server.address) -> Ground:
            database_url, voice_url = urls()
            place = next(_places)
            settings = Settings.model_validate(
                {
                    "state_dir": str(tmp_path),
                    "database_url": database_url,
                    "voice_database_url": voice_url,
                    "smtp_port": mailbox.smtp_port,
                    "stripe_api_base": gateway.url,
                    "task_queue": f"faults-{place}",
                }
            )
            database = Database(settings.database)
            cards = StripeCardPage.connect(settings.stripe_api_key, gateway.url, timeout=20.0)
            director = await stack.enter_async_context(Director())
            stack.push_async_callback(cards.close)
            stack.push_async_callback(database.close)
            return Ground(
                settings=settings,
                environment={"TEMPORAL_ADDRESS": temporal_address, "TEMPORAL_CONFIG_FILE": str(profile)},
                client=await Client.connect(temporal_address, data_converter=pydantic_data_converter),
                foundry=foundry,
                director=director,
                gateway=gateway,
                mailbox_url=mailbox.url,
                log=tmp_path / f"worker-{place}.log",
                database=database,
                cards=cards,
            )

        yield make


@pytest.fixture
async def ground(new_ground: GroundMaker) -> Ground:
    return await new_ground()
