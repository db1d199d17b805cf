"""The memory of who calls."""

import asyncio

from domain.access import Identities, Principal, Role
from starter.remember import RememberedKeys


class Slow(Identities):
    """Answers what was true when it was asked, and only when it is let."""

    def __init__(self) -> None:
        self.true: Principal | None = Principal(id="user-1", name="Ada", person="ada", tenant_id=None, role=Role.ADMIN)
        self.asked, self.answer = asyncio.Event(), asyncio.Event()

    async def authenticate(self, api_key: str) -> Principal | None:
        known = self.true
        self.asked.set()
        await self.answer.wait()
        return known


async def test_what_was_asked_before_somebody_signed_out_is_not_remembered_after() -> None:
    identities = Slow()  # type: ignore[abstract]
    keys = RememberedKeys(identities)
    asking = asyncio.create_task(keys.authenticate("ds_1"))
    await identities.asked.wait()
    identities.true = None
    keys.forget()
    identities.answer.set()
    assert await asking is not None
    assert await keys.authenticate("ds_1") is None
