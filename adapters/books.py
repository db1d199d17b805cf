"""Reads the ledgers of truth, each where it is kept, for the audit. Changes nothing anywhere."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import AnyHttpUrl
from sqlalchemy import Connection, func, select
from stripe import Charge

from adapters.database import tables
from adapters.database.engine import connect
from adapters.mail.message import message_id
from adapters.payments.stripe_api import StripeApi
from adapters.settings import Settings
from adapters.voice.tables import dbaliases, subscriber
from adapters.voice.transactions import open_transactions
from domain.books import (
    AccountBook,
    Books,
    ChargeBook,
    DeliveredBook,
    EntryBook,
    HoldBook,
    LetterBook,
    LineBook,
    NumberBook,
    OrderBook,
)
from domain.errors import Unavailable
from domain.keys import line_name
from domain.rules import means_kind

# Lines that we name (domain.keys.line_name); a switch may serve others too, which are none of our business.
_OURS = re.compile(r"d[0-9a-f]{12}")
_LINK = re.compile(r"/activate/([0-9a-f-]{36})\.")
_TIMEOUT = 30.0


class BookReader:
    """Reads every ledger of one installation. ``mailbox_url`` is the local stack's inbox; a real relay keeps no copies."""

    def __init__(self, settings: Settings, mailbox_url: AnyHttpUrl | str | None = None) -> None:
        self._settings = settings
        self._mailbox_url = str(mailbox_url).rstrip("/") if mailbox_url else None

    async def read(self) -> Books:
        """All ledgers at about the same moment. Raises ``Unavailable`` if one of them does not answer."""
        rows, lines, charges, mailbox = await asyncio.gather(self._database(), self._switch(), self._gateway(), self._mailbox())
        delivered = None if mailbox is None else tuple(self._delivered(mailbox, rows["letters"]))
        return Books(read_at=datetime.now(UTC), lines=lines, charges=charges, mailbox=delivered, **rows)

    async def _database(self) -> dict[str, Any]:
        database = connect(self._settings.database)
        try:
            return await database.read(_rows)
        finally:
            await database.close()

    async def _switch(self) -> tuple[LineBook, ...]:
        database = open_transactions(self._settings.voice_database)
        try:
            return await database.run(_lines)
        finally:
            await database.close()

    async def _gateway(self) -> tuple[ChargeBook, ...]:
        if self._settings.stripe_api_base is not None:
            return await self._embedded_gateway(str(self._settings.stripe_api_base).rstrip("/"))
        api = StripeApi(self._settings.stripe_api_key, None, timeout=_TIMEOUT, retries=2)
        try:
            return await charges_at_stripe(api)
        finally:
            await api.aclose()

    async def _embedded_gateway(self, url: str) -> tuple[ChargeBook, ...]:
        """The embedded gateway lists by customer only, as the product asks; for an audit it opens its own books."""
        books = await _fetch(f"{url}/_edge/objects", "The embedded card gateway")
        return tuple(
            _charge_book(
                reference=intent["id"],
                metadata=intent["metadata"],
                currency=intent["currency"],
                amount=intent["amount"],
                status=intent["status"],
                refunded=intent["amount_refunded"],
            )
            for intent in books["payment_intents"]
        )

    async def _mailbox(self) -> list[dict[str, Any]] | None:
        """Everything in the mailbox; ``None`` if it is not complete any more, because somebody has emptied it."""
        if self._mailbox_url is None:
            return None
        answer = await _fetch(f"{self._mailbox_url}/api/messages", "The local mailbox", limit="10000", full="true")
        messages: list[dict[str, Any]] = answer["messages"]
        return messages if any(message["id"] == 1 for message in messages) else None

    def _delivered(self, mailbox: Sequence[dict[str, Any]], letters: Sequence[LetterBook]) -> Iterator[DeliveredBook]:
        """The letters in the mailbox, each once, with the onboarding that it is about as the letter itself tells it."""
        domain = self._settings.mail_from.rsplit("@", 1)[-1].rstrip("> ")
        written = {message_id(letter.key, domain): letter.onboarding_id for letter in letters}
        for found, text in {str(message["message_id"]): str(message["text"]) for message in mailbox}.items():
            link = _LINK.search(text)
            yield DeliveredBook(message_id=found, onboarding_id=link[1] if link else written.get(found))


async def _fetch(url: str, who: str, **query: str) -> dict[str, Any]:
    """JSON from a part of the local stack. Raises ``Unavailable``."""
    try:
        # Without the proxies of the environment: they cannot reach this machine's loopback.
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as http:
            answer = await http.get(url, params=query)
            answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Unavailable(f"{who} does not answer, so its books cannot be read. Is the local stack up?") from error
    content: dict[str, Any] = answer.json()
    return content


async def charges_at_stripe(api: StripeApi) -> tuple[ChargeBook, ...]:
    """Every payment of the account. Raises ``Unavailable``."""
    found: list[ChargeBook] = []
    async with api.asking("audit"):
        page = await api.client.v1.payment_intents.list_async({"limit": 100, "expand": ["data.latest_charge"]})
    intents = page.auto_paging_iter()
    while True:
        # Bounded page by page: an account may have years of payments.
        async with api.asking("audit"):
            intent = await anext(intents, None)
        if intent is None:
            return tuple(found)
        charge = intent.latest_charge if isinstance(intent.latest_charge, Charge) else None
        found.append(
            _charge_book(
                reference=intent.id,
                metadata=intent.metadata.to_dict(),
                currency=intent.currency,
                amount=intent.amount_received if intent.status == "succeeded" else intent.amount,
                status=intent.status,
                # Of a voided authorisation Stripe says "refunded" too, though nothing was ever taken.
                refunded=charge.amount_refunded if charge and intent.status == "succeeded" else 0,
            )
        )


def _charge_book(
    *, reference: str, metadata: Mapping[str, str], currency: str, amount: int, status: str, refunded: int
) -> ChargeBook:
    taken = status == "succeeded"
    return ChargeBook(
        reference=reference,
        onboarding_id=metadata.get("onboarding_id"),
        currency=currency.upper(),
        authorised_minor=amount if status in {"requires_capture", "processing"} else 0,
        captured_minor=amount if taken else 0,
        refunded_minor=refunded,
    )


def _rows(connection: Connection) -> dict[str, Any]:
    """Our own database, on one snapshot."""
    readers: dict[str, Callable[[Connection], tuple[Any, ...]]] = {
        "orders": _orders,
        "numbers": _numbers,
        "accounts": _accounts,
        "holds": _holds,
        "entries": _entries,
        "letters": _letters,
    }
    return {name: read(connection) for name, read in readers.items()}


def _orders(connection: Connection) -> tuple[OrderBook, ...]:
    o, a = tables.onboardings.c, tables.accounts.c
    joined = tables.onboardings.outerjoin(tables.accounts, a.id == o.account_id)
    columns = (o.id, o.tenant_id, o.account_id, a.status, o.state, o.order, o.quote, o.generation, o.terms, o.updated_at)
    found = []
    for row in connection.execute(select(*columns).select_from(joined)):
        order, quote = row.order, row.quote
        found.append(
            OrderBook(
                id=row.id,
                tenant_id=row.tenant_id,
                account_id=row.account_id,
                account_status=row.status,
                state=row.state,
                administration=order.administration,
                means=means_kind(order),
                total_minor=quote.total_minor,
                currency=quote.currency,
                number_count=order.number_count,
                lines=tuple(line_name(row.id, position) for position in range(len(order.services))),
                activated=row.terms is not None,
                updated_at=row.updated_at,
            )
        )
    return tuple(found)


def _numbers(connection: Connection) -> tuple[NumberBook, ...]:
    n = tables.numbers.c
    statement = select(n.e164, n.state, n.held_by, n.onboarding_id, n.service).where(n.onboarding_id.is_not(None))
    return tuple(NumberBook.model_validate(dict(row._mapping)) for row in connection.execute(statement))  # noqa: SLF001


def _accounts(connection: Connection) -> tuple[AccountBook, ...]:
    a, e = tables.accounts.c, tables.ledger_entries.c
    total = select(func.coalesce(func.sum(e.amount_minor), 0)).where(e.account_id == a.id).scalar_subquery()
    return tuple(
        AccountBook(id=row.id, balance_minor=row.balance_minor, held_minor=row.held_minor, entries_minor=int(row.total))
        for row in connection.execute(select(a.id, a.balance_minor, a.held_minor, total.label("total")))
    )


def _holds(connection: Connection) -> tuple[HoldBook, ...]:
    h = tables.ledger_holds.c
    return tuple(
        HoldBook(
            key=row.key,
            account_id=row.account_id,
            onboarding_id=row.onboarding_id,
            amount_minor=row.amount_minor,
            state=row.state,
        )
        for row in connection.execute(select(h.key, h.account_id, h.onboarding_id, h.amount_minor, h.state))
    )


def _entries(connection: Connection) -> tuple[EntryBook, ...]:
    e = tables.ledger_entries.c
    total = func.sum(e.amount_minor)
    grouped = (
        select(e.account_id, e.onboarding_id, total).where(e.onboarding_id.is_not(None)).group_by(e.account_id, e.onboarding_id)
    )
    return tuple(
        EntryBook(account_id=account, onboarding_id=onboarding, amount_minor=int(amount))
        for account, onboarding, amount in connection.execute(grouped)
    )


def _letters(connection: Connection) -> tuple[LetterBook, ...]:
    m = tables.mail_log.c
    rows = connection.execute(select(m.key, m.onboarding_id, m.kind))
    return tuple(LetterBook(key=row.key, onboarding_id=row.onboarding_id, kind=row.kind) for row in rows)


def _lines(connection: Connection) -> tuple[LineBook, ...]:
    """Every line of ours that the switch knows, by its credentials or by its numbers alone."""
    numbers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in connection.execute(select(dbaliases.c.alias_username, dbaliases.c.username, dbaliases.c.domain)):
        numbers[row.username, row.domain].add("+" + row.alias_username.removeprefix("+"))
    registrable = {
        (row.username, row.domain)
        for row in connection.execute(select(subscriber.c.username, subscriber.c.domain).where(subscriber.c.ha1 != ""))
    }
    return tuple(
        LineBook(username=name[0], domain=name[1], registrable=name in registrable, numbers=tuple(sorted(numbers[name])))
        for name in sorted(registrable | set(numbers))
        if _OURS.fullmatch(name[0])
    )
