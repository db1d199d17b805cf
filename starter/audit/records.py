"""Our records: numbers that orders hold, what is held for finished ones, and who works on the others."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from domain.numbers import NumberState
from starter.audit.ledgers import Found, Ledgers


def numbers_of_orders(ledgers: Ledgers) -> Iterator[Found]:
    """Active orders have as many numbers as they should, and no number is an orphan."""
    assigned: dict[str, Counter[NumberState]] = defaultdict(Counter)
    for number in ledgers.books.numbers:
        if number.onboarding_id is not None:
            assigned[number.onboarding_id][number.state] += 1
        if number.onboarding_id not in ledgers.orders:
            yield number.e164, "The number is held for an onboarding that we do not know."
    for order in ledgers.active():
        if assigned[order.id] != Counter({NumberState.ASSIGNED: order.number_count} if order.number_count else {}):
            have = assigned[order.id][NumberState.ASSIGNED]
            yield order.id, f"The order is active with {have} numbers assigned and not the {order.number_count} it should have."


def released(ledgers: Ledgers) -> Iterator[Found]:
    """Finished orders hold nothing, and active ones have an active account."""
    kept: dict[str, list[str]] = defaultdict(list)
    for number in ledgers.books.numbers:
        if number.onboarding_id is not None:
            kept[number.onboarding_id].append(number.e164)
    holds = ledgers.holds()
    for order in ledgers.undone():
        if kept[order.id]:
            yield order.id, f"The order is {order.state} and still holds {len(kept[order.id])} numbers."
        if order.account_status not in {None, "closed"} and not order.adds:
            yield order.id, f"The order is {order.state} and its account is {order.account_status}."
    for order in ledgers.books.orders:
        if order.state.is_final and any(hold.state in {"held", "taken"} for hold in holds[order.id]):
            yield order.id, f"The order is {order.state} and money is still set aside for it on a ledger."
    for order in ledgers.active():
        if order.account_status != "active":
            yield order.id, f"The order is active and its account is {order.account_status or 'missing'}."


def runs(ledgers: Ledgers) -> Iterator[Found]:
    """Whatever is not finished has a run in Temporal."""
    running = set(ledgers.books.runs or ())
    for order in ledgers.books.orders:
        if not order.state.is_final and order.id not in running:
            said = f"The order is {order.state}, and nothing works on it any more: its run was terminated or lost."
            yield order.id, f"{said} Reset the run, then cancel the order if it was to end."
