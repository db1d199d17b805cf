"""A customer moves to another white label in our own records, on both databases, beside whatever else is done at that moment."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, select

from adapters.database import Database, transfers
from adapters.database.tables import numbers
from domain.access import Role
from domain.account_plans import PlanAssignment
from domain.customers import CustomerChange
from domain.errors import NotFound, NumberUnavailable, Refused, Unavailable
from domain.numbers import PUBLIC
from domain.quarantine import Reclaim, Release
from domain.services import ServiceChange
from domain.transfers import Transfer
from domain.users import Grant, NewUser
from tests.adapters.database.conftest import TENANT
from tests.adapters.database.steps import DRAMA, Case, named
from tests.adapters.database.test_calling import change as calling_change
from tests.adapters.database.test_numbers import TERMS, plan
from tests.builders import a_tenant, paid_by_parent

OTHER = a_tenant(id="5f0c5f0e-0000-4000-8000-000000000003", slug="northway", name="Northway")
ROLE = Grant(role=Role.ACCOUNT_ADMINISTRATOR)


@pytest.fixture
async def database(database: Database) -> Database:
    await database.admin.put_tenant(OTHER, credit_limit_minor=100_000)
    await database.admin.import_numbers(TENANT.id, DRAMA[:20])
    return database


async def live(database: Database, e164: str = DRAMA[0], **order: Any) -> Case:
    """An active customer with this number."""
    case = Case(paid_by_parent(**{"name": f"Customer of {e164}", **order}))
    await database.records.open_account(case.opening())
    reservation = await database.numbers.reserve(case.reservation(named(e164)))
    await database.ledger.hold(case.on_ledger())
    await database.ledger.take(case.on_ledger())
    await database.records.go_live(case.going_live(reservation))
    return case


def moving(case: Case, **changes: Any) -> Transfer:
    values = {"key": str(uuid.uuid4()), "account_id": case.account, "tenant_id": TENANT.id, "actor": "key:1", "to": OTHER.id}
    why = {"plan": "office-20", "reason": "Moved", "consent": "Agreed", "at": datetime.now(UTC)}
    return Transfer.model_validate(values | why | changes)


def someone(case: Case, **changes: Any) -> NewUser:
    values = {"tenant_id": TENANT.id, "account_id": case.account, "email": "bo@example.com", "name": "Bo", "grant": ROLE}
    return NewUser.model_validate(values | {"actor": "key:a", "password_hash": "a hash"} | changes)


async def given_back(database: Database, e164: str, days: int = 30) -> None:
    moment = datetime.now(UTC)
    number = await database.stock.assignment(TENANT.id, e164)
    release = Release(number=number, released_at=moment, until=moment + timedelta(days=days), actor="key:1")
    await database.stock.quarantine(release)


async def row_of(database: Database, e164: str) -> tuple[str, str, str]:
    """Whose it is, its pool, its state."""
    query = select(numbers.c.tenant_id, numbers.c.pool, numbers.c.state).where(numbers.c.e164 == e164)
    row = (await database._transactions.read(lambda connection: connection.execute(query).all()))[0]
    return row.tenant_id, row.pool, row.state


@asynccontextmanager
async def nobody_passes(url: str, query: str, *values: str) -> AsyncIterator[None]:
    """Rows that somebody else holds, on PostgreSQL; on SQLite writers follow each other anyway."""
    if not url.startswith("postgresql"):
        yield
        return
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        async with connection.transaction():
            await connection.execute(query, *values)
            yield
    finally:
        await connection.close()


async def until_waiting(url: str, how_many: int) -> None:
    if not url.startswith("postgresql"):
        return
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    try:
        while await connection.fetchval(waiting) < how_many:  # noqa: ASYNC110 - nobody else tells
            await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def until_it_ends_or_waits(url: str, acting: asyncio.Task[Any]) -> None:
    if url.startswith("postgresql"):
        waits = asyncio.create_task(until_waiting(url, 2))
        await asyncio.wait({acting, waits}, return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()


@pytest.mark.requirement("S5-25")
async def test_a_number_that_rests_goes_along_and_can_be_had_again_whole(database: Database) -> None:
    case = await live(database)
    await given_back(database, DRAMA[0])
    await database.transfers.transfer(moving(case))
    assert await row_of(database, DRAMA[0]) == (OTHER.id, PUBLIC, "quarantined")
    with pytest.raises(NotFound):
        await database.stock.former(TENANT.id, DRAMA[0], case.account)
    former = await database.stock.former(OTHER.id, DRAMA[0], case.account)
    await database.stock.reclaim(Reclaim(number=former, actor="key:2", at=datetime.now(UTC)))
    assert await row_of(database, DRAMA[0]) == (OTHER.id, PUBLIC, "assigned")
    assert (await database.stock.assignment(OTHER.id, DRAMA[0])).account_id == case.account


async def test_a_number_that_rests_after_somebody_else_had_it_stays_where_it_is(database: Database) -> None:
    case = await live(database)
    await given_back(database, DRAMA[0], days=-1)
    await database.stock.sweep_quarantine(10)
    next_one = await live(database, name="Next Ltd")
    await given_back(database, DRAMA[0])
    await database.transfers.transfer(moving(case))
    assert await row_of(database, DRAMA[0]) == (TENANT.id, PUBLIC, "quarantined")
    assert (await database.stock.former(TENANT.id, DRAMA[0], next_one.account)).account_id == next_one.account


async def test_a_number_that_is_kept_while_its_customer_moves_is_not_kept_for_somebody_elses_customer(
    database: Database, url: str
) -> None:
    """The transfer has seen to the kept numbers already, and waits for the account's orders."""
    case = await live(database)
    await database.stock.keep(TENANT.id, case.account, [DRAMA[1]])
    move = moving(case)
    async with asyncio.timeout(20):
        async with nobody_passes(url, "SELECT 1 FROM onboardings WHERE id = $1 FOR UPDATE", case.id):
            transfer = asyncio.create_task(database.transfers.transfer(move))
            await until_waiting(url, 1)
            keeping = asyncio.create_task(database.stock.keep(TENANT.id, case.account, [DRAMA[2]]))
            await asyncio.wait({keeping})
        (ended,) = await asyncio.gather(transfer, return_exceptions=True)
    if isinstance(ended, BaseException):
        assert isinstance(ended, Unavailable), ended
        await database.transfers.transfer(move)
    for e164 in DRAMA[1:3]:
        assert await row_of(database, e164) == (TENANT.id, PUBLIC, "available")
    with pytest.raises((NotFound, NumberUnavailable)):
        await database.stock.keep(TENANT.id, case.account, [DRAMA[3]])


async def test_what_the_former_white_label_asked_for_is_not_done_to_a_customer_who_has_moved(database: Database) -> None:
    case = await live(database)
    common = {"account_id": case.account, "tenant_id": TENANT.id, "actor": "key:1", "at": datetime.now(UTC)}
    raised = CustomerChange(**common, key="c", patch={"credit_limit_minor": 90_000}, needs_approval=True, approved_by="key:2")
    (service,) = await database.services.services(case.account)
    relabelled = ServiceChange(**common, key="s", patch={"label": "New"}, line=service.line)
    moment = datetime.now(UTC)
    assigned = PlanAssignment(
        id="p", plan="office-20", price_list="mine", effective_from=moment, assigned_by="key:1", assigned_at=moment
    )
    await database.transfers.transfer(moving(case))
    before = await database.existing.record(case.account, OTHER.id), await database.plans.get(case.account)
    for late in (
        database.customers.change(raised),
        database.services.change(relabelled),
        database.plans.assign(case.account, TENANT.id, assigned),
        database.plans.cancel_pending(case.account, TENANT.id, "key:1"),
        database.users.create(someone(case)),
        database.users.invite(someone(case)),
        database.users.offer(someone(case)),
        database.users.add(case.account, TENANT.id, "bo@example.com", ROLE, "key:1"),
        database.calling.change(calling_change(case, "r", "resume")),
        database.calling.change(calling_change(case, "d", "set", None, fields={"expires_at"}, expires_at=moment)),
    ):
        with pytest.raises(Refused) as refused:
            await late
        assert refused.value.code == "moved_meanwhile"
    assert (await database.existing.record(case.account, OTHER.id), await database.plans.get(case.account)) == before


async def test_a_suspension_that_was_taken_is_carried_out_wherever_the_customer_is_by_then(database: Database) -> None:
    case = await live(database)
    suspension = calling_change(case, "k")
    await database.transfers.transfer(moving(case))
    for _ in range(2):
        write = await database.calling.change(suspension)
        assert (write.calling.barred(datetime.now(UTC)), [line.domain for line in write.lines]) == (
            ("fraud",),
            [TENANT.sip_domain],
        )
    assert (await database.calling.get(case.account, OTHER.id)).suspended_for == ("fraud",)
    (told,) = [event for event in await database.reader.timeline(case.id) if event.event == "suspended"]
    assert told.actor == "key:1"


async def test_a_customer_who_has_moved_down_is_not_rated_as_the_one_above_asked_before(database: Database) -> None:
    """Who is above has a say over the account still. Its rate groups are not those of who is below."""
    below = a_tenant(id="5f0c5f0e-0000-4000-8000-000000000004", slug="lower", name="Lower")
    await database.admin.put_tenant(below, credit_limit_minor=100_000, parent_id=TENANT.id)
    case = await live(database)
    await database.transfers.transfer(moving(case, to=below.id))
    late = calling_change(case, "k", act="set", reason=None, fields={"rate_group"}, rate_group="upper-only")
    with pytest.raises(Refused) as refused:
        await database.calling.change(late)
    assert refused.value.code == "moved_meanwhile"
    assert (await database.calling.get(case.account)).rate_group == "uk-standard"


async def test_neither_its_own_rate_of_tax_nor_its_taxes_come_along(database: Database) -> None:
    case = await live(database, tax_rate_basis_points=0)
    assert (await database.existing.record(case.account, TENANT.id)).tax_rate_basis_points == 0
    await database.transfers.transfer(moving(case))
    record, plan = await database.existing.record(case.account, OTHER.id), await database.plans.get(case.account)
    assert (record.taxes, record.tax_rate_basis_points) == (None, None)
    assert (plan.order.taxes, plan.order.tax_rate_basis_points) == (None, None)


@asynccontextmanager
async def _held_after_its_people(database: Database, url: str, case: Case) -> AsyncIterator[None]:
    """A transfer of this customer has seen to its people, and gets no further."""
    change = CustomerChange(
        key="name", account_id=case.account, tenant_id=TENANT.id, actor="key:1", at=datetime.now(UTC), patch={"name": "Named"}
    )
    await database.customers.change(change)
    async with nobody_passes(url, "SELECT 1 FROM customers WHERE account_id = $1 FOR UPDATE", case.account):
        yield


@pytest.mark.parametrize("act", ["create", "accept"])
async def test_a_role_that_the_former_white_label_gives_while_the_account_moves_does_not_survive(
    database: Database, url: str, act: str
) -> None:
    case = await live(database)
    _, invitation = await database.users.offer(someone(case, email="cy@example.com"))
    async with asyncio.timeout(20):
        async with _held_after_its_people(database, url, case):
            transfer = asyncio.create_task(database.transfers.transfer(moving(case)))
            await until_waiting(url, 1)
            late: Any = database.users.create(someone(case))
            if act == "accept":
                late.close()
                late = database.users.accept(invitation.user_id, invitation.generation, "a hash")
            giving = asyncio.create_task(late)
            await until_it_ends_or_waits(url, giving)
        await asyncio.gather(transfer, giving, return_exceptions=True)
    assert (await database.existing.record(case.account, OTHER.id)).tenant_id == OTHER.id
    emails = {member.email for member in await database.users.members(case.account)}
    assert not emails & {"bo@example.com", "cy@example.com"}


async def test_whoever_comes_along_has_nothing_left_to_accept_at_the_former_white_label(database: Database) -> None:
    case, second = await live(database), await live(database, DRAMA[1])
    _, first = await database.users.invite(someone(case, password_hash=None))
    assert await database.users.accept(first.user_id, first.generation, "a hash")
    _, offered = await database.users.offer(someone(second))
    await database.transfers.transfer(moving(case))
    await database.users.accept(offered.user_id, offered.generation, "another hash")
    memberships = await database.users.memberships(offered.user_id)
    assert [membership.account_id for membership in memberships] == [case.account]
    assert "bo@example.com" not in {member.email for member in await database.users.members(second.account)}


async def test_whoever_is_invited_while_moving_along_is_invited_as_somebody_of_the_white_label_that_is_left(
    database: Database, url: str
) -> None:
    case, second = await live(database), await live(database, DRAMA[1])
    _, first = await database.users.invite(someone(case, password_hash=None))
    assert await database.users.accept(first.user_id, first.generation, "a hash")
    async with asyncio.timeout(20):
        async with _held_after_its_people(database, url, case):
            transfer = asyncio.create_task(database.transfers.transfer(moving(case)))
            await until_waiting(url, 1)
            offering = asyncio.create_task(database.users.offer(someone(second)))
            await until_it_ends_or_waits(url, offering)
        await transfer
        member, invitation = await offering
    assert (await database.existing.record(case.account, OTHER.id)).tenant_id == OTHER.id
    assert invitation.tenant_id == TENANT.id
    assert (member.id in {one.id for one in await database.users.members(second.account)}) is (member.id != first.user_id)
    assert {one.account_id for one in await database.users.memberships(first.user_id)} == {case.account}


async def test_a_transfer_reads_indexes_and_not_the_whole_stock(database: Database) -> None:
    def plans(connection: Connection) -> list[str]:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE numbers")
        terms = TERMS | {"account": "an account", "to": OTHER.id}
        return [
            plan(connection, statement, terms) for statement in (transfers._UNKEEP, transfers._LOCK_RESTING, transfers._NUMBERS)
        ]

    await database.admin.import_numbers(TENANT.id, (f"+44121{number:07d}" for number in range(0, 10_000_000, 1_000)))
    kept, resting, assigned = await database._transactions.write(plans)
    assert "ix_numbers_kept" in kept, kept
    for found in (kept, resting, assigned):
        assert "Seq Scan on numbers" not in found, found
        assert "SCAN numbers" not in found, found
