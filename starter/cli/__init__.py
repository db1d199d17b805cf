"""The command line. ``dialtone --help`` lists what it can do."""

import os
import sys

import typer
from pydantic import ValidationError

from domain.errors import DialtoneError
from starter.cli import (
    accounts,
    baskets,
    bulk,
    calling,
    calls,
    catalogue,
    checks,
    customers,
    drafts,
    keys,
    notifications,
    numbers,
    onboardings,
    output,
    running,
    services,
    users,
    white_labels,
)
from starter.cli.api import CommandFailed
from starter.local.processes import StackError

_HERE, _STEER, _DATA = "On this machine", "Onboardings", "Installation"
_PEOPLE = "Accounts and people"

app = typer.Typer(
    name="dialtone",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else None,
    help="Signs up telecom customers: one order, one durable onboarding. Begin with: dialtone demo",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("up", rich_help_panel=_HERE)(running.up)
app.command("demo", rich_help_panel=_HERE)(running.demo)
app.command("worker", rich_help_panel=_HERE)(running.worker)
app.command("web", rich_help_panel=_HERE)(running.web)

app.command("onboard", rich_help_panel=_STEER)(onboardings.onboard)
app.command("check", rich_help_panel=_STEER)(onboardings.check)
app.command("resend-notification", rich_help_panel=_STEER)(notifications.resend_notification)
app.command("dismiss-notification", rich_help_panel=_STEER)(notifications.dismiss_notification)
app.command("notification-defaults", rich_help_panel=_STEER)(notifications.notification_defaults)
app.command("show", rich_help_panel=_STEER)(onboardings.show)
app.command("list", rich_help_panel=_STEER)(onboardings.list_onboardings)
app.command("watch", rich_help_panel=_STEER)(onboardings.watch)
app.command("status", rich_help_panel=_STEER)(onboardings.status)
app.command("approve", rich_help_panel=_STEER)(onboardings.approve)
app.command("reject", rich_help_panel=_STEER)(onboardings.reject)
app.command("cancel", rich_help_panel=_STEER)(onboardings.cancel)
app.command("substitute", rich_help_panel=_STEER)(onboardings.substitute)
app.command("resend", rich_help_panel=_STEER)(onboardings.resend)
app.command("correct", rich_help_panel=_STEER)(onboardings.correct)
app.command("take-over", rich_help_panel=_STEER)(onboardings.take_over)
app.command("retry", rich_help_panel=_STEER)(onboardings.retry)
app.command("give-up", rich_help_panel=_STEER)(onboardings.give_up)
app.command("resolve-undo", rich_help_panel=_STEER)(onboardings.resolve_undo)

app.add_typer(drafts.app, name="draft", rich_help_panel=_STEER)
app.add_typer(bulk.app, name="bulk", rich_help_panel=_STEER)
app.add_typer(calling.app, name="calling", rich_help_panel=_STEER)
app.add_typer(calling.rate_groups, name="rate-groups", rich_help_panel=_DATA)
app.add_typer(accounts.app, name="accounts", rich_help_panel=_PEOPLE)
app.add_typer(customers.app, name="customer", rich_help_panel=_PEOPLE)
app.add_typer(services.app, name="services", rich_help_panel=_PEOPLE)
app.add_typer(users.app, name="users", rich_help_panel=_PEOPLE)
app.add_typer(calls.app, name="calls", rich_help_panel=_STEER)
app.add_typer(catalogue.plans, name="plans", rich_help_panel=_STEER)
app.add_typer(catalogue.price_lists, name="price-lists", rich_help_panel=_DATA)
app.add_typer(catalogue.service_types, name="service-types", rich_help_panel=_DATA)
app.add_typer(catalogue.taxes, name="taxes", rich_help_panel=_DATA)
app.add_typer(white_labels.app, name="white-labels", rich_help_panel=_DATA)
app.add_typer(numbers.app, name="numbers", rich_help_panel=_DATA)
app.add_typer(baskets.app, name="baskets", rich_help_panel=_DATA)
app.add_typer(keys.app, name="keys", rich_help_panel=_DATA)
app.command("migrate", rich_help_panel=_DATA)(running.migrate)
app.command("audit", rich_help_panel=_DATA)(checks.audit)
app.command("doctor", rich_help_panel=_DATA)(checks.doctor)


def main(arguments: list[str] | None = None) -> None:
    """Run one command. Exit status 0: done; 1: the answer is no, or it failed; 2: used wrongly; 130: interrupted."""
    try:
        app(args=arguments, prog_name="dialtone")
    except (CommandFailed, StackError) as error:
        output.say(str(error))
    except DialtoneError as error:
        output.say(error.message)
    except RecursionError:
        output.say("What was given is nested too deeply, so it was not sent.")
    except UnicodeEncodeError:
        # The terminal's bytes that are no UTF-8 (PEP 383), or a file's half of a surrogate pair.
        output.say("Something that was given is not text in UTF-8, so it cannot be sent. Write it again.")
    except ValidationError as error:
        # Settings from the environment; pydantic's own text would quote their values.
        for problem in error.errors(include_input=False, include_url=False):
            output.say(f"Setting {'.'.join(str(part) for part in problem['loc']) or 'check'}: {problem['msg']}.")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(1)
