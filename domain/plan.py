"""What an order will lead to, before anything is done: the phases that the workflow goes through, in order.

The workflow executes ``phases`` and the validity report shows them (S3-41), so the two cannot say different things.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from domain.base import Value
from domain.catalogue import Schedule
from domain.orders import Administration, Order
from domain.payments import MeansKind
from domain.quotes import Quote
from domain.rules import means_kind


class Phase(StrEnum):
    """One part of an onboarding: a step, or waiting for a person."""

    OPEN_ACCOUNT = "open_account"
    RESERVE_NUMBERS = "reserve_numbers"
    APPROVAL = "approval"
    ACTIVATION = "activation"
    AUTHORISE_PAYMENT = "authorise_payment"
    PROVISION = "provision"
    CAPTURE_PAYMENT = "capture_payment"
    GO_LIVE = "go_live"


def phases(order: Order, approval_reasons: Sequence[str]) -> tuple[Phase, ...]:
    """The phases of this order. What is once in it stays in this order: running onboardings follow it."""
    asked = {
        Phase.APPROVAL: bool(approval_reasons),
        Phase.ACTIVATION: order.administration is Administration.CUSTOMER,
    }
    return tuple(phase for phase in Phase if asked.get(phase, True))


class Planned(Value):
    """A phase as people read it. ``waits_for`` names who must act, ``window`` how long that is waited for."""

    phase: Phase
    effect: str
    waits_for: str | None = None
    window: timedelta | None = None


_REASONS = {
    "total": "the total is above the limit",
    "credit_limit": "the credit limit is above the limit",
    "number_grade": "a number is of a grade that needs it",
}


def plan(order: Order, quote: Quote, approval_reasons: Sequence[str], schedule: Schedule) -> tuple[Planned, ...]:
    """What each phase of this order will do."""
    lines, count = len(order.services), order.number_count
    kind, price = means_kind(order), quote.total
    numbers = f"{count} telephone {_plural('number', count)}"
    by_card = kind is MeansKind.CARD and quote.total_minor > 0
    payer = "the white label's account" if kind is MeansKind.PARENT_ACCOUNT else "the customer's account"
    effects = {
        Phase.OPEN_ACCOUNT: f"The order is noted at the account of {order.customer.name}, which stays as it is."
        if order.account_id
        else f"The account of {order.customer.name} is opened; it is pending until everything is done.",
        Phase.RESERVE_NUMBERS: f"{numbers} {_plural('is', count)} held for it." if count else "No telephone number is held.",
        Phase.APPROVAL: f"An approver decides, because {' and '.join(_REASONS.get(reason, reason) for reason in approval_reasons)}.",
        Phase.ACTIVATION: "The authorised contact gets a link by e-mail, sees what is added and its price, and accepts the terms. "
        "Nobody else can do that."
        if order.account_id
        else "The authorised contact gets a link by e-mail, accepts the terms and activates the account. "
        "Nobody else can do that.",
        Phase.AUTHORISE_PAYMENT: f"The customer's card is authorised for {price}."
        if by_card
        else f"{price} is held on {payer}."
        if quote.total_minor
        else "Nothing is to be paid.",
        Phase.PROVISION: f"{lines} {_plural('line', lines)} {_plural('is', lines)} set up on the voice switch."
        if lines
        else "No line is set up.",
        Phase.CAPTURE_PAYMENT: f"{price} is taken." if quote.total_minor else "Nothing is taken.",
        Phase.GO_LIVE: "The services are the account's. From here on nothing is undone."
        if order.account_id
        else "The account is active, and the customer is welcomed by e-mail. From here on nothing is undone.",
    }
    waits: dict[Phase, tuple[str, timedelta]] = {
        Phase.APPROVAL: ("approver", schedule.approval_window),
        Phase.ACTIVATION: ("customer", schedule.activation_window),
    }
    if by_card:
        waits[Phase.AUTHORISE_PAYMENT] = ("customer", schedule.payment_window)
    nobody = (None, None)
    return tuple(
        Planned(phase=phase, effect=effects[phase], waits_for=waits.get(phase, nobody)[0], window=waits.get(phase, nobody)[1])
        for phase in phases(order, approval_reasons)
    )


def _plural(word: str, count: int) -> str:
    return word if count == 1 else {"is": "are"}.get(word, f"{word}s")
