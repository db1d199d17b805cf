"""Commands for the services that a customer has, all through the HTTP API."""

import json
from typing import Annotated, Any

import typer

from starter.cli import output
from starter.cli.api import CommandFailed, account_path
from starter.cli.customers import Account, Patch, read_patch, something
from starter.cli.onboardings import AsJson, Key, Url, connected

app = typer.Typer(no_args_is_help=True, help="The services of an account: list, show, edit, add.")

Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's id, as `dialtone services list` shows it")]


@app.command("list")
def list_services(account: Account, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """List the services of an account, those that were added since included.

    Example: dialtone services list 0a3a5f0e-8d5b-5f0e-9d43-0f3f1f3f4a12
    """
    with connected(url, key) as api:
        found = api.get(account_path(account, "services"))["items"]

    def row(one: dict[str, Any]) -> tuple[str, ...]:
        return (one["id"], one["label"], str(one["max_channels"]), ", ".join(one["numbers"]))

    output.print_list(found, ("ID", "LABEL", "CHANNELS", "NUMBERS"), row, as_json=as_json)


@app.command()
def show(account: Account, service: Service, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show one service, and how each of its numbers behaves.

    Example: dialtone services show ACCOUNT d0123456789abcdef0123
    """
    with connected(url, key) as api:
        _print(api.get(account_path(account, "services", service)), as_json=as_json)


@app.command()
def edit(
    account: Account,
    service: Service,
    label: Annotated[str | None, typer.Option(help="What it is called")] = None,
    channels: Annotated[int | None, typer.Option(min=0, help="Calls at once; 0 is unlimited")] = None,
    caller_id: Annotated[str | None, typer.Option(help="The number that calls show; none is the service's first")] = None,
    forward: Annotated[
        list[str] | None, typer.Option(metavar="NUMBER=TARGET", help="Calls to the number go on to the target. May be repeated")
    ] = None,
    ring: Annotated[
        list[str] | None, typer.Option(metavar="NUMBER", help="The number rings the telephones again. May be repeated")
    ] = None,
    patch: Patch = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Change a service. It works at once; calls under way go on.

    Example: dialtone services edit ACCOUNT SERVICE --channels 4 --forward +441214960123=+442079460018
    """
    body = read_patch(patch)
    body |= {name: value for name, value in {"label": label, "max_channels": channels}.items() if value is not None}
    if caller_id is not None:
        body["caller_id"] = None if caller_id == "none" else caller_id
    numbers: dict[str, Any] = dict(body.get("numbers") or {})
    for said in forward or ():
        number, separator, target = said.partition("=")
        if not separator or not number or not target:
            raise CommandFailed(f"{said!r} does not say what goes where. Write --forward +441214960123=+442079460018")
        numbers[number] = {"destination": "forward", "forward_to": target}
    numbers |= {number: {"destination": "device", "forward_to": None} for number in ring or ()}
    if numbers:
        body["numbers"] = numbers
    with connected(url, key) as api:
        _print(api.send("PATCH", account_path(account, "services", service), something(body)), as_json=as_json)


@app.command()
def add(
    account: Account,
    label: Annotated[str, typer.Option(help="What the service is called")] = "Line",
    count: Annotated[int, typer.Option(min=0, max=100, help="How many numbers it gets")] = 0,
    prefix: Annotated[str | None, typer.Option(help="How they begin, such as +44121; needed with --count")] = None,
    number: Annotated[list[str] | None, typer.Option(help="A number by name. May be repeated")] = None,
    channels: Annotated[int, typer.Option(min=0, help="Calls at once; 0 is unlimited")] = 2,
    terms_accepted: Annotated[
        bool, typer.Option("--terms-accepted", help="The customer has accepted the terms; you attest it")
    ] = False,
    acknowledge: Annotated[list[str] | None, typer.Option(help="Code of a warning that is accepted. May be repeated")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="Repeat an order whose answer was lost")] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Add a service to an account: an order of its own, paid as the account pays. Prints its id.

    Example: dialtone services add ACCOUNT --label "Back office" --count 1 --prefix +44121 --terms-accepted
    """
    if count and number:
        raise CommandFailed("Either numbers by name (--number) or by description (--count and --prefix), not both.")
    if bool(count) != bool(prefix):
        raise CommandFailed("Numbers by description need both --count and --prefix.")
    numbers: dict[str, Any] = {"explicit": number} if number else {}
    if count:
        numbers = {"criteria": {"count": count, "prefix": prefix}}
    body = {
        "account_id": account,
        "services": [{"label": label, "numbers": numbers, "max_channels": channels}],
        "terms_accepted": terms_accepted,
        "acknowledged_warnings": acknowledge or [],
    }
    with connected(url, key) as api:
        accepted, replayed = api.order(json.dumps(body).encode(), idempotency_key)
    if as_json:
        output.print_json(accepted)
    else:
        output.print_lines([accepted["id"]])
    if replayed:
        output.say("This order was accepted before; nothing new was started.")
    output.suggest(f"dialtone watch {accepted['id']}")


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    facts: list[tuple[str, str | None]] = [
        ("Service", found["id"]),
        ("Label", found["label"]),
        ("Calls at once", str(found["max_channels"]) if found["max_channels"] else "unlimited"),
        ("Caller id", found["caller_id"] or next(iter(found["numbers"]), None)),
        ("Order", found["onboarding_id"]),
        ("Switch", "agrees" if found["switch_agrees"] else "has not followed yet"),
    ]
    for number, behaves in found["numbers"].items():
        forwarded = f"forwarded to {behaves['forward_to']}" if behaves["forward_to"] else "rings the telephones"
        facts.append((number, forwarded))
    output.print_facts(facts)
