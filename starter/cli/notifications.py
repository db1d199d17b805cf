"""Commands for the letters that an order can have sent at its end, through the HTTP API."""

from typing import Annotated, Any

import typer

from domain.orders import Administration
from starter.cli import output
from starter.cli.api import onboarding_path
from starter.cli.onboardings import AsJson, Id, Key, Url, Why, attention, connected


def notification_defaults(
    administration: Annotated[Administration, typer.Option(help="Who will administer the account")] = Administration.CUSTOMER,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show the letters that are sent when a service is ready. Put them into an order's `notifications`, edited.

    Example: dialtone notification-defaults --administration operator --json
    """
    with connected(url, key) as api:
        found = api.get("/v1/notification-defaults", administration=administration.value)
    if as_json:
        output.print_json(found)
        return
    for letter in found["notifications"]:
        sent = "sent" if letter["send"] else "not sent"
        output.print_lines([f"to {letter['to']} ({sent}): {letter['subject']}", "", letter["body"], ""])
    output.say("Placeholders: " + ", ".join(f"{{{name}}}" for name in found["placeholders"]))


Place = Annotated[int, typer.Argument(metavar="PLACE", min=0, help="Which letter, as `dialtone show` says")]


def resend_notification(
    onboarding: Id,
    place: Place,
    email: Annotated[str | None, typer.Option(help="Another address, for a letter that has one of its own")] = None,
    reason: Why = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Send a letter of an active order again that was refused, to another address if need be.

    Example: dialtone resend-notification ID 0 --email installer@example.com
    """
    body = {name: value for name, value in (("email", email), ("reason", reason)) if value}
    _decide(onboarding, place, "resend", body, (url, key), as_json)


def dismiss_notification(
    onboarding: Id,
    place: Place,
    reason: Annotated[str, typer.Option(help="Why it is not sent. Kept in the timeline, so leave personal data out")],
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Let a refused letter of an active order be: it asks for nobody's attention any more.

    Example: dialtone dismiss-notification ID 0 --reason "Told by telephone"
    """
    _decide(onboarding, place, "dismiss", {"reason": reason}, (url, key), as_json)


def _decide(
    onboarding: str, place: int, act: str, body: dict[str, Any], access: tuple[str | None, str | None], as_json: bool
) -> None:
    with connected(*access) as api:
        shown = api.post(onboarding_path(onboarding, f"notifications/{place}/{act}"), body)
    if as_json:
        output.print_json(shown)
    else:
        output.print_lines([attention(shown) or "nothing needs attention"])
