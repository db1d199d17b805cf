"""Choosing numbers through the API: every criterion, in every form, with its price."""

from typing import Any

import pytest

from domain.numbers import Grade, grade_of
from tests.adapters.database.steps import Case, activated
from tests.builders import paid_by_parent
from tests.numbers.conftest import DRAMA, OTHER, TENANT, Shop

LONDON = [f"+4420794600{number:02d}" for number in range(100)]


async def stock(shop: Shop, *numbers: str) -> None:
    await shop.database.admin.import_numbers(TENANT.id, numbers)


@pytest.mark.requirement("S3-18", "S3-19")
@pytest.mark.parametrize(
    ("prefix", "region"),
    [
        ("+44121", None), ("0121", "GB"), ("0121 496", "GB"), ("(0121) 4960", "GB"), ("0044 121", "GB"), ("+44 121 496", "IT"),
        ("121", "GB"),
    ],
)  # fmt: skip
async def test_a_prefix_is_read_in_national_and_international_form(prefix: str, region: str | None, shop: Shop) -> None:
    await stock(shop, *DRAMA[:200], *LONDON)
    found = await shop.found(prefix=prefix, count=7, **({"region": region} if region else {}))
    assert found == DRAMA[:7]


async def test_a_national_prefix_without_its_country_is_refused_at_the_parameter(shop: Shop) -> None:
    nowhere = {"prefix": "0", "region": "XX"}
    for query, parameter in (({"prefix": "0121"}, "prefix"), ({"prefix": "+0121"}, "prefix"), (nowhere, "region")):
        answer = await shop.ask("GET", "/v1/numbers/search", params=query)
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, parameter), query


@pytest.mark.requirement("S3-20", "S3-21", "S2-24")
async def test_grades_filter_and_every_number_carries_its_grade_and_its_price(shop: Shop) -> None:
    await stock(shop, *DRAMA)
    memorable = await shop.search(grade=["gold", "silver"], count=100)
    expected = [e164 for e164 in DRAMA if grade_of(e164) in {Grade.GOLD, Grade.SILVER}][:100]
    assert [number["e164"] for number in memorable] == expected
    once = {"gold": 9_900, "silver": 4_000}
    assert all(number["setup_minor"] == once[number["grade"]] for number in memorable)
    assert {number["period_minor"] for number in memorable} == {200}
    (standard,) = await shop.search(grade="standard", count=1, plan="office-50")
    assert (standard["setup_minor"], standard["period_minor"]) == (0, 150)


@pytest.mark.requirement("S3-22")
async def test_next_available_is_the_lowest_that_nobody_holds(shop: Shop) -> None:
    await stock(shop, *DRAMA[:10])
    await shop.basket(DRAMA[0], DRAMA[2])
    assert await shop.found(count=3) == [DRAMA[1], DRAMA[3], DRAMA[4]]


@pytest.mark.requirement("S3-23")
async def test_random_selection_differs_and_still_matches(shop: Shop) -> None:
    await stock(shop, *DRAMA, *LONDON)
    picks = [await shop.found(count=5, pick="random", prefix="0121", region="GB", grade="standard") for _ in range(6)]
    assert len({tuple(pick) for pick in picks}) > 1
    every = [e164 for pick in picks for e164 in pick]
    assert all(e164 in DRAMA and grade_of(e164) is Grade.STANDARD for e164 in every)


@pytest.mark.requirement("S3-24", "S3-27")
async def test_contains_wants_every_segment_and_not_in_the_country_code(shop: Shop) -> None:
    await stock(shop, *DRAMA, *LONDON)
    found = await shop.found(contains=["73", "9"], count=100)
    assert found == [e164 for e164 in sorted([*DRAMA, *LONDON]) if "73" in e164[3:] and "9" in e164[3:]][:100]
    assert await shop.found(contains=["4412"]) == []


@pytest.mark.parametrize("contains", ["", "7a", "-1", "12345678901", "٣"])
async def test_what_is_not_digits_is_refused_at_the_parameter(contains: str, shop: Shop) -> None:
    answer = await shop.ask("GET", "/v1/numbers/search", params={"contains": contains})
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "contains")


async def test_a_block_is_consecutive_and_whole(shop: Shop) -> None:
    await stock(shop, *DRAMA[:5], *DRAMA[7:30])
    assert await shop.found(count=10, pick="block") == DRAMA[7:17]
    assert await shop.found(count=24, pick="block") == []


@pytest.mark.requirement("S3-25", "S3-26")
async def test_the_public_pool_and_a_customers_own_are_searched_apart(shop: Shop) -> None:
    await stock(shop, *DRAMA[:20])
    account = await a_customer(shop)
    kept = await shop.ask(
        "POST", "/v1/numbers/pool", json={"pool": account, "numbers": ["0121 496 0003", DRAMA[7]], "region": "GB"}
    )
    assert kept.status_code == 200, kept.text
    assert await shop.found(count=100, pool=account) == [DRAMA[3], DRAMA[7]]
    assert await shop.found(count=100) == [e164 for at, e164 in enumerate(DRAMA[:20]) if at not in {3, 7}]
    taken = await shop.ask("POST", "/v1/numbers/pool", json={"pool": "public", "numbers": [DRAMA[3], "+442079460999"]})
    assert (taken.status_code, [error["pointer"] for error in taken.json()["errors"]]) == (409, ["/numbers/1"])
    nobody = await shop.ask("POST", "/v1/numbers/pool", json={"pool": "nobody", "numbers": [DRAMA[3]]})
    assert nobody.status_code == 404
    theirs = await shop.ask("POST", "/v1/numbers/pool", by="other", json={"pool": account, "numbers": [DRAMA[3]]})
    assert theirs.status_code == 404


async def a_customer(shop: Shop) -> str:
    """An open customer account of the white label."""

    return (await activated(shop.database, Case(paid_by_parent(name="Ada")))).account


async def test_nobody_finds_what_another_white_label_has(shop: Shop) -> None:
    await shop.database.admin.import_numbers(OTHER.id, DRAMA[:10])
    assert await shop.found(count=10) == []
    assert await shop.found(by="other", count=10) == DRAMA[:10]
    unnamed = await shop.ask("GET", "/v1/numbers/search", by="platform")
    assert unnamed.status_code == 422
    assert await shop.found(by="platform", white_label="northway", count=1) == DRAMA[:1]


@pytest.mark.requirement("S3-20")
async def test_the_grade_is_computed_at_import_unless_somebody_chose_it(shop: Shop) -> None:
    rows: list[Any] = ["0121 496 0001", {"number": "0121 496 0002", "grade": "platinum"}, {"number": "+441214960003"}]
    body = {"numbers": rows, "region": "GB", "white_label": TENANT.slug}
    report = (await shop.ask("POST", "/v1/numbers", by="platform", json=body)).json()
    assert (report["added"], report["invalid"]) == (3, 0)
    assert {number["e164"]: number["grade"] for number in await shop.search()} == {
        DRAMA[1]: grade_of(DRAMA[1]), DRAMA[2]: "platinum", DRAMA[3]: grade_of(DRAMA[3]),
    }  # fmt: skip
    assert [number["setup_minor"] for number in await shop.search(grade="platinum")] == [50_000]
    wrong = await shop.ask("POST", "/v1/numbers", by="platform", json=body | {"numbers": [{"number": "1", "grade": "best"}]})
    assert wrong.status_code == 422
