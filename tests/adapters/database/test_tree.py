"""The tree of accounts: who is below whom, at any depth, without reading everybody."""

import itertools
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text, update

from adapters.database import Database, tree
from adapters.database.admin import _account
from adapters.database.statements import now
from adapters.database.tables import accounts
from adapters.transactions import Transactions
from domain.accounts import PLATFORM, AccountKind
from domain.errors import NotFound
from tests.adapters.database.conftest import TENANT

DEPTH, CUSTOMERS = 8, 5_000
COMMON = {"status": "active", "account_type": "postpaid", "payer": "self", "administration": "operator", "segment": "normal"}


def transactions_of(database: Database) -> Transactions:
    return database._transactions


async def grow(database: Database, customers: int = 3) -> list[str]:
    """A chain of resellers below the white label, the last at ``DEPTH``, with customers below it. Returns the chain."""
    chain = [TENANT.id, *(f"reseller-{level}" for level in range(2, DEPTH))]
    moment = now()

    def row(number: int, id_: str, parent: str, kind: str) -> dict[str, Any]:
        return _account(id_, parent, kind, f"{kind} {number}", "GBP", moment) | COMMON | {"number": f"9{number:09d}"}

    rows = [row(n, id_, above, "reseller") for n, (above, id_) in enumerate(itertools.pairwise(chain))]
    rows += [row(1000 + n, f"customer-{n}", chain[-1], "customer") for n in range(customers)]

    def work(connection: Connection) -> None:
        connection.execute(insert(accounts), rows)

    await transactions_of(database).write(work)
    return chain


async def test_an_account_is_covered_by_itself_and_all_above_it_and_by_nothing_else(database: Database) -> None:
    chain = await grow(database)
    for above in (PLATFORM, *chain, "customer-1"):
        assert await database.accounts.covers(above, "customer-1")
    for beside in ("customer-2", "nobody", ""):
        assert not await database.accounts.covers(beside, "customer-1")
    assert not await database.accounts.covers(chain[2], chain[1])
    assert not await database.accounts.covers(PLATFORM, "nobody")
    with pytest.raises(NotFound):
        await database.accounts.get(chain[1], chain[2])


async def test_the_white_labels_of_a_scope_are_the_resellers_of_its_subtree(database: Database) -> None:
    chain = await grow(database)

    async def of(scope: str) -> list[str]:
        return await transactions_of(database).read(lambda connection: tree.white_labels(connection, scope))

    assert set(await of(PLATFORM)) == {PLATFORM, *chain}
    assert set(await of(chain[3])) == set(chain[3:])
    assert await of(chain[-1]) == [chain[-1]]
    assert await of("customer-1") == []
    assert await of("nobody") == []


async def test_an_account_that_moves_is_where_it_is_at_once(database: Database) -> None:
    chain = await grow(database)

    def move(connection: Connection) -> None:
        connection.execute(update(accounts).where(accounts.c.id == "customer-1").values(parent_id=TENANT.id))

    await transactions_of(database).write(move)
    assert await database.accounts.covers(TENANT.id, "customer-1")
    assert not await database.accounts.covers(chain[1], "customer-1")


async def test_a_circle_is_walked_once(database: Database) -> None:
    chain = await grow(database)

    def bend(connection: Connection) -> None:
        connection.execute(update(accounts).where(accounts.c.id == chain[1]).values(parent_id=chain[-1]))

    await transactions_of(database).write(bend)
    assert await database.accounts.covers(chain[2], "customer-1")
    assert not await database.accounts.covers(TENANT.id, "customer-1")


async def test_a_page_of_children_goes_on_where_the_last_one_ended(database: Database) -> None:
    chain = await grow(database, customers=5)
    seen, token = [], None
    while True:
        page = await database.accounts.children(chain[-1], chain[0], AccountKind.CUSTOMER, 2, token)
        seen += [account.id for account in page.items]
        token = page.next_page_token
        if token is None:
            break
    assert seen == [f"customer-{n}" for n in range(5)]
    first = await database.accounts.children(chain[-1], chain[0], None, 2, None)
    with pytest.raises(ValueError, match="page token"):
        await database.accounts.children(chain[-2], chain[0], None, 2, first.next_page_token)


async def test_neither_walk_reads_all_accounts(database: Database, url: str) -> None:
    chain = await grow(database, customers=CUSTOMERS)
    postgresql = url.startswith("postgresql")

    def plan(connection: Connection) -> str:
        if postgresql:  # which does so by itself, as SQLite never does
            connection.execute(text("ANALYZE"))
        explain = "EXPLAIN" if postgresql else "EXPLAIN QUERY PLAN"
        found = []
        for statement, values in ((tree._COVERS, {"of": "customer-1", "scope": chain[1]}), (tree._BELOW, {"scope": chain[1]})):
            found += [str(row) for row in connection.exec_driver_sql(f"{explain} {_filled(statement, connection, values)}")]
        return "\n".join(found)

    told = await transactions_of(database).write(plan)
    assert "accounts" in told
    assert "Seq Scan on accounts" not in told
    assert "SCAN accounts" not in told
    assert "SCAN above" not in told
    for built_for_the_question in ("AUTOMATIC", "BLOOM"):
        assert built_for_the_question not in told


def _filled(statement: Any, connection: Connection, values: dict[str, str]) -> str:
    return str(statement.params(values).compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
