"""Who calls: API keys, and tokens of sessions."""

import secrets
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from adapters.database import sessions, tokens
from adapters.database.statements import now
from adapters.database.tables import api_keys
from adapters.transactions import Transactions
from domain.access import Principal, Role
from domain.customer import name_key
from domain.errors import NotFound

_k = api_keys.c
_FIND = select(api_keys).where(_k.sha256 == bindparam("hash"), _k.revoked_at.is_(None))


class ApiKeys:
    """``domain.access.Identities``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def authenticate(self, api_key: str) -> Principal | None:
        if tokens.is_one(tokens.SESSION, api_key):
            return await self._transactions.read(lambda connection: sessions.principal_of(connection, api_key))
        if not tokens.is_one(tokens.KEY, api_key):
            return None
        known = {"hash": tokens.digest(api_key)}
        row = await self._transactions.read(lambda connection: connection.execute(_FIND, known).first())
        return _principal(row) if row else None

    async def issue(self, name: str, tenant_id: str | None, role: Role, person: str | None = None) -> tuple[Principal, str]:
        api_key = tokens.new(tokens.KEY)
        principal = Principal(
            id=f"key-{secrets.token_hex(6)}",
            name=name,
            # As it is compared: "Ada" and "ada " are one person.
            person=name_key(person or name),
            tenant_id=tenant_id,
            role=role,
        )
        fields = {"id", "name", "person", "tenant_id", "role"}
        row = principal.model_dump(include=fields) | {"sha256": tokens.digest(api_key), "created_at": now()}

        def work(connection: Connection) -> None:
            connection.execute(insert(api_keys), row)

        await self._transactions.write(work)
        return principal, api_key

    async def revoke(self, principal_id: str) -> None:
        def work(connection: Connection) -> bool:
            known = _k.id == principal_id
            connection.execute(update(api_keys).where(known, _k.revoked_at.is_(None)).values(revoked_at=now()))
            return connection.execute(select(_k.id).where(known)).first() is not None

        if not await self._transactions.write(work):
            raise NotFound("There is no API key with this id.")

    async def all(self, tenant_id: str | None) -> tuple[Principal, ...]:
        query = select(api_keys).where(_k.revoked_at.is_(None)).order_by(_k.created_at, _k.id)
        if tenant_id is not None:
            query = query.where(_k.tenant_id == tenant_id)
        rows = await self._transactions.read(lambda connection: connection.execute(query).all())
        return tuple(_principal(row) for row in rows)


def _principal(row: Row[Any]) -> Principal:
    return Principal(id=row.id, name=row.name, person=row.person, tenant_id=row.tenant_id, role=Role(row.role))
