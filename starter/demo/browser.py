"""A customer's browser, as far as our pages need one: it follows redirects, reads forms and presses buttons. No script."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self
from urllib.parse import urljoin

import httpx


@dataclass
class Form:
    """A form of a page, with the values that it would send as it stands."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    buttons: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._button: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name = found.get("name")
        if tag == "form":
            self._open = Form(action=found.get("action") or "", method=(found.get("method") or "get").lower())
            self.forms.append(self._open)
        elif self._open is None:
            return
        elif tag == "button":
            self._button = []
        elif tag == "input" and name:
            self._open.names.add(name)
            if found.get("type") != "checkbox" or "checked" in found:
                self._open.fields[name] = found.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._button is not None:
            self._button.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "button" and self._button is not None:
            if self._open is not None:
                self._open.buttons.append(" ".join("".join(self._button).split()))
            self._button = None


class NoSuchForm(Exception):
    """The page does not have the form that the customer looks for."""


class Browser:
    """One customer's browser. ``status``, ``url`` and ``text`` are those of the page that is open."""

    def __init__(self) -> None:
        # Without the proxies of the environment: they cannot reach this machine's loopback.
        self._http = httpx.AsyncClient(follow_redirects=True, timeout=30.0, trust_env=False, headers={"Accept": "text/html"})
        self.status = 0
        self.url = ""
        self.text = ""

    async def open(self, url: str) -> None:
        self._show(await self._http.get(url))

    def offers(self, button: str) -> bool:
        """Whether the page has a button whose words begin so."""
        return self._form(button, set()) is not None

    async def press(self, button: str, **filled: str) -> None:
        """Fill in fields and press the button whose words begin so. Raises ``NoSuchForm``."""
        form = self._form(button, set(filled))
        if form is None:
            raise NoSuchForm(
                f"The page (status {self.status}) has no button {button!r} with {', '.join(filled) or 'its form'}."
            )
        origin = {"Origin": "null"} if form.method == "post" else {}
        url = urljoin(self.url, form.action)
        self._show(await self._http.request(form.method, url, data=form.fields | filled, headers=origin))

    def _form(self, button: str, names: set[str]) -> Form | None:
        reader = _Reader()
        reader.feed(self.text)
        wanted = (form for form in reader.forms if names <= form.names)
        return next((form for form in wanted if any(words.startswith(button) for words in form.buttons)), None)

    def _show(self, response: httpx.Response) -> None:
        self.status, self.url, self.text = response.status_code, str(response.url), response.text

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
