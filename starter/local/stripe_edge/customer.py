"""A customer at the card page, without a browser: for the demonstration and the journeys."""

import html
import re

import httpx


class CardNotTaken(Exception):
    """The page did not take the card; the message is what it said."""


async def card_in(edge_url: str, checkout_url: str, number: str, *, expiry: str = "12/34", cvc: str = "123") -> str:
    """Open the page, fill it in and send it, as a browser does. Returns the URL that the page sends the browser to.

    Raises ``CardNotTaken``, and ``ValueError`` if ``checkout_url`` is not a page of the gateway at ``edge_url``.
    """
    if not checkout_url.startswith(edge_url.rstrip("/") + "/"):
        raise ValueError(f"{checkout_url} is not a page of the gateway at {edge_url}.")
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        page = await http.get(checkout_url)
        if not page.is_success:
            raise CardNotTaken(_said(page.text, "h1"))
        sent = await http.post(checkout_url, data={"number": number, "expiry": expiry, "cvc": cvc})
    if sent.status_code != httpx.codes.SEE_OTHER:
        raise CardNotTaken(_said(sent.text, "li"))
    return sent.headers["location"]


def _said(page: str, element: str) -> str:
    found = re.search(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", found[1]).strip()) if found else "The page said nothing that can be read."
