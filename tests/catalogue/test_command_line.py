"""The commands for the catalogue, against the API of a shop that listens on a port."""

import csv
import io
import json

import pytest

from starter.local.stack import ROOT
from tests.catalogue.conftest import EXTENSION, TENANT
from tests.catalogue.test_call_records import a_record
from tests.numbers.conftest import Shop
from tests.numbers.test_command_line import Dialtone, dialtone  # noqa: F401 - a fixture
from tests.starter.memory import CallLog

pytestmark = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


async def test_price_lists_are_listed_shown_and_changed(store: Shop, dialtone: Dialtone) -> None:  # noqa: F811
    listed = await dialtone("price-lists", "list")
    assert listed.returncode == 0, listed.stderr
    assert [line.split("\t")[0] for line in listed.stdout.splitlines()] == ["standard", "partner", "master", "euro"]
    assert listed.stdout.splitlines()[0].endswith("default")
    assert "billed elsewhere" in listed.stdout.splitlines()[2]
    file = ROOT / "examples" / "price-lists" / "partner.json"
    wrong = await dialtone("price-lists", "put", "partner", str(file), by="auditor")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    made = await dialtone("price-lists", "put", "partner", str(file))
    assert (made.returncode, made.stdout.strip()) == (0, "2027-01"), made.stderr
    changed = json.loads(file.read_text()) | {"name": "Partners, dearer", "currency": "JPY"}
    again = await dialtone("price-lists", "put", "partner", "-", given=json.dumps(changed))
    assert again.stdout.strip() == "2027-01.2"
    shown = await dialtone("price-lists", "show", "partner")
    assert "Partners, dearer" in shown.stdout
    assert "900 JPY" in shown.stdout, "a yen has no hundredths"
    was = json.loads((await dialtone("price-lists", "show", "partner", "--version", "2026-P", "--json")).stdout)
    assert (was["name"], was["plans"][0]["period_minor"]) == ("Partners", 800)


async def test_the_currency_of_an_amount_says_how_it_is_written(store: Shop, dialtone: Dialtone) -> None:  # noqa: F811
    for currency, shown in (("JPY", "12,345 JPY"), ("KWD", "12.345 KWD"), ("GBP", "£123.45")):
        body = {"name": "P", "currency": currency, "plans": [{"code": "p", "name": "P", "period_minor": 12_345}]}
        await dialtone("price-lists", "put", "other", "-", given=json.dumps(body))
        assert shown in (await dialtone("price-lists", "show", "other")).stdout
        assert shown in (await dialtone("service-types", "list", "--price-list", "other")).stdout


async def test_service_types_and_taxes(store: Shop, dialtone: Dialtone) -> None:  # noqa: F811
    listed = await dialtone("service-types", "list")
    assert [line.split("\t")[:3] for line in listed.stdout.splitlines()][1] == ["extension", "Extension", "£3.00"]
    shown = await dialtone("service-types", "show", "extension")
    assert EXTENSION.description in shown.stdout
    assert "£5.00" in shown.stdout
    assert (await dialtone("service-types", "show", "fax")).returncode == 1
    made = await dialtone("taxes", "create", "levy", "--name", "Levy", "--rate-basis-points", "150")
    assert (made.returncode, made.stdout.strip()) == (0, "levy"), made.stderr
    other = await dialtone("taxes", "create", "levy", "--name", "Levy", "--rate-basis-points", "200")
    assert other.returncode == 1
    assert "another tax of this code" in other.stderr
    assert (await dialtone("taxes", "list")).stdout.split("\t")[:3] == ["levy", "Levy", "1.5 %"]


@pytest.mark.requirement("S2-30")
async def test_call_records_are_exported_as_csv(store: Shop, dialtone: Dialtone) -> None:  # noqa: F811
    calls = store.http._transport.app.state.services.call_records  # type: ignore[attr-defined]
    assert isinstance(calls, CallLog)
    calls.records = [a_record(number, TENANT.id) for number in range(1_500)]
    between = ("--from", "2027-01-01T00:00:00Z", "--to", "2027-01-31T00:00:00Z")
    exported = await dialtone("calls", "export", TENANT.id, *between)
    assert exported.returncode == 0, exported.stderr
    rows = list(csv.DictReader(io.StringIO(exported.stdout)))
    assert [int(row["seconds"]) for row in rows] == list(range(1_500))
    assert rows[1]["began_at"] == "2027-01-01T00:01:00Z"
    wrong = await dialtone("calls", "export", TENANT.id, "--from", "yesterday")
    assert (wrong.returncode, wrong.stdout) == (1, "")
