"""Commands for files of orders, through the HTTP API."""

import sys
import time
import uuid
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from domain.bulk import RowState, RunState
from starter.cli import files, output
from starter.cli.api import Api, CommandFailed
from starter.cli.numbers import WhiteLabel
from starter.cli.onboardings import AsJson, Key, Url, Why, connected

app = typer.Typer(no_args_is_help=True, help="Many orders from one file: check, start, follow, pause, undo a row.")

File = Annotated[Path, typer.Argument(help="Orders as .csv (columns: dialtone bulk columns), .jsonl or .ndjson", exists=True)]
Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's id")]
Row = Annotated[int, typer.Argument(metavar="ROW", min=1, help="The row's number, from 1")]
Acknowledge = Annotated[list[str] | None, typer.Option(help="A warning that is accepted in every row, by code; repeat it")]
_LOOK_EVERY = 1.0
_OVER = {RunState.FINISHED.value, RunState.CANCELLED.value}
_SHOWN = 20


def _path(run: str, *more: str) -> str:
    return "/".join(("/v1/bulk-runs", quote(run, safe=""), *more))


def _kind(file: Path) -> str:
    kinds = {".csv": "text/csv", ".jsonl": "application/x-ndjson", ".ndjson": "application/x-ndjson"}
    if file.suffix.lower() not in kinds:
        raise CommandFailed(f"The file {file.name} is neither .csv nor .jsonl nor .ndjson. Name it by what it is.")
    return kinds[file.suffix.lower()]


@app.command()
def check(
    file: File,
    acknowledge: Acknowledge = None,
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Check every row without ordering anything. Ends with status 1 if a row is not valid.

    Example: dialtone bulk check examples/bulk/customers.csv
    """
    params = {"dry_run": "true", "white_label": white_label, "acknowledge": acknowledge}
    with connected(url, key) as api:
        report, _ = api.upload("/v1/bulk-runs", files.content(file), _kind(file), None, **params)
    if as_json:
        output.print_json(report)
    else:
        _print_problems(report["rows"])
    good = report["total"] - report["bad"]
    output.say(
        f"{good} of {report['total']} rows are valid: {output.amount(report['total_minor'], report['currency'])} together."
    )
    if not report["valid"]:
        raise CommandFailed("Mend the rows above, or start with --skip-bad-rows: then only the good ones are ordered.")
    output.suggest(f"dialtone bulk start {file}")


@app.command()
def start(
    file: File,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Start the good rows; without it one bad row stops all")
    ] = False,
    rate: Annotated[int, typer.Option(min=1, max=6000, help="Orders started a minute, at most")] = 120,
    at_once: Annotated[int, typer.Option(min=1, max=500, help="Onboardings worked on at once, at most")] = 20,
    acknowledge: Acknowledge = None,
    idempotency_key: Annotated[str | None, typer.Option(help="Repeat a start whose answer was lost: same key, one run")] = None,
    watch_it: Annotated[bool, typer.Option("--watch", help="Follow it until every row is started")] = False,
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Order every row of a file. Prints the run's id.

    Example: dialtone bulk start --watch examples/bulk/customers.csv
    """
    params = {
        "on_bad_row": "skip" if skip_bad_rows else "stop",
        "rate": rate,
        "at_once": at_once,
        "acknowledge": acknowledge,
        "white_label": white_label,
    }
    unique = idempotency_key or str(uuid.uuid4())
    with connected(url, key) as api:
        run, replayed = api.upload("/v1/bulk-runs", files.content(file), _kind(file), unique, **params)
        if as_json:
            output.print_json(run)
        else:
            output.print_lines([run["id"]])
        if replayed:
            output.say("This file was accepted before; no second run was started.")
        if refused := run["rows"].get(RowState.REFUSED.value):
            output.say(f"{refused} rows are not valid and were left out: dialtone bulk rows {run['id']} --state refused")
        if watch_it:
            _follow(api, run["id"])
    if not watch_it:
        output.suggest(f"dialtone bulk watch {run['id']}")


@app.command()
def watch(run: Run, url: Url = None, key: Key = None) -> None:
    """Follow a run until every row is started. Status 0 if it has finished, 1 if it was cancelled.

    A bar on a terminal, and a line for every change otherwise. Leaving it does not stop the run.
    """
    with connected(url, key) as api:
        _follow(api, run)


def _follow(api: Api, run: str) -> None:
    # Rich would draw the bar anew on every line of a pipe.
    seen = _draw(api, run) if sys.stderr.isatty() else _tell(api, run)
    words = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in seen["onboardings"].items())
    output.say(f"The run is {seen['state']}. Its onboardings: {words or 'none'}.")
    if seen["state"] == RunState.CANCELLED:
        raise CommandFailed(f"The run was cancelled; {seen['rows'].get('withdrawn', 0)} rows were never started.")
    output.suggest(f"dialtone bulk rows {run}")


def _draw(api: Api, run: str) -> dict[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.err) as bar:
        task = bar.add_task("orders", total=None)
        while True:
            seen = api.get(_path(run))
            started = seen["rows"].get(RowState.STARTED.value, 0)
            bar.update(task, description=seen["state"], total=started + seen["left"], completed=started)
            if seen["state"] in _OVER:
                return seen
            time.sleep(_LOOK_EVERY)


def _tell(api: Api, run: str) -> dict[str, Any]:
    last = ""
    while True:
        seen = api.get(_path(run))
        line = f"{seen['state']}: {seen['rows'].get(RowState.STARTED.value, 0)} started, {seen['left']} left"
        if line != last:
            output.print_lines([line])
        if seen["state"] in _OVER:
            return seen
        last = line
        time.sleep(_LOOK_EVERY)


@app.command("list")
def list_runs(
    white_label: WhiteLabel = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most")] = 20,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    with connected(url, key) as api:
        found, more = api.pages("/v1/bulk-runs", limit, white_label=white_label)
    if as_json:
        for run in found:
            output.print_json(run)
    else:
        rows = [
            (run["id"], run["state"], str(run["total"]), str(run["left"]), output.moment(run["created_at"]) or "")
            for run in found
        ]
        output.print_table(("ID", "STATE", "ROWS", "LEFT", "SENT"), rows)
    if more:
        output.say(f"There are more; raise --limit above {limit} to see them.")


@app.command()
def show(run: Run, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show how a run stands: rows and onboardings by state, how fast, how long yet."""
    with connected(url, key) as api:
        seen = api.get(_path(run))
    if as_json:
        output.print_json(seen)
        return
    facts = [("State", seen["state"]), ("Rows", str(seen["total"])), ("To be started", str(seen["left"]))]
    facts += [(f"Rows {state}", str(count)) for state, count in seen["rows"].items()]
    facts += [(f"Onboardings {state.replace('_', ' ')}", str(count)) for state, count in seen["onboardings"].items()]
    facts += [(f"Waiting for the {who}", str(count)) for who, count in seen["waiting"].items()]
    facts += [("Rate", f"{seen['rate']} a minute, {seen['at_once']} at once")]
    left = seen["seconds_left"]
    output.print_facts([*facts, ("Time left", f"{left // 60} min {left % 60} s at least" if left else None)])


@app.command()
def rows(
    run: Run,
    state: Annotated[RowState | None, typer.Option(help="Only those in this state")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="The whole report as CSV")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Row by row: what became of it, or what is wrong with it.

    Example: dialtone bulk rows RUN --state refused --csv > to-be-mended.csv
    """
    with connected(url, key) as api:
        if csv:
            for piece in api.text(_path(run, "rows"), "text/csv", format="csv", state=state):
                output.print_text(piece)
            return
        found, _ = api.pages(_path(run, "rows"), 10_000, state=state)
    if as_json:
        for row in found:
            output.print_json(row)
        return
    table = [
        (
            str(row["number"]),
            row["state"],
            row["onboarding_id"] or "-",
            row["onboarding_state"] or "-",
            "; ".join(_said(problem) for problem in row["problems"]) or row["onboarding_code"] or _waits(row),
        )
        for row in found
    ]
    output.print_table(("ROW", "STATE", "ONBOARDING", "ITS STATE", "PROBLEM"), table)


@app.command("columns")
def list_columns(url: Url = None, key: Key = None) -> None:
    """List the columns that a CSV file may have. N is the position of an entry, from 1."""
    with connected(url, key) as api:
        found = api.get("/v1/bulk-columns")["items"]
    output.print_table(("COLUMN", "KIND"), [(column["name"], column["kind"]) for column in found])


@app.command()
def pause(run: Run, reason: Why = None, url: Url = None, key: Key = None) -> None:
    """Start nothing more for now; what was started goes on."""
    _decide(run, "pause", reason, url, key)
    output.suggest(f"dialtone bulk resume {run}")


@app.command()
def resume(run: Run, reason: Why = None, url: Url = None, key: Key = None) -> None:
    """Go on with a paused run."""
    _decide(run, "resume", reason, url, key)
    output.suggest(f"dialtone bulk watch {run}")


@app.command()
def cancel(run: Run, reason: Why = None, url: Url = None, key: Key = None) -> None:
    """Start nothing more, ever. What was started stays: undo single rows, or cancel their onboardings."""
    _decide(run, "cancel", reason, url, key)


@app.command()
def throttle(
    run: Run,
    rate: Annotated[int | None, typer.Option(min=1, max=6000, help="Orders started a minute")] = None,
    at_once: Annotated[int | None, typer.Option(min=1, max=500, help="Onboardings worked on at once")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Go faster or slower from now on."""
    body = {name: value for name, value in (("rate", rate), ("at_once", at_once)) if value is not None}
    with connected(url, key) as api:
        seen = api.post(_path(run, "throttle"), body)
    output.print_lines([f"{seen['rate']} a minute, {seen['at_once']} at once"])


@app.command()
def undo(run: Run, row: Row, reason: Why = None, url: Url = None, key: Key = None) -> None:
    """Undo one row and no other: it is not started, or its onboarding is cancelled. Not once its service is live."""
    with connected(url, key) as api:
        seen = api.post(_path(run, "rows", str(row), "undo"), {"reason": reason} if reason else None)
    output.print_lines([seen["state"] if seen["onboarding_state"] is None else seen["onboarding_state"]])


def _decide(run: str, verb: str, reason: str | None, url: str | None, key: str | None) -> None:
    with connected(url, key) as api:
        seen = api.post(_path(run, verb), {"reason": reason} if reason else None)
    output.print_lines([seen["state"]])


def _print_problems(checked: list[dict[str, Any]]) -> None:
    bad = [row for row in checked if row["problems"]]
    for row in bad[:_SHOWN]:
        output.print_lines([f"row {row['number']} (line {row['line']})  {_said(problem)}" for problem in row["problems"]])
    if len(bad) > _SHOWN:
        output.say(f"And {len(bad) - _SHOWN} rows more; --json shows all.")


def _waits(row: dict[str, Any]) -> str:
    return f"waits for the {row['onboarding_waits_for']}" if row["onboarding_waits_for"] else ""


def _said(problem: dict[str, Any]) -> str:
    place = problem.get("column") or problem.get("pointer")
    return f"{place}: {problem['detail']}" if place else str(problem["detail"])
