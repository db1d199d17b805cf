"""Commands for call records, through the HTTP API."""

import sys
from typing import Annotated

import typer

from starter.cli.api import account_path
from starter.cli.onboardings import Key, Url, connected

app = typer.Typer(no_args_is_help=True, help="Call records: export.")


@app.callback()
def _group() -> None:
    """Call records of an account."""


@app.command()
def export(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="As `dialtone accounts list` shows it")],
    begin: Annotated[
        str | None, typer.Option("--from", metavar="MOMENT", help="2027-03-01T00:00:00Z; 31 days before --to if left out")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="MOMENT", help="Calls answered before it; now if left out")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Print an account's answered calls as CSV: times in UTC, durations in seconds.

    Example: dialtone calls export ACCOUNT --from 2027-03-01T00:00:00Z --to 2027-04-01T00:00:00Z > march.csv
    """
    query = {"from": begin, "to": end}
    with connected(url, key) as api:
        for piece in api.text(account_path(account, "call-records"), "text/csv", **query):
            sys.stdout.write(piece)
    sys.stdout.flush()
