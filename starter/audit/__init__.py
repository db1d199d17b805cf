"""The audit: do the ledgers of truth agree with each other, and with what was promised?

Nothing here believes a status field of ours alone. Every check compares two ledgers that different systems keep: our rows,
the gateway's objects, the switch's lines, the letters, Temporal's runs. The numbers I1 to I15 are the invariants that a check guards.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from domain.base import Value
from domain.books import Books
from starter.audit import letters, money, records, switch
from starter.audit.ledgers import Found, Ledgers

LETTERS_DUE_AFTER = timedelta(minutes=5)
"""A letter goes out beside the process: only after this long is a missing one a finding."""


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


@dataclass(frozen=True)
class _Check:
    name: str
    promise: str
    run: Callable[[Ledgers], Iterator[Found]]
    examines: Callable[[Books], int]
    needs: Callable[[Books], bool] = lambda books: True  # noqa: ARG005 - most need nothing


def _has_gateway(books: Books) -> bool:
    return books.charges is not None


_CHECKS = (
    _Check("one-charge", "Nothing is charged twice (I1)", money.one_charge, lambda b: len(b.orders), _has_gateway),
    _Check(
        "money-in-money-owed",
        "What the gateway kept is what active orders owe (I2)",
        money.money_in_is_money_owed,
        lambda b: len(b.charges or ()),
        _has_gateway,
    ),
    _Check(
        "nothing-authorised",
        "No card is blocked for a finished order (I4)",
        money.nothing_authorised,
        lambda b: len(b.charges or ()),
        _has_gateway,
    ),
    _Check("ledger-paid", "What ledgers paid is what their orders owe (I2)", money.ledger_paid, lambda b: len(b.holds)),
    _Check(
        "ledgers-add-up",
        "Balances and holds are the sums of their entries (I2)",
        money.ledgers_add_up,
        lambda b: len(b.accounts),
    ),
    _Check("one-holder", "No number has two holders (I3)", switch.one_holder, lambda b: len(b.numbers)),
    _Check(
        "numbers",
        "Active orders have their numbers, and no number is an orphan (I4)",
        records.numbers_of_orders,
        lambda b: len(b.numbers),
    ),
    _Check(
        "runs",
        "Every order that is not finished is being worked on (I9, I10)",
        records.runs,
        lambda b: len(b.orders),
        lambda b: b.runs is not None,
    ),
    _Check("released", "Nothing is held for what is finished (I4, I5)", records.released, lambda b: len(b.orders)),
    _Check(
        "lines",
        "The switch has the lines of active orders and no other (I4, I6)",
        switch.lines_of_orders,
        lambda b: len(b.lines),
    ),
    _Check("calling", "The switch bars whom our records bar, and nobody else", switch.callings, lambda b: len(b.callings)),
    _Check("letters", "Everybody got their letters (I15)", letters.sent, lambda b: len(b.letters)),
    _Check(
        "mailbox",
        "What we say was mailed is in the mailbox (I15)",
        letters.mailbox,
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
    ledgers = Ledgers(books, letters_due_after)
    done, left_out = [], []
    for check in _CHECKS:
        if not check.needs(books):
            left_out.append(check.name)
            continue
        findings = tuple(AuditFinding(check=check.name, subject=about, message=said) for about, said in check.run(ledgers))
        done.append(CheckResult(name=check.name, promise=check.promise, examined=check.examines(books), findings=findings))
    return AuditReport(checks=tuple(done), left_out=tuple(left_out))
