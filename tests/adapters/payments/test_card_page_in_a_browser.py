"""The card page in a real browser: by keyboard, without JavaScript, back to the shop. Screenshots go where SCREENSHOTS says."""

import http.server
import os
import re
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from starter.local.stripe_edge import RunningGateway
from tests.stripe import SDK_WARNING, session_in

pytestmark = pytest.mark.filterwarnings(SDK_WARNING)

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]


def installed(program: Path) -> bool:
    return program.exists()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if not installed(CHROMIUM):
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing; install it (apt-get install chromium) or name it in CHROMIUM.")
        pytest.skip("Chromium is missing; `make system` installs it on Debian and Ubuntu, or name it in CHROMIUM.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
def shop() -> Iterator[str]:
    """Where the customer comes from and goes back to."""

    class Shop(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<title>Shop</title>Welcome back")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def pictures(tab: Page, name: str) -> None:
    """What the page looks like, wide and narrow, light and dark."""
    for width in (1100, 340):
        await tab.set_viewport_size({"width": width, "height": 800})
        body = await tab.locator("body").bounding_box()
        assert body is not None
        assert body["width"] <= width, "the page scrolls sideways"
        for theme in ("light", "dark"):
            await tab.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            if directory := os.environ.get("SCREENSHOTS"):
                await tab.screenshot(path=f"{directory}/card-page-{name}-{theme}-{width}.png", full_page=True)


async def test_a_customer_leaves_a_card_by_keyboard_without_javascript(
    browser: Browser, embedded: RunningGateway, page, shop: str
):
    onboarding = "browser-keyboard"
    context = await browser.new_context(java_script_enabled=False, locale="en-GB")
    tab = await context.new_page()
    visit = await page.begin(onboarding, 1, f"{shop}/back", f"{shop}/cancelled")
    await tab.goto(visit)
    await pictures(tab, "empty")

    await tab.get_by_label("Card number").fill("1234")
    await tab.keyboard.press("Enter")
    await expect(tab).to_have_title(re.compile("^Error: "))
    await pictures(tab, "wrong")
    for control in await tab.locator("button, input").all():
        box = await control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44, "a target is too small to hit"

    await tab.get_by_role("link", name="Enter one of the test card numbers").click()
    await tab.get_by_label("Card number").fill("4242 4242 4242 4242")
    await tab.keyboard.press("Tab")
    await tab.keyboard.type("12/34")
    await tab.keyboard.press("Tab")
    await tab.keyboard.type("123")
    await tab.keyboard.press("Tab")
    await tab.keyboard.press("Enter")
    await tab.wait_for_url(f"{shop}/back?session=*")
    assert await page.finished(session_in(tab.url), onboarding) is not None

    await tab.goto(visit)
    assert await tab.get_by_role("heading", level=1).inner_text() == "Card saved"
    await pictures(tab, "done")
    await tab.get_by_role("link", name="Back to your order").click()
    assert await tab.title() == "Shop"
    await context.close()


async def test_a_test_card_is_left_with_one_press_and_a_refused_one_is_said(
    browser: Browser, embedded: RunningGateway, page, shop: str
):
    tab = await browser.new_page()
    await tab.goto(await page.begin("browser-press", 1, f"{shop}/back", f"{shop}/cancelled"))
    await tab.get_by_role("button", name="Use 4000 0000 0000 0002").click()
    assert "refused" in await tab.get_by_role("alert").inner_text()
    await tab.get_by_role("button", name="Use 4242 4242 4242 4242").click()
    await tab.wait_for_url(f"{shop}/back?session=*")
