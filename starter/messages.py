"""What became of an order, as a sentence for the people who placed it (S1-33, S3-50)."""

from domain.money import Money
from domain.onboarding import State
from domain.views import OnboardingView

_WAITS = {
    "approver": "An approver has to decide first.",
    "customer": "The customer has been written to and has to act.",
    "operator": "An operator has to look at it.",
    "orderer": "A number was lost to somebody else; whether the one held in its place is taken has to be answered.",
}
_ENDS = {
    State.REJECTED: "the order was refused",
    State.EXPIRED: "nobody acted in time",
    State.DECLINED: "the payment was declined",
}


def message(view: OnboardingView) -> str:
    """Where it stands and what was done, in one or two sentences."""
    adds = view.order.account_id is not None
    if view.state is State.ACTIVE:
        lines, numbers = len(view.order.services), len(view.numbers)
        charged = Money(minor=view.charged_minor, currency=view.quote.currency)
        did = [
            f"{lines} {_plural('line', lines)} set up",
            f"{numbers} {_plural('number', numbers)} assigned",
            f"{charged} charged",
        ]
        done = "The services have been added to your customer" if adds else "Your new customer has been successfully created"
        return f"{done}: {', '.join(did)}."
    if view.state.is_final:
        code = f" ({view.outcome.code})" if view.outcome and view.outcome.code else ""
        return f"{_ended(view.state, adds)}{code}. Nothing is left behind: what was held or taken has been given back."
    if view.state is State.COMPENSATING:
        return "The order is being undone."
    doing = "The services are being added" if adds else "The customer is being created"
    return f"{doing}. {_WAITS.get(view.waits_for or '', 'Nothing is to be done.')}"


def _ended(state: State, adds: bool) -> str:
    if state is State.CANCELLED:
        return "The order was cancelled"
    if state is State.FAILED:
        return "The services could not be added" if adds else "The customer could not be created"
    return f"{'The services were not added' if adds else 'The customer was not created'}: {_ENDS[state]}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
