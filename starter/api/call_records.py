"""Call records of an account, to be looked at and to be taken away."""

import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from domain.access import Right
from domain.call_records import CallRecord, CallRecords
from starter import problems
from starter.api.access import Authenticated, Caller, OwnAccount, Strict, Work, need
from starter.api.described import problems as declared
from starter.schemas.base import Listing, Moment

router = APIRouter(prefix="/v1/accounts", tags=["Calling"], route_class=Authenticated, dependencies=[Strict])

MOST_PER_PAGE = 1_000
_USUAL = timedelta(days=31)
_COLUMNS = ("id", "account_id", "line", "caller", "called", "began_at", "seconds")
_HARMLESS = re.compile(r"\+?[0-9]*")


class CallRecordPage(Listing[CallRecord]):
    """One page, the earliest first. Times are UTC; `seconds` is how long the call lasted after it was answered."""


@router.get(
    "/{account_id}/call-records",  # noqa: FAST003 - OwnAccount takes it
    response_model=CallRecordPage,
    summary="Call records",
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **declared(400, 403, 404)},
)
async def get_call_records(
    principal: Caller,
    account: OwnAccount,
    services: Work,
    begin: Annotated[
        Moment | None, Query(alias="from", description="Answered from this moment on; 31 days before `to` if unset")
    ] = None,
    end: Annotated[Moment | None, Query(alias="to", description="Answered before this moment; now if unset")] = None,
    page_size: Annotated[int, Query(ge=1, le=2**31 - 1, description=f"Coerced to {MOST_PER_PAGE}")] = 100,
    page_token: Annotated[
        str | None, Query(pattern=r"^[0-9]{1,12}-[0-9]{1,18}$", description="As the page before it gave it")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> CallRecordPage | StreamingResponse:
    """JSON in pages by default. With `Accept: text/csv` all of them at once, with a heading, as other billing systems read it.

    A call is recorded when it has ended, under the moment when it was answered: take a day when its calls are over.
    """
    need(principal, Right.READ)
    until = end.astimezone(UTC) if end else datetime.now(UTC)
    since = begin.astimezone(UTC) if begin else until - _USUAL
    if since >= until:
        error = problems.ProblemError(code="nothing_between", detail="`from` must be before `to`.", parameter="from")
        raise problems.Problem("invalid_request", "One thing in the request must be mended.", errors=[error])
    if "text/csv" in accept:
        headers = {"Content-Disposition": 'attachment; filename="call-records.csv"'}
        stream = _csv(services.call_records, account.id, since, until)
        return StreamingResponse(stream, media_type="text/csv; charset=utf-8", headers=headers)
    began, _, last = page_token.partition("-") if page_token else ("", "", "")
    after = (int(began), int(last)) if page_token else None
    most = min(page_size, MOST_PER_PAGE)
    found = await services.call_records.call_records(account.id, since, until, after, most + 1)
    return _page(found, most)


def _page(found: Sequence[CallRecord], most: int) -> CallRecordPage:
    items = list(found[:most])
    token = "{}-{}".format(*items[-1].position) if len(found) > most else None
    return CallRecordPage(items=items, next_page_token=token)


async def _csv(records: CallRecords, account_id: str, since: datetime, until: datetime) -> AsyncIterator[str]:
    """Page by page, so that a year of calls takes no more memory than a page of them."""
    yield _row(_COLUMNS)
    after: tuple[int, int] | None = None
    while found := await records.call_records(account_id, since, until, after, MOST_PER_PAGE):
        yield "".join(_row([_cell(record, name) for name in _COLUMNS]) for record in found)
        after = found[-1].position


def _cell(record: CallRecord, name: str) -> str:
    value = getattr(record, name)
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else tame(str(value))


def tame(text: str) -> str:
    """Text that a spreadsheet does not take for a formula (OWASP, CSV injection). A telephone number is none."""
    if _HARMLESS.fullmatch(text):
        return text
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _row(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # RFC 4180
    return line.getvalue()
