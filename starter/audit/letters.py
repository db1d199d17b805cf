"""Letters: those that are due, those that we say went out, and those that lie in the mailbox."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from domain.mails import MailKind
from domain.onboarding import State
from starter.audit.ledgers import Found, Ledgers


def sent(ledgers: Ledgers) -> Iterator[Found]:
    """What is due went out, and nothing went out that must not."""
    kinds: dict[str, set[MailKind]] = defaultdict(set)
    for letter in ledgers.books.letters:
        kinds[letter.onboarding_id].add(letter.kind)
        if letter.onboarding_id not in ledgers.orders:
            yield letter.key, "A letter went out about an onboarding that we do not know."
    for order in ledgers.books.orders:
        due: MailKind | None = None
        if order.state is State.ACTIVE and order.welcomed:
            due = MailKind.WELCOME
        elif order.state is State.AWAITING_ACTIVATION:
            due = MailKind.ACTIVATION
        elif order.state is State.AWAITING_APPROVAL:
            due = MailKind.APPROVAL_NEEDED
        if due and due not in kinds[order.id] and ledgers.books.read_at - order.updated_at >= ledgers.due_after:
            yield order.id, f"The order is {order.state}, and the letter {due} has not gone out."
        if MailKind.WELCOME in kinds[order.id] and order.state is not State.ACTIVE:
            yield order.id, f"A customer was welcomed whose order is {order.state}."
        if order.state is State.ACTIVE and order.administration == "customer" and not order.activated:
            yield order.id, "The order is active, and its customer never accepted the terms."


def mailbox(ledgers: Ledgers) -> Iterator[Found]:
    """What we say was mailed lies there, and nothing else."""
    boxed: Counter[str] = Counter()
    for mail in ledgers.books.mailbox or ():
        if mail.kind == MailKind.INVITATION:
            continue  # it is about a user, and the web process writes it
        if mail.onboarding_id is None or mail.onboarding_id not in ledgers.orders:
            yield mail.message_id, "The mailbox holds a letter about an onboarding that we do not know."
        else:
            boxed[mail.onboarding_id] += 1
    logged = Counter(letter.onboarding_id for letter in ledgers.books.letters)
    for onboarding, count in logged.items():
        if boxed[onboarding] < count:
            yield onboarding, f"{count} letters were handed to the relay, and {boxed[onboarding]} are in the mailbox."
