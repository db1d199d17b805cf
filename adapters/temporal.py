"""The connection to Temporal: where it is, how values travel, and how they are kept from reading eyes."""

import asyncio
import base64
import dataclasses
import logging
import os
import zlib
from collections.abc import Iterable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from adapters.settings import Settings
from domain.errors import Unavailable

_log = logging.getLogger(__name__)
_ENCODING = b"binary/dialtone-1"


class Encryption(PayloadCodec):
    """Compresses and encrypts every payload with AES-256-GCM.

    The first key encrypts, every key decrypts, so a key is rotated by putting a new one in front. The key's id travels
    with the payload and is authenticated. Payloads that are not encrypted are refused, so nobody can slip one in, unless
    ``accept_plain``: runs that began before encryption was turned on must be able to end. What is written is encrypted
    either way. Random 96-bit nonces: put a new key in front long before 2**32 payloads (NIST SP 800-38D).
    """

    def __init__(self, keys: SecretStr, *, accept_plain: bool = False) -> None:
        self._accept_plain = accept_plain
        self._keys: dict[bytes, AESGCM] = {}
        for entry in keys.get_secret_value().split(","):
            name, _, key = entry.strip().partition(":")
            self._keys[name.encode()] = AESGCM(base64.b64decode(key, validate=True))
        self._current = next(iter(self._keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._open(payload) for payload in payloads]

    def _seal(self, payload: Payload) -> Payload:
        nonce = os.urandom(12)
        plain = zlib.compress(payload.SerializeToString(), level=1)
        sealed = nonce + self._keys[self._current].encrypt(nonce, plain, _ENCODING + self._current)
        return Payload(metadata={"encoding": _ENCODING, "key": self._current}, data=sealed)

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != _ENCODING:
            if self._accept_plain:
                return payload
            raise ValueError(
                "A payload of a workflow is not encrypted although this installation encrypts: it is not ours, or older than "
                "the encryption. For the latter set DIALTONE_PAYLOAD_ACCEPT_PLAIN until the last such run has ended."
            )
        key = self._keys.get(payload.metadata.get("key", b""))
        if key is None:
            raise ValueError(
                "A payload was encrypted with a key that is no longer in DIALTONE_PAYLOAD_KEYS; add it at the end."
            )
        name = payload.metadata["key"]
        try:
            plain = key.decrypt(payload.data[:12], payload.data[12:], _ENCODING + name)
        except InvalidTag:
            raise ValueError("A payload of a workflow was altered or its key is wrong.") from None
        return Payload.FromString(zlib.decompress(plain))


def data_converter(settings: Settings) -> DataConverter:
    """Pydantic values as JSON; encrypted, failure messages included, where the installation has keys."""
    if settings.payload_keys is None:
        return pydantic_data_converter
    return dataclasses.replace(
        pydantic_data_converter,
        payload_codec=Encryption(settings.payload_keys, accept_plain=settings.payload_accept_plain),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


async def connect(settings: Settings, *, lazy: bool = False, patience: Iterable[float] = (0.2, 0.5, 1, 2, 4)) -> Client:
    """A client for Temporal as the ``TEMPORAL_*`` variables or the profile say (address, namespace, TLS, API key).

    ``lazy`` connects at the first call: for a process that must start without Temporal. Otherwise tries again after each
    of the ``patience`` seconds. Raises ``Unavailable`` if nobody answers.
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "127.0.0.1:7233")
    attempts = iter(patience)
    while True:
        try:
            return await Client.connect(**config, data_converter=data_converter(settings), lazy=lazy)
        except (RPCError, RuntimeError) as error:
            delay = next(attempts, None)
            if delay is None:
                raise Unavailable(
                    f"Temporal does not answer at {config['target_host']}. Start it, or set TEMPORAL_ADDRESS.",
                    code="temporal_unavailable",
                ) from error
            _log.info("Temporal does not answer yet; trying again in %s s", delay)
            await asyncio.sleep(delay)
