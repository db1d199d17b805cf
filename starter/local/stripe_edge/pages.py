"""The page where a customer leaves a card. Plain HTML: works without JavaScript, light and dark, by keyboard."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, select_autoescape

from starter.local.stripe_edge.checkout import TEST_CARDS, Checkout, read_card
from starter.local.stripe_edge.errors import Refusal

_TEMPLATES = Path(__file__).with_name("templates")


class Pages:
    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
        )
        self._style = (_TEMPLATES / "page.css").read_text()

    async def style(self, _: web.Request) -> web.Response:
        return web.Response(text=self._style, content_type="text/css")

    async def show(self, request: web.Request) -> web.Response:
        try:
            session = self._checkout.visit(request.match_info["id"])
        except Refusal:
            return self._page("ended.html", {}, 404, reason="unknown")
        return self._form(session) if session["status"] == "open" else self._ended(session)

    async def submit(self, request: web.Request) -> web.Response:
        try:
            session = self._checkout.visit(request.match_info["id"])
        except Refusal:
            return self._page("ended.html", {}, 404, reason="unknown")
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        if (test_card := form.get("test_card")) in TEST_CARDS:
            form = {"number": test_card, "expiry": "12/34", "cvc": "123"}
        card, wrong = read_card(form)
        if session["status"] == "open" and wrong:
            return self._form(session, 422, wrong=wrong, expiry=form.get("expiry", ""))
        try:
            return self._leave(await self._checkout.accept(session["id"], *card))
        except Refusal as refusal:
            if refusal.status == 410:
                return self._ended(self._checkout.visit(session["id"]))
            sentence = (
                "Your card was refused. Try another card"
                if refusal.status == 402
                else "The card could not be kept. Nothing was charged; try again"
            )
            return self._form(session, 422, wrong={"number": sentence})

    def _leave(self, url: str) -> web.Response:
        return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})

    def _form(self, session: dict[str, Any], status: int = 200, **facts: Any) -> web.Response:
        return self._page("card.html", session, status, cards=TEST_CARDS, **{"wrong": {}, "expiry": "", **facts})

    def _ended(self, session: dict[str, Any]) -> web.Response:
        done = session["status"] == "complete"
        way = self._checkout.way_back(session) if done else session["cancel_url"]
        return self._page("ended.html", session, 200 if done else 410, reason=session["status"], way=way)

    def _page(self, template: str, session: dict[str, Any], status: int, **facts: Any) -> web.Response:
        # form-action also covers where a submitted form is redirected to.
        targets = {f"{url.scheme}://{url.netloc}" for url in [urlsplit(session.get("success_url") or "")] if url.netloc}
        policy = f"default-src 'none'; style-src 'self'; form-action 'self' {' '.join(targets)}; base-uri 'none'; frame-ancestors 'none'"
        return web.Response(
            status=status,
            text=self._environment.get_template(template).render(session=session, **facts),
            content_type="text/html",
            headers={
                "Cache-Control": "no-store",
                "Content-Security-Policy": policy,
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            },
        )
