"""Commands for the people who work in an account, through the HTTP API."""

from typing import Annotated, Any

import typer

from domain.access import Right, Role
from starter.cli import output
from starter.cli.api import account_path, held_in
from starter.cli.onboardings import AsJson, Key, Url, connected

app = typer.Typer(no_args_is_help=True, help="Users of an account: list, create, add, invite, remove.")

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Id of the account; `platform` is the root")]
Email = Annotated[str, typer.Argument(metavar="EMAIL")]
Name = Annotated[str, typer.Option(help="The person's name")]
Roles = Annotated[Role, typer.Option(help="What they may do in this account and below it")]
Rights = Annotated[list[Right] | None, typer.Option("--right", help="For a sub_admin: one right; repeat it for more")]


@app.command("list")
def list_users(account: Account, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """List who has a role in this very account."""
    with connected(url, key) as api:
        found = api.get(account_path(account, "users"))["items"]

    def row(one: dict[str, Any]) -> tuple[str, ...]:
        return (one["id"], one["email"] or "-", one["name"], one["role"], one["state"])

    output.print_list(found, ("ID", "EMAIL", "NAME", "ROLE", "STATE"), row, as_json=as_json)


@app.command()
def create(
    account: Account,
    email: Email,
    name: Name,
    role: Roles,
    right: Rights = None,
    password_from: Annotated[
        str | None,
        typer.Option(metavar="VARIABLE", help="Environment variable that holds the password. It is generated if left out"),
    ] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Create a user with a password. A generated one is printed once and stored nowhere.

    Example: dialtone users create 5f0c5f0e-0000-4000-8000-000000000001 ada@example.com --name "Ada Reed" --role admin
    """
    body: dict[str, Any] = {"act": "create", "email": email, "name": name, "role": role, "rights": right or []}
    if password_from is not None:
        body["password"] = held_in(password_from, "password")
    member = _give(account, body, url, key, as_json=as_json)
    if member["password"] and not as_json:
        output.print_lines([member["password"]])
        output.say("That is the password. Keep it now: it is not shown again.")


@app.command()
def add(
    account: Account,
    email: Email,
    role: Roles,
    right: Rights = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Give a user whom the white label has already a role in this account too."""
    body = {"act": "add", "email": email, "role": role, "rights": right or []}
    member = _give(account, body, url, key, as_json=as_json)
    if not as_json:
        output.print_lines([member["id"]])
        if member["invited_until"]:
            until = output.moment(member["invited_until"])
            output.say(f"Somebody else had chosen their password, so it has ended. The link in the letter works until {until}.")


@app.command()
def invite(
    account: Account,
    email: Email,
    name: Name,
    role: Roles,
    right: Rights = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Write to somebody, who then chooses a password. Again: a new link, and the older ones stop working."""
    body = {"act": "invite", "email": email, "name": name, "role": role, "rights": right or []}
    member = _give(account, body, url, key, as_json=as_json)
    if not as_json:
        output.print_lines([member["id"]])
        output.say(f"The link in the letter works until {output.moment(member['invited_until'])}.")


@app.command()
def remove(
    account: Account,
    member: Annotated[str, typer.Argument(metavar="ID", help="As `dialtone users list` shows it")],
    url: Url = None,
    key: Key = None,
) -> None:
    """Take somebody's role in this account away. Roles in other accounts stay."""
    with connected(url, key) as api:
        api.delete(account_path(account, "users", member))
    output.say("The role is taken away.")


def _give(account: str, body: dict[str, Any], url: str | None, key: str | None, *, as_json: bool) -> dict[str, Any]:
    with connected(url, key) as api:
        member = api.post(account_path(account, "users"), body)
    if as_json:
        output.print_json(member)
    return member
