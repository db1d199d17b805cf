"""Commands for the inventory of telephone numbers."""

import csv
from typing import Annotated, Any
from urllib.parse import quote

import typer

from domain.numbers import Grade, NumberState
from starter.cli import files, output
from starter.cli.api import CommandFailed
from starter.cli.onboardings import AsJson, Key, Url, Why, connected

app = typer.Typer(no_args_is_help=True, help="Telephone numbers: import, list, search, keep, release, reclaim.")

_PER_REQUEST = 5_000
WhiteLabel = Annotated[str | None, typer.Option(help="Whose inventory; needed with a key of the platform")]
Owner = Annotated[str, typer.Option("--white-label", help="Whose inventory they come into")]


@app.command("import")
def import_numbers(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="One number a line, or the first column of a CSV; - reads standard input")
    ],
    white_label: Owner,
    region: Annotated[str, typer.Option(help="Country (ISO 3166-1) in which numbers without a plus are dialled")] = "GB",
    grade_column: Annotated[
        int | None, typer.Option(min=2, help="Column of the CSV that names the grade; empty cells are graded by their digits")
    ] = None,
    pool: Annotated[str, typer.Option(help="`public`, or the customer account that they are kept for")] = "public",
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Import numbers, with a key of the platform. Status 1 if a row is no number; the others are imported all the same.

    Example: dialtone numbers import numbers.csv --white-label northway
    """
    lines = files.text(file).splitlines()
    try:
        rows = [row for row in csv.reader(lines) if row and row[0].strip() and not row[0].startswith("#")]
    except csv.Error as error:
        raise CommandFailed(f"The file {file} is not CSV: {error}.") from error
    numbers = [_row(row, grade_column) for row in rows]
    if not numbers:
        raise CommandFailed(f"There is no number in {file}.")
    added, invalid = 0, list[dict[str, Any]]()
    with connected(url, key) as api:
        for start in range(0, len(numbers), _PER_REQUEST):
            part = numbers[start : start + _PER_REQUEST]
            body = {"numbers": part, "region": region, "white_label": white_label, "pool": pool}
            report = api.post("/v1/numbers", body)
            added += report["added"]
            invalid += [{**row, "row": row["row"] + start} for row in report["rows"] if row["result"] == "invalid"]
    if as_json:
        output.print_json({"rows": len(numbers), "added": added, "invalid": invalid})
    else:
        output.print_lines([str(added)])
        output.say(f"{added} of {len(numbers)} numbers are new in the inventory.")
    if invalid:
        told = "\n".join(f"  row {row['row'] + 1}: {row['text']}" for row in invalid[:10])
        raise CommandFailed(f"{len(invalid)} rows are not telephone numbers in {region}:\n{told}")


def _row(row: list[str], grade_column: int | None) -> str | dict[str, str]:
    number = row[0].strip()
    grade = row[grade_column - 1].strip().lower() if grade_column and len(row) >= grade_column else ""
    return {"number": number, "grade": grade} if grade else number


@app.command()
def search(
    prefix: Annotated[str | None, typer.Option(help="How they begin: 0121 496, or +44121")] = None,
    region: Annotated[str, typer.Option(help="Country (ISO 3166-1) in which a prefix without a plus is dialled")] = "GB",
    count: Annotated[int, typer.Option(min=1, max=100, help="How many")] = 10,
    grade: Annotated[list[Grade] | None, typer.Option(help="Any of these; repeat for several")] = None,
    contains: Annotated[
        list[str] | None, typer.Option(help="Digits that must occur; repeat for several, which must all")
    ] = None,
    pick: Annotated[str, typer.Option(help="next, random, or block: consecutive ones")] = "next",
    pool: Annotated[str, typer.Option(help="`public`, or a customer account whose kept numbers are searched")] = "public",
    plan: Annotated[str | None, typer.Option(help="Show prices on this plan")] = None,
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Search for free numbers that match everything, with their prices. Nothing is held: see `dialtone baskets`.

    Example: dialtone numbers search --prefix "0121 496" --contains 73 --grade bronze --grade standard --white-label northway
    """
    query = {"prefix": prefix, "region": region, "count": count, "grade": grade, "contains": contains, "pick": pick}
    with connected(url, key) as api:
        found = api.get("/v1/numbers/search", **query, pool=pool, plan=plan, white_label=white_label)
    if as_json:
        for number in found["items"]:
            output.print_json(number)
    else:
        print_priced(found["items"], found["currency"])
    if not found["items"]:
        output.say("No free number matches all of this. Ask for fewer segments, another grade or a shorter prefix.")


def print_priced(numbers: list[dict[str, Any]], currency: str) -> None:
    """Numbers with what each costs once and each month."""
    output.print_table(
        ("NUMBER", "GRADE", "ONCE", "MONTHLY"),
        [
            (
                number["e164"],
                number["grade"],
                output.amount(number["setup_minor"], currency),
                output.amount(number["period_minor"], currency),
            )
            for number in numbers
        ],
    )


@app.command()
def keep(
    numbers: Annotated[list[str], typer.Argument(help="Free numbers, all or none of which are moved")],
    pool: Annotated[str, typer.Option(help="The customer account to keep them for, or `public`")],
    region: Annotated[str, typer.Option(help="Country in which numbers without a plus are dialled")] = "GB",
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Keep free numbers for a customer: nobody else can order them. With --pool public they are everybody's again."""
    body = {"numbers": numbers, "pool": pool, "region": region, "white_label": white_label}
    with connected(url, key) as api:
        kept = api.post("/v1/numbers/pool", body)
    output.print_lines(kept["numbers"])


@app.command()
def release(
    number: Annotated[str, typer.Argument(help="E.164, for example +441214960123")],
    days: Annotated[
        int | None, typer.Option(min=1, max=730, help="How long it rests; the white label's policy if unset")
    ] = None,
    nuisance: Annotated[bool, typer.Option("--nuisance", help="Given back because of nuisance calls")] = False,
    reason: Why = None,
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Take a number from its customer: it rings no more at once, and rests before anybody else can have it."""
    body = {"days": days, "nuisance": nuisance, "reason": reason, "white_label": white_label}
    with connected(url, key) as api:
        _tell(api.post(f"/v1/numbers/{quote(number, safe='')}/release", body))


@app.command()
def reclaim(
    number: Annotated[str, typer.Argument(help="E.164, for example +441214960123")],
    account: Annotated[str, typer.Option(help="The account of the customer that had it")],
    white_label: WhiteLabel = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Give a resting number back to the customer that had it."""
    with connected(url, key) as api:
        _tell(api.post(f"/v1/numbers/{quote(number, safe='')}/reclaim", {"account_id": account, "white_label": white_label}))


def _tell(acted: dict[str, Any]) -> None:
    number = acted["number"]
    until = number.get("quarantined_until")
    output.print_table(("NUMBER", "STATE", "RESTS UNTIL"), [(number["e164"], number["state"], output.moment(until) or "")])
    if not acted["done"]:
        output.say("It is not done yet and goes on by itself. Look again with `dialtone numbers list`.")


@app.command("list")
def list_numbers(
    prefix: Annotated[str | None, typer.Option(help="E.164, for example +44121")] = None,
    state: Annotated[NumberState | None, typer.Option(help="Only numbers in this state")] = None,
    white_label: WhiteLabel = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most")] = 20,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List the inventory, whoever has the numbers, in numeric order.

    Example: dialtone numbers list --prefix +44121496 --state available --white-label northway
    """
    found: list[dict[str, Any]] = []
    more = None
    with connected(url, key) as api:
        while len(found) < limit:
            asked = min(limit - len(found), 100)
            query = {"prefix": prefix, "state": state, "white_label": white_label, "page_size": asked, "page_token": more}
            page = api.get("/v1/numbers", **query)
            found += page["items"]
            more = page.get("next_page_token")
            if not more:
                break
    if as_json:
        for number in found:
            output.print_json(number)
    else:
        output.print_table(
            ("NUMBER", "GRADE", "STATE"), [(number["e164"], number["grade"], number["state"]) for number in found]
        )
    if more:
        output.say(f"There are more; raise --limit above {limit} to see them.")
