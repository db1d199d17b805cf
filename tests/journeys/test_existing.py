"""A customer who is there already, over the HTTP API of a whole stack, and what the real switch then does with calls."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.journeys.test_calling import OUTSIDE, Exchange, Line, exchange

__all__ = ["exchange"]


async def services(exchange: Exchange, account: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (
        (await exchange.http.get(f"/v1/accounts/{account}/services")).raise_for_status().json()["items"]
    )
    return items


async def change(exchange: Exchange, account: str, service: str, **patch: Any) -> dict[str, Any]:
    answer = await exchange.http.patch(f"/v1/accounts/{account}/services/{service}", json=patch)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["switch_agrees"]
    return found


async def add(exchange: Exchange, account: str) -> Line:
    order = {"account_id": account, "services": [{"label": "Added", "numbers": _ONE}], "terms_accepted": True}
    answer = await exchange.http.post("/v1/onboardings", json=order, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert answer.status_code == 202, answer.text
    view = await exchange.town.brindley.wait_for(answer.json()["id"], "active")
    shown = await exchange.http.post(f"/v1/onboardings/{view['id']}/credentials")
    (line,) = (Line(exchange.kamailio, one) for one in shown.raise_for_status().json()["items"])
    return line


_ONE = {"criteria": {"count": 1, "prefix": "+44121496"}}


@pytest.mark.requirement("S3-03", "S3-60")
async def test_an_added_line_calls_under_its_accounts_rights_and_a_changed_one_behaves_as_it_was_changed(
    exchange: Exchange,
) -> None:
    account, [first] = await exchange.account(service={"max_channels": 1})
    added = await add(exchange, account)
    front, back = await services(exchange, account)
    async with exchange.kamailio.gateway() as gateway, first.phone() as phone:
        assert await added.register()
        assert await added.call(OUTSIDE)
        assert await added.call(first.numbers[0])
        assert len(phone.invites) == 1

        # Its channels, and the number that it shows.
        await change(exchange, account, front["id"], max_channels=2, caller_id=added.numbers[0])
        calls = [asyncio.create_task(first.call(OUTSIDE, talk=1.5)) for _ in range(2)]
        await gateway.has_answered(3)
        assert (await first.call(OUTSIDE)).reason == "All channels of this line are in use"
        assert all(await asyncio.gather(*calls))
        assert f"P-Asserted-Identity: <sip:{added.numbers[0]}@" in gateway.invites[-1]

        # Where a number goes, and back.
        away = {first.numbers[0]: {"destination": "forward", "forward_to": "020 7946 0018"}}
        await change(exchange, account, front["id"], numbers=away)
        before = len(gateway.invites)
        assert await added.call(first.numbers[0])
        assert (len(gateway.invites), len(phone.invites)) == (before + 1, 1)
        await change(exchange, account, front["id"], numbers={first.numbers[0]: None})
        assert await added.call(first.numbers[0])
        assert len(phone.invites) == 2

        # What bars the account bars what was added to it.
        await exchange.must(account, "suspend", reason="admin")
        assert (await added.call(OUTSIDE)).status == 403
    assert back["label"] == "Added"
    assert not [finding for finding in (await exchange.town.audit()).findings if finding.subject == account]
