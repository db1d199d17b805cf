"""The example data are good data: every order can be placed, and the numbers are those that nobody can be called at."""

import json
from pathlib import Path

import pytest

from adapters.database import Database, migrate
from domain.access import Role
from domain.numbers import NumberState, grade_of
from domain.payments import MeansKind
from domain.quotes import quote
from domain.rules import approval_reasons, blocking, findings, means_kind
from starter.demo.stories import STORIES
from starter.local.processes import StackError
from starter.local.state import EXAMPLES
from starter.schemas.orders import CreateOnboarding
from starter.seed import read_white_label, seed

ORDERS = sorted(EXAMPLES.glob("orders/*.json"))


@pytest.mark.parametrize("file", ORDERS, ids=lambda file: file.stem)
def test_every_example_order_can_be_placed(file: Path) -> None:
    body = CreateOnboarding.model_validate_json(file.read_text())
    order, unreadable = body.order("GB")
    assert order is not None, unreadable
    tenant, _ = read_white_label(EXAMPLES / "white-labels" / f"{body.white_label}.json")
    grades = {number: grade_of(number) for number in order.explicit_numbers}
    found = blocking(findings(order, tenant, grades, None))
    wrong = [one for one in found if not (one.code == "terms_not_accepted" and body.terms_accepted)]
    assert wrong == []
    assert body.customer.contact.email.endswith(".example.com") or body.customer.contact.email.endswith("@example.com")
    asks = approval_reasons(order, quote(order, tenant, grades), tenant, grades)
    assert asks == (("total",) if "threshold" in file.stem else ())
    assert means_kind(order) is (MeansKind.PARENT_ACCOUNT if "white-label-administered" in file.stem else MeansKind.CARD)


def test_every_order_has_its_story() -> None:
    assert [story.order for story in STORIES] == [file.stem for file in ORDERS]
    assert {story.order: story.white_label for story in STORIES} == {
        file.stem: json.loads(file.read_text())["white_label"] for file in ORDERS
    }


async def test_loading_twice_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'seeded.db'}"
    await migrate(url)
    first = await seed(url)
    assert await seed(url, known_keys=first) == first
    database = Database(url)
    try:
        found = 0
        for slug in ("northway", "brindley"):
            tenant = await database.catalogue.tenant(slug)
            token = None
            while True:
                page = await database.reader.search_numbers(tenant.id, "+44121496", NumberState.AVAILABLE, 500, token)
                found += len(page.items)
                assert all("+441214960000" <= number.e164 <= "+441214960999" for number in page.items)
                if (token := page.next_page_token) is None:
                    break
        assert found == 1000
        accounts = {account.id: account for account in (await database.books.read()).accounts}
        assert accounts["brindley"].balance_minor == 100_000, "the opening balance is paid in once"
        people = [await database.identities.authenticate(key) for key in first.values()]
        assert len({principal.person for principal in people if principal}) == len(first), "each key is another person's"
        approver = await database.identities.authenticate(first["approver"])
        assert approver is not None
        assert (approver.role, approver.tenant_id) == (Role.APPROVER, None)
    finally:
        await database.close()


async def test_a_key_that_does_not_work_any_more_is_issued_anew(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'seeded.db'}"
    await migrate(url)
    keys = await seed(url, known_keys={"operator": "dt_from_another_database"})
    assert keys["operator"] != "dt_from_another_database"


async def test_wrong_example_data_are_refused_with_the_file_and_the_field(tmp_path: Path) -> None:
    (tmp_path / "white-labels").mkdir()
    broken = tmp_path / "white-labels" / "broken.json"
    broken.write_text(json.dumps({"id": "x", "price_list": {"version": "1", "plans": []}}))
    broken.with_suffix(".terms.txt").write_text("Terms")
    with pytest.raises(StackError, match=r"broken\.json cannot be loaded: \w+"):
        await seed("sqlite:///never-opened.db", tmp_path)
    with pytest.raises(StackError, match="no example data"):
        await seed("sqlite:///never-opened.db", tmp_path / "nowhere")


def test_every_white_label_has_credit_limits_looked_at_above_some_amount() -> None:
    for file in (EXAMPLES / "white-labels").glob("*.json"):
        tenant, _ = read_white_label(file)
        assert tenant.approval.credit_limit_over_minor is not None, tenant.slug
