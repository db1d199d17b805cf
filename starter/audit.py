"""The audit: do the ledgers of truth agree with each other, and with what was promised?

Nothing here believes a status field of ours alone. Every check compares two ledgers that different systems keep: our rows,
the gateway's objects, the switch's lines, the letters, Temporal's runs. The numbers I1 to I15 are the invariants that a check guards.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Protocol

from domain.base import Value
from domain.books import Books, ChargeBook, HoldBook, LineBook, OrderBook
from domain.mails import MailKind
from domain.money import Money
from domain.numbers import NumberState
from domain.onboarding import State
from domain.payments import MeansKind

LETTERS_DUE_AFTER = timedelta(minutes=5)
"""A letter goes out beside the process: only after this long is a missing one a finding."""

# In these states the switch may hold lines of the order, in part or whole, and a payment may be authorised or captured.
_IN_THE_MAKING = frozenset({State.PROVISIONING, State.HELD, State.COMPENSATING})


class AuditFinding(Value):
    """Two ledgers that disagree: the check that noticed, the onboarding or object it is about, and a sentence."""

    check: str
    subject: str
    message: str


class CheckResult(Value):
    """One check: what it promises, how many things it looked at, and what it found."""

    name: str
    promise: str
    examined: int
    findings: tuple[AuditFinding, ...]


class AuditReport(Value):
    """The whole audit. ``left_out`` names the checks that need a ledger which this installation does not have."""

    checks: tuple[CheckResult, ...]
    left_out: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[AuditFinding, ...]:
        return tuple(finding for check in self.checks for finding in check.findings)

    def still_in(self, later: "AuditReport") -> "AuditReport":
        """The later audit with only those findings that were there before: what was merely in motion is gone."""
        known = {(finding.check, finding.subject) for finding in self.findings}
        checks = tuple(
            check.model_copy(update={"findings": tuple(f for f in check.findings if (f.check, f.subject) in known)})
            for check in later.checks
        )
        return later.model_copy(update={"checks": checks})


Found = tuple[str, str]


@dataclass(frozen=True)
class _Ledgers:
    """The books, indexed by what the checks ask for."""

    books: Books
    due_after: timedelta

    @cached_property
    def orders(self) -> dict[str, OrderBook]:
        return {order.id: order for order in self.books.orders}

    def active(self) -> Iterator[OrderBook]:
        return (order for order in self.books.orders if order.state is State.ACTIVE)

    def undone(self) -> Iterator[OrderBook]:
        """Finished, and not active: nothing may be left of these."""
        return (order for order in self.books.orders if order.state.is_final and order.state is not State.ACTIVE)

    def charges(self) -> dict[str, list[ChargeBook]]:
        found: dict[str, list[ChargeBook]] = defaultdict(list)
        for charge in self.books.charges or ():
            found[charge.onboarding_id or ""].append(charge)
        return found

    def holds(self) -> dict[str, list[HoldBook]]:
        found: dict[str, list[HoldBook]] = defaultdict(list)
        for hold in self.books.holds:
            found[hold.onboarding_id].append(hold)
        return found


def _money(minor: int, currency: str) -> str:
    return str(Money(minor=minor, currency=currency))


def _one_charge(ledgers: _Ledgers) -> Iterator[Found]:
    charges = ledgers.charges()
    for order in ledgers.books.orders:
        taken = [charge for charge in charges[order.id] if charge.captured_minor]
        if len(taken) > 1:
            yield order.id, f"The gateway took money {len(taken)} times for one onboarding. Refund all but the first."
        if order.state is State.ACTIVE and order.means is MeansKind.CARD and order.total_minor and not taken:
            yield order.id, "The order is active and was to be paid by card, but the gateway took no money for it."
        if taken and order.means is not MeansKind.CARD:
            yield order.id, "The gateway took money for an order that a ledger pays."


def _money_in_is_money_owed(ledgers: _Ledgers) -> Iterator[Found]:
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


def _nothing_authorised(ledgers: _Ledgers) -> Iterator[Found]:
    charges = ledgers.charges()
    for order in ledgers.books.orders:
        if order.state.is_final:
            for charge in charges[order.id]:
                if charge.authorised_minor:
                    held = _money(charge.authorised_minor, charge.currency)
                    yield order.id, f"The order is {order.state}, and the gateway still holds {held} on the card. Void it."


def _ledger_paid(ledgers: _Ledgers) -> Iterator[Found]:
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


def _ledgers_add_up(ledgers: _Ledgers) -> Iterator[Found]:
    held: Counter[str] = Counter()
    for hold in ledgers.books.holds:
        if hold.state in {"held", "taken"}:
            held[hold.account_id] += hold.amount_minor
    for account in ledgers.books.accounts:
        if account.balance_minor != account.entries_minor:
            yield account.id, f"The balance says {account.balance_minor}, and its entries add up to {account.entries_minor}."
        if account.held_minor != held[account.id]:
            yield account.id, f"The account says {account.held_minor} is held, and its holds add up to {held[account.id]}."


def _one_holder(ledgers: _Ledgers) -> Iterator[Found]:
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


def _settings_of_strangers(ledgers: _Ledgers, owner: dict[str, str], holder: dict[str, str | None]) -> Iterator[Found]:
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


def _numbers_of_orders(ledgers: _Ledgers) -> Iterator[Found]:
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


def _released(ledgers: _Ledgers) -> Iterator[Found]:
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


def _runs(ledgers: _Ledgers) -> Iterator[Found]:
    running = set(ledgers.books.runs or ())
    for order in ledgers.books.orders:
        if not order.state.is_final and order.id not in running:
            said = f"The order is {order.state}, and nothing works on it any more: its run was terminated or lost."
            yield order.id, f"{said} Reset the run, then cancel the order if it was to end."


def _lines_of_orders(ledgers: _Ledgers) -> Iterator[Found]:
    present: dict[str, list[LineBook]] = defaultdict(list)
    for line in ledgers.books.lines:
        present[line.username].append(line)
    numbers: dict[tuple[str, int], set[str]] = defaultdict(set)
    for number in ledgers.books.numbers:
        if number.onboarding_id is not None and number.service is not None:
            numbers[number.onboarding_id, number.service].add(number.e164)
    rightful: set[str] = set()
    for order in ledgers.books.orders:
        if order.state is State.ACTIVE or order.state in _IN_THE_MAKING:
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


def _callings(ledgers: _Ledgers) -> Iterator[Found]:
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
    in_the_making = {order.account_id for order in ledgers.books.orders if order.state in _IN_THE_MAKING}
    for account in sorted(set(held) - set(active) - in_the_making):
        yield account, "The switch holds the right to call of an account that is not active."


def _letters(ledgers: _Ledgers) -> Iterator[Found]:
    sent: dict[str, set[MailKind]] = defaultdict(set)
    for letter in ledgers.books.letters:
        sent[letter.onboarding_id].add(letter.kind)
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
        if due and due not in sent[order.id] and ledgers.books.read_at - order.updated_at >= ledgers.due_after:
            yield order.id, f"The order is {order.state}, and the letter {due} has not gone out."
        if MailKind.WELCOME in sent[order.id] and order.state is not State.ACTIVE:
            yield order.id, f"A customer was welcomed whose order is {order.state}."
        if order.state is State.ACTIVE and order.administration == "customer" and not order.activated:
            yield order.id, "The order is active, and its customer never accepted the terms."


def _mailbox(ledgers: _Ledgers) -> Iterator[Found]:
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


@dataclass(frozen=True)
class _Check:
    name: str
    promise: str
    run: Callable[[_Ledgers], Iterator[Found]]
    examines: Callable[[Books], int]
    needs: Callable[[Books], bool] = lambda books: True  # noqa: ARG005 - most need nothing


def _has_gateway(books: Books) -> bool:
    return books.charges is not None


_CHECKS = (
    _Check("one-charge", "Nothing is charged twice (I1)", _one_charge, lambda b: len(b.orders), _has_gateway),
    _Check(
        "money-in-money-owed",
        "What the gateway kept is what active orders owe (I2)",
        _money_in_is_money_owed,
        lambda b: len(b.charges or ()),
        _has_gateway,
    ),
    _Check(
        "nothing-authorised",
        "No card is blocked for a finished order (I4)",
        _nothing_authorised,
        lambda b: len(b.charges or ()),
        _has_gateway,
    ),
    _Check("ledger-paid", "What ledgers paid is what their orders owe (I2)", _ledger_paid, lambda b: len(b.holds)),
    _Check(
        "ledgers-add-up", "Balances and holds are the sums of their entries (I2)", _ledgers_add_up, lambda b: len(b.accounts)
    ),
    _Check("one-holder", "No number has two holders (I3)", _one_holder, lambda b: len(b.numbers)),
    _Check(
        "numbers",
        "Active orders have their numbers, and no number is an orphan (I4)",
        _numbers_of_orders,
        lambda b: len(b.numbers),
    ),
    _Check(
        "runs",
        "Every order that is not finished is being worked on (I9, I10)",
        _runs,
        lambda b: len(b.orders),
        lambda b: b.runs is not None,
    ),
    _Check("released", "Nothing is held for what is finished (I4, I5)", _released, lambda b: len(b.orders)),
    _Check(
        "lines", "The switch has the lines of active orders and no other (I4, I6)", _lines_of_orders, lambda b: len(b.lines)
    ),
    _Check("calling", "The switch bars whom our records bar, and nobody else", _callings, lambda b: len(b.callings)),
    _Check("letters", "Everybody got their letters (I15)", _letters, lambda b: len(b.letters)),
    _Check(
        "mailbox",
        "What we say was mailed is in the mailbox (I15)",
        _mailbox,
        lambda b: len(b.mailbox or ()),
        lambda b: b.mailbox is not None,
    ),
)


class ReadsBooks(Protocol):
    """Reads the ledgers of an installation."""

    async def read(self) -> Books: ...


async def audit_installation(
    ledgers: ReadsBooks, letters_due_after: timedelta = LETTERS_DUE_AFTER, again: float = 2.0
) -> AuditReport:
    """Audit a running installation. A finding counts only if it is still there ``again`` seconds later.

    The books are kept by different systems and read one after the other, so what is in motion can look wrong once.
    """
    first = audit(await ledgers.read(), letters_due_after)
    if not first.findings:
        return first
    await asyncio.sleep(again)
    return first.still_in(audit(await ledgers.read(), letters_due_after))


def audit(books: Books, letters_due_after: timedelta = LETTERS_DUE_AFTER) -> AuditReport:
    """Compare the books. Reads nothing itself, so the same books always give the same report."""
    ledgers = _Ledgers(books, letters_due_after)
    done, left_out = [], []
    for check in _CHECKS:
        if not check.needs(books):
            left_out.append(check.name)
            continue
        findings = tuple(AuditFinding(check=check.name, subject=about, message=said) for about, said in check.run(ledgers))
        done.append(CheckResult(name=check.name, promise=check.promise, examined=check.examines(books), findings=findings))
    return AuditReport(checks=tuple(done), left_out=tuple(left_out))
