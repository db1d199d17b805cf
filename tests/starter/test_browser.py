"""The customer's pages in a real browser: what the policy forbids, what has the focus, how it looks.

``DIALTONE_SCREENSHOTS=<folder>`` keeps a picture of every page, narrow and wide, light and dark.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, Locator, Page, async_playwright

from domain.catalogue import Terms
from domain.numbers import NumberSelection
from domain.onboarding import Outcome, State
from domain.orders import Service
from starter.local.processes import free_ports
from starter.web import create_app
from tests.builders import a_tenant, an_order
from tests.starter.conftest import House, build, house_of
from tests.starter.memory import Office, Reader

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
SCREENSHOTS = os.environ.get("DIALTONE_SCREENSHOTS")
TERMS = Terms(
    version="2026-01",
    text="\n\n".join(
        f"{number}. {title}\n{text}"
        for number, (title, text) in enumerate(
            [
                ("The service", "We connect your telephones to the public network and keep your numbers for you."),
                ("Prices", "You pay in advance, once a month. Calls are charged as the price list says."),
                ("Emergency calls", "Emergency services are sent to the address that you gave us. Tell us when you move."),
                ("Ending", "You may end the service at the end of any month. We tell you one month before we do."),
                ("Your data", "We keep what the law and your service need, and nothing else."),
                ("Disputes", "If we cannot agree, an independent ombudsman will listen to both of us at no cost to you."),
            ],
            1,
        )
    ),
)


@pytest.fixture
async def served() -> AsyncIterator[House]:
    """The web process on a port of its own, with a gateway that is a page of its own origin."""
    web, gateway = free_ports(2)
    reader = Reader()
    office = Office(reader)
    services, keys = build(office, reader, f"http://127.0.0.1:{web}")
    services = replace(services, card_page_origin=f"http://127.0.0.1:{gateway}")
    services.card_page.origin = services.card_page_origin  # type: ignore[attr-defined]
    services.catalogue.tenants[0] = a_tenant(name="Brightvoice", support_email="help@brightvoice.example", terms=TERMS)  # type: ignore[attr-defined]
    app = create_app(services)

    async def card_page(scope: Any, _: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"<title>Gateway</title><h1>Card page</h1>"})

    servers = [
        uvicorn.Server(uvicorn.Config(application, port=port, log_config=None, access_log=False, lifespan="off"))
        for application, port in ((app, web), (card_page, gateway))
    ]
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    while not all(server.started for server in servers):  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.02)
    yield house_of(services, keys, reader, office, None, app)  # type: ignore[arg-type]
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing, and CI must not leave this out: apt-get install chromium")
        pytest.skip("Chromium is missing: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        await browser.close()


def an_office(house: House, **changes: Any) -> Any:
    order = an_order(
        name="Harbour Books Ltd",
        services=(
            Service(label="Front desk", numbers=NumberSelection(explicit=("+441214960123", "+441214960124"))),
            Service(label="Warehouse", numbers=NumberSelection(explicit=("+441214960130",))),
        ),
    )
    numbers = order.explicit_numbers
    deadline = datetime(2026, 12, 6, 14, 0, tzinfo=UTC)
    return house.onboarding(order=order, numbers=numbers, deadline=deadline, **changes)


async def _complaints(page: Page) -> list[str]:
    """What the browser says against the page: refused by the policy, missing, broken."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


async def _press(element: Locator) -> None:
    """Press what leads to another page, and wait until that is there with its style sheet."""
    async with element.page.expect_navigation():
        await element.click()


async def test_a_customer_without_javascript_goes_from_the_link_to_the_telephone(served: House, browser: Browser) -> None:
    view = an_office(served)
    base, link = served.services.base_url, served.link(view)
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    said = await _complaints(page)
    await page.goto(base + link)
    await _press(page.get_by_role("button", name="Accept and continue to payment"))
    assert (await page.title()).startswith("Error: ")
    assert await page.locator(":focus").inner_text() == await page.locator(".problem").inner_text()
    await page.get_by_role("link", name="Accept the terms and conditions to continue").click()
    await page.get_by_label("I accept the terms and conditions").check()
    await _press(page.get_by_role("button", name="Accept and continue to payment"))
    assert await page.title() == "Gateway", "the policy lets the form lead to the gateway's page"
    served.cards.leave("cs_1", view.id)
    await page.goto(f"{base}{link}/card?session=cs_1")
    await _press(page.get_by_role("button", name="Continue with this card"))
    assert await page.get_by_role("heading", level=1).inner_text() == "We are setting up your telephones"
    served.reader.change(view.id, state=State.ACTIVE, updated_at=datetime.now(UTC))
    await _press(page.get_by_role("link", name="Look now"))
    assert await page.get_by_role("heading", level=1).inner_text() == "Your telephones are ready"
    await _press(page.get_by_role("button", name="Show the telephones’ passwords"))
    assert await page.locator("dd code").count() == 6
    assert [line for line in said if "422" not in line] == []
    assert [update for update, _ in served.office.told] == ["activate", "pay"]


async def _pictures(house: House) -> dict[str, tuple[str, str]]:
    """Every page: its name, how it is asked for, and where."""
    declined = an_office(house, state=State.AWAITING_PAYMENT)
    house.reader.note(declined.id, "payment_declined", State.AWAITING_PAYMENT, code="insufficient_funds")
    active = an_office(house, state=State.ACTIVE, charged_minor=7560, updated_at=datetime.now(UTC))
    expired = an_office(house, state=State.EXPIRED, outcome=Outcome(state=State.EXPIRED, code="activation_expired"))
    waiting = an_office(house, state=State.AWAITING_PAYMENT)
    return {
        "activation": ("GET", house.link(an_office(house))),
        "error": ("POST", house.link(an_office(house))),
        "card": ("GET", house.link(waiting)),
        "declined": ("GET", house.link(declined)),
        "returned": ("GET", house.link(waiting) + "/card?session=cs_1"),
        "progress": ("GET", house.link(an_office(house, state=State.PROVISIONING, waits_for="voice switch"))),
        "active": ("GET", house.link(active)),
        "passwords": ("POST", house.link(active) + "/credentials"),
        "expired": ("GET", house.link(expired)),
        "forged": ("GET", "/activate/nonsense"),
        "docs": ("GET", "/docs"),
        "problems": ("GET", "/problems/idempotency_key_reused"),
    }


_SMALLEST = """() => [...document.querySelectorAll('button, input:not([type=hidden]), summary')]
    .map(e => e.getBoundingClientRect()).map(r => Math.min(r.width, r.height)).reduce((a, b) => Math.min(a, b), 1000)"""
_TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
_CONTRAST = """() => {
  const value = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number)
    .map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$|transparent/.test(c)) return c } return 'rgb(255, 255, 255)' };
  let worst = [99, ''];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const [a, b] = [value(getComputedStyle(e).color), value(behind(e))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 80)];
  }
  return worst;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_can_be_read_and_pressed_at_any_width_in_any_light(
    served: House, browser: Browser, scheme: Any
) -> None:
    pictures = await _pictures(served)
    for width in (360, 1200):
        context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = await context.new_page()
        said = await _complaints(page)
        for name, (method, path) in pictures.items():
            url = served.services.base_url + path
            if method == "POST":
                await page.goto(url.removesuffix("/credentials"))
                await _press(page.locator("form button").first)
            else:
                await page.goto(url)
            assert await page.evaluate(_TOO_WIDE) <= 0, f"{name} scrolls sideways at {width}"
            assert await page.evaluate(_SMALLEST) >= 24, f"{name}: a target is smaller than 24 pixels (WCAG 2.5.8)"
            ratio, where = await page.evaluate(_CONTRAST)
            assert ratio >= 4.5, f"{name} in {scheme}: contrast {ratio:.2f} of {where} (WCAG 1.4.3)"
            assert await page.locator("h1").count() == 1
            if SCREENSHOTS:
                await page.screenshot(path=f"{SCREENSHOTS}/{name}-{scheme}-{width}.png", full_page=True)
        assert [line for line in said if "status of 4" not in line] == []
        await context.close()
