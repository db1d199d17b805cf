"""Faults on request: each magic number does what it says, and production never has them."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.settings import Settings
from adapters.voice import voice_switch
from adapters.voice.kamailio import KamailioSwitch
from adapters.voice.simulated import FaultySwitch
from adapters.voice.tables import create_tables
from domain.errors import ProvisioningRefused, Unavailable
from tests.adapters.voice.ground import SECRETS, line, removal, rows


@pytest.fixture
async def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'kamailio.db'}"
    await create_tables(url)
    return url


@pytest.fixture
async def faulty(url: str) -> AsyncIterator[FaultySwitch]:
    switch = FaultySwitch(KamailioSwitch(url, SECRETS), "development")
    yield switch
    await switch.close()


async def test_a_number_ending_0999_is_refused_for_good(faulty: FaultySwitch, url: str) -> None:
    for _ in range(3):
        with pytest.raises(ProvisioningRefused) as refusal:
            await faulty.provision(line("d1", "+441214960999"))
        assert refusal.value.code == "switch_rejected"
    assert await rows(url, "subscriber") == []


async def test_a_number_ending_0998_is_done_and_then_times_out_once(faulty: FaultySwitch, url: str) -> None:
    with pytest.raises(Unavailable):
        await faulty.provision(line("d1", "+441214960998"))
    assert len(await rows(url, "subscriber")) == 1
    await faulty.provision(line("d1", "+441214960998"))
    assert len(await rows(url, "subscriber")) == 1


async def test_a_number_ending_0997_does_not_answer_twice(faulty: FaultySwitch, url: str) -> None:
    for _ in range(2):
        with pytest.raises(Unavailable):
            await faulty.provision(line("d1", "+441214960997"))
        assert await rows(url, "subscriber") == []
    await faulty.provision(line("d1", "+441214960997"))
    assert len(await rows(url, "subscriber")) == 1


async def test_other_numbers_and_every_removal_are_left_alone(faulty: FaultySwitch, url: str) -> None:
    await faulty.provision(line("d1", "+441214960101"))
    await faulty.remove(removal(line("d1", "+441214960999")))
    assert await rows(url, "subscriber") == []


def test_simulated_faults_warn_at_the_start_and_are_refused_in_production(url: str, caplog: pytest.LogCaptureFixture) -> None:
    switch = KamailioSwitch(url, SECRETS)
    with caplog.at_level(logging.WARNING):
        FaultySwitch(switch, "development")
    assert "Never in production" in caplog.text
    with pytest.raises(ValueError, match="not fit for production"):
        FaultySwitch(switch, "production")


async def test_production_gets_the_real_switch_alone(tmp_path: Path) -> None:
    development = Settings(state_dir=tmp_path)
    production = development.model_copy(update={"environment": "production"})
    for settings, kind in ((development, FaultySwitch), (production, KamailioSwitch)):
        switch = voice_switch(settings, SECRETS)
        assert type(switch) is kind
        await switch.close()
