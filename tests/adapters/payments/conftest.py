"""The real SDK against the real processes: localstripe behind the edge, started once."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr

from adapters.payments.card_page import StripeCardPage
from adapters.payments.stripe import StripeGateway
from starter.local.stripe_edge import RunningGateway, start_gateway

API_KEY = SecretStr("sk_test_tests")
TIMEOUT = 1.5
"""Seconds that a hurried gateway waits for an answer that does not come: short, because tests wait for it."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    running = asyncio.run(start_gateway(tmp_path_factory.mktemp("stripe"), persistent=False))
    yield running
    asyncio.run(running.stop())


@pytest.fixture
async def embedded(server: RunningGateway) -> AsyncIterator[RunningGateway]:
    yield server
    await server.clear_faults()


@pytest.fixture
async def gateway(embedded: RunningGateway) -> AsyncIterator[StripeGateway]:
    adapter = StripeGateway.connect(API_KEY, embedded.url, timeout=20.0)
    yield adapter
    await adapter.close()


@pytest.fixture
async def hurried(embedded: RunningGateway) -> AsyncIterator[StripeGateway]:
    """The same gateway, asked by somebody who soon gives up."""
    adapter = StripeGateway.connect(API_KEY, embedded.url, timeout=TIMEOUT)
    yield adapter
    await adapter.close()


@pytest.fixture
async def page(embedded: RunningGateway) -> AsyncIterator[StripeCardPage]:
    adapter = StripeCardPage.connect(API_KEY, embedded.url)
    yield adapter
    await adapter.close()
