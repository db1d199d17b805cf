"""Commands for customers who are there already, all through the HTTP API."""

from typing import Annotated, Any

import typer

from starter.cli import files, output
from starter.cli.api import CommandFailed, account_path
from starter.cli.numbers import WhiteLabel
from starter.cli.onboardings import AsJson, Key, Url, connected

app = typer.Typer(no_args_is_help=True, help="The customer of an account: show, edit, approve, transfer.")

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id: account_id of its onboarding")]
Change = Annotated[
    str, typer.Argument(metavar="CHANGE", help="The change's id, as whoever asked for it was told, or customer waiting tells")
]
Patch = Annotated[
    str | None,
    typer.Option("--patch", metavar="FILE", help="Anything else, as a JSON merge patch (RFC 7396); - reads standard input"),
]


def read_patch(file: str | None) -> dict[str, Any]:
    """What a file says is to be changed; nothing without a file. Raises ``CommandFailed``."""
    return {} if file is None else files.json_object(file)


def something(patch: dict[str, Any]) -> dict[str, Any]:
    """The patch. Raises ``CommandFailed`` for one that changes nothing."""
    if not patch:
        raise CommandFailed("Nothing is changed by this. Name at least one thing; --help lists them.")
    return patch


@app.command()
def show(account: Account, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show who the customer is, how it is reached, and what it may spend.

    Example: dialtone customer show 0a3a5f0e-8d5b-5f0e-9d43-0f3f1f3f4a12
    """
    with connected(url, key) as api:
        _print(api.get(account_path(account, "customer")), as_json=as_json)


@app.command()
def edit(
    account: Account,
    name: Annotated[str | None, typer.Option(help="The customer's name")] = None,
    company: Annotated[str | None, typer.Option(help="Of a person; none removes it")] = None,
    full_name: Annotated[str | None, typer.Option(help="The contact's full name")] = None,
    email: Annotated[str | None, typer.Option(help="The contact's e-mail address")] = None,
    telephone: Annotated[str | None, typer.Option(help="The contact's telephone; none removes it")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Such as Europe/London")] = None,
    credit_limit: Annotated[int | None, typer.Option(metavar="MINOR", min=0, help="In minor units: 50000 is 500.00")] = None,
    exempt: Annotated[
        bool | None, typer.Option("--exempt/--not-exempt", help="Whether it is never suspended for late payment")
    ] = None,
    patch: Patch = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Change the customer. All of it is saved, or nothing.

    Example: dialtone customer edit ACCOUNT --email ada@example.com --telephone "0121 496 0007"
    """
    body = read_patch(patch)
    plain = {"name": name, "time_zone": time_zone, "credit_limit_minor": credit_limit, "late_payment_exempt": exempt}
    body |= {field: value for field, value in plain.items() if value is not None}
    if company is not None:
        body["company"] = None if company == "none" else company
    contact = {"full_name": full_name, "email": email, "telephone": telephone}
    if said := {field: value for field, value in contact.items() if value is not None}:
        if said.get("telephone") == "none":
            said["telephone"] = None  # type: ignore[assignment]  # null removes
        body["contact"] = (body.get("contact") or {}) | said
    with connected(url, key) as api:
        _print(api.send("PATCH", account_path(account, "customer"), something(body)), as_json=as_json)


@app.command()
def waiting(white_label: WhiteLabel = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """List the changes of customers that wait for a second person.

    Example: dialtone customer waiting
    """
    with connected(url, key) as api:
        found = api.get("/v1/customer-changes", white_label=white_label)
    if as_json:
        output.print_json(found)
        return
    for item in found["items"]:
        _print_change(item)
    if not found["items"]:
        output.say("Nothing waits to be decided.")


@app.command()
def change(account: Account, change: Change, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show a change that waits for a second person: who asked, what changes from what to what, and until when.

    Example: dialtone customer change ACCOUNT 2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11
    """
    with connected(url, key) as api:
        found = api.get(account_path(account, "customer", "changes", change))
    if as_json:
        output.print_json(found)
    else:
        _print_change(found)


@app.command()
def approve(
    account: Account,
    change: Change,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Approve a change that waits for a second person, such as a high credit limit. Not for the one who asked for it.

    Example: dialtone customer approve ACCOUNT 2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11
    """
    with connected(url, key, "approver") as api:
        _print(api.post(account_path(account, "customer", "changes", change, "approve")), as_json=as_json)


@app.command()
def reject(
    account: Account,
    change: Change,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Reject a change that waits for a second person: nothing of it is done.

    Example: dialtone customer reject ACCOUNT 2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11
    """
    with connected(url, key, "approver") as api:
        _print(api.post(account_path(account, "customer", "changes", change, "reject")), as_json=as_json)


@app.command()
def transfer(
    account: Account,
    to: Annotated[str, typer.Argument(metavar="WHITE_LABEL", help="Slug or id of the white label that it moves to")],
    reason: Annotated[str, typer.Option(help="Why. Kept in the timeline, so leave personal data out")],
    consent: Annotated[str, typer.Option(help="How the customer agreed. Kept in the timeline as well")],
    plan: Annotated[str | None, typer.Option(help="Of the new white label; its first one if unset")] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Move a customer to another white label: everything, or nothing. Its telephones go on working.

    Example: dialtone customer transfer ACCOUNT northway --reason "Moved to Leeds" --consent "In writing, 22 November"
    """
    body = {"to": to, "reason": reason, "consent": consent, "plan": plan}
    with connected(url, key) as api:
        found = api.post(account_path(account, "transfer"), body)
    if as_json:
        output.print_json(found)
        return
    output.print_facts(
        [("Account", found["account_id"]), ("From", found["from"]), ("To", found["to"]), ("Plan", found["plan"])]
    )
    for warning in found["warnings"]:
        output.say(warning["detail"])
    if not found["done"]:
        output.say("It is kept, and carried out as soon as a worker can.")


def _print_change(found: dict[str, Any]) -> None:
    def said(field: str, value: Any) -> str:
        return output.amount(value, found["currency"]) if field.endswith("_minor") else str(value)

    changes = [
        (one["field"], f"{said(one['field'], one['from'])} -> {said(one['field'], one['to'])}") for one in found["changes"]
    ]
    output.print_facts(
        [
            ("Customer", found["name"]),
            ("Asked by", found["asked_by"]),
            ("Asked at", found["asked_at"]),
            *changes,
            ("State", found["state"]),
            ("Why", found["message"]),
        ]
    )
    if found["state"] == "waiting":
        output.say(f"It waits for another person until {found['decide_until']}.")
        output.suggest(f"dialtone customer approve {found['account_id']} {found['id']}")


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    contact, alert = found["contact"], found["low_balance_alert"]
    currency = found["currency"]
    output.print_facts(
        [
            ("Name", found["name"]),
            ("Account number", found["account_number"]),
            ("Company", found["company"]),
            ("Contact", contact["full_name"]),
            ("E-mail", contact["email"]),
            ("Telephone", contact["telephone"]),
            ("Billing e-mail", found["billing_email"]),
            ("Billing address", _address(found["billing_address"])),
            ("Service address", _address(found["service_address"])),
            ("Time zone", found["time_zone"]),
            ("Tax id", found["tax_id"]),
            ("Balance", output.amount(found["balance_minor"], currency)),
            ("Credit limit", output.amount(found["credit_limit_minor"], currency)),
            ("Paid by", f"{found['payer']}, {found['account_type']}"),
            ("Low balance", f"below {output.amount(alert['below_minor'], currency)}: {alert['email']}" if alert else None),
            ("Late payment", "exempt from suspension" if found["late_payment_exempt"] else None),
        ]
    )
    for warning in found["warnings"]:
        output.say(warning["detail"])
    if waits := found["waits_for_approval"]:
        output.say("Nothing is changed yet: another person has to approve it.")
        output.suggest(f"dialtone customer approve {found['account_id']} {waits}")


def _address(address: dict[str, Any] | None) -> str | None:
    if address is None:
        return None
    parts = [*address["lines"], address["city"], address["region"], address["postcode"], address["country"]]
    return ", ".join(part for part in parts if part)
