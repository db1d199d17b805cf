"""Commands for API keys. They work on the database itself: somebody has to issue the first key."""

from typing import TYPE_CHECKING, Annotated

import typer

from domain.access import KEY_ROLES, Role
from domain.customer import name_key
from starter.cli import output
from starter.cli.api import CommandFailed
from starter.cli.local import on_database
from starter.cli.onboardings import AsJson

app = typer.Typer(no_args_is_help=True, help="API keys: issue, revoke, list. Works on the database of this installation.")

if TYPE_CHECKING:
    from adapters.database import Database

WhiteLabel = Annotated[str | None, typer.Option(help="Slug or id of the white label")]


async def _tenant_id(database: "Database", white_label: str | None) -> str | None:
    return (await database.catalogue.tenant(white_label)).id if white_label else None


@app.command()
def issue(
    name: Annotated[str, typer.Argument(help="Whose key it is; a person or a system")],
    role: Annotated[Role, typer.Option(help="What it may do")],
    person: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL_OR_NAME",
            help="Who acts with it, the same for all keys of one person: nobody approves their own order. The name if left out",
        ),
    ] = None,
    white_label: WhiteLabel = None,
    platform: Annotated[bool, typer.Option("--platform", help="For every white label, instead of one")] = False,
    as_json: AsJson = False,
) -> None:
    """Issue a key. It is printed once and stored nowhere.

    Example: dialtone keys issue "Night desk" --role approver --person ada@example.com --white-label northway
    """
    if platform == bool(white_label):
        raise CommandFailed("Say whose key it is: --white-label SLUG, or --platform for one that works for every white label.")
    if role not in KEY_ROLES:
        raise CommandFailed(f"A key has one of these roles: {', '.join(KEY_ROLES)}. The others are for users.")
    whose = name if person is None else person
    if not all(0 < len(text) <= 200 for text in (name.strip(), name_key(whose))):
        raise CommandFailed("A key needs a name, and a person, of 1 to 200 characters, so that people know whose it is.")

    async def work(database: "Database") -> None:
        tenant_id = await _tenant_id(database, white_label)
        principal, key = await database.identities.issue(name.strip(), tenant_id, role, whose)
        if as_json:
            output.print_json({**principal.model_dump(mode="json"), "key": key})
        else:
            output.print_lines([key])
        output.say(f"Keep it now: it is not shown again. To take it back: dialtone keys revoke {principal.id}")

    on_database(work)


@app.command()
def revoke(principal_id: Annotated[str, typer.Argument(metavar="ID", help="As `dialtone keys list` shows it")]) -> None:
    """Revoke a key. It stops working within seconds."""

    async def work(database: "Database") -> None:
        await database.identities.revoke(principal_id)

    on_database(work)
    output.say("The key is revoked.")


@app.command("list")
def list_keys(white_label: WhiteLabel = None, as_json: AsJson = False) -> None:
    """List the keys that work now."""

    async def work(database: "Database") -> None:
        found = await database.identities.all(await _tenant_id(database, white_label))
        if as_json:
            for principal in found:
                output.print_json(principal.model_dump(mode="json"))
        else:
            rows = [(one.id, one.name, one.person, one.role.value, one.tenant_id or "(platform)") for one in found]
            output.print_table(("ID", "NAME", "PERSON", "ROLE", "WHITE LABEL"), rows)

    on_database(work)
