"""The sandbox that is not asked about contexts, and for whom it is fit."""

import base64
import dataclasses
from collections.abc import Sequence
from typing import Self

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import PayloadCodec, SerializationContext, WithSerializationContext
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from adapters.sandbox import ContextFreeSandbox, require_context_free
from adapters.settings import Settings
from adapters.temporal import data_converter

KEYS = f"k1:{base64.b64encode(bytes(32)).decode()}"


class _SignsWithTheWorkflowsId(PayloadCodec, WithSerializationContext):
    def with_context(self, context: SerializationContext) -> Self:
        return type(self)()

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


@pytest.mark.parametrize("keys", [None, KEYS], ids=["plain", "encrypted"])
def test_the_products_converters_convert_alike_in_every_context(keys: str | None) -> None:
    require_context_free(data_converter(Settings(payload_keys=keys)))


def test_a_converter_that_looks_at_the_context_is_refused() -> None:
    looking = dataclasses.replace(pydantic_data_converter, payload_codec=_SignsWithTheWorkflowsId())
    with pytest.raises(ValueError, match="looks at the context"):
        require_context_free(looking)


def test_it_is_the_sdks_sandbox_in_everything_else() -> None:
    assert issubclass(ContextFreeSandbox, SandboxedWorkflowRunner)
    own = {name for name in vars(ContextFreeSandbox) if not name.startswith("_")}
    assert own == {"create_instance"}
