"""Loads the example data: white labels, their numbers, and API keys for whoever started the stack. May be repeated."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from adapters.database import Database
from domain.access import Role
from domain.base import Value
from domain.catalogue import Tenant
from domain.customer import E164
from starter.local.processes import StackError
from starter.local.state import EXAMPLES
from starter.reading import json_of

V = TypeVar("V", bound=Value)


class _Account(Value):
    """The white label's own account with the platform."""

    credit_limit_minor: Annotated[int, Field(ge=0)] = 0
    opening_balance_minor: Annotated[int, Field(ge=0)] = 0


class _Range(Value):
    """Numbers of a white label, from the first to the last, both included."""

    white_label: str
    first: E164
    last: E164

    def numbers(self) -> Iterator[str]:
        return (f"+{number}" for number in range(int(self.first[1:]), int(self.last[1:]) + 1))


class _Key(Value):
    """An API key to issue; without a white label it is the platform's, without a person its name is one."""

    name: str
    person: str | None = None
    role: Role
    white_label: str | None = None


def read_white_label(file: Path) -> tuple[Tenant, _Account]:
    """A white label from its JSON file and, beside it, ``<slug>.terms.txt``. Raises ``StackError`` for what is not one."""
    try:
        data: dict[str, Any] = json_of(file.read_text(encoding="utf-8"))
        terms = {"version": data["price_list"]["version"], "text": file.with_suffix(".terms.txt").read_text(encoding="utf-8")}
        return Tenant.model_validate({**data, "terms": terms}), _Account.model_validate(data.get("account", {}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StackError(f"The white label in {file} cannot be loaded: {_sentence(error)}") from error


async def seed(database_url: str, examples: Path = EXAMPLES, known_keys: Mapping[str, str] | None = None) -> dict[str, str]:
    """Load everything in ``examples`` that is not there yet and return the API keys by name.

    A key in ``known_keys`` that still works is kept; a missing one is issued. Raises ``StackError`` for data that is wrong,
    ``Unavailable`` if the database does not answer.
    """
    white_labels, ranges, keys = _load(examples)
    database = Database(database_url)
    try:
        await database.admin.put_platform()
        for tenant, account in white_labels:
            await database.admin.put_tenant(tenant, account.credit_limit_minor, account.opening_balance_minor)
        for stock in ranges:
            await database.admin.import_numbers((await database.catalogue.tenant(stock.white_label)).id, stock.numbers())
        return {key.name: await _working_key(database, key, (known_keys or {}).get(key.name)) for key in keys}
    finally:
        await database.close()


def _load(examples: Path) -> tuple[list[tuple[Tenant, _Account]], list[_Range], list[_Key]]:
    if not examples.is_dir():
        raise StackError(f"There is no example data in {examples}. Name the directory that has it with --examples.")
    white_labels = [read_white_label(file) for file in sorted(examples.glob("white-labels/*.json"))]
    return white_labels, _read(examples / "numbers.json", _Range), _read(examples / "platform.json", _Key, "api_keys")


async def _working_key(database: Database, wanted: _Key, known: str | None) -> str:
    if known is not None and await database.identities.authenticate(known) is not None:
        return known
    tenant_id = (await database.catalogue.tenant(wanted.white_label)).id if wanted.white_label else None
    _, api_key = await database.identities.issue(wanted.name, tenant_id, wanted.role, wanted.person)
    return api_key


def _read(file: Path, kind: type[V], under: str | None = None) -> list[V]:
    try:
        data = json_of(file.read_text(encoding="utf-8"))
        return [kind.model_validate(entry) for entry in (data[under] if under else data)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StackError(f"The example data in {file} cannot be loaded: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."
    return f"{type(error).__name__}: {error}."
