"""A switch's database of either kind, empty for each test, the adapter over it, and Kamailio reading it."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.voice.kamailio import KamailioSwitch
from adapters.voice.tables import create_tables
from tests.adapters.voice.ground import SECRETS
from tests.postgres import PostgresServer, running_postgres
from tests.sip import RunningKamailio, require_sip


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'kamailio.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"switch_{secrets.token_hex(6)}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture
async def database_url(empty_database_url: str) -> str:
    await create_tables(empty_database_url)
    return empty_database_url


@pytest.fixture
async def switch(database_url: str) -> AsyncIterator[KamailioSwitch]:
    switch = KamailioSwitch(database_url, SECRETS)
    yield switch
    await switch.close()


@pytest.fixture
async def kamailio(database_url: str) -> AsyncIterator[RunningKamailio]:
    require_sip()
    async with RunningKamailio(database_url) as running:
        yield running


@pytest.fixture
async def kamailio_with_gateway(database_url: str) -> AsyncIterator[RunningKamailio]:
    require_sip()
    async with RunningKamailio(database_url, gateway=True) as running:
        yield running
