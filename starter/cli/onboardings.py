"""Commands that order, look at and steer onboardings, all through the HTTP API."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, cast

import typer

from domain.letters import refused_places
from domain.onboarding import State
from starter.cli import files, output
from starter.cli.api import Api, CommandFailed, local_access, onboarding_path

Url = Annotated[str | None, typer.Option("--url", envvar="DIALTONE_URL", help="Address of the API; the local stack's if unset")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", envvar="DIALTONE_API_KEY", help="API key. Better set in the environment: arguments are seen by others"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
Order = Annotated[str, typer.Argument(metavar="FILE", help="The order as JSON; - reads standard input")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The onboarding's id")]
Why = Annotated[str | None, typer.Option("--reason", help="Why. Kept in the timeline, so leave personal data out")]
Repeating = Annotated[
    str | None,
    typer.Option("--idempotency-key", help="Repeat an order whose answer was lost: same key, same order, once only"),
]


@contextmanager
def connected(url: str | None, key: str | None, key_name: str = "operator") -> Iterator[Api]:
    """The API, closed at the end. ``key_name`` is the local stack's key that stands in when none is given."""
    api = Api(local_access(url, key, key_name))
    try:
        yield api
    finally:
        api.close()


def onboard(
    file: Order,
    watch_it: Annotated[bool, typer.Option("--watch", help="Follow it to its end")] = False,
    idempotency_key: Repeating = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Order: start an onboarding. Prints its id.

    Example: dialtone onboard examples/orders/1-customer-administered.json

    Example: dialtone watch "$(dialtone onboard order.json)"
    """
    body = files.content(file)
    with connected(url, key) as api:
        accepted, replayed = api.order(body, idempotency_key)
        if as_json:
            output.print_json(accepted)
        else:
            output.print_lines([accepted["id"]])
            tell_what_was_made(accepted)
        if replayed:
            output.say("This order was accepted before; nothing new was started.")
        if watch_it:
            _follow(api, accepted["id"], as_json=as_json)
    if not watch_it:
        output.suggest(f"dialtone watch {accepted['id']}")


def tell_what_was_made(accepted: dict[str, Any]) -> None:
    """The password and the PIN in the answer to an order."""
    for name in ("password", "pin"):
        if made := accepted.get(name):
            output.say(f"The {name} that was made: {made}. Keep it now: it is shown to nobody again.")


def check(
    file: Order,
    full: Annotated[bool, typer.Option("--full", help="Every effect in order, the price line by line, the terms")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Check an order without placing it: what is wrong, what it costs, what it will lead to. Changes nothing.

    Ends with status 1 if the order would be refused.

    Example: dialtone check --full examples/orders/1-customer-administered.json
    """
    body = files.content(file)
    with connected(url, key) as api:
        report = api.check(body, full=full)
    if as_json:
        output.print_json(report)
    else:
        _print_report(report)
    if not report["valid"]:
        raise CommandFailed(
            "The order cannot be placed as it is. Mend the errors; mend the warnings or acknowledge their codes."
        )


def _print_report(report: dict[str, Any]) -> None:
    summary = report["summary"]
    total = summary["total_minor"]
    output.print_facts(
        [
            ("White label", summary["white_label"]),
            ("Customer", summary["customer"]),
            ("Administered by", summary["administration"]),
            ("Paid by", summary["payer"]),
            ("Plan", summary["plan"]),
            ("Lines", str(summary["services"])),
            ("Numbers", str(summary["numbers"])),
            ("Total", output.amount(total, summary["currency"]) if total is not None else None),
            ("Approval for", ", ".join(summary["needs_approval"])),
        ]
    )
    for finding in report["findings"]:
        output.print_lines([f"{finding['severity']}  {finding['code']}  {finding['pointer']}", f"  {finding['detail']}"])
    if everything := report["full"]:
        output.print_lines([f"{number}. {step['effect']}" for number, step in enumerate(everything["steps"], 1)])
        if quote := everything["quote"]:
            for line in quote["lines"]:
                output.print_lines(
                    [f"{line['quantity']:>3} x {line['text']}  {output.amount(line['total_minor'], quote['currency'])}"]
                )
            output.print_lines([f"      {quote['tax_name']}  {output.amount(quote['tax_minor'], quote['currency'])}"])
        output.print_lines([f"Terms and conditions, version {everything['terms']['version']}:", everything["terms"]["text"]])


def show(onboarding: Id, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Show one onboarding: where it stands, what it waits for, what was charged.

    Example: dialtone show 2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11
    """
    with connected(url, key) as api:
        view = api.get(onboarding_path(onboarding))
    if as_json:
        output.print_json(view)
        return
    outcome, quote = view["outcome"] or {}, view["quote"]
    currency = quote["currency"]
    output.print_facts(
        [
            ("Customer", view["order"]["customer"]["name"]),
            ("State", view["state"]),
            ("", view["message"]),
            ("Why", outcome.get("code")),
            ("Reason", outcome.get("reason")),
            ("Waits for", view["waits_for"]),
            ("Until", output.moment(view["deadline"])),
            ("Attention", attention(view)),
            ("Numbers", ", ".join(view["numbers"])),
            ("Plan", quote["plan_name"]),
            ("Total", output.amount(quote["total_minor"], currency)),
            ("Charged", output.amount(view["charged_minor"], currency)),
            ("Refunded", output.amount(view["refunded_minor"], currency) if view["refunded_minor"] else None),
            ("Approval for", ", ".join(view["approval_reasons"])),
            ("Ordered", output.moment(view["created_at"])),
            ("Changed", output.moment(view["updated_at"])),
        ]
    )
    _suggest_for(view)


def attention(view: dict[str, Any]) -> str | None:
    """What asks for a person's attention; letters by the place that commands take and by whom they were for."""
    places, plan = refused_places(view["needs_attention"]), view["order"]["notifications"]
    if not places:
        return cast("str | None", view["needs_attention"])
    letters = [f"letter {place} to {plan[place]['email'] or 'the ' + plan[place]['to']}" for place in places]
    return f"refused for good: {', '.join(letters)}"


def _suggest_for(view: dict[str, Any]) -> None:
    if places := refused_places(view["needs_attention"]):
        which = f"{view['id']} {places[0]}"
        output.suggest(f"dialtone resend-notification {which}   or   dialtone dismiss-notification {which} --reason ...")
        return
    match view["state"]:
        case State.AWAITING_APPROVAL:
            output.suggest(f"dialtone approve {view['id']}   or   dialtone reject {view['id']} --reason ...")
        case State.AWAITING_ACTIVATION:
            output.suggest(f"dialtone resend {view['id']}   if the customer has not received the link")
        case State.HELD:
            output.suggest(f"dialtone retry {view['id']}   or   dialtone give-up {view['id']}")
        case state if not State(state).is_final:
            output.suggest(f"dialtone watch {view['id']}")


def list_onboardings(
    state: Annotated[State | None, typer.Option(help="Only those in this state")] = None,
    white_label: Annotated[str | None, typer.Option(help="Only those of this white label")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most")] = 20,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List onboardings, newest first.

    Example: dialtone list --state held
    """
    found: list[dict[str, Any]] = []
    more = None
    with connected(url, key) as api:
        while len(found) < limit:
            asked = min(limit - len(found), 100)
            page = api.get("/v1/onboardings", state=state, white_label=white_label, page_size=asked, page_token=more)
            found += page["items"]
            more = page.get("next_page_token")
            if not more:
                break
    if as_json:
        for view in found:
            output.print_json(view)
    else:
        output.print_table(
            ("ID", "STATE", "WAITS FOR", "CUSTOMER", "TOTAL", "ORDERED"),
            [
                (
                    view["id"],
                    view["state"] + (" (!)" if view["needs_attention"] else ""),
                    view["waits_for"] or "-",
                    view["order"]["customer"]["name"],
                    output.amount(view["quote"]["total_minor"], view["quote"]["currency"]),
                    output.moment(view["created_at"]) or "",
                )
                for view in found
            ],
        )
    if not found:
        output.say("There are none.")
    elif more:
        output.say(f"There are more; raise --limit above {limit} to see them.")


def watch(onboarding: Id, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Follow an onboarding until it has ended. Status 0 if it became active, 1 if not.

    Example: dialtone watch 2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11
    """
    with connected(url, key) as api:
        _follow(api, onboarding, as_json=as_json)


def _follow(api: Api, onboarding: str, *, as_json: bool) -> None:
    for event in api.follow(onboarding):
        if as_json:
            output.print_json(event)
        else:
            output.print_lines([output.entry(event)])
    view = api.get(onboarding_path(onboarding))
    if view["state"] != State.ACTIVE:
        code = (view["outcome"] or {}).get("code") or "no reason given"
        raise CommandFailed(f"The onboarding ended {view['state']} ({code}).")


def _decide(
    onboarding: str, verb: str, body: dict[str, Any] | None, access: tuple[str | None, str | None], as_json: bool
) -> None:
    # On the local stack the operator's key places orders, so decisions about them need the other one.
    name = "approver" if verb in {"approve", "reject"} else "operator"
    with connected(*access, key_name=name) as api:
        status = api.post(onboarding_path(onboarding, verb), body)
    if as_json:
        output.print_json(status)
    else:
        output.print_lines([status["state"]])
    output.suggest(f"dialtone watch {onboarding}")


def _because(reason: str | None) -> dict[str, Any] | None:
    return {"reason": reason} if reason else None


def approve(onboarding: Id, reason: Why = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Let an order go on that waits for approval. Not for the one who placed it."""
    _decide(onboarding, "approve", _because(reason), (url, key), as_json)


def reject(
    onboarding: Id,
    reason: Annotated[str, typer.Option("--reason", help="Why. The requester reads it")],
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Refuse an order that waits for approval."""
    _decide(onboarding, "reject", _because(reason), (url, key), as_json)


def cancel(onboarding: Id, reason: Why = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Cancel an order: everything done so far is undone. Possible until it is active."""
    _decide(onboarding, "cancel", _because(reason), (url, key), as_json)


def substitute(
    onboarding: Id,
    accept: Annotated[
        bool, typer.Option("--accept/--decline", help="Take the numbers that are held instead, or end the order")
    ],
    reason: Why = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Answer for numbers that are held in place of lost ones. dialtone status shows which they are."""
    _decide(onboarding, "substitute", {"accept": accept, **(_because(reason) or {})}, (url, key), as_json)


def resend(onboarding: Id, reason: Why = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Send a new activation link; the links sent before stop working."""
    _decide(onboarding, "resend-activation", _because(reason), (url, key), as_json)


def correct(
    onboarding: Id,
    email: Annotated[str, typer.Option(help="The contact's right e-mail address")],
    reason: Why = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Correct the contact's address; the step that failed is tried again."""
    _decide(onboarding, "correct", {"email": email} | (_because(reason) or {}), (url, key), as_json)


def take_over(
    onboarding: Id,
    consent: Annotated[str, typer.Option(help="How the customer agreed. Kept in the timeline, so leave personal data out")],
    terms_accepted: Annotated[bool, typer.Option("--terms-accepted", help="The customer has accepted the terms")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Administer an order yourself whose customer was to activate it: the white label pays, the link is void.

    Example: dialtone take-over ID --terms-accepted --consent "Asked for it on the telephone"
    """
    if not terms_accepted:
        raise CommandFailed("Nobody else will be asked: add --terms-accepted once the customer has accepted the terms.")
    _decide(onboarding, "take-over", {"consent": consent, "terms_accepted": True}, (url, key), as_json)


def retry(onboarding: Id, reason: Why = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Try the step again that an onboarding is held for."""
    _decide(onboarding, "retry", _because(reason), (url, key), as_json)


def give_up(onboarding: Id, reason: Why = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """End a held onboarding: everything done so far is undone."""
    _decide(onboarding, "give-up", _because(reason), (url, key), as_json)


def resolve_undo(
    onboarding: Id,
    undo: Annotated[str, typer.Argument(help="Which: an entry of stuck_undos in `dialtone status`")],
    reason: Annotated[str, typer.Option("--reason", help="What was done, or why it may work now")],
    by_hand: Annotated[bool, typer.Option("--done/--again", help="It was done by hand, or shall be tried again now")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Settle an undo that is stuck: done by hand, or tried again now."""
    _decide(onboarding, "resolve-undo", {"undo": undo, "resolved": by_hand, "reason": reason}, (url, key), as_json)


def status(onboarding: Id, url: Url = None, key: Key = None) -> None:
    """Ask the running workflow itself, stuck undos included. Prints JSON."""
    with connected(url, key) as api:
        sys.stdout.write(json.dumps(api.get(onboarding_path(onboarding, "status")), indent=2) + "\n")
