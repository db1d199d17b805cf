"""Reading a file of orders, CSV or JSON lines, one row at a time. It is read to its end or not at all.

What makes the whole file unreadable is ``Unreadable``; what is wrong with one row alone stays with that row.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import IO, Any, Literal

from domain.bulk import MOST_ROWS, RowProblem
from starter.bulk.columns import known, path_of, value_of
from starter.problems import pointer
from starter.reading import NameTwice, each_name_once

Format = Literal["csv", "ndjson"]
_DELIMITERS = (",", ";", "\t")
_MOST_COLUMNS = 500
_MOST_LINE = 128_000
"""As much as one order alone may hold."""
MOST_LINES = 10 * MOST_ROWS
"""Empty ones count: a body of nothing else has millions. Spreadsheets do write some thousands below the last row."""
_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Unreadable(Exception):
    """The file cannot be read; the message is a sentence for whoever has sent it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass
class RawRow:
    """One row as it was written: the order as data, or what keeps it from being that. ``columns`` names them by pointer."""

    number: int
    line: int
    data: dict[str, Any] | None = None
    problems: list[RowProblem] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)


def read(file: IO[bytes], kind: Format) -> Iterator[RawRow]:
    """The rows of a file, from its beginning. Raises ``Unreadable``, also in the middle."""
    file.seek(0)
    mark = _BYTE_ORDER_MARKS.get(file.read(2))
    if mark:
        raise Unreadable("file_encoding", f"This file is {mark}. Save it as UTF-8 (in a spreadsheet: CSV UTF-8).")
    file.seek(0)
    # Bytes that are not UTF-8 are marked here and found again in their cell: so row and column can be named.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        empty = True
        for row in _csv(text) if kind == "csv" else _lines(text):
            empty = False
            if row.number > MOST_ROWS:
                raise Unreadable("too_many_rows", f"A file may hold {MOST_ROWS:,} orders. Split it in several.")
            yield row
        if empty:
            raise Unreadable("file_empty", "This file has no rows. Write at least one order below the names of the columns.")
    finally:
        text.detach()


def _csv(text: io.TextIOWrapper) -> Iterator[RawRow]:
    header_line = text.readline(_MOST_LINE)
    reader = csv.reader([header_line], delimiter=_delimiter(header_line), strict=True)
    header = [name.strip() for name in _next(reader, 0)]
    _check(header)
    rows = csv.reader(text, delimiter=_delimiter(header_line), strict=True)
    number = 0
    for written in count(1):
        line = rows.line_num + 2
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise _broken(error, line) from error
        _expect_an_end(written)
        if any(cell.strip() for cell in cells):
            number += 1
            yield _row_of_cells(number, line, header, cells)


def _expect_an_end(lines: int) -> None:
    if lines > MOST_LINES:
        message = f"A file may have {MOST_LINES:,} lines, empty ones included. Remove the empty ones, or split it in several."
        raise Unreadable("too_many_lines", message)


def _delimiter(header: str) -> str:
    """What separates the columns: names hold none of these."""
    return max(_DELIMITERS, key=header.count)


def _next(reader: Any, line: int) -> list[str]:
    try:
        return list(next(reader, []))
    except csv.Error as error:
        raise _broken(error, line + 1) from error


def _broken(error: csv.Error, line: int) -> Unreadable:
    what = str(error)
    if "field larger" in what:
        return Unreadable("file_broken", f"A cell that begins in line {line} is too long. Is a closing quote missing there?")
    if "unexpected end" in what:
        return Unreadable("file_broken", f"The file ends within the quotes that line {line} has opened. Is it all there?")
    return Unreadable(
        "file_broken",
        f"Line {line} is not CSV: after a closing quote there must be a separator. Double every quote within a quoted cell.",
    )


def _check(header: list[str]) -> None:
    if not any(header):
        raise Unreadable("file_empty", "This file has no rows. Its first line names the columns, such as customer.name.")
    if len(header) > _MOST_COLUMNS:
        raise Unreadable("too_many_columns", f"A file may have {_MOST_COLUMNS} columns.")
    for place, name in enumerate(header, 1):
        shown = name[:80].encode("utf-8", "replace").decode()
        if not name:
            raise Unreadable("column_unknown", f"Column {place} has no name in the first line.")
        if not known(name):
            raise Unreadable(
                "column_unknown",
                f"There is no column {shown!r}. Columns are fields of an order with dots, such as customer.contact.email; "
                "GET /v1/bulk-columns lists them.",
            )
        if name in header[: place - 1]:
            raise Unreadable("column_twice", f"The column {shown!r} is there twice.")
    fields: dict[tuple[str | int, ...], str] = {}
    for name in header:
        other = fields.setdefault(path_of(name), name)
        if other != name:
            raise Unreadable("column_twice", f"The columns {other!r} and {name!r} are the same field. Leave one out.")


def _row_of_cells(number: int, line: int, header: list[str], cells: list[str]) -> RawRow:
    row = RawRow(number=number, line=line)
    if len(cells) != len(header):
        detail = f"This row has {len(cells)} cells, and there are {len(header)} columns. Quote cells that hold the separator."
        row.problems.append(RowProblem(code="row_shape", detail=detail))
        return row
    if sum(map(len, cells)) > _MOST_LINE:
        detail = f"This row is longer than an order may be ({_MOST_LINE:,} characters)."
        row.problems.append(RowProblem(code="row_shape", detail=detail))
        return row
    data: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        if not cell.strip():
            continue
        if _is_foreign(cell):
            row.problems.append(_not_utf8(name))
            continue
        path = path_of(name)
        row.columns[pointer(path)] = name
        _put(data, path, value_of(name, cell))
    row.problems += _gaps(data)
    row.data = None if row.problems else _dense(data)
    return row


def _put(data: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    node: Any = data
    for part in path[:-1]:
        node = node.setdefault(part, {})
    node[path[-1]] = value


def _gaps(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[RowProblem]:
    """Places that are empty before one that is not, the first of each list. An entry may be all defaults, as a line without
    a field is: then one that nobody has entered would be ordered, and charged."""
    if not isinstance(node, dict):
        return
    if path and all(isinstance(key, int) for key in node):
        gap = next((place for place in range(max(node)) if place not in node), None)
        if gap is not None:
            names = [str(part + 1) if isinstance(part, int) else part for part in path]
            empty, filled = (".".join([*names, str(place + 1)]) for place in (gap, min(key for key in node if key > gap)))
            detail = f"Nothing is in {empty}, and something in {filled}. Fill it in, or move what follows up."
            yield RowProblem(code="entry_left_out", detail=detail, pointer=pointer((*path, gap)), column=empty)
    for key, value in node.items():
        yield from _gaps(value, (*path, key))


def _dense(node: Any) -> Any:
    """Entries by their place become lists, in which none is left out."""
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(key, int) for key in node):
        return [_dense(node[place]) for place in sorted(node)]
    return {key: _dense(value) for key, value in node.items()}


def _is_foreign(text: str) -> bool:
    return bool(re.search("[\ud800-\udfff]", text))


def _not_utf8(column: str | None) -> RowProblem:
    detail = "This is not UTF-8. Save the file as UTF-8 (in a spreadsheet: CSV UTF-8), and look whether the text is right."
    return RowProblem(code="file_encoding", detail=detail, column=column)


def _lines(text: io.TextIOWrapper) -> Iterator[RawRow]:
    number = line = 0
    while written := text.readline(_MOST_LINE + 1):
        line += 1
        _expect_an_end(line)
        if len(written) > _MOST_LINE:
            raise Unreadable("file_broken", f"Line {line} is longer than an order may be ({_MOST_LINE:,} characters).")
        if not written.strip():
            continue
        number += 1
        yield _row_of_json(number, line, written)


def _row_of_json(number: int, line: int, written: str) -> RawRow:
    row = RawRow(number=number, line=line)
    if _is_foreign(written):
        row.problems.append(_not_utf8(None))
        return row
    try:
        data = json.loads(written, object_pairs_hook=each_name_once)
    except NameTwice as error:
        row.problems.append(RowProblem(code="json_invalid", detail=error.msg))
        return row
    except (ValueError, RecursionError):
        row.problems.append(RowProblem(code="json_invalid", detail="This line is not well-formed JSON."))
        return row
    if not isinstance(data, dict):
        row.problems.append(RowProblem(code="json_invalid", detail="This line must be a JSON object: one order."))
        return row
    row.data = data
    return row
