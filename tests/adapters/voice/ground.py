"""What the voice tests stand on: lines to provision, and a look into the switch's tables."""

from typing import Any

from pydantic import SecretStr
from sqlalchemy import RowMapping, select

from adapters.crypto import Secrets
from adapters.transactions import connect
from adapters.voice.tables import metadata
from domain.voice import Line, LineRemoval

DOMAIN = "sip.brightline.example"
SECRETS = Secrets(SecretStr("a secret of at least thirty-two characters"))


def line(
    name: str = "d0a1b2c3d4e5", *numbers: str, max_channels: int = 0, key: str = "", domain: str = DOMAIN, **more: Any
) -> Line:
    return Line(
        **more,
        key=key or f"{name}:provision:1",
        onboarding_id="6f1c",
        username=name,
        domain=domain,
        numbers=numbers,
        max_channels=max_channels,
    )


def removal(of: Line) -> LineRemoval:
    account = of.rights.account_id if of.rights else None
    return LineRemoval(key=of.key, onboarding_id=of.onboarding_id, username=of.username, domain=of.domain, account_id=account)


def password(of: Line) -> str:
    return SECRETS.device_password(of.username, of.domain)


async def rows(url: str, table: str) -> list[RowMapping]:
    """A whole table of the switch, in the order of its rows, as anybody else would read it."""
    transactions = connect(url, whose="The switch's")
    try:
        return await transactions.write(lambda connection: list(connection.execute(select(metadata.tables[table])).mappings()))
    finally:
        await transactions.close()


async def sql(url: str, *statements: str) -> None:
    """Change the switch's tables behind the adapter's back."""
    transactions = connect(url, whose="The switch's")
    try:
        for statement in statements:
            await transactions.write(lambda connection, text=statement: connection.exec_driver_sql(text))  # type: ignore[misc]
    finally:
        await transactions.close()
