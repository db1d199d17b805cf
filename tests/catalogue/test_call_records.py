"""Call records through the API, of calls that really were made."""

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.call_records import CallRecord
from starter.api.call_records import tame
from tests.catalogue.conftest import TENANT, get
from tests.numbers.conftest import DRAMA, Exchange
from tests.sip import RunningKamailio, require_sip
from tests.starter.conftest import House
from tests.starter.memory import CallLog

FROM_A_CALL = ("account_id", "line", "caller", "called")


async def calling_line(works: Exchange, number: str) -> tuple[str, dict[str, Any]]:
    """An account with one line of this number, and how its telephone signs in."""
    view = await works.order({"explicit": [number]})
    assert view["state"] == "active"
    shown = await works.ask("POST", f"/v1/onboardings/{view['id']}/credentials")
    return view["account_id"], shown.json()["items"][0]


@pytest.mark.requirement("S2-30")
async def test_a_call_that_was_made_can_be_downloaded_for_a_billing_system(works: Exchange, tmp_path: Path) -> None:
    require_sip()
    await works.database.admin.import_numbers(TENANT.id, DRAMA[:10])
    account, alice = await calling_line(works, DRAMA[1])
    other, bob = await calling_line(works, DRAMA[2])
    async with RunningKamailio(f"sqlite:///{tmp_path / 'kamailio.db'}") as kamailio:
        async with kamailio.phone(bob["username"], bob["domain"], bob["password"]):
            assert await kamailio.call(alice["username"], alice["domain"], alice["password"], DRAMA[2], talk=1.5)
        async with asyncio.timeout(30):
            while not (found := (await get(works, f"/v1/accounts/{account}/call-records"))["items"]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    [record] = found
    assert [record[name] for name in FROM_A_CALL] == [account, alice["username"], DRAMA[1], DRAMA[2]]
    assert 1 <= record["seconds"] <= 30
    assert (await get(works, f"/v1/accounts/{other}/call-records"))["items"] == [], "who is called makes no call"
    headers = {"Authorization": f"Bearer {works.keys['admin']}", "Accept": "text/csv"}
    answer = await works.http.get(f"/v1/accounts/{account}/call-records", headers=headers)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    [row] = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row[name] for name in FROM_A_CALL] == [record[name] for name in FROM_A_CALL]
    assert row["began_at"] == record["began_at"]
    assert int(row["seconds"]) == record["seconds"]
    refused = await works.ask("GET", f"/v1/accounts/{account}/call-records", by="other")
    assert refused.status_code == 404


def a_record(number: int, account: str, **changes: Any) -> CallRecord:
    began = datetime(2027, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    values = {"id": number, "account_id": account, "line": "d1", "caller": "", "called": "+442079460018", "seconds": number}
    return CallRecord.model_validate(values | {"began_at": began} | changes)


async def test_records_come_in_pages_and_as_one_csv_and_between_two_moments(house: House) -> None:
    account = TENANT.id
    calls = house.services.call_records
    assert isinstance(calls, CallLog)
    calls.records = [a_record(number, account) for number in range(2_500)]
    path, headers = f"/v1/accounts/{account}/call-records", house.by("admin")
    between = {"from": "2027-01-01T01:00:00+01:00", "to": "2027-01-31T00:00:00Z"}
    seen: list[int] = []
    token = None
    while True:
        query = between | {"page_size": "900"} | ({"page_token": token} if token else {})
        page = (await house.http.get(path, params=query, headers=headers)).json()
        seen += [item["id"] for item in page["items"]]
        token = page["next_page_token"]
        if token is None:
            break
    assert seen == list(range(2_500))
    text = (await house.http.get(path, params=between, headers=headers | {"Accept": "text/csv"})).text
    assert [int(row["id"]) for row in csv.DictReader(io.StringIO(text))] == list(range(2_500))
    window = {"from": "2027-01-01T00:10:00Z", "to": "2027-01-01T00:12:00Z"}
    few = (await house.http.get(path, params=window, headers=headers)).json()["items"]
    assert [item["id"] for item in few] == [10, 11], "the first moment belongs to it, the last does not"
    for wrong in ({"from": "2027-01-02T00:00:00Z", "to": "2027-01-01T00:00:00Z"}, {"from": "yesterday"}, {"page_token": "x"}):
        refused = await house.http.get(path, params=wrong, headers=headers)
        assert refused.status_code == 422, refused.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+442079460018", "+442079460018"),
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+44+1", "'+44+1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-1", "'-1"),
        ("\t=1", "'\t=1"),
        ("d00b0b", "d00b0b"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text: str, shown: str) -> None:
    assert tame(text) == shown
