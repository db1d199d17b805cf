"""Commands for white labels. They work on the database itself: a white label must exist before it can have a key."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starter.cli import output
from starter.cli.api import CommandFailed
from starter.cli.local import on_database
from starter.cli.onboardings import AsJson
from starter.seed import read_white_label

if TYPE_CHECKING:
    from adapters.database import Database

app = typer.Typer(no_args_is_help=True, help="White labels: put, list. Works on the database of this installation.")


@app.command()
def put(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="As examples/white-labels/*.json; its terms beside it as <slug>.terms.txt"),
    ],
) -> None:
    """Create white labels, or change their prices, terms and policies. Orders under way keep what they were placed under.

    Example: dialtone white-labels put examples/white-labels/northway.json
    """
    found = [read_white_label(file) for file in files]

    async def work(database: "Database") -> None:
        for tenant, account in found:
            try:
                await database.admin.put_tenant(tenant, account.credit_limit_minor, account.opening_balance_minor)
            except ValueError as error:
                raise CommandFailed(f"{tenant.slug}: {error}") from error
            output.print_lines([tenant.slug])

    on_database(work)
    output.suggest(f'dialtone keys issue "..." --role admin --white-label {found[0][0].slug}')


@app.command("list")
def list_white_labels(as_json: AsJson = False) -> None:
    """List the white labels."""

    async def work(database: "Database") -> None:
        tenants = await database.admin.tenants()
        if as_json:
            for tenant in tenants:
                output.print_json(tenant.model_dump(mode="json"))
        else:
            rows = [(one.slug, one.name, one.currency, one.price_list.version, one.terms.version) for one in tenants]
            output.print_table(("SLUG", "NAME", "CURRENCY", "PRICE LIST", "TERMS"), rows)

    on_database(work)
