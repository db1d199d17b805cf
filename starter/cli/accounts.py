"""Commands for the tree of accounts, through the HTTP API."""

import uuid
from typing import Annotated, Any

import typer

from domain.accounts import AccountKind
from starter.cli import output
from starter.cli.api import CommandFailed, account_path, held_in
from starter.cli.onboardings import AsJson, Key, Url, connected

app = typer.Typer(no_args_is_help=True, help="Accounts: list, switch, credit, set-pin, verify-pin.")


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


Account = Annotated[str, typer.Argument(metavar="ID", help="As `dialtone accounts list` shows it")]
PinFrom = typer.Option(metavar="VARIABLE", help="Environment variable that holds the PIN: arguments are seen by others")


@app.command()
def credit(
    account: Account,
    amount_minor: Annotated[int, typer.Argument(metavar="MINOR", min=1, help="Minor units: 5000 is 50.00")],
    reference: Annotated[str, typer.Option(help="What the money is known by; leave personal data out")],
    idempotency_key: Annotated[
        str | None, typer.Option(help="Repeat a payment whose answer was lost: same key, paid in once")
    ] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Pay money into an account below yours. Prints the balance.

    Example: dialtone accounts credit 9a0f3f0e-2f43-5c02-8e13-9d8f6f0c1a22 5000 --reference "Transfer 2026-114"
    """
    once = idempotency_key or str(uuid.uuid4())
    body = {"amount_minor": amount_minor, "reference": reference}
    with connected(url, key) as api:
        try:
            done = api.post(account_path(account, "credits"), body, once)
        except CommandFailed as error:
            raise CommandFailed(f"{error} To repeat this very payment safely, add --idempotency-key {once}") from error
    if as_json:
        output.print_json(done)
    elif done["waits_for_approval"]:
        output.print_lines([done["waits_for_approval"]])
        output.say("Nothing is paid in yet: so much is for two people to decide. Another one agrees with")
        output.say(f"  dialtone customer approve {account} {done['waits_for_approval']}")
    else:
        output.print_lines([output.amount(done["balance_minor"], done["currency"])])


@app.command("set-pin")
def set_pin(
    account: Account,
    pin_from: Annotated[str | None, PinFrom] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Set an account's PIN anew. One that is made is printed once and stored nowhere in clear.

    Example: dialtone accounts set-pin 9a0f3f0e-2f43-5c02-8e13-9d8f6f0c1a22
    """
    body: dict[str, Any] = {"pin": held_in(pin_from, "PIN")} if pin_from else {}
    with connected(url, key) as api:
        done = api.send("PUT", account_path(account, "pin"), body)
    if as_json:
        output.print_json(done)
    elif done["pin"]:
        output.print_lines([done["pin"]])
        output.say("That is the PIN. Keep it now: it is not shown again.")


@app.command("verify-pin")
def verify_pin(
    account: Account,
    pin_from: Annotated[str, PinFrom],
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Compare an account's PIN. Ends with status 1 if it is another one.

    Example: dialtone accounts verify-pin 9a0f3f0e-2f43-5c02-8e13-9d8f6f0c1a22 --pin-from PIN
    """
    with connected(url, key) as api:
        done = api.post(account_path(account, "pin", "verify"), {"pin": held_in(pin_from, "PIN")})
    if as_json:
        output.print_json(done)
    if not done["correct"]:
        raise CommandFailed("That is not the PIN of this account.")
    output.say("That is the PIN of this account.")
