"""What lies in a history can be read by those who have the key, and by nobody else."""

import base64
import uuid

import pytest
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.worker import Worker

from adapters.settings import Settings
from adapters.temporal import Encryption, data_converter
from domain.onboarding import Decision, OnboardingStatus
from starter.local.temporal_server import RunningTemporal
from tests.builders import an_onboarding
from tests.starter.clerk import Clerk


def key(name: str, byte: bytes) -> str:
    return f"{name}:{base64.b64encode(byte * 32).decode()}"


OLD, NEW = key("2025", b"o"), key("2026", b"n")
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"Harbour Books Ltd"')


async def test_a_payload_is_unreadable_and_comes_back_whole() -> None:
    encryption = Encryption(SecretStr(NEW))
    (sealed,) = await encryption.encode([PLAIN])
    assert b"Harbour" not in sealed.SerializeToString()
    assert await encryption.decode([sealed]) == [PLAIN]


async def test_the_first_key_encrypts_and_all_decrypt() -> None:
    (old,) = await Encryption(SecretStr(OLD)).encode([PLAIN])
    both = Encryption(SecretStr(f"{NEW},{OLD}"))
    assert await both.decode([old]) == [PLAIN]
    assert (await both.encode([PLAIN]))[0].metadata["key"] == b"2026"
    with pytest.raises(ValueError, match="no longer in DIALTONE_PAYLOAD_KEYS"):
        await Encryption(SecretStr(NEW)).decode([old])


async def test_the_name_of_the_key_is_bound_to_what_it_encrypted() -> None:
    same_key_twice = Encryption(SecretStr(f"{NEW},{key('2027', b'n')}"))
    (sealed,) = await same_key_twice.encode([PLAIN])
    renamed = Payload(metadata={**sealed.metadata, "key": b"2027"}, data=sealed.data)
    altered = Payload(metadata=dict(sealed.metadata), data=sealed.data[:-1] + bytes([sealed.data[-1] ^ 1]))
    for wrong in (renamed, altered):
        with pytest.raises(ValueError, match="altered"):
            await same_key_twice.decode([wrong])


async def test_what_is_not_encrypted_is_refused_unless_the_transition_is_on() -> None:
    with pytest.raises(ValueError, match="DIALTONE_PAYLOAD_ACCEPT_PLAIN"):
        await Encryption(SecretStr(NEW)).decode([PLAIN])
    assert await Encryption(SecretStr(NEW), accept_plain=True).decode([PLAIN]) == [PLAIN]


async def test_a_run_from_before_the_encryption_goes_on_and_writes_encrypted(temporal_server: RunningTemporal) -> None:
    before = Settings()
    after = Settings(payload_keys=SecretStr(NEW), payload_accept_plain=True)
    onboarding, queue = an_onboarding(), f"encryption-{uuid.uuid4()}"
    plain = await Client.connect(temporal_server.address, data_converter=data_converter(before))
    await plain.start_workflow("onboarding", onboarding, id=queue, task_queue=queue)
    client = await Client.connect(temporal_server.address, data_converter=data_converter(after))
    async with Worker(client, task_queue=queue, workflows=[Clerk]):
        handle = client.get_workflow_handle(queue)
        answer = await handle.execute_update("cancel", Decision(actor="key:a", reason="Harbour"), result_type=OnboardingStatus)
        await handle.result()
    assert answer.id == onboarding.id
    history = await handle.fetch_history()
    began, *since = [event.SerializeToString() for event in history.events]
    assert b"json/plain" in began
    assert b"binary/dialtone-1" in b"".join(since)
    assert b"Harbour" not in b"".join(since)
