"""Commands for the tree of accounts, through the HTTP API."""

from typing import Annotated

import typer

from domain.accounts import AccountKind
from starter.cli import output
from starter.cli.api import account_path
from starter.cli.onboardings import AsJson, Key, Url, connected

app = typer.Typer(no_args_is_help=True, help="Accounts: list, switch.")


@app.command("list")
def list_accounts(
    parent: Annotated[str | None, typer.Option(help="Right below this account; below your own if left out")] = None,
    kind: Annotated[AccountKind | None, typer.Option(help="Only customers, or only resellers")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most")] = 100,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List the accounts right below one.

    Example: dialtone accounts list --kind customer
    """
    with connected(url, key) as api:
        found, more = api.pages("/v1/accounts", limit, parent=parent, kind=kind)
    if as_json:
        for account in found:
            output.print_json(account)
        return
    rows = [(one["id"], one["kind"], one["status"], one["name"]) for one in found]
    output.print_table(("ID", "KIND", "STATUS", "NAME"), rows)
    if more:
        output.say(f"There are more; raise --limit above {limit} to see them.")


@app.command()
def switch(
    account: Annotated[str, typer.Argument(metavar="ID", help="As `dialtone accounts list` shows it")],
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Print a token that acts in this account and below it only. What is done with it is recorded as yours, as this account.

    Example: export DIALTONE_API_KEY="$(dialtone accounts switch 9a0f3f0e-2f43-5c02-8e13-9d8f6f0c1a22)"
    """
    with connected(url, key) as api:
        session = api.post(account_path(account, "switch"))
    if as_json:
        output.print_json(session)
    else:
        output.print_lines([session["token"]])
    output.say(f"It works until {output.moment(session['expires_at'])}. Put it into DIALTONE_API_KEY.")
