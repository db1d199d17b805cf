"""Commands for drafts: an order put together section by section."""

import json
from itertools import pairwise
from typing import Annotated, Any
from urllib.parse import quote

import typer

from domain.drafts import DraftState
from domain.numbers import Grade
from starter.cli import files, output
from starter.cli.api import CommandFailed, held_in
from starter.cli.numbers import WhiteLabel, print_priced
from starter.cli.onboardings import AsJson, Key, Repeating, Url, connected, tell_what_was_made
from starter.reading import json_of

app = typer.Typer(no_args_is_help=True, help="Drafts: orders put together section by section, by several people, over days.")

Draft = Annotated[str, typer.Argument(metavar="DRAFT", help="The draft's id")]
_CONSTANTS = {"true": True, "false": False, "null": None}
_MARKS = {"empty": "", "incomplete": "to do", "has_errors": "errors", "done": "done", "passed_over": "passed over"}
_HELD = "Environment variable that holds the {}"


def _path(draft: str, *more: str) -> str:
    return "/".join(("/v1/drafts", *(quote(part, safe="") for part in (draft, *more))))


@app.command()
def new(white_label: WhiteLabel = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Begin a draft. Prints its id."""
    with connected(url, key) as api:
        draft = api.post("/v1/drafts", {"white_label": white_label})
    if as_json:
        output.print_json(draft)
    else:
        output.print_lines([draft["id"]])
    output.suggest(f"dialtone draft set {draft['id']} {draft['place']} FIELD=VALUE...")


@app.command("list")
def list_drafts(
    mine: Annotated[bool, typer.Option("--mine", help="Only those that you have begun")] = False,
    state: Annotated[DraftState | None, typer.Option(help="Only those in this state; `open` if unset")] = DraftState.OPEN,
    white_label: WhiteLabel = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most")] = 20,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List drafts, the last changed first."""
    with connected(url, key) as api:
        only = {"mine": mine, "state": state.value if state else None, "white_label": white_label}
        found, more = api.pages("/v1/drafts", limit, **only)
    if as_json:
        for draft in found:
            output.print_json(draft)
        return
    rows = [
        (draft["id"], draft["state"], draft["place"], draft["customer"] or "-", output.moment(draft["changed_at"]) or "")
        for draft in found
    ]
    output.print_table(("DRAFT", "STATE", "AT", "CUSTOMER", "CHANGED"), rows)
    if not found:
        output.say("There are none. Begin one with `dialtone draft new`.")
    elif more:
        output.say(f"There are more; raise --limit above {limit} to see them.")


@app.command()
def show(draft: Draft, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show how far it is: its sections, the price so far, what is held for it."""
    with connected(url, key) as api:
        _show(api.get(_path(draft)), as_json)


@app.command("set")
def set_section(
    draft: Draft,
    section: Annotated[str, typer.Argument(help="Which section, as `dialtone draft show` names them")],
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FIELD=VALUE...",
            help="A file with the whole section as JSON (- reads standard input), or fields of it: customer.name=Ada, "
            "services.0.max_channels:=4 (:= is JSON, for numbers and lists), plan= (takes it out)",
        ),
    ],
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Save a section: all of it from a file, or some fields of it. Complete or not, it is kept.

    Example: dialtone draft set DRAFT billing plan=office-20 credit_limit_minor:=50000
    """
    fields = [entry for entry in what if "=" in entry]
    if (fields and len(fields) != len(what)) or (not fields and len(what) != 1):
        raise CommandFailed("Name one file, or fields as FIELD=VALUE. Not both.")
    with connected(url, key) as api:
        seen = None
        if fields:
            now = next((part for part in api.get(_path(draft))["sections"] if part["name"] == section), None)
            if now is None:
                raise CommandFailed(f"This draft has no section {section}. `dialtone draft show {draft}` names them.")
            body, seen = now["entered"], now["revision"]
            for entry in fields:
                _put(body, entry)
        else:
            body = files.json_object(what[0])
        _show(api.send("PUT", _path(draft, "sections", section), body, if_match=seen), as_json)


def _put(body: dict[str, Any], entry: str) -> None:
    """One FIELD=VALUE. ``services.0.label`` leads through lists by position. Raises ``CommandFailed``."""
    name, _, text = entry.partition("=")
    value: Any = _CONSTANTS.get(text, text)
    if name.endswith(":"):
        name = name.removesuffix(":")
        try:
            value = json_of(text)
        except ValueError as error:
            raise CommandFailed(f"{text} is not JSON. Write {name}={text} if it is a text.") from error
    steps = name.split(".")
    last = steps[-1]
    place: Any = body
    for step, following in pairwise(steps):
        place = _into(place, step, [] if following.isdecimal() else {}, name)
    if text == "":
        if isinstance(place, dict):
            place.pop(last, None)
    elif isinstance(place, dict):
        place[last] = value
    else:
        _into(place, last, value, name)
        place[int(last)] = value


def _into(place: Any, step: str, otherwise: Any, name: str) -> Any:
    if isinstance(place, list) and step.isdecimal() and int(step) < 100:
        place.extend({} for _ in range(int(step) - len(place)))
        if int(step) == len(place):
            place.append(otherwise)
        return place[int(step)]
    if isinstance(place, dict):
        return place.setdefault(step, otherwise)
    raise CommandFailed(f"{name} does not lead anywhere: {step} has no place there.")


@app.command()
def numbers(
    draft: Draft,
    chosen: Annotated[list[str] | None, typer.Argument(metavar="[NUMBER...]", help="Add these, all or none")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the named numbers out instead")] = False,
    service: Annotated[int, typer.Option(min=0, max=49, help="For which service, from 0")] = 0,
    prefix: Annotated[str | None, typer.Option(help="Search: how they begin")] = None,
    contains: Annotated[list[str] | None, typer.Option(help="Search: digits that must occur")] = None,
    grade: Annotated[list[Grade] | None, typer.Option(help="Search: any of these grades")] = None,
    pick: Annotated[str, typer.Option(help="Search: next, random, or block")] = "next",
    count: Annotated[int, typer.Option(min=1, max=100, help="Search: how many")] = 10,
    add_all: Annotated[bool, typer.Option("--all", help="Add all that the search lists")] = False,
    pool: Annotated[str | None, typer.Option(help="Search: `public`, or the customer whom the draft adds to")] = None,
    region: Annotated[str, typer.Option(help="Country in which numbers without a plus are dialled")] = "GB",
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Search for numbers, add some or all that are listed, or remove them.

    Example: dialtone draft numbers DRAFT --prefix "0121 496" --count 5 --all
    """
    with connected(url, key) as api:
        if remove:
            shown = api.get(_path(draft))
            for number in chosen or _held(shown):
                shown = api.send("DELETE", _path(draft, "numbers", number))
            _show(shown, as_json)
            return
        if not chosen:
            white_label = api.get(_path(draft))["white_label"]
            found = api.get(
                "/v1/numbers/search",
                prefix=prefix, region=region, contains=contains, grade=[one.value for one in grade or []], pick=pick,
                count=count, pool=pool, white_label=white_label,
            )  # fmt: skip
            if not add_all:
                if as_json:
                    output.print_json(found)
                else:
                    print_priced(found["items"], found["currency"])
                output.suggest(f"dialtone draft numbers {draft} NUMBER...   (or the same with --all)")
                return
            chosen = [number["e164"] for number in found["items"]]
            if not chosen:
                raise CommandFailed("No free number matches, so none was added. Ask for less.")
        body = {"numbers": chosen, "service": service, "region": region, "pool": pool}
        _show(api.post(_path(draft, "numbers"), body), as_json)


def _held(draft: dict[str, Any]) -> list[str]:
    return [number["e164"] for number in draft["basket"]["pricing"]["numbers"]] if draft["basket"] else []


To = Annotated[str | None, typer.Option(help="To this section instead of the neighbouring one")]


@app.command("next")
def go_next(draft: Draft, to: To = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Go to the next section."""
    with connected(url, key) as api:
        _show(api.post(_path(draft, "next"), {"to": to}), as_json)


@app.command("back")
def go_back(draft: Draft, to: To = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Go back to an earlier section. Nothing entered is lost."""
    with connected(url, key) as api:
        _show(api.post(_path(draft, "back"), {"to": to}), as_json)


@app.command()
def check(draft: Draft, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Say what is missing, wrong or odd, section by section. Status 1 if it cannot be submitted as it is."""
    with connected(url, key) as api:
        shown = api.get(_path(draft))
    if as_json:
        output.print_json(shown)
    else:
        rows = [
            (part["name"], finding["severity"], finding.get("pointer") or "", finding["detail"])
            for part in shown["sections"]
            for finding in part["findings"]
        ]
        output.print_table(("SECTION", "SEVERITY", "WHERE", "WHAT"), rows)
    if shown["state"] == DraftState.OPEN and not shown["valid"]:
        raise CommandFailed("It cannot be submitted as it is.")
    output.suggest(_following(shown))


@app.command()
def submit(
    draft: Draft,
    password_from: Annotated[str | None, typer.Option(metavar="VARIABLE", help=_HELD.format("contact's password"))] = None,
    pin_from: Annotated[str | None, typer.Option(metavar="VARIABLE", help=_HELD.format("account's PIN"))] = None,
    idempotency_key: Repeating = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Place the order. A draft becomes one onboarding, however often this is repeated. Prints the onboarding's id.

    A draft keeps neither password nor PIN: they are given here. One that is made is told once.
    """
    secrets = {name: held_in(source, name) for name, source in (("password", password_from), ("pin", pin_from)) if source}
    with connected(url, key) as api:
        shown, replayed = api.order(json.dumps(secrets).encode(), idempotency_key, _path(draft, "submit"))
    if as_json:
        output.print_json(shown)
    else:
        output.print_lines([shown["onboarding_id"]])
        tell_what_was_made(shown)
    if replayed:
        output.say("This draft was submitted before; nothing new was started.")
    output.suggest(_following(shown))


@app.command()
def discard(draft: Draft, url: Url = None, key: Key = None) -> None:
    """End a draft: what it holds is free."""
    with connected(url, key) as api:
        api.delete(_path(draft))
    output.say("The draft is discarded, and its numbers are free.")


def _show(draft: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(draft)
        return
    rows = [
        (
            (">" if part["name"] == draft["place"] else " ") + " " + part["name"],
            _MARKS[part["state"]],
            "; ".join(_told(finding) for finding in part["findings"] if finding["severity"] != "info"),
        )
        for part in draft["sections"]
    ]
    output.print_table(("  SECTION", "STATE", "TO MEND"), rows)
    if draft["state"] != DraftState.OPEN:
        output.say(f"This draft is {draft['state']}.")
    if draft["price"]:
        output.say(f"So far {output.amount(draft['price']['total_minor'], draft['price']['currency'])}, tax included.")
    if basket := draft["basket"]:
        minutes, seconds = divmod(basket["seconds_left"], 60)
        output.say(f"Held for another {minutes}:{seconds:02d}: {', '.join(_held(draft)) or 'nothing'}.")
    output.suggest(_following(draft))


def _following(draft: dict[str, Any]) -> str:
    if draft["onboarding_id"]:
        return f"dialtone watch {draft['onboarding_id']}"
    if draft["state"] != DraftState.OPEN:
        return "dialtone draft new"
    if draft["valid"]:
        return f"dialtone draft submit {draft['id']}"
    faulty = next((part["name"] for part in draft["sections"] if part["state"] in {"has_errors", "incomplete"}), None)
    section = faulty or next((part["name"] for part in draft["sections"] if part["findings"]), draft["place"])
    return f"dialtone draft set {draft['id']} {section} FIELD=VALUE..."


def _told(finding: dict[str, Any]) -> str:
    """The finding with the field that it is about, as ``dialtone draft set`` names it."""
    field = (finding.get("pointer") or "").removeprefix("/").replace("/", ".")
    return f"{field}: {finding['detail']}" if field else str(finding["detail"])
