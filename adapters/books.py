"""Reads the ledgers of truth, each where it is kept, for the audit. Changes nothing anywhere."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx
from pydantic import AnyHttpUrl
from sqlalchemy import Connection, select
from stripe import Charge
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.database import Database
from adapters.mail.message import message_id
from adapters.payments.stripe_api import StripeApi, on_account
from adapters.settings import Settings
from adapters.transactions import connect
from adapters.voice import rights
from adapters.voice.tables import dbaliases, subscriber, usr_preferences
from domain.books import Books, ChargeBook, DeliveredBook, LetterBook, LineBook
from domain.calling import CallingRights
from domain.errors import Unavailable
from domain.keys import workflow_id

# Lines that we name (``domain.keys.line_name``); a switch may serve others too, which are none of our business.
_OURS = re.compile(r"d[0-9a-f]{20}")
_LINK = re.compile(r"/activate/([0-9a-f-]{36})\.")
_TIMEOUT = 30.0


class BookReader:
    """Reads every ledger of one installation. ``mailbox_url`` is the local stack's inbox; a real relay keeps no copies.

    Without ``client`` nobody is asked which onboardings are running.
    """

    def __init__(self, settings: Settings, mailbox_url: AnyHttpUrl | str | None = None, client: Client | None = None) -> None:
        self._settings = settings
        self._mailbox_url = str(mailbox_url).rstrip("/") if mailbox_url else None
        self._client = client

    async def read(self) -> Books:
        """All ledgers at about the same moment. Raises ``Unavailable`` if one of them does not answer."""
        merchants = await self._merchants()
        ours, (lines, held), charges, mailbox, runs = await asyncio.gather(
            self._ours(), self._switch(), self._gateway(merchants), self._mailbox(), self._runs()
        )
        delivered = None if mailbox is None else tuple(self._delivered(mailbox, ours.letters))
        books: Books = ours.model_copy(
            update={
                "lines": lines,
                "switch_rights": held,
                "charges": charges,
                "merchants": merchants,
                "mailbox": delivered,
                "runs": runs,
            }
        )
        return books

    async def _ours(self) -> Books:
        database = Database(self._settings.database)
        try:
            books: Books = await database.books.read()
        finally:
            await database.close()
        return books

    async def _switch(self) -> tuple[tuple[LineBook, ...], tuple[CallingRights, ...]]:
        database = connect(self._settings.voice_database, whose="The switch's")
        try:
            return await database.read(lambda connection: (_lines(connection), rights.everything(connection)))
        finally:
            await database.close()

    async def _merchants(self) -> dict[str, tuple[str, ...]]:
        database = Database(self._settings.database)
        try:
            return {tenant.id: tenant.gateway_accounts for tenant in await database.admin.tenants()}
        finally:
            await database.close()

    async def _gateway(self, merchants: Mapping[str, tuple[str, ...]]) -> tuple[ChargeBook, ...]:
        """The installation's own account, and every one of a white label. Two white labels may share one."""
        accounts = (None, *dict.fromkeys(account for own in merchants.values() for account in own))
        if self._settings.stripe_api_base is not None:
            return await self._embedded_gateway(str(self._settings.stripe_api_base).rstrip("/"), accounts)
        api = StripeApi(self._settings.stripe_api_key, None, timeout=_TIMEOUT, retries=2)
        try:
            return tuple([charge for account in accounts for charge in await charges_at_stripe(api, account)])
        finally:
            await api.close()

    async def _embedded_gateway(self, url: str, accounts: Sequence[str | None]) -> tuple[ChargeBook, ...]:
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
                merchant=intent["account"],
            )
            for intent in books["payment_intents"]
            if intent["account"] in accounts and _concerns_us(intent["metadata"], intent["account"])
        )

    async def _runs(self) -> tuple[str, ...] | None:
        if self._client is None:
            return None
        running = self._client.list_workflows(
            "WorkflowType = 'onboarding' AND ExecutionStatus = 'Running'", rpc_timeout=timedelta(seconds=_TIMEOUT)
        )
        try:
            return tuple([run.id.removeprefix(workflow_id("")) async for run in running])
        except RPCError as error:
            raise Unavailable("Temporal does not say which onboardings are running, so the audit cannot be made.") from error

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
        for found, message in {str(message["message_id"]): message for message in mailbox}.items():
            link = _LINK.search(str(message["text"]))
            about = link[1] if link else written.get(found)
            yield DeliveredBook(message_id=found, onboarding_id=about, kind=str(message["kind"]))


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


def _concerns_us(metadata: Mapping[str, str], merchant: str | None) -> bool:
    """A white label may sell other things on its own account; those payments are none of our business."""
    return merchant is None or "onboarding_id" in metadata


async def charges_at_stripe(api: StripeApi, merchant: str | None = None) -> tuple[ChargeBook, ...]:
    """Every payment of the installation's own account, or those of ours on the connected one. Raises ``Unavailable``."""
    found: list[ChargeBook] = []
    async with api.asking("audit"):
        page = await api.client.v1.payment_intents.list_async(
            {"limit": 100, "expand": ["data.latest_charge"]}, options=on_account(merchant)
        )
    intents = page.auto_paging_iter()
    while True:
        # Bounded page by page: an account may have years of payments.
        async with api.asking("audit"):
            intent = await anext(intents, None)
        if intent is None:
            return tuple(found)
        if not _concerns_us(intent.metadata.to_dict(), merchant):
            continue
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
                merchant=merchant,
            )
        )


def _charge_book(
    *,
    reference: str,
    metadata: Mapping[str, str],
    currency: str,
    amount: int,
    status: str,
    refunded: int,
    merchant: str | None,
) -> ChargeBook:
    taken = status == "succeeded"
    return ChargeBook(
        reference=reference,
        onboarding_id=metadata.get("onboarding_id"),
        currency=currency.upper(),
        authorised_minor=amount if status in {"requires_capture", "processing"} else 0,
        captured_minor=amount if taken else 0,
        refunded_minor=refunded,
        merchant=merchant,
    )


def _lines(connection: Connection) -> tuple[LineBook, ...]:
    """Every line of ours that the switch knows, by its credentials, its numbers or its settings alone."""
    numbers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in connection.execute(select(dbaliases.c.alias_username, dbaliases.c.username, dbaliases.c.domain)):
        numbers[row.username, row.domain].add("+" + row.alias_username.removeprefix("+"))
    registrable = {
        (row.username, row.domain)
        for row in connection.execute(select(subscriber.c.username, subscriber.c.domain).where(subscriber.c.ha1 != ""))
    }
    settings = {
        (row.username, row.domain) for row in connection.execute(select(usr_preferences.c.username, usr_preferences.c.domain))
    }
    forwards, shows = _numbers_in_settings(connection, "forward"), _numbers_in_settings(connection, "caller_id")
    return tuple(
        LineBook(
            username=name[0],
            domain=name[1],
            registrable=name in registrable,
            numbers=tuple(sorted(numbers[name])),
            forwards=forwards[name],
            shows=shows[name],
        )
        for name in sorted(registrable | set(numbers) | settings)
        if _OURS.fullmatch(name[0])
    )


def _numbers_in_settings(connection: Connection, attribute: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """By line: the numbers that it forwards or shows. Both are settings of a number, which is the row's uuid."""
    columns = usr_preferences.c
    found: dict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    query = select(columns.username, columns.domain, columns.uuid).where(columns.attribute == attribute, columns.uuid != "")
    for row in connection.execute(query.order_by(columns.uuid)):
        found[row.username, row.domain] += (row.uuid,)
    return found
