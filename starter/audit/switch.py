"""The switch: its lines, what they are rung by, and whether they may call."""

from collections import defaultdict
from collections.abc import Iterator

from domain.books import LineBook
from domain.onboarding import State
from starter.audit.ledgers import IN_THE_MAKING, Found, Ledgers


def one_holder(ledgers: Ledgers) -> Iterator[Found]:
    """A number rings one line, of the order that holds it."""
    owner = {username: order.id for order in ledgers.books.orders for username in order.lines}
    holder = {number.e164: number.onboarding_id for number in ledgers.books.numbers}
    rings: dict[str, list[LineBook]] = defaultdict(list)
    for line in ledgers.books.lines:
        for number in line.numbers:
            rings[number].append(line)
    for number, lines in rings.items():
        if len(lines) > 1:
            yield number, f"The number rings {len(lines)} lines: " + ", ".join(sorted(line.username for line in lines)) + "."
        for line in lines:
            ordered_by = owner.get(line.username)
            if ordered_by is not None and holder.get(number) != ordered_by:
                yield number, f"The number rings line {line.username}, whose order {ordered_by} does not hold it."
    yield from _settings_of_strangers(ledgers, owner, holder)


def _settings_of_strangers(ledgers: Ledgers, owner: dict[str, str], holder: dict[str, str | None]) -> Iterator[Found]:
    """What the switch holds of a number for a line that the number does not ring: a former customer's, as a rule."""
    account = {order.id: order.account_id for order in ledgers.books.orders}
    for line in ledgers.books.lines:
        for number in line.forwards:
            if number not in line.numbers:
                yield number, f"Line {line.username} forwards the number, and it does not ring that line. Remove its row."
        for number in line.shows:
            ours, theirs = owner.get(line.username), holder.get(number)
            if ours is not None and (theirs is None or account.get(theirs) != account[ours]):
                yield number, f"The calls of line {line.username} show the number, and its customer does not hold it."


def lines_of_orders(ledgers: Ledgers) -> Iterator[Found]:
    """Active orders have their lines, each rung by its numbers, and nobody else has any."""
    present: dict[str, list[LineBook]] = defaultdict(list)
    for line in ledgers.books.lines:
        present[line.username].append(line)
    numbers: dict[tuple[str, int], set[str]] = defaultdict(set)
    for number in ledgers.books.numbers:
        if number.onboarding_id is not None and number.service is not None:
            numbers[number.onboarding_id, number.service].add(number.e164)
    rightful: set[str] = set()
    for order in ledgers.books.orders:
        if order.state is State.ACTIVE or order.state in IN_THE_MAKING:
            rightful.update(order.lines)
        if order.state is not State.ACTIVE:
            continue
        for position, name in enumerate(order.lines):
            lines = [line for line in present[name] if line.registrable]
            if len(lines) != 1:
                yield order.id, f"The order is active, and {len(lines)} lines {name} can register on the switch, not one."
            elif set(lines[0].numbers) != numbers[order.id, position]:
                yield order.id, f"Line {name} is rung by {len(lines[0].numbers)} numbers, and not by those of its order."
    for name in sorted(set(present) - rightful):
        if present[name]:
            yield name, "The switch has a line that belongs to no active order. Whose is it?"


def callings(ledgers: Ledgers) -> Iterator[Found]:
    """The switch bars from calling whom our records bar."""
    held = {rights.account_id: rights for rights in ledgers.books.switch_rights}
    active: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for order in ledgers.active():
        active[order.account_id] += order.lines
    for book in ledgers.books.callings:
        ours, theirs = book.rights, held.get(book.rights.account_id)
        lines = active.get(ours.account_id, ())
        if theirs is None and (lines or ours.version):
            yield ours.account_id, "The switch does not know whether this account may call, and takes its calls."
        elif theirs is not None and theirs != ours:
            said = f"The switch holds version {theirs.version} of whether this account may call, and ours is {ours.version}"
            yield (
                ours.account_id,
                f"{said}: {', '.join(theirs.barred) or 'not barred'} against {', '.join(ours.barred) or 'not barred'}.",
            )
    in_the_making = {order.account_id for order in ledgers.books.orders if order.state in IN_THE_MAKING}
    for account in sorted(set(held) - set(active) - in_the_making):
        yield account, "The switch holds the right to call of an account that is not active."
