"""Setting an installation up, twice if need be."""

import pytest

from adapters.database import Database
from domain.errors import NotFound
from domain.numbers import Grade
from tests.adapters.database.conftest import TENANT
from tests.adapters.database.steps import DRAMA
from tests.builders import a_tenant


async def test_a_white_label_is_found_by_id_and_by_slug(database: Database) -> None:
    assert await database.catalogue.tenant(TENANT.id) == TENANT
    assert await database.catalogue.tenant(TENANT.slug) == TENANT
    with pytest.raises(NotFound):
        await database.catalogue.tenant("nobody")


async def test_an_id_wins_over_the_same_word_as_a_slug(database: Database) -> None:
    await database.admin.put_tenant(a_tenant(id="one", slug="two"))
    await database.admin.put_tenant(a_tenant(id="two", slug="one"))
    assert (await database.catalogue.tenant("one")).id == "one"
    assert (await database.catalogue.tenant("two")).id == "two"
    assert [tenant.slug for tenant in await database.admin.tenants()] == ["brumtel", "one", "two"]


async def test_saving_a_white_label_again_changes_its_settings_and_pays_nothing_in_twice(database: Database) -> None:
    await database.admin.put_platform()
    renamed = TENANT.model_copy(update={"name": "Brumtel Two", "slug": "brumtel-two"})
    await database.admin.put_tenant(renamed, credit_limit_minor=7, opening_balance_minor=50_000)
    assert await database.catalogue.tenant("brumtel-two") == renamed
    account = next(book for book in (await database.books.read()).accounts if book.id == TENANT.id)
    assert (account.balance_minor, account.entries_minor) == (50_000, 50_000)


async def test_a_ledger_keeps_its_currency(database: Database) -> None:
    with pytest.raises(ValueError, match="ledger is in GBP"):
        await database.admin.put_tenant(TENANT.model_copy(update={"currency": "EUR"}))
    assert (await database.catalogue.tenant(TENANT.id)).currency == "GBP"


async def test_numbers_are_graded_and_imported_once_whoever_has_them(database: Database) -> None:
    await database.admin.put_tenant(a_tenant(id="other", slug="other"))
    assert await database.admin.import_numbers(TENANT.id, [*DRAMA, *DRAMA[:10]]) == 1000
    assert await database.admin.import_numbers(TENANT.id, [*DRAMA[:10], "+441214961111"]) == 1
    assert await database.admin.import_numbers("other", DRAMA[:10]) == 0
    grades = await database.catalogue.grades(TENANT.id, ["+441214961111", DRAMA[123], DRAMA[457], "+15005550006"])
    assert grades == {"+441214961111": Grade.SILVER, DRAMA[123]: Grade.SILVER, DRAMA[457]: Grade.STANDARD}


async def test_a_database_that_is_there_answers(database: Database) -> None:
    await database.ping()


async def test_no_account_that_a_white_label_ever_had_at_the_gateway_is_forgotten(database: Database) -> None:
    history = []
    for account in (None, "acct_1First", "acct_1First", "acct_1Second", None, "acct_1First"):
        await database.admin.put_tenant(TENANT.model_copy(update={"gateway_account": account}))
        history.append((await database.catalogue.tenant(TENANT.id)).gateway_accounts)
    first, second = "acct_1First", "acct_1Second"
    assert history == [(), (first,), (first,), (second, first), (second, first), (first, second)]
