"""Orders that describe their numbers: digits, blocks, pools, national prefixes; and what they are charged."""

import pytest

from domain.numbers import Grade
from tests.numbers.conftest import DRAMA, TENANT, Exchange


@pytest.mark.requirement("S2-24", "S3-21", "S3-24")
async def test_an_order_by_digits_gets_such_numbers_and_pays_for_their_grade(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:300], {DRAMA[73]: Grade.GOLD, DRAMA[173]: Grade.GOLD})
    criteria = {"prefix": "0121 496", "contains": ["73", "1"], "grade": "gold", "count": 2}
    ended = await exchange.order({"criteria": criteria})
    assert (ended["state"], ended["numbers"]) == ("active", [DRAMA[73], DRAMA[173]])
    lines = {line["kind"]: line["total_minor"] for line in ended["quote"]["lines"]}
    assert (lines["number_grade"], lines["number_period"]) == (2 * 9_900, 2 * 200)
    assert ended["charged_minor"] == ended["quote"]["total_minor"]
    none_left = await exchange.order({"criteria": criteria})
    assert (none_left["state"], none_left["outcome"]["code"]) == ("rejected", "number_unavailable")


async def test_an_order_of_a_block_gets_consecutive_numbers(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, [*DRAMA[:4], *DRAMA[30:60]], dict.fromkeys(DRAMA, Grade.STANDARD))
    ended = await exchange.order({"criteria": {"prefix": "+44121", "pick": "block", "count": 10}})
    assert ended["numbers"] == DRAMA[30:40]


@pytest.mark.requirement("S3-26")
async def test_numbers_kept_for_one_customer_are_not_had_by_another(exchange: Exchange) -> None:
    await exchange.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    customer = await exchange.order({"explicit": [DRAMA[0]]})
    pool = {"pool": customer["account_id"], "numbers": [DRAMA[3]]}
    assert (await exchange.ask("POST", "/v1/numbers/pool", json=pool)).status_code == 200
    ended = await exchange.order({"explicit": [DRAMA[3]]}, substitutes="refuse")
    assert (ended["state"], ended["outcome"]["code"]) == ("rejected", "number_unavailable")
    with pytest.raises(AssertionError, match=r"pool_of_another.*/services/0/numbers/criteria/pool"):
        await exchange.order({"criteria": {"prefix": "+44121", "pool": customer["account_id"]}})
    assert await exchange.state(DRAMA[3]) == "available"


async def test_a_prefix_that_no_number_has_is_pointed_at(exchange: Exchange) -> None:
    with pytest.raises(AssertionError, match=r"/services/0/numbers/criteria/prefix.*"):
        await exchange.order({"criteria": {"prefix": "+0"}})
