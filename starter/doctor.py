"""Is everything there that an installation needs? Each check answers with a sentence, and with the way out if not."""

import asyncio
import smtplib
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import stripe
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select
from sqlalchemy.exc import SQLAlchemyError

import adapters.database
from adapters.database import Database
from adapters.payments.stripe_api import StripeApi, on_account
from adapters.settings import Settings
from adapters.temporal import connect
from adapters.transactions import connect as open_database
from adapters.voice.tables import VERSIONS, version
from domain.base import Value
from domain.errors import DialtoneError
from starter.local.temporal_server import missing_search_attributes

_PATIENCE = 20.0
_MOST_SKEW = 5.0


class Examined(Value):
    """One part, whether it is well, and what to know about it."""

    part: str
    well: bool
    sentence: str


class _IllError(Exception):
    """What is wrong, and what to do about it."""


async def examine(settings: Settings) -> list[Examined]:
    """Examine every part at once. Never raises for a part that is ill."""
    checks: dict[str, Callable[[Settings], Awaitable[str]]] = {
        "database": _database,
        "switch": _switch,
        "temporal": _temporal,
        "mail": _mail,
        "gateway": _gateway,
    }
    return list(await asyncio.gather(*(_one(part, check, settings) for part, check in checks.items())))


async def _one(part: str, check: Callable[[Settings], Awaitable[str]], settings: Settings) -> Examined:
    try:
        async with asyncio.timeout(_PATIENCE):
            return Examined(part=part, well=True, sentence=await check(settings))
    except (_IllError, DialtoneError) as error:
        return Examined(part=part, well=False, sentence=str(error))
    except TimeoutError:
        return Examined(part=part, well=False, sentence=f"It did not answer within {_PATIENCE:.0f} seconds.")
    except Exception as error:  # noqa: BLE001 - a doctor does not faint; the kind of error tells more than a trace
        return Examined(part=part, well=False, sentence=f"It cannot be used ({type(error).__name__}). Check its settings.")


async def _database(settings: Settings) -> str:
    database = open_database(settings.database)
    try:
        present, wanted = await database.read(_revisions)
    finally:
        await database.close()
    if present != wanted:
        raise _IllError("It answers, and its schema is not the one of this version. Run `dialtone migrate`.")
    return f"It answers and has the schema of this version ({', '.join(sorted(wanted))})."


def _revisions(connection: Connection) -> tuple[set[str], set[str]]:
    scripts = ScriptDirectory(str(Path(adapters.database.__file__).with_name("migrations")))
    return set(MigrationContext.configure(connection).get_current_heads()), set(scripts.get_heads())


async def _switch(settings: Settings) -> str:
    database = open_database(settings.voice_database, whose="The switch's")
    try:
        found = await database.read(_switch_tables)
    finally:
        await database.close()
    wrong = {name for name, wanted in VERSIONS.items() if found.get(name) != wanted}
    if wrong:
        raise _IllError(
            f"The switch's tables are missing or of another version: {', '.join(sorted(wrong))}. Run `dialtone migrate`."
        )
    return "Its tables are there, as Kamailio wants them."


def _switch_tables(connection: Connection) -> dict[str, int]:
    if not inspect(connection).has_table(version.name):
        return {}
    return {row.table_name: row.table_version for row in connection.execute(select(version))}


async def _temporal(settings: Settings) -> str:
    client = await connect(settings, patience=())
    missing = await missing_search_attributes(client)
    if missing:
        raise _IllError(
            f"Namespace {client.namespace} lacks search attributes: {', '.join(sorted(missing))}. Create them with "
            "`temporal operator search-attribute create --name NAME --type Keyword` (NeedsAttention: Bool)."
        )
    return (
        f"It answers at {client.service_client.config.target_host}, namespace {client.namespace}, with our search attributes."
    )


async def _mail(settings: Settings) -> str:
    try:
        await asyncio.to_thread(_greet_relay, settings)
    except (OSError, smtplib.SMTPException) as error:
        raise _IllError(
            f"The relay at {settings.smtp_host}:{settings.smtp_port} cannot be used ({type(error).__name__}). "
            "Check DIALTONE_SMTP_HOST, _PORT, _TLS, _USERNAME and _PASSWORD."
        ) from error
    return f"The relay at {settings.smtp_host}:{settings.smtp_port} takes our mail."


def _greet_relay(settings: Settings) -> None:
    where = (settings.smtp_host, settings.smtp_port)
    context = ssl.create_default_context()
    implicit = settings.smtp_tls == "implicit"
    relay = smtplib.SMTP_SSL(*where, timeout=10, context=context) if implicit else smtplib.SMTP(*where, timeout=10)
    with relay:
        if settings.smtp_tls == "starttls":
            relay.starttls(context=context)
        if settings.smtp_username and settings.smtp_password:
            relay.login(settings.smtp_username, settings.smtp_password.get_secret_value())
        relay.noop()


async def _gateway(settings: Settings) -> str:
    api = StripeApi(settings.stripe_api_key, settings.stripe_api_base, timeout=10.0)
    owners = await _owners(settings)
    try:
        headers = await _headers_of(api)
        await asyncio.gather(*(_examine_account(api, merchant, slugs) for merchant, slugs in owners.items()))
    finally:
        await api.close()
    if "date" in headers:
        skew = (datetime.now(UTC) - parsedate_to_datetime(headers["date"])).total_seconds()
        if abs(skew) > _MOST_SKEW:
            raise _IllError(
                f"It answers, and its clock and ours differ by {skew:.0f} seconds, so its signed reports will be refused. "
                "Let this machine take its time from the network (NTP)."
            )
    simulated = "the embedded one; no money moves" if settings.stripe_api_base else "Stripe"
    connected = f" Accounts of white labels that answer too: {len(owners)}." if owners else ""
    return f"It answers ({simulated}), and our clocks agree.{connected}"


async def _owners(settings: Settings) -> dict[str, list[str]]:
    """The white labels by the account that each has at the gateway, those without one left out."""
    database = Database(settings.database)
    try:
        tenants = await database.admin.tenants()
    except (DialtoneError, SQLAlchemyError):
        return {}  # The database is another part, and says so itself.
    finally:
        await database.close()
    owners: dict[str, list[str]] = {}
    for tenant in tenants:
        if tenant.gateway_account is not None:
            owners.setdefault(tenant.gateway_account, []).append(tenant.slug)
    return owners


async def _examine_account(api: StripeApi, merchant: str, slugs: Sequence[str]) -> None:
    try:
        await _headers_of(api, merchant)
    except DialtoneError as error:
        raise _IllError(
            f"It answers, but not for the account {merchant} of {', '.join(slugs)}: their customers cannot pay by card. "
            "Connect the account to the platform again, or correct `gateway_account` in the white label's file."
        ) from error


async def _headers_of(api: StripeApi, merchant: str | None = None) -> Mapping[str, str]:
    """Ask for a customer that cannot exist: "there is none" proves the address and the key, and changes nothing."""
    async with api.asking("doctor"):
        try:
            await api.client.v1.customers.retrieve_async("cus_dialtone_doctor", options=on_account(merchant))
        except stripe.InvalidRequestError as error:
            if error.code != "resource_missing":
                raise
            return error.headers or {}
    return {}
