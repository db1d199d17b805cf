"""The CLI's side of the HTTP API: answers as dictionaries, refusals as sentences."""

import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from starter.local.state import read_api_keys, read_environment

_ATTEMPTS = 4
_MOST_WAIT = 10.0
_NO_ADDRESS = "The address of the API cannot be read. Write it as https://api.example.com."


class CommandFailed(Exception):
    """The command ends with status 1; the message is for the person at the terminal."""


def held_in(variable: str, what: str) -> str:
    """A secret, from the environment: arguments are seen by others on this machine. Raises ``CommandFailed``."""
    secret = os.environ.get(variable)
    if not secret:
        raise CommandFailed(f"The environment variable {variable} is not set, so there is no {what} in it.")
    return secret


@dataclass(frozen=True)
class Access:
    """Where the API is and who is asking."""

    url: str
    api_key: str


def onboarding_path(onboarding_id: str, verb: str | None = None) -> str:
    """The address of one onboarding, or of something to do with it. Whatever was typed as the id stays one segment."""
    return f"/v1/onboardings/{quote(onboarding_id, safe='')}" + (f"/{verb}" if verb else "")


def account_path(account_id: str, *parts: str) -> str:
    """The address of one account, or of something in it."""
    return "/".join(["/v1/accounts", *(quote(part, safe="") for part in (account_id, *parts))])


def state_directory() -> Path:
    """Where the local stack of this directory keeps its state."""
    return Path(os.environ.get("DIALTONE_STATE_DIR", ".dialtone"))


def local_access(url: str | None, key: str | None, key_name: str = "operator") -> Access:
    """The API to speak to: what was asked for, else the local stack's, whose key of this name is used.

    Raises ``CommandFailed`` with the ways out if there is neither.
    """
    url = url or read_environment(state_directory()).get("DIALTONE_BASE_URL")
    key = key or read_api_keys(state_directory()).get(key_name)
    if not url or not key:
        missing = "address of the API" if not url else "API key"
        raise CommandFailed(
            f"The {missing} is not known. Start a local stack here with `dialtone up`, "
            "or set DIALTONE_URL and DIALTONE_API_KEY."
        )
    return Access(url=url.rstrip("/"), api_key=key)


class Api:
    """A client of the HTTP API for people at a terminal.

    A request is repeated when nobody answers or the answer is 503: each carries a key, or changes nothing.
    Raises ``CommandFailed`` for every answer that is no.
    """

    def __init__(self, access: Access, transport: httpx.BaseTransport | None = None) -> None:
        if not access.api_key.isascii() or not access.api_key.isprintable():
            # It becomes a header (RFC 9110 section 5.5).
            raise CommandFailed("This is no API key of Dialtone's: it has characters that no key has. Copy it again.")
        try:
            url = httpx.URL(access.url)
        except httpx.InvalidURL as error:
            raise CommandFailed(_NO_ADDRESS) from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise CommandFailed(_NO_ADDRESS)
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {access.api_key}", "User-Agent": "dialtone-cli"},
            timeout=30.0,
            transport=transport,
        )
        self._url = access.url

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        params = {name: value for name, value in query.items() if value is not None}
        return self._read(self._ask("GET", path, params=params))

    def pages(self, path: str, limit: int, **query: Any) -> tuple[list[dict[str, Any]], bool]:
        """The first ``limit`` entries of a list, and whether there are more."""
        found: list[dict[str, Any]] = []
        more = None
        while len(found) < limit:
            page = self.get(path, **query, page_size=min(limit - len(found), 100), page_token=more)
            found += page["items"]
            more = page.get("next_page_token")
            if not more:
                break
        return found, bool(more)

    def delete(self, path: str) -> None:
        """End something. Raises ``CommandFailed`` if it is not there, or may not be ended."""
        response = self._ask("DELETE", path)
        if response.status_code != httpx.codes.NO_CONTENT:
            self._read(response)

    def post(self, path: str, body: dict[str, Any] | None = None, idempotency_key: str | None = None) -> dict[str, Any]:
        """A decision, with a key of its own: one whose answer was lost is repeated, and answered as the first was."""
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return self._read(self._ask("POST", path, json=body, headers=headers))

    def check(self, body: bytes, *, full: bool) -> dict[str, Any]:
        """The validity report of an order, which is not placed."""
        params, headers = {"full": "true"} if full else {}, {"Content-Type": "application/json"}
        return self._read(self._ask("POST", "/v1/order-checks", content=body, params=params, headers=headers))

    def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, if_match: int | None = None, **query: Any
    ) -> dict[str, Any]:
        """A PUT, PATCH or DELETE, repeatable as ``post`` is. An answer without a body is an empty dictionary.

        ``if_match`` is the revision that was seen: if there is a newer one, the answer is no.
        """
        params = {name: value for name, value in query.items() if value is not None}
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        if if_match is not None:
            headers["If-Match"] = f'"{if_match}"'
        response = self._ask(method, path, json=body, params=params, headers=headers)
        return {} if response.status_code == httpx.codes.NO_CONTENT else self._read(response)

    def order(self, body: bytes, idempotency_key: str | None, path: str = "/v1/onboardings") -> tuple[dict[str, Any], bool]:
        """Start an onboarding. Returns the answer and whether it was there already."""
        key = idempotency_key or str(uuid.uuid4())
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        try:
            response = self._ask("POST", path, content=body, headers=headers)
            if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                self._read(response)
        except CommandFailed as error:
            raise CommandFailed(f"{error} To repeat this very order safely, add --idempotency-key {key}") from error
        return self._read(response), response.headers.get("Idempotent-Replayed") == "true"

    def text(self, path: str, accept: str, **query: Any) -> Iterator[str]:
        """A long answer, piece by piece as it comes. Raises ``CommandFailed``, also if it breaks off: then it is not whole."""
        params = {name: value for name, value in query.items() if value is not None}
        try:
            with self._http.stream("GET", path, params=params, headers={"Accept": accept}) as response:
                if response.is_error:
                    response.read()
                    self._read(response)
                yield from response.iter_text()
        except httpx.TransportError as error:
            raise CommandFailed(
                f"The answer broke off ({type(error).__name__}): what was printed is not all. Try again."
            ) from error

    def upload(
        self, path: str, content: bytes, kind: str, idempotency_key: str | None, **query: Any
    ) -> tuple[dict[str, Any], bool]:
        """Send a file of this media type. Returns the answer and whether it was there already. Checking it takes its time."""
        params = {name: value for name, value in query.items() if value is not None}
        headers = {"Content-Type": kind} | ({"Idempotency-Key": idempotency_key} if idempotency_key else {})
        response = self._ask("POST", path, content=content, params=params, headers=headers, timeout=600.0)
        return self._read(response), response.headers.get("Idempotent-Replayed") == "true"

    def follow(self, onboarding_id: str) -> Iterator[dict[str, Any]]:
        """The timeline from its beginning, until the onboarding has ended. Survives lost connections."""
        last, failures = 0, 0
        while True:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last)}
            try:
                with self._http.stream("GET", onboarding_path(onboarding_id, "events"), headers=headers) as response:
                    if response.status_code == httpx.codes.NO_CONTENT:
                        return
                    if response.is_error:
                        response.read()
                        self._read(response)
                    for line in response.iter_lines():
                        if line.startswith("data:"):
                            event: dict[str, Any] = json.loads(line.removeprefix("data:"))
                            last, failures = event["sequence"], 0
                            yield event
            except httpx.TransportError as error:
                failures += 1
                if failures > _ATTEMPTS:
                    raise self._silence(error) from error
                time.sleep(min(2.0**failures * 0.25, _MOST_WAIT))

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        attempt = 1
        while True:
            last = attempt == _ATTEMPTS
            wait = 0.25 * 2**attempt
            try:
                response = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                if last:
                    raise self._silence(error) from error
            else:
                if last or response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return response
                asked = response.headers.get("Retry-After", "")
                wait = min(float(asked), _MOST_WAIT) if asked.isdecimal() else wait
            time.sleep(wait)
            attempt += 1

    def _silence(self, error: httpx.TransportError) -> CommandFailed:
        return CommandFailed(
            f"Nobody answers at {self._url} ({type(error).__name__}). Is it running? A local stack starts with `dialtone up`."
        )

    @staticmethod
    def _read(response: httpx.Response) -> dict[str, Any]:
        """The body. Raises ``CommandFailed`` with the problem's sentences for an error."""
        try:
            body = response.json()
        except ValueError:
            body = None
        if not response.is_error and isinstance(body, dict):
            return body
        if not isinstance(body, dict) or "detail" not in body:
            raise CommandFailed(
                f"The answer was {response.status_code} and not one of Dialtone's. Check the address of the API."
            )
        lines = [str(body["detail"])]
        for error in body.get("errors", ()):
            place = error.get("pointer") or error.get("parameter") or ""
            if not place and error["detail"] in lines[0]:
                continue  # the problem is this one error, and has said it
            lines.append(f"  {place}: {error['detail']}" if place else f"  {error['detail']}")
        raise CommandFailed("\n".join(lines))
