"""Commands for the inventory of telephone numbers."""

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.numbers import NumberState
from starter.cli import output
from starter.cli.api import CommandFailed
from starter.cli.onboardings import AsJson, Key, Url, connected

app = typer.Typer(no_args_is_help=True, help="Telephone numbers: import and search.")

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
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Import numbers, with a key of the platform. Status 1 if a row is no number; the others are imported all the same.

    Example: dialtone numbers import numbers.csv --white-label northway
    """
    try:
        lines = sys.stdin.read().splitlines() if file == "-" else Path(file).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"The file {file} cannot be read as text.") from error
    numbers = [row[0].strip() for row in csv.reader(lines) if row and row[0].strip() and not row[0].startswith("#")]
    if not numbers:
        raise CommandFailed(f"There is no number in {file}.")
    added, invalid = 0, list[dict[str, Any]]()
    with connected(url, key) as api:
        for start in range(0, len(numbers), _PER_REQUEST):
            part = numbers[start : start + _PER_REQUEST]
            report = api.post("/v1/numbers", {"numbers": part, "region": region, "white_label": white_label})
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


@app.command()
def search(
    prefix: Annotated[str | None, typer.Option(help="E.164, for example +44121")] = None,
    state: Annotated[NumberState | None, typer.Option(help="Only numbers in this state")] = None,
    white_label: WhiteLabel = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most")] = 20,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Search the inventory, in numeric order.

    Example: dialtone numbers search --prefix +44121496 --state available --white-label northway
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
