"""The people of the demonstration, who use what real ones use: operators the HTTP API, customers their mailbox and browser."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from starter.demo.browser import Browser

T = TypeVar("T")

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000341"
_LOOK_EVERY = 0.15
_PATIENCE = 30.0


class UnexpectedError(Exception):
    """The product did something else than the story says; the message is a sentence."""


async def until(what: str, look: Callable[[], Awaitable[T | None]], seconds: float) -> T:
    """What ``look`` finds, as soon as it finds something. Raises ``UnexpectedError`` after so many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while (found := await look()) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise UnexpectedError(f"{what} did not happen within {seconds:.0f} seconds.")
        await asyncio.sleep(_LOOK_EVERY)
    return found


class Operator:
    """Somebody with an API key."""

    def __init__(self, url: str, api_key: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=30.0, trust_env=False
        )

    async def order(self, body: bytes, idempotency_key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4()), "Content-Type": "application/json"}
        return await self._http.post("/v1/onboardings", content=body, headers=headers)

    async def check(self, body: bytes) -> dict[str, Any]:
        """The validity report of an order that is not placed."""
        answer = await self._http.post("/v1/order-checks", content=body, headers={"Content-Type": "application/json"})
        report: dict[str, Any] = answer.raise_for_status().json()
        return report

    async def must_order(self, body: bytes) -> str:
        """The id of the onboarding that this order starts. Raises ``UnexpectedError`` if it is not accepted."""
        answer = await self.order(body)
        if answer.status_code != httpx.codes.ACCEPTED:
            raise UnexpectedError(f"The order was refused ({answer.status_code}): {answer.json().get('detail')}")
        return str(answer.json()["id"])

    async def look(self, onboarding: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self._http.get(f"/v1/onboardings/{onboarding}")).raise_for_status().json()
        return found

    async def events(self, onboarding: str, after: int = 0) -> list[dict[str, Any]]:
        answer = await self._http.get(f"/v1/onboardings/{onboarding}/events", params={"after": after})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return found

    async def decide(self, onboarding: str, verb: str, **body: Any) -> httpx.Response:
        return await self._http.post(f"/v1/onboardings/{onboarding}/{verb}", json=body or None)

    async def wait_for(self, onboarding: str, *states: str, seconds: float = 45.0) -> dict[str, Any]:
        """The onboarding as soon as it is in one of the states."""

        async def look() -> dict[str, Any] | None:
            view = await self.look(onboarding)
            return view if view["state"] in states else None

        return await until(f"State {' or '.join(states)}", look, seconds)

    async def wait_until_over(self, onboarding: str, seconds: float = 60.0) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            view = await self.look(onboarding)
            return view if view["outcome"] is not None else None

        return await until("The end of the onboarding", look, seconds)

    async def close(self) -> None:
        await self._http.aclose()


class Mailbox:
    """The local stack's inbox."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False)

    async def letters(self, address: str) -> list[dict[str, Any]]:
        """What came to this address, oldest first."""
        answer = await self._http.get("/api/messages", params={"to": address, "full": True})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["messages"]
        return found[::-1]

    async def letter(self, address: str, kind: str, count: int = 1, seconds: float = 90.0) -> dict[str, Any]:
        """The newest letter of a kind, as soon as there are ``count`` of them."""

        async def look() -> dict[str, Any] | None:
            found = [letter for letter in await self.letters(address) if letter["kind"] == kind]
            return found[-1] if len(found) >= count else None

        return await until(f"Letter {kind!r}", look, seconds)

    async def activation_link(self, address: str, count: int = 1) -> str:
        """The link of the newest activation letter."""
        letter = await self.letter(address, "activation", count)
        return next(str(link) for link in letter["links"] if "/activate/" in link)

    async def close(self) -> None:
        await self._http.aclose()


class CustomerAtHome:
    """The customer of one order: has a mail address and cards, and knows nothing of the API."""

    def __init__(self, order: Path, mailbox: Mailbox) -> None:
        self.order = order.read_bytes()
        self.address: str = json.loads(self.order)["customer"]["contact"]["email"]
        self.name: str = json.loads(self.order)["customer"]["name"]
        self.mailbox = mailbox

    async def open_link(self, browser: Browser) -> str:
        """Wait for the letter and open its link."""
        link = await self.mailbox.activation_link(self.address)
        await browser.open(link)
        if browser.status != httpx.codes.OK:
            raise UnexpectedError(f"The activation page answered {browser.status}.")
        return link

    async def accept_terms(self, browser: Browser) -> None:
        """Tick the box and press the button; it leads to the gateway's card page."""
        await browser.press("Accept", accepted="yes")

    async def enter_card(self, browser: Browser, number: str) -> None:
        """Get to the gateway's page as our pages say, fill it in, come back, and press the button there."""
        link = browser.url
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while not browser.offers("Save card"):
            if asyncio.get_running_loop().time() > deadline:
                raise UnexpectedError(
                    f"Within {_PATIENCE:.0f} seconds no page asked for a card; the last answered {browser.status}."
                )
            if browser.offers("Enter your card"):
                await browser.press("Enter your card")
            elif browser.status == httpx.codes.SERVICE_UNAVAILABLE and browser.offers("Accept"):
                # "Nothing was done: press the button again in a minute". People do not wait a minute.
                await asyncio.sleep(1)
                await self.accept_terms(browser)
            else:
                await asyncio.sleep(0.3)
                await browser.open(link)
        await browser.press("Save card", number=number, expiry="12/34", cvc="123")
        # Where the gateway's own report was quicker than the browser, the page has nothing left to ask.
        if browser.offers("Continue with this card"):
            await browser.press("Continue with this card")

    async def enter_another_card(self, browser: Browser, link: str, number: str) -> None:
        """Open the link again after a card was declined, and enter another one."""
        await browser.open(link)
        await self.enter_card(browser, number)
