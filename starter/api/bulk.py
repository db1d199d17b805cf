"""Many orders from one file."""

import asyncio
import csv
import hashlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any, Literal, cast

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response, status
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile

from domain import keys
from domain.access import Principal, Right
from domain.bulk import AtOnce, BulkRow, BulkRun, Rate, RowState, Throttle
from domain.onboarding import Decision
from domain.orders import Code
from starter import problems
from starter.api.access import Authenticated, Caller, DecisionKey, Strict, Work, need, own_tenant, page_tokens
from starter.api.described import problems as declared
from starter.bulk.columns import SHORT, columns
from starter.bulk.files import Format, Unreadable, read
from starter.bulk.office import Asked
from starter.schemas.base import Reason, WhiteLabel
from starter.schemas.bulk import Column, ColumnList, FileCheck, Progress, RowBody, RowPage, RunBody, RunPage, ThrottleBody
from starter.schemas.orders import CreateOnboarding
from starter.services import Services

router = APIRouter(prefix="/v1/bulk-runs", tags=["Bulk"], route_class=Authenticated, dependencies=[Strict])
about = APIRouter(prefix="/v1/bulk-columns", tags=["Bulk"], route_class=Authenticated, dependencies=[Strict])

MOST_PER_PAGE = 500
_IN_MEMORY = 1_000_000
_LOOK = 1_000
_KINDS: dict[str, Format] = {
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/json-lines": "ndjson",
}
_ENDINGS: dict[str, Format] = {"csv": "csv", "jsonl": "ndjson", "ndjson": "ndjson"}
_FILE = {"type": "string", "description": "One order a row"}
_EXAMPLE = (
    "customer.name,customer.contact.full_name,customer.contact.email,customer.billing_address.lines.1,"
    "customer.billing_address.city,customer.billing_address.country\n"
    "Harbour Books Ltd,Ada Reed,ada@harbourbooks.example,1 Colmore Row,Birmingham,GB\n"
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": _FILE, "example": _EXAMPLE},
            "application/x-ndjson": {"schema": _FILE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}

RunId = Annotated[
    str,
    Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", examples=["2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11"]),
]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The row's number, from 1")]
Why = Annotated[Reason | None, Body()]
Whose = Annotated[WhiteLabel | None, Query()]


async def _own_run(run_id: RunId, principal: Caller, services: Work) -> BulkRun:
    return await services.bulk.get(run_id, principal.scope)


Own = Annotated[BulkRun, Depends(_own_run)]


@about.get("", summary="The columns of a file of orders", responses=declared())
async def list_columns(_principal: Caller) -> ColumnList:
    """Fields of an order with dots, and a few short names for the first line."""
    kinds = columns()
    short = {name: kinds[full.replace(".1.", ".N.")] for name, full in SHORT.items()}
    return ColumnList(items=[Column(name=name, kind=kind) for name, kind in {**kinds, **short}.items()])


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Order: carry out a file of orders",
    openapi_extra=_BODY,
    response_model=RunBody | FileCheck,
    responses={
        200: {"description": "With `dry_run`: what would become of each row. Nothing was kept", "model": FileCheck},
        202: {
            "description": "Kept. Its rows are started one after the other",
            "headers": {
                "Location": {"schema": {"type": "string"}},
                "Idempotent-Replayed": {"schema": {"type": "string"}, "description": "`true` if a repetition was recognised"},
            },
        },
        **declared(400, 403, 404, 413),
    },
)
async def create_bulk_run(
    request: Request,
    response: Response,
    principal: Caller,
    services: Work,
    key: DecisionKey,
    white_label: Whose = None,
    dry_run: Annotated[bool, Query(description="Only check every row")] = False,
    on_bad_row: Annotated[
        Literal["stop", "skip"], Query(description="`stop`: one bad row, and nothing is started. `skip`: start the good ones")
    ] = "stop",
    rate: Annotated[Rate, Query()] = 120,
    at_once: Annotated[AtOnce, Query()] = 20,
    acknowledge: Annotated[
        list[Code] | None, Query(description="Warnings that are accepted in every row, by code", max_length=50)
    ] = None,
) -> RunBody | Response:
    """Checks every row as one order is checked, keeps them, and starts an onboarding for each, no faster than `rate`.

    A body of up to 20 MB and 10,000 orders: CSV (columns: `GET /v1/bulk-columns`), JSON lines (an order as
    `POST /v1/onboardings` takes it in each line), or either as the field `file` of a form.
    """
    need(principal, Right.ONBOARD)
    tenant = await own_tenant(services, principal, white_label)
    if key is None and not dry_run:
        raise problems.Problem("idempotency_key_missing", problems.KINDS["idempotency_key_missing"].advice)
    async with _uploaded(request) as (file, kind):
        options = f"{kind} {on_bad_row} {rate} {at_once} {sorted(acknowledge or [])}"
        asked = Asked(
            fingerprint=services.secrets.fingerprint(await asyncio.to_thread(_digest, file) + options.encode()),
            rate=rate,
            at_once=at_once,
            skip_bad_rows=on_bad_row == "skip",
            acknowledged=tuple(acknowledge or ()),
            address=request.client.host if request.client else None,
        )
        try:
            if dry_run or key is None:
                checked = await services.bulk.check(principal, tenant, read(file, kind), asked)
                # Of ten thousand rows with twenty problems each: not on the loop.
                report = await asyncio.to_thread(lambda: FileCheck.of(checked, tenant.currency).model_dump_json())
                return Response(report, media_type="application/json")
            run, replayed = await services.bulk.start(principal, tenant, read(file, kind), asked, key)
        except Unreadable as error:
            raise _unreadable(error) from error
    response.headers["Location"] = f"/v1/bulk-runs/{run.id}"
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return RunBody.of(run)


def _unreadable(error: Unreadable) -> problems.Problem:
    entry = problems.ProblemError(code=error.code, detail=error.message)
    return problems.Problem("file_unreadable", f"{error.message} Nothing of the file was used.", errors=[entry])


@asynccontextmanager
async def _uploaded(request: Request) -> AsyncIterator[tuple[IO[bytes], Format]]:
    """The file of a request and its format; large ones lie on the disk while they are read."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    if kind == "multipart/form-data":
        async with request.form(max_files=1, max_fields=10) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise problems.Problem("media_type_unknown", problems.KINDS["media_type_unknown"].advice)
            ending = (file.filename or "").rpartition(".")[2].lower()
            of_part = (file.content_type or "").partition(";")[0].strip().lower()
            found = _KINDS.get(of_part) or _ENDINGS.get(ending)
            yield cast("IO[bytes]", file.file), found or _looks_like(file.file.read(_LOOK))
        return
    if kind not in _KINDS:
        raise problems.Problem("media_type_unknown", problems.KINDS["media_type_unknown"].advice)
    charset = parameters.lower().partition("charset=")[2].strip(' "').partition(";")[0]
    if charset and charset not in {"utf-8", "utf8", "us-ascii"}:
        raise _unreadable(Unreadable("file_encoding", "Only files in UTF-8 are read. Save it as UTF-8."))
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as spooled:
        async for chunk in request.stream():
            spooled.write(chunk)
        yield cast("IO[bytes]", spooled), _KINDS[kind]


def _looks_like(beginning: bytes) -> Format:
    """The format of a file that neither its name nor its sender tells."""
    return "ndjson" if beginning.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else "csv"


def _digest(file: IO[bytes]) -> bytes:
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(65_536):
        digest.update(chunk)
    return digest.digest()


@router.get("", summary="List bulk runs, newest first", responses=declared(400, 403, 404))
async def list_bulk_runs(
    principal: Caller,
    services: Work,
    white_label: Whose = None,
    page_size: Annotated[int, Query(ge=1, le=2**31 - 1, description="Coerced to 100")] = 20,
    page_token: Annotated[str | None, Query(max_length=500)] = None,
) -> RunPage:
    """Those of one white label."""
    need(principal, Right.READ)
    tenant = await own_tenant(services, principal, white_label)
    with page_tokens():
        page = await services.bulk_runs.list(tenant.id, min(page_size, 100), page_token)
    return RunPage(items=[RunBody.of(run) for run in page.items], next_page_token=page.next_page_token)


@router.get("/{run_id}", summary="Look at a bulk run", responses=declared(403, 404))  # noqa: FAST003 - Own takes it
async def get_bulk_run(principal: Caller, run: Own) -> RunBody:
    """Counts by state, how fast, and how long yet. Needs neither a worker nor Temporal."""
    need(principal, Right.READ)
    return RunBody.of(run)


@router.get(
    "/{run_id}/rows",  # noqa: FAST003 - Own takes it
    summary="Look at the rows",
    response_model=RowPage,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **declared(400, 403, 404)},
)
async def get_rows(
    principal: Caller,
    run: Own,
    services: Work,
    state: Annotated[RowState | None, Query(description="Only those in this state")] = None,
    form: Annotated[Literal["json", "csv"], Query(alias="format", description="`csv`: all rows at once")] = "json",
    page_size: Annotated[int, Query(ge=1, le=2**31 - 1, description=f"Coerced to {MOST_PER_PAGE}")] = 100,
    page_token: Annotated[str | None, Query(max_length=500)] = None,
) -> Response | RowPage:
    """Row by row: what became of it, or what is wrong with it and in which column."""
    need(principal, Right.READ)
    if form == "csv":
        headers = {"Content-Disposition": f'attachment; filename="bulk-{run.id}.csv"'}
        return StreamingResponse(_as_csv(services, run, state), media_type="text/csv; charset=utf-8", headers=headers)
    with page_tokens():
        page = await services.bulk_runs.rows(run.id, state, min(page_size, MOST_PER_PAGE), page_token)
    return RowPage(items=[RowBody.of(row) for row in page.items], next_page_token=page.next_page_token)


_HEADINGS = (
    "row", "line", "state", "onboarding_id", "onboarding_state", "onboarding_code", "started_at", "column", "code", "problem",
    "onboarding_waits_for",
)  # fmt: skip


async def _as_csv(services: Services, run: BulkRun, state: RowState | None) -> AsyncIterator[str]:
    yield _csv_line(_HEADINGS)
    token: str | None = None
    while True:
        page = await services.bulk_runs.rows(run.id, state, MOST_PER_PAGE, token)
        yield "".join(_csv_line(cells) for row in page.items for cells in _cells(row))
        token = page.next_page_token
        if token is None:
            return


def _cells(row: BulkRow) -> list[tuple[str, ...]]:
    """One line for a row, or one for each of its problems."""
    body = RowBody.of(row)
    at = body.started_at.isoformat() if body.started_at else ""
    theirs = (body.onboarding_id or "", body.onboarding_state or "", body.onboarding_code or "", at)
    whole = (str(row.number), str(row.line), row.state.value, *theirs)
    if not row.problems:
        return [(*whole, "", "", "", body.onboarding_waits_for or "")]
    return [(*whole, one.column or one.pointer or "", one.code, one.detail, "") for one in row.problems]


def _csv_line(cells: tuple[str, ...]) -> str:
    line = io.StringIO()
    # A spreadsheet would carry out what begins like a formula.
    csv.writer(line).writerow([f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell for cell in cells])
    return line.getvalue()


async def _decide(
    services: Services, principal: Principal, run: BulkRun, verb: str, body: Reason | None, key: str | None
) -> Progress:
    need(principal, Right.OPERATE)
    decision = Decision(actor=principal.actor, person=principal.person, reason=body.reason if body else None)
    answer = await services.bulk.steer(run, verb, decision, _update_id(principal, f"bulk {verb}", key))
    return Progress.model_validate(answer.model_dump())


def _update_id(principal: Principal, verb: str, key: str | None) -> str | None:
    return None if key is None else keys.update_id(principal.id, verb, key)


_DECIDED = declared(400, 403, 404, 409, 413)


@router.post("/{run_id}/pause", summary="Pause a bulk run", responses=_DECIDED)  # noqa: FAST003 - Own takes it
async def pause_run(principal: Caller, run: Own, services: Work, key: DecisionKey, body: Why = None) -> Progress:
    """Starts nothing more for now. Onboardings that were started go on."""
    return await _decide(services, principal, run, "pause", body, key)


@router.post("/{run_id}/resume", summary="Go on with a bulk run", responses=_DECIDED)  # noqa: FAST003 - Own takes it
async def resume_run(principal: Caller, run: Own, services: Work, key: DecisionKey, body: Why = None) -> Progress:
    """Starts the rows that are left."""
    return await _decide(services, principal, run, "resume", body, key)


@router.post("/{run_id}/cancel", summary="Cancel a bulk run", responses=_DECIDED)  # noqa: FAST003 - Own takes it
async def cancel_run(principal: Caller, run: Own, services: Work, key: DecisionKey, body: Why = None) -> Progress:
    """What was started stays; what was not is never started, and its orders are deleted."""
    return await _decide(services, principal, run, "cancel", body, key)


@router.post("/{run_id}/throttle", summary="Go faster or slower", responses=_DECIDED)  # noqa: FAST003 - Own takes it
async def throttle_run(principal: Caller, run: Own, services: Work, key: DecisionKey, body: ThrottleBody) -> Progress:
    """Counts from now on."""
    need(principal, Right.OPERATE)
    throttle = Throttle(actor=principal.actor, rate=body.rate, at_once=body.at_once)
    answer = await services.bulk.steer(run, "throttle", throttle, _update_id(principal, "bulk throttle", key))
    return Progress.model_validate(answer.model_dump())


@router.post("/{run_id}/rows/{number}/undo", summary="Undo one row", responses=_DECIDED)  # noqa: FAST003 - Own takes it
async def undo_row(number: Number, principal: Caller, run: Own, services: Work, key: DecisionKey, body: Why = None) -> RowBody:
    """That row and no other: it is not started, or its onboarding is cancelled and undone. Not once its service is live."""
    need(principal, Right.OPERATE)
    update_id = _update_id(principal, f"bulk undo {number}", key)
    return RowBody.of(await services.bulk.undo(principal, run, number, body.reason if body else None, update_id))


@router.post("/{run_id}/rows/{number}/retry", summary="Correct a row", responses=_DECIDED)  # noqa: FAST003 - Own takes it
async def retry_row(
    request: Request, number: Number, principal: Caller, run: Own, services: Work, body: CreateOnboarding
) -> RowBody:
    """Starts a row that was refused, with the corrected order. May be repeated: a row is started once."""
    need(principal, Right.ONBOARD)
    tenant = await services.catalogue.tenant(run.tenant_id)
    asked = Asked(
        fingerprint=services.secrets.fingerprint(await request.body()),
        rate=run.rate,
        at_once=run.at_once,
        address=request.client.host if request.client else None,
    )
    return RowBody.of(await services.bulk.correct(principal, tenant, run, number, body, asked))
