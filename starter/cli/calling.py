"""Commands for the right to call, all through the HTTP API."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from domain.calling import SuspensionReason
from starter.cli import output
from starter.cli.onboardings import AsJson, Key, Url, connected

app = typer.Typer(no_args_is_help=True, help="Whether an account may call: show, suspend, resume, change.")
rate_groups = typer.Typer(no_args_is_help=True, help="What calls are rated by: list, put.")

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id: account_id of its onboarding")]
For = Annotated[SuspensionReason, typer.Option("--for", help="The reason")]
Note = Annotated[str | None, typer.Option(help="Kept in the timeline, so leave personal data out")]
WhiteLabel = Annotated[str | None, typer.Option(help="Slug or id of the white label, with a key of the platform")]


def _path(account: str, verb: str) -> str:
    return f"/v1/accounts/{quote(account, safe='')}/{verb}"


@app.command()
def show(account: Account, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show whether an account may call, and what keeps it from that.

    Example: dialtone calling show 0a3a5f0e-8d5b-5f0e-9d43-0f3f1f3f4a12
    """
    with connected(url, key) as api:
        _print(api.get(_path(account, "calling")), as_json=as_json)


@app.command()
def suspend(account: Account, why: For, note: Note = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Suspend an account: no calls but emergency calls. It can be called.

    Example: dialtone calling suspend ACCOUNT --for fraud
    """
    with connected(url, key) as api:
        _print(api.post(_path(account, "suspend"), {"reason": why.value, "note": note}), as_json=as_json)


@app.command()
def resume(account: Account, why: For, note: Note = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Lift one reason of a suspension. The account calls again when none is left.

    Example: dialtone calling resume ACCOUNT --for fraud
    """
    with connected(url, key) as api:
        _print(api.post(_path(account, "resume"), {"reason": why.value, "note": note}), as_json=as_json)


@app.command()
def change(
    account: Account,
    expires_on: Annotated[
        str | None, typer.Option(metavar="DAY", help="Last day of calls, 2027-03-31; none for no end")
    ] = None,
    rate_group: Annotated[str | None, typer.Option(metavar="CODE", help="What calls are rated by; none bars them")] = None,
    exempt: Annotated[
        bool | None, typer.Option("--exempt/--not-exempt", help="Whether it is never suspended for late payment")
    ] = None,
    note: Note = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Change expiry, rate group, or the exemption from suspension for late payment.

    Example: dialtone calling change ACCOUNT --expires-on 2027-03-31
    """
    body: dict[str, Any] = {} if note is None else {"note": note}
    named = {"expires_on": expires_on, "rate_group": rate_group}
    body |= {name: None if value == "none" else value for name, value in named.items() if value is not None}
    if exempt is not None:
        body["late_payment_exempt"] = exempt
    with connected(url, key) as api:
        _print(api.send("PATCH", _path(account, "calling"), body), as_json=as_json)


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    output.print_facts(
        [
            ("May call", "yes" if found["may_call"] else "no"),
            ("Barred by", ", ".join(found["barred"])),
            ("Expires", output.moment(found["expires_at"])),
            ("Rate group", found["rate_group"]),
            ("Rated until", output.moment(found["rated_until"])),
            ("Late payment", "exempt from suspension" if found["late_payment_exempt"] else None),
            ("Dialling", ", ".join(f"{rule['strip']} becomes {rule['replace']}" for rule in found["dial_rules"])),
            ("First used", output.moment(found["first_used_at"])),
            ("Switch", "agrees" if found["switch_agrees"] else "has not followed yet"),
        ]
    )


@rate_groups.command("list")
def list_rate_groups(white_label: WhiteLabel = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """List rate groups. The first that is valid is the default.

    Example: dialtone rate-groups list
    """
    with connected(url, key) as api:
        found = api.get("/v1/rate-groups", white_label=white_label)["items"]

    def row(group: dict[str, Any]) -> tuple[str, ...]:
        return (group["code"], group["name"], group["valid_from"] or "", group["valid_until"] or "")

    output.print_list(found, ("CODE", "NAME", "FROM", "UNTIL"), row, as_json=as_json)


@rate_groups.command("put")
def put_rate_group(
    code: Annotated[str, typer.Argument(help="Its code, such as uk-standard")],
    name: Annotated[str, typer.Option(help="What people call it")],
    valid_from: Annotated[str | None, typer.Option(metavar="DAY", help="First day, 2027-01-01")] = None,
    valid_until: Annotated[str | None, typer.Option(metavar="DAY", help="Last day")] = None,
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Create a rate group, or change the one of this code.

    Example: dialtone rate-groups put uk-standard --name "UK standard rates"
    """
    body = {"name": name, "valid_from": valid_from, "valid_until": valid_until}
    with connected(url, key) as api:
        found = api.send("PUT", f"/v1/rate-groups/{quote(code, safe='')}", body, white_label=white_label)
    if as_json:
        output.print_json(found)
    else:
        output.print_lines([found["code"]])
