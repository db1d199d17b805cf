"""Commands for baskets: numbers held while an order is put together."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from starter.cli import output
from starter.cli.numbers import WhiteLabel, print_priced
from starter.cli.onboardings import AsJson, Key, Url, connected

app = typer.Typer(no_args_is_help=True, help="Baskets: numbers held for 15 minutes while an order is put together.")

Basket = Annotated[str, typer.Argument(metavar="BASKET", help="The basket's id")]
Region = Annotated[str, typer.Option(help="Country in which numbers without a plus are dialled")]


def _path(basket: str, *more: str) -> str:
    return "/".join(("/v1/baskets", *(quote(part, safe="") for part in (basket, *more))))


@app.command("open")
def open_basket(
    plan: Annotated[str | None, typer.Option(help="Price it on this plan")] = None,
    pool: Annotated[str, typer.Option(help="The customer account whose kept numbers may lie in it too")] = "public",
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Open an empty basket. Prints its id; an order takes the numbers over by naming it as "basket"."""
    with connected(url, key) as api:
        basket = api.post("/v1/baskets", {"plan": plan, "pool": pool, "white_label": white_label})
    output.print_lines([basket["id"]])
    output.suggest(f"dialtone baskets add {basket['id']} NUMBER...")


@app.command()
def show(basket: Basket, white_label: WhiteLabel = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show its numbers, their prices, and how long it still holds them."""
    with connected(url, key) as api:
        _show(api.get(_path(basket), white_label=white_label), as_json)


@app.command()
def add(
    basket: Basket,
    numbers: Annotated[list[str], typer.Argument(help="All of them are added, or none")],
    region: Region = "GB",
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Add numbers; nobody else can have them now."""
    with connected(url, key) as api:
        body = {"numbers": numbers, "region": region}
        _show(api.send("PUT", _path(basket, "numbers"), body, white_label=white_label) or {}, as_json)


@app.command()
def remove(
    basket: Basket,
    number: Annotated[str, typer.Argument(help="E.164")],
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Let one number go."""
    with connected(url, key) as api:
        _show(api.send("DELETE", _path(basket, "numbers", number), white_label=white_label) or {}, as_json)


@app.command()
def discard(basket: Basket, white_label: WhiteLabel = None, url: Url = None, key: Key = None) -> None:
    """Let everything go."""
    with connected(url, key) as api:
        api.send("DELETE", _path(basket), white_label=white_label)
    output.say("The basket is empty and closed.")


def _show(basket: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(basket)
        return
    pricing = basket["pricing"]
    print_priced(pricing["numbers"], pricing["currency"])
    total = output.amount(pricing["total_minor"], pricing["currency"])
    minutes, seconds = divmod(basket["seconds_left"], 60)
    output.say(f"{len(pricing['numbers'])} numbers, {total} with {pricing['tax_name']} for the first month.")
    output.say(f"Held for another {minutes}:{seconds:02d}; every change moves that on, to two hours at most.")
