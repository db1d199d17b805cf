"""Money: what the gateway took, and what our ledgers paid, against what orders owe."""

from collections import Counter
from collections.abc import Iterator

from domain.money import Money
from domain.onboarding import State
from domain.payments import MeansKind
from starter.audit.ledgers import Found, Ledgers


def _money(minor: int, currency: str) -> str:
    return str(Money(minor=minor, currency=currency))


def one_charge(ledgers: Ledgers) -> Iterator[Found]:
    """The gateway took money once where it was to, and nowhere else."""
    charges = ledgers.charges()
    for order in ledgers.books.orders:
        taken = [charge for charge in charges[order.id] if charge.captured_minor]
        if len(taken) > 1:
            yield order.id, f"The gateway took money {len(taken)} times for one onboarding. Refund all but the first."
        if order.state is State.ACTIVE and order.means is MeansKind.CARD and order.total_minor and not taken:
            yield order.id, "The order is active and was to be paid by card, but the gateway took no money for it."
        if taken and order.means is not MeansKind.CARD:
            yield order.id, "The gateway took money for an order that a ledger pays."


def money_in_is_money_owed(ledgers: Ledgers) -> Iterator[Found]:
    """What it kept is what the order owes, in its currency, on an account of its white label."""
    charges = ledgers.charges()
    for order in ledgers.books.orders:
        if not order.state.is_final:
            continue
        kept = sum(charge.captured_minor - charge.refunded_minor for charge in charges[order.id])
        owed = order.total_minor if order.state is State.ACTIVE and order.means is MeansKind.CARD else 0
        if kept != owed:
            said = f"The gateway kept {_money(kept, order.currency)}, but {_money(owed, order.currency)} is owed."
            yield order.id, said
        strange = {charge.currency for charge in charges[order.id]} - {order.currency}
        if strange:
            yield order.id, f"The gateway charged in {', '.join(sorted(strange))} and not in {order.currency}."
        for charge in charges[order.id]:
            if charge.merchant not in {None, *ledgers.books.merchants.get(order.tenant_id, ())}:
                yield order.id, f"The money is on the account {charge.merchant}, which its white label never had. Whose is it?"
    for charge in ledgers.books.charges or ():
        if charge.onboarding_id not in ledgers.orders and (
            charge.captured_minor - charge.refunded_minor or charge.authorised_minor
        ):
            yield charge.reference, "The gateway has money of a customer whose onboarding we do not know."


def nothing_authorised(ledgers: Ledgers) -> Iterator[Found]:
    """No card is blocked for what has ended."""
    charges = ledgers.charges()
    for order in ledgers.books.orders:
        if order.state.is_final:
            for charge in charges[order.id]:
                if charge.authorised_minor:
                    held = _money(charge.authorised_minor, charge.currency)
                    yield order.id, f"The order is {order.state}, and the gateway still holds {held} on the card. Void it."


def ledger_paid(ledgers: Ledgers) -> Iterator[Found]:
    """What was posted to a ledger is what the order owes."""
    holds = ledgers.holds()
    posted: Counter[str] = Counter()
    for entry in ledgers.books.entries:
        posted[entry.onboarding_id] += entry.amount_minor
    for order in ledgers.books.orders:
        if not order.state.is_final:
            continue
        by_ledger = order.state is State.ACTIVE and order.means.is_ledger
        kept = [hold for hold in holds[order.id] if hold.state == "posted"]
        due = 1 if by_ledger and order.total_minor else 0
        # An order that costs nothing is charged all the same: £0.00.
        if len(kept) not in {due, int(by_ledger)} or sum(hold.amount_minor for hold in kept) != due * order.total_minor:
            total = _money(sum(hold.amount_minor for hold in kept), order.currency)
            yield order.id, f"The order is {order.state}; {len(kept)} charges of {total} were made from a ledger, not {due}."
        owed = -order.total_minor if by_ledger else 0
        if posted[order.id] != owed:
            yield (
                order.id,
                f"The ledger posted {_money(posted[order.id], order.currency)}, and not {_money(owed, order.currency)}.",
            )


def ledgers_add_up(ledgers: Ledgers) -> Iterator[Found]:
    """Balances are the sums of their entries, held sums of their holds."""
    held: Counter[str] = Counter()
    for hold in ledgers.books.holds:
        if hold.state in {"held", "taken"}:
            held[hold.account_id] += hold.amount_minor
    for account in ledgers.books.accounts:
        if account.balance_minor != account.entries_minor:
            yield account.id, f"The balance says {account.balance_minor}, and its entries add up to {account.entries_minor}."
        if account.held_minor != held[account.id]:
            yield account.id, f"The account says {account.held_minor} is held, and its holds add up to {held[account.id]}."
