"""API keys. A key is random, so its plain SHA-256 is as good as a slow hash and is found by index."""

import hashlib
import secrets
import string
import zlib
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from adapters.database.statements import now
from adapters.database.tables import api_keys
from adapters.transactions import Transactions
from domain.access import Principal, Role
from domain.customer import name_key
from domain.errors import NotFound

_PREFIX = "dt_"
_ALPHABET = string.digits + string.ascii_letters
_RANDOM, _CHECK = 40, 6  # characters: 238 bits, and enough for a CRC-32
_k = api_keys.c
_FIND = select(api_keys).where(_k.sha256 == bindparam("hash"), _k.revoked_at.is_(None))


class ApiKeys:
    """``domain.access.Identities``. Keys begin with ``dt_``, so that secret scanners can tell them, and end in a checksum."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def authenticate(self, api_key: str) -> Principal | None:
        # Whatever is mistyped or made up is turned away here, without asking the database.
        if not _well_formed(api_key):
            return None
        row = await self._transactions.read(lambda connection: connection.execute(_FIND, {"hash": _hash(api_key)}).first())
        return _principal(row) if row else None

    async def issue(self, name: str, tenant_id: str | None, role: Role, person: str | None = None) -> tuple[Principal, str]:
        body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
        api_key = f"{_PREFIX}{body}{_checksum(body)}"
        principal = Principal(
            id=f"key-{secrets.token_hex(6)}",
            name=name,
            # As it is compared: "Ada" and "ada " are one person.
            person=name_key(person or name),
            tenant_id=tenant_id,
            role=role,
        )
        row = principal.model_dump() | {"sha256": _hash(api_key), "created_at": now()}

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


def _well_formed(api_key: str) -> bool:
    body, check = api_key[len(_PREFIX) : -_CHECK], api_key[-_CHECK:]
    return (
        api_key.startswith(_PREFIX)
        and len(body) == _RANDOM
        and all(char in _ALPHABET for char in body)
        and check == _checksum(body)
    )


def _checksum(body: str) -> str:
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _hash(api_key: str) -> str:
    return hashlib.sha256(api_key.encode()).hexdigest()
