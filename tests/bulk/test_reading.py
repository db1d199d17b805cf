"""Files as people's programs write them: read to the end, or refused with the place where they cannot be."""

import asyncio
import json
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from domain.access import Principal, Role
from domain.bulk import MOST_OTHERS
from starter.bulk.checking import RowCheck
from starter.bulk.columns import SHORT, columns, known, path_of
from starter.bulk.files import RawRow, Unreadable, read
from starter.local.state import EXAMPLES
from starter.schemas.orders import CreateOnboarding
from tests.bulk.conftest import TENANT, Works, a_row, an_order, as_csv, as_lines, sqlite_only

HEADER = "customer.name,customer.contact.full_name,services.1.max_channels\n"


def names(content: bytes) -> list[str]:
    return [row.data["customer"]["name"] for row in read(BytesIO(content), "csv") if row.data]


def unreadable(content: bytes, kind: str = "csv") -> Unreadable:
    with pytest.raises(Unreadable) as refused:
        list(read(BytesIO(content), kind))  # type: ignore[arg-type]
    return refused.value


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_what_spreadsheets_write_is_read(delimiter: str, mark: bytes) -> None:
    rows = [a_row(1, **{"customer.name": 'Books, "and" more;\nLtd'}), a_row(2, **{"customer.name": "Bücher & Söhne"})]
    content = mark + as_csv(rows, delimiter)
    assert names(content) == ['Books, "and" more;\nLtd', "Bücher & Söhne"]
    assert names(content.replace(b"\r\n", b"\n")) == names(content)


def test_rows_are_counted_and_lines_are_found_again() -> None:
    content = b'customer.name,payer\n"two\nlines",self\n\n,\n , \nlast,parent\n'
    rows = list(read(BytesIO(content), "csv"))
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 7)]


def test_cells_become_what_the_order_takes() -> None:
    content = (
        b"services.count,services.prefix,services.2.numbers.explicit,services.2.max_channels,terms_accepted,taxes,plan,"
        b"customer.coordinates.latitude,low_balance_alert.enabled\n"
        b"3,0121 496,+441214960001|0121 496 0002,4,Yes,vat|levy,,52.48,maybe\n"
    )
    (row,) = read(BytesIO(content), "csv")
    assert row.data == {
        "services": [
            {"numbers": {"criteria": {"count": 3, "prefix": "0121 496"}}},
            {"numbers": {"explicit": ["+441214960001", "0121 496 0002"]}, "max_channels": 4},
        ],
        "terms_accepted": True,
        "taxes": ["vat", "levy"],
        "customer": {"coordinates": {"latitude": 52.48}},
        # Not a yes and not a no: that is for the order's own check to say.
        "low_balance_alert": {"enabled": "maybe"},
    }


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", "file_empty", "no rows"),
        (b"\n\n", "file_empty", "no rows"),
        (HEADER.encode(), "file_empty", "no rows"),
        (b"customer.nmae\nx\n", "column_unknown", "'customer.nmae'"),
        (b"services.0.label\nx\n", "column_unknown", "'services.0.label'"),
        (b"services.51.label\nx\n", "column_unknown", "'services.51.label'"),
        ("services.\u0661.label\nx\n".encode(), "column_unknown", "no column"),
        (b"services." + b"1" * 5_000 + b".label\nx\n", "column_unknown", "no column"),
        (b"white_label\nx\n", "column_unknown", "'white_label'"),
        (b"payer,,plan\nx,y,z\n", "column_unknown", "Column 2 has no name"),
        (b"payer,payer\nx,y\n", "column_twice", "'payer'"),
        (b"services.label,services.1.label\nx,y\n", "column_twice", "same field"),
        (HEADER.encode() + b'"open,Ada,1\nnext,Bob,2\n', "file_broken", "line 2 has opened"),
        (HEADER.encode() + b'fine,Ada,1\n"a"b,Ada,1\n', "file_broken", "Line 3"),
        (HEADER.encode() + b'"' + b"x" * 140_000 + b'",Ada,1\n', "file_broken", "line 2 is too long"),
        ("customer.name\nx\n".encode("utf-16"), "file_encoding", "UTF-16"),
        (b"customer.name\xff\nx\n", "column_unknown", "no column"),
        (b"customer.name\n" + b"x\n" * 10_001, "too_many_rows", "10,000"),
        (b"customer.name\nx\n" + b" , \n" * 100_000, "too_many_lines", "100,000"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(content: bytes, code: str, says: str) -> None:
    error = unreadable(content)
    assert error.code == code
    assert says in error.message


def test_bytes_that_are_not_utf8_are_found_by_row_and_column() -> None:
    content = HEADER.encode() + "Bücher,Ada,1\n".encode() + "Bücher,Söhne,1\n".encode("latin-1")
    good, bad = read(BytesIO(content), "csv")
    assert good.data is not None
    assert bad.data is None
    assert [(problem.code, problem.column) for problem in bad.problems] == [
        ("file_encoding", "customer.name"),
        ("file_encoding", "customer.contact.full_name"),
    ]


def test_a_row_of_another_shape_says_so() -> None:
    short, long = read(BytesIO(HEADER.encode() + b"a,b\na,b,1,2\n"), "csv")
    assert [row.problems[0].code for row in (short, long)] == ["row_shape", "row_shape"]
    assert "2 cells, and there are 3 columns" in short.problems[0].detail


def test_a_place_that_is_left_out_is_told_and_never_filled_and_empty_ones_at_the_end_are_not_there() -> None:
    header = b"services.1.label,services.2.label,services.3.label,customer.billing_address.lines.1,"
    header += b"customer.billing_address.lines.2\n"
    gap, full, short, empty, two = read(BytesIO(header + b"a,,c,x,\na,b,c,x,\na,,,x,\n,,,x,\n,b,,,y\n"), "csv")
    assert gap.data is None
    assert [(one.code, one.pointer, one.column) for one in gap.problems] == [
        ("entry_left_out", "/services/1", "services.2")
    ]  # fmt: skip
    assert "services.2" in gap.problems[0].detail
    assert "services.3" in gap.problems[0].detail
    labels = [row.data and [entry["label"] for entry in row.data.get("services", [])] for row in (full, short, empty)]
    assert labels == [["a", "b", "c"], ["a"], []]
    assert [one.pointer for one in two.problems] == ["/services/0", "/customer/billing_address/lines/0"]


@sqlite_only
async def test_a_line_that_nobody_has_entered_is_neither_ordered_nor_charged(works: Works) -> None:
    gap = {"services.1.label": "Reception", "services.2.label": "", "services.3.label": "Workshop"}
    far = {**a_row(2), "services.50.label": "Far"}
    for row, pointer in ((a_row(1, **gap), "/services/1"), (far, "/services/0")):
        (checked,) = (await works.check(as_csv([row])))["rows"]
        assert (checked["valid"], checked.get("total_minor")) == (False, None)
        assert [(one["code"], one["pointer"]) for one in checked["problems"]] == [("entry_left_out", pointer)]
        assert (await works.send(as_csv([row]))).status_code == 422


def test_lines_of_json_stand_alone() -> None:
    deep = b"[" * 100_000
    lines = [b'{"payer": "self"}', b"", b"nonsense", b"[1]", b"\xff", deep, b'{"a": ' + b"9" * 5000 + b"}"]
    rows = list(read(BytesIO(b"\n".join(lines)), "ndjson"))
    assert [(row.line, row.data is not None) for row in rows] == [
        (1, True), (3, False), (4, False), (5, False), (6, False), (7, False)
    ]  # fmt: skip
    assert [row.problems[0].code for row in rows[1:]] == [
        "json_invalid", "json_invalid", "file_encoding", "json_invalid", "json_invalid"
    ]  # fmt: skip
    (twice,) = read(BytesIO(b'{"plan": "a", "plan": "b"}'), "ndjson")
    assert twice.problems[0].detail == "A field is there twice: plan. Leave one of them out."
    assert unreadable(b'{"x": "' + b"y" * 128_001, "ndjson").code == "file_broken"


def test_every_column_leads_to_a_field_of_an_order() -> None:
    assert known("customer.contact.email")
    assert not known("customer.contact")
    for name in SHORT:
        assert known(name)
        assert path_of(name)[0] == "services"
    assert {"customer.name", "plan", "services.N.max_channels"} <= set(columns())


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("bulk/*")), ids=lambda file: file.name)
def test_the_examples_are_well_formed(file: Path) -> None:
    rows = list(read(BytesIO(file.read_bytes()), "csv" if file.suffix == ".csv" else "ndjson"))
    assert rows
    for row in rows:
        body = CreateOnboarding.model_validate(row.data)
        assert body.order("GB")[1] == []
        assert "example" in body.customer.contact.email


@sqlite_only
async def test_a_dry_run_reports_every_row_and_keeps_nothing(works: Works) -> None:
    rows = [a_row(1), a_row(2, administration="nobody"), a_row(3, **{"customer.name": "SHOP  1"})]
    rows.append(a_row(4, credit_limit_minor="5"))
    report = await works.check(as_csv(rows))
    assert (report["valid"], report["total"], report["bad"]) == (False, 4, 3)
    assert report["total_minor"] == report["rows"][0]["total_minor"] > 0
    told = [[(one["code"], one["column"]) for one in row["problems"]] for row in report["rows"]]
    assert told == [
        [],
        [("enum", "administration")],
        [("name_taken", "customer.name")],
        [("credit_limit_not_counted", "credit_limit_minor")],
    ]
    seen = await works.check(as_csv(rows), acknowledge=["credit_limit_not_counted"])
    assert seen["bad"] == 2
    assert (await works.ask("GET", "/v1/bulk-runs")).json()["items"] == []


@sqlite_only
async def test_a_missing_field_names_the_column_that_it_would_be_in(works: Works) -> None:
    row = a_row(1)
    del row["customer.contact.email"]
    (checked,) = (await works.check(as_csv([row])))["rows"]
    assert [(one["code"], one["column"]) for one in checked["problems"]] == [("missing", "customer.contact.email")]


@sqlite_only
@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (as_csv([a_row(1)]), "application/json", 415, "media_type_unknown"),
        (as_csv([a_row(1)]), "text/csv; charset=iso-8859-1", 422, "file_unreadable"),
        (b"customer.nmae\nx\n", "text/csv", 422, "file_unreadable"),
        (as_csv([a_row(1)]) + b'"', "text/csv", 422, "file_unreadable"),
        (b"x" * 20_000_001, "text/csv", 413, "too_large"),
        (as_lines([an_order(1, white_label="northway")]), "application/x-ndjson", 422, "invalid_request"),
        (json.dumps(an_order(1)).encode(), "multipart/form-data", 400, "bad_request"),
    ],
)
async def test_what_cannot_be_a_file_of_orders_is_answered_with_a_problem(
    works: Works, content: bytes, kind: str, status: int, code: str
) -> None:
    answer = await works.send(content, kind=kind)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await works.ask("GET", "/v1/bulk-runs")).json()["items"] == []


@sqlite_only
async def test_a_run_needs_a_key_and_its_options_have_limits(works: Works) -> None:
    content, headers = as_csv([a_row(1)]), {"Content-Type": "text/csv"}
    answer = await works.ask("POST", "/v1/bulk-runs", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    for options in ({"rate": 0}, {"rate": 6001}, {"at_once": 0}, {"at_once": 501}, {"on_bad_row": "ignore"}):
        answer = await works.send(content, **options)
        assert answer.status_code == 422, options
    assert (await works.send(content, by="platform")).status_code == 422
    named = await works.send(content, by="platform", white_label=TENANT.slug)
    assert named.status_code == 202
    assert (await works.send(content, white_label="northway")).status_code == 404


@sqlite_only
@pytest.mark.parametrize(("kind", "beginning"), [("text/csv", b"customer.name\n"), ("application/x-ndjson", b"")])
async def test_a_body_of_millions_of_empty_lines_is_refused_at_once(works: Works, kind: str, beginning: bytes) -> None:
    content = beginning + b"\n" * 19_900_000
    refused, beside = await asyncio.gather(works.send(content, kind=kind), works.ask("GET", "/v1/bulk-columns"))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "too_many_lines")
    assert beside.status_code == 200


@sqlite_only
async def test_others_are_answered_while_a_file_is_read(works: Works) -> None:
    answered = threading.Event()

    def slow() -> Iterator[RawRow]:
        """A file whose next row comes when somebody else has been answered."""
        for number in (1, 2):
            assert answered.wait(20), "nobody was answered meanwhile"
            yield RawRow(number=number, line=number, data=an_order(number))

    by = Principal(id="key-bulk", name="bulk", person="bulk", tenant_id=TENANT.id, role=Role.ADMIN)
    tenant = await works.database.catalogue.tenant(TENANT.id)
    checking = asyncio.create_task(RowCheck(works.onboardings, by, tenant, "run", fingerprint="f").all(slow()))
    assert (await works.ask("GET", "/v1/bulk-columns")).status_code == 200
    answered.set()
    assert [row.begin is not None for row in await checking] == [True, True]


@sqlite_only
async def test_the_letters_of_one_file_go_to_a_bounded_number_of_other_recipients(works: Works) -> None:
    def named(row: int) -> list[dict[str, str]]:
        # The installer is told of every order; beside it each row names somebody new.
        somebody = f"somebody{row}@example.com"
        return [{"to": "other", "email": email} for email in ("installer@example.com", somebody)]

    orders = [an_order(row, notifications=named(row)) for row in range(1, MOST_OTHERS + 2)]
    orders.append(an_order(900, notifications=[{"to": "other", "email": "SomeBody1@example.com"}]))
    report = await works.check(as_lines(orders), kind="application/x-ndjson")
    bad = [row for row in report["rows"] if not row["valid"]]
    assert [row["number"] for row in bad] == [MOST_OTHERS, MOST_OTHERS + 1]
    (problem,) = bad[0]["problems"]
    assert (problem["code"], problem["pointer"]) == ("too_many_recipients", "/notifications/1/email")
    # The bound is a setting.
    by = Principal(id="key-bulk", name="bulk", person="bulk", tenant_id=TENANT.id, role=Role.ADMIN)
    check = RowCheck(works.onboardings, by, TENANT, "run", fingerprint="f", most_others=1)
    rows = await check.all([RawRow(number=row, line=row, data=orders[row]) for row in range(2)])
    assert [len(row.problems) for row in rows] == [1, 1]
