"""The web process of an installation: its services composed from the settings, and the server around them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from email.utils import parseaddr
from socket import socket

import uvicorn
from pydantic import AnyHttpUrl

from adapters.crypto import Secrets
from adapters.database import Database
from adapters.mail import mailer
from adapters.passwords import Argon2Passwords
from adapters.payments.card_page import StripeCardPage, StripeWebhooks
from adapters.settings import Settings
from adapters.temporal import connect
from adapters.voice import voice_switch
from starter import logs
from starter.bulk.office import BulkOffice
from starter.calling import Callings
from starter.changes import Changes
from starter.first_access import FirstAccess
from starter.number_acts import NumberActs
from starter.onboardings import Onboardings
from starter.people import People
from starter.pins import AccountPinOffice
from starter.remember import RememberedCatalogue
from starter.services import Services
from starter.web import create_app

__all__ = ["Services", "compose", "create_app", "serve"]

_MOST_CONNECTIONS = 1_000
"""Connections at a time; the next is answered 503 at once, and those before it go on being served."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def compose(settings: Settings) -> AsyncIterator[Services]:
    """The services of this installation, closed at the end. Starts without Temporal: ``/readyz`` says when it is there."""
    async with AsyncExitStack() as stack:
        database = Database(settings.database)
        stack.push_async_callback(database.close)
        secrets = Secrets(settings.secret)
        switch = voice_switch(settings, secrets)
        stack.push_async_callback(switch.close)
        card_page = StripeCardPage.connect(settings.stripe_api_key, settings.stripe_api_base)
        stack.push_async_callback(card_page.close)
        client = await connect(settings, lazy=True)
        catalogue = RememberedCatalogue(database.catalogue)
        secrets = Secrets(settings.secret)
        # Letters of an onboarding are the worker's; this writes to somebody who is invited to an account.
        post = mailer(settings, secrets)
        stack.push_async_callback(post.close)
        people = People(
            database.users,
            database.sessions,
            Argon2Passwords(),
            post,
            catalogue,
            database.accounts,
            least_password=settings.password_min_length,
            support_email=parseaddr(settings.mail_from)[1],
        )

        access = FirstAccess(database.users, Argon2Passwords(), secrets, settings.password_min_length)

        async def temporal_answers() -> None:
            await client.service_client.check_health()

        onboardings = Onboardings(
            client,
            database.reader,
            catalogue,
            settings.task_queue,
            accounts=database.accounts,
            baskets=database.baskets,
            access=access,
        )
        yield Services(
            onboardings=onboardings,
            reader=database.reader,
            catalogue=catalogue,
            identities=database.identities,
            accounts=database.accounts,
            people=people,
            inventory=database.admin,
            call_records=switch,
            callings=Callings(client, database.calling, switch, settings.task_queue),
            rate_groups=database.admin,
            prices=database.prices,
            plans=database.plans,
            stock=database.stock,
            baskets=database.baskets,
            drafts=database.drafts,
            number_acts=NumberActs(client, database.stock, settings.task_queue),
            bulk=BulkOffice(client, database.bulk, onboardings, settings.task_queue, settings.bulk_other_recipients),
            bulk_runs=database.bulk,
            card_page=card_page,
            webhooks=StripeWebhooks(settings.stripe_webhook_secret),
            secrets=secrets,
            existing=database.existing,
            lines=database.services,
            changes=Changes(client, settings.task_queue),
            base_url=_origin(settings.base_url),
            card_page_origin=_origin(settings.stripe_api_base) if settings.stripe_api_base else "https://checkout.stripe.com",
            access=access,
            credits=database.credits,
            pins=AccountPinOffice(database.pins, database.users, secrets),
            forget_catalogue=catalogue.forget,
            probes={"database": database.ping, "temporal": temporal_answers},
        )


def _origin(url: AnyHttpUrl) -> str:
    default = {"http": 80, "https": 443}[url.scheme]
    return f"{url.scheme}://{url.host}" + (f":{url.port}" if url.port not in {None, default} else "")


class _Server(uvicorn.Server):
    """Tells the event streams to end before it waits for open connections."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self._services = services

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._services.closing.set()
        await super().shutdown(sockets)


async def serve(settings: Settings, host: str = "127.0.0.1", port: int = 8400) -> None:
    """Run the web process until it is told to stop (SIGINT, SIGTERM)."""
    logs.configure()
    async with compose(settings) as services:
        config = uvicorn.Config(
            create_app(services),
            host=host,
            port=port,
            # Its access log prints whole addresses, and the address of the activation page is a key.
            access_log=False,
            log_config=None,
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=10,
        )
        _log.info("listening", extra={"host": host, "port": port})
        await _Server(config, services).serve()


if __name__ == "__main__":
    asyncio.run(serve(Settings()))
