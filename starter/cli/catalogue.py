"""Commands for what is sold: price lists, service types, taxes, the plan of an account. All through the HTTP API."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from starter.cli import files, output
from starter.cli.api import account_path
from starter.cli.calling import WhiteLabel
from starter.cli.onboardings import AsJson, Key, Url, connected

price_lists = typer.Typer(no_args_is_help=True, help="Price lists: list, show, put.")
service_types = typer.Typer(no_args_is_help=True, help="Kinds of service: list, show.")
taxes = typer.Typer(no_args_is_help=True, help="Taxes: list, create.")
plans = typer.Typer(no_args_is_help=True, help="The plan of an account: show, change, cancel.")

Code = Annotated[str, typer.Argument(metavar="CODE", help="As the list shows it")]
Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="As `dialtone accounts list` shows it")]
OnList = Annotated[str | None, typer.Option("--price-list", metavar="CODE", help="The first valid one if left out")]


@price_lists.command("list")
def list_price_lists(white_label: WhiteLabel = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """List price lists. Orders that name none are priced on the default.

    Example: dialtone price-lists list
    """
    with connected(url, key) as api:
        found = api.get("/v1/price-lists", white_label=white_label)["items"]

    def row(one: dict[str, Any]) -> tuple[str, ...]:
        days = (one["valid_from"] or "", one["valid_until"] or "")
        return (one["code"], one["name"], one["version"], one["currency"], *days, _kind(one))

    output.print_list(found, ("CODE", "NAME", "VERSION", "CURRENCY", "FROM", "UNTIL", ""), row, as_json=as_json)


def _kind(prices: dict[str, Any]) -> str:
    words = {"default": prices["default"], "billed elsewhere": prices["external"], "not valid": not prices["valid_now"]}
    return ", ".join(word for word, so in words.items() if so)


@price_lists.command("show")
def show_price_list(
    code: Code,
    version: Annotated[str | None, typer.Option(help="As a quote has it; the one in force if left out")] = None,
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show a price list, as it is in force or as it was.

    Example: dialtone price-lists show standard --version 2026-10
    """
    with connected(url, key) as api:
        found = api.get(f"/v1/price-lists/{quote(code, safe='')}", version=version, white_label=white_label)
    if as_json:
        output.print_json(found)
        return
    output.print_facts(
        [
            ("Code", found["code"]),
            ("Name", found["name"]),
            ("Version", found["version"]),
            ("Currency", found["currency"]),
            ("Valid from", found["valid_from"]),
            ("Valid until", found["valid_until"]),
            ("Now", _kind(found) or "valid"),
        ]
    )

    def money(minor: int) -> str:
        return output.amount(minor, found["currency"])

    rows = [
        (
            "plan",
            plan["code"],
            plan["name"],
            money(plan["setup_minor"]),
            money(plan["period_minor"]),
            money(plan["number_period_minor"]),
        )
        for plan in found["plans"]
    ]
    rows += [("grade", grade, "", money(once), "", "") for grade, once in found["grade_setup_minor"].items()]
    rows += [
        ("service type", kind, "", money(price["setup_minor"]), money(price["period_minor"]), "")
        for kind, price in found["service_types"].items()
    ]
    output.print_table(("FOR", "CODE", "NAME", "ONCE", "PER MONTH", "PER NUMBER"), rows)


@price_lists.command("put")
def put_price_list(
    code: Code,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Its content as JSON; - reads standard input")],
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Create a price list, or put a new version of it in force. Orders that were placed keep what they were quoted on.

    Example: dialtone price-lists put partner examples/price-lists/partner.json
    """
    body = files.json_object(file)
    with connected(url, key) as api:
        found = api.send("PUT", f"/v1/price-lists/{quote(code, safe='')}", body, white_label=white_label)
    if as_json:
        output.print_json(found)
    else:
        output.print_lines([found["version"]])


@service_types.command("list")
def list_service_types(
    price_list: OnList = None, white_label: WhiteLabel = None, url: Url = None, key: Key = None, as_json: AsJson = False
) -> None:
    """List the kinds of service that can be ordered, the default first.

    Example: dialtone service-types list
    """
    with connected(url, key) as api:
        found = api.get("/v1/service-types", price_list=price_list, white_label=white_label)["items"]

    def row(one: dict[str, Any]) -> tuple[str, ...]:
        return (one["code"], one["name"], _price(one, "period_minor"), one["summary"])

    output.print_list(found, ("CODE", "NAME", "PER MONTH", ""), row, as_json=as_json)


def _price(kind: dict[str, Any], which: str) -> str:
    return output.amount(kind["price"][which], kind["price"]["currency"])


@service_types.command("show")
def show_service_type(
    code: Code,
    price_list: OnList = None,
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show what a kind of service is, what belongs to it and what it costs.

    Example: dialtone service-types show line
    """
    with connected(url, key) as api:
        found = api.get(f"/v1/service-types/{quote(code, safe='')}", price_list=price_list, white_label=white_label)
    if as_json:
        output.print_json(found)
        return
    bounds = {"most_numbers": found["most_numbers"], "most_channels": found["most_channels"]}
    output.print_facts(
        [
            ("Code", found["code"]),
            ("Name", found["name"]),
            ("Needs a number", "yes" if found["needs_number"] else "no"),
            *((name.replace("_", " ").capitalize(), str(value)) for name, value in bounds.items() if value is not None),
            ("For", ", ".join(found["segments"])),
            ("Once", _price(found, "setup_minor")),
            ("Per month", _price(found, "period_minor")),
        ]
    )
    output.print_lines(["", *found["description"].splitlines()])


@taxes.command("list")
def list_taxes(white_label: WhiteLabel = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """List taxes.

    Example: dialtone taxes list
    """
    with connected(url, key) as api:
        found = api.get("/v1/taxes", white_label=white_label)["items"]

    def row(tax: dict[str, Any]) -> tuple[str, ...]:
        rate = f"{tax['rate_basis_points'] / 100:g} %"
        return (tax["code"], tax["name"], rate, tax["valid_from"] or "", tax["valid_until"] or "")

    output.print_list(found, ("CODE", "NAME", "RATE", "FROM", "UNTIL"), row, as_json=as_json)


@taxes.command("create")
def create_tax(
    code: Annotated[str, typer.Argument(metavar="CODE", help="Such as vat; what an order names it by")],
    name: Annotated[str, typer.Option(help="What people call it")],
    rate: Annotated[int, typer.Option("--rate-basis-points", min=0, max=10_000, help="2000 is 20 %")],
    valid_from: Annotated[str | None, typer.Option(metavar="DAY", help="First day, 2027-01-01")] = None,
    valid_until: Annotated[str | None, typer.Option(metavar="DAY", help="Last day")] = None,
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Create a tax. Orders from now on can name it.

    Example: dialtone taxes create levy --name "911 levy" --rate-basis-points 150
    """
    body = {"code": code, "name": name, "rate_basis_points": rate, "valid_from": valid_from, "valid_until": valid_until}
    with connected(url, key) as api:
        found = api.send("POST", "/v1/taxes", body, white_label=white_label)
    if as_json:
        output.print_json(found)
    else:
        output.print_lines([found["code"]])


@plans.command("show")
def show_plan(account: Account, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show the plan that decides an account's charges, and the one to come.

    Example: dialtone plans show ACCOUNT
    """
    with connected(url, key) as api:
        _print_plan(api.get(account_path(account, "plan")), as_json=as_json)


@plans.command("change")
def change_plan(
    account: Account,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="Its code")],
    price_list: Annotated[str | None, typer.Option(metavar="CODE", help="That of the plan in force if left out")] = None,
    effective_from: Annotated[
        str | None, typer.Option("--from", metavar="MOMENT", help="2027-03-01T00:00:00Z; at once if left out")
    ] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Change the plan of an account, at once or later.

    Example: dialtone plans change ACCOUNT office-plus
    """
    body = {"plan": plan, "price_list": price_list, "effective_from": effective_from}
    with connected(url, key) as api:
        _print_plan(api.send("PUT", account_path(account, "plan"), body), as_json=as_json)


@plans.command("cancel")
def cancel_change(account: Account, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Cancel a change of plan that is to come.

    Example: dialtone plans cancel ACCOUNT
    """
    with connected(url, key) as api:
        _print_plan(api.send("DELETE", account_path(account, "plan", "pending")), as_json=as_json)


def _print_plan(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    now, then = found["in_force"], found["pending"]
    output.print_facts(
        [
            ("Plan", now["plan"]),
            ("Price list", now["price_list"]),
            ("Since", output.moment(now["effective_from"])),
            ("Currency", found["currency"]),
            ("To come", f"{then['plan']} ({then['price_list']}), {output.moment(then['effective_from'])}" if then else None),
        ]
    )
