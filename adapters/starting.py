"""Starting onboardings that were made ready before, from the worker: one that runs or has run is not started again."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from adapters.crypto import Secrets
from domain.credentials import Credential
from domain.errors import NotFound, Unavailable
from domain.onboarding import OnboardingInput
from domain.users import Passwords
from domain.views import OnboardingReader

_WORKFLOW: str = "onboarding"
_PATIENCE = 10.0


class TemporalStarts:
    """``domain.bulk.OnboardingStarts``. ``options`` are those that an order by itself is started with."""

    def __init__(
        self,
        client: Client,
        reader: OnboardingReader,
        task_queue: str,
        options: Callable[[OnboardingInput], Mapping[str, Any]],
        secrets: Secrets,
        passwords: Passwords,
    ) -> None:
        self._client = client
        self._reader = reader
        self._task_queue = task_queue
        self._options = options
        self._secrets = secrets
        self._passwords = passwords

    async def start(self, begin: OnboardingInput) -> None:
        # The row outlives the history: a run that was paused for longer than Temporal remembers starts nothing twice.
        if await self._known(begin.id):
            return
        begin = await self._hashed(begin)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._client.start_workflow(_WORKFLOW, begin, task_queue=self._task_queue, **self._options(begin))
        except WorkflowAlreadyStartedError:
            return
        except (RPCError, RuntimeError, TimeoutError) as error:
            raise Unavailable("Temporal did not take an onboarding of a bulk run; it is started when it answers.") from error

    async def _hashed(self, begin: OnboardingInput) -> OnboardingInput:
        """With the password's hash in place of the sealed password, which goes no further than this."""
        sealed = begin.credentials.sealed_password
        if sealed is None:
            return begin
        credentials = begin.credentials.model_copy(update={"sealed_password": None})
        password = self._secrets.open_password(begin.id, sealed)
        if password is None:
            # Sealed under another DIALTONE_SECRET. The contact chooses one by a link, instead of waiting for ever.
            order = begin.order.model_copy(update={"credential": Credential.INVITE})
            invited = credentials.model_copy(update={"credential": Credential.INVITE})
            return begin.model_copy(update={"order": order, "credentials": invited})
        hashed = credentials.model_copy(update={"password_hash": await self._passwords.hash(password)})
        return begin.model_copy(update={"credentials": hashed})

    async def _known(self, onboarding_id: str) -> bool:
        try:
            await self._reader.get(onboarding_id)
        except NotFound:
            return False
        return True
