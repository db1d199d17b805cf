"""Commands for the letters that an order can have sent at its end, through the HTTP API."""

from typing import Annotated

import typer

from domain.orders import Administration
from starter.cli import output
from starter.cli.onboardings import AsJson, Key, Url, connected


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
