"""Every check of the audit can fail: each test plants one violation in books that are right, and only that is found."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.books import (
    AccountBook,
    Books,
    CallingBook,
    ChargeBook,
    DeliveredBook,
    EntryBook,
    HoldBook,
    LetterBook,
    LineBook,
    NumberBook,
    OrderBook,
)
from domain.calling import CallingRights
from domain.mails import MailKind
from domain.numbers import NumberState
from domain.onboarding import State
from domain.orders import Administration
from domain.payments import MeansKind
from starter.audit import audit, audit_installation

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
NUMBER = "+441214960100"
RIGHTS = CallingRights(account_id="account of card", version=2, barred=("fraud",))


def an_order(name: str, **changes: Any) -> OrderBook:
    facts = {
        "id": name,
        "tenant_id": "northway",
        "account_id": f"account of {name}",
        "account_status": "active",
        "state": State.ACTIVE,
        "administration": Administration.CUSTOMER,
        "means": MeansKind.CARD,
        "total_minor": 6000,
        "currency": "GBP",
        "number_count": 0,
        "lines": (),
        "activated": True,
        "updated_at": NOW - timedelta(hours=1),
    }
    return OrderBook.model_validate(facts | changes)


def a_charge(onboarding: str | None, **changes: Any) -> ChargeBook:
    facts = {"reference": f"pi_{onboarding}", "onboarding_id": onboarding, "currency": "GBP", "authorised_minor": 0}
    return ChargeBook.model_validate(facts | {"captured_minor": 6000, "refunded_minor": 0} | changes)


def right_books() -> Books:
    """One active order by card with a line and a number, one from a ledger, one expired, one waiting for its customer."""
    by_card = an_order("card", lines=("dcard",), number_count=1)
    by_ledger = an_order("ledger", means=MeansKind.PARENT_ACCOUNT, administration=Administration.OPERATOR)
    expired = an_order("expired", state=State.EXPIRED, account_status="closed", activated=False)
    waiting = an_order("waiting", state=State.AWAITING_ACTIVATION, account_status="pending", activated=False, number_count=1)
    letters = (
        ("card", MailKind.WELCOME),
        ("ledger", MailKind.WELCOME),
        ("expired", MailKind.ACTIVATION),
        ("waiting", MailKind.ACTIVATION),
    )
    return Books(
        read_at=NOW,
        orders=(by_card, by_ledger, expired, waiting),
        numbers=(
            NumberBook(e164=NUMBER, state=NumberState.ASSIGNED, held_by="key", onboarding_id="card", service=0),
            NumberBook(e164="+441214960101", state=NumberState.HELD, held_by="key", onboarding_id="waiting", service=0),
        ),
        accounts=(AccountBook(id="northway", balance_minor=-6000, held_minor=0, entries_minor=-6000),),
        holds=(HoldBook(key="h", account_id="northway", onboarding_id="ledger", amount_minor=6000, state="posted"),),
        entries=(
            EntryBook(account_id="northway", onboarding_id="ledger", amount_minor=-6000),
            EntryBook(account_id="account of card", onboarding_id="card", amount_minor=0),
        ),
        lines=(
            LineBook(
                username="dcard",
                domain="sip.example.com",
                registrable=True,
                numbers=(NUMBER,),
                forwards=(NUMBER,),
                shows=(NUMBER,),
            ),
        ),
        callings=(CallingBook(rights=RIGHTS),),
        switch_rights=(RIGHTS,),
        charges=(a_charge("card"), a_charge("expired", captured_minor=0)),
        letters=tuple(LetterBook(key=f"{order}:{kind}", onboarding_id=order, kind=kind) for order, kind in letters),
        mailbox=tuple(DeliveredBook(message_id=f"<{order}>", onboarding_id=order) for order, _ in letters),
        runs=("waiting",),
    )


def changed_order(books: Books, name: str, **changes: Any) -> Books:
    orders = tuple(order.model_copy(update=changes) if order.id == name else order for order in books.orders)
    return books.model_copy(update={"orders": orders})


def with_more(books: Books, ledger: str, *entries: Any) -> Books:
    return books.model_copy(update={ledger: (*getattr(books, ledger), *entries)})


def with_only(books: Books, ledger: str, *entries: Any) -> Books:
    return books.model_copy(update={ledger: entries})


def test_books_that_are_right_have_no_finding() -> None:
    report = audit(right_books())
    assert report.findings == ()
    assert all(check.examined for check in report.checks), "a check that looks at nothing proves nothing"
    assert report.left_out == ()


HELD = NumberBook(e164="+441214960102", state=NumberState.HELD, held_by="key", onboarding_id="expired", service=0)
STRAY = LineBook(username="dstray", domain="sip.example.com", registrable=True)
TWICE = LineBook(username="dcard", domain="sip.other.example.com", registrable=True)
THIEF = LineBook(username="dthief", domain="sip.example.com", registrable=True, numbers=(NUMBER,))

VIOLATIONS = {
    "charged twice": (
        "one-charge",
        "card",
        lambda b: with_more(b, "charges", a_charge("card", reference="pi_2", refunded_minor=6000)),
    ),
    "active and not charged": ("one-charge", "card", lambda b: with_only(b, "charges")),
    "a card charged for a ledger's order": (
        "one-charge",
        "ledger",
        lambda b: with_more(b, "charges", a_charge("ledger", refunded_minor=6000)),
    ),
    "charged too little": (
        "money-in-money-owed",
        "card",
        lambda b: with_only(b, "charges", a_charge("card", captured_minor=5999)),
    ),
    "kept from an expired order": (
        "money-in-money-owed",
        "expired",
        lambda b: with_more(b, "charges", a_charge("expired", refunded_minor=1)),
    ),
    "charged in another currency": (
        "money-in-money-owed",
        "card",
        lambda b: with_only(b, "charges", a_charge("card", currency="EUR")),
    ),
    "taken on an account that the white label never had": (
        "money-in-money-owed",
        "card",
        lambda b: with_only(b, "charges", a_charge("card", merchant="acct_1Strangers")),
    ),
    "money of nobody we know": ("money-in-money-owed", "pi_None", lambda b: with_more(b, "charges", a_charge(None))),
    "still authorised after expiry": (
        "nothing-authorised",
        "expired",
        lambda b: with_more(b, "charges", a_charge("expired", captured_minor=0, authorised_minor=6000)),
    ),
    "a ledger's order without its charge": ("ledger-paid", "ledger", lambda b: with_only(b, "holds")),
    "posted to an expired order": (
        "ledger-paid",
        "expired",
        lambda b: with_more(b, "entries", EntryBook(account_id="northway", onboarding_id="expired", amount_minor=-1)),
    ),
    "a balance that is not its entries": (
        "ledgers-add-up",
        "northway",
        lambda b: with_only(b, "accounts", AccountBook(id="northway", balance_minor=1, held_minor=0, entries_minor=-6000)),
    ),
    "a held sum that is not its holds": (
        "ledgers-add-up",
        "northway",
        lambda b: with_only(b, "accounts", AccountBook(id="northway", balance_minor=-6000, held_minor=5, entries_minor=-6000)),
    ),
    "two lines with one number": ("one-holder", NUMBER, lambda b: with_more(b, "lines", THIEF)),
    "a line with a number that its order does not hold": (
        "one-holder",
        NUMBER,
        lambda b: with_only(b, "numbers", b.numbers[0].model_copy(update={"onboarding_id": "waiting"}), b.numbers[1]),
    ),
    "a number that another line than its own forwards": (
        "one-holder",
        NUMBER,
        lambda b: with_more(b, "lines", THIEF.model_copy(update={"numbers": (), "forwards": (NUMBER,)})),
    ),
    "a number that is shown by a line whose customer does not hold it": (
        "one-holder",
        "+441214960101",
        lambda b: with_only(b, "lines", b.lines[0].model_copy(update={"shows": ("+441214960101",)})),
    ),
    "a number that is shown by a line long after it was given back": (
        "one-holder",
        "+441214960109",
        lambda b: with_only(b, "lines", b.lines[0].model_copy(update={"shows": ("+441214960109",)})),
    ),
    "an active order without its number": ("numbers", "card", lambda b: with_only(b, "numbers", b.numbers[1])),
    "a number of an unknown onboarding": (
        "numbers",
        "+441214960102",
        lambda b: with_more(b, "numbers", HELD.model_copy(update={"onboarding_id": "gone"})),
    ),
    "a number that an expired order still holds": ("released", "expired", lambda b: with_more(b, "numbers", HELD)),
    "an account that outlives its order": (
        "released",
        "expired",
        lambda b: changed_order(b, "expired", account_status="pending"),
    ),
    "an active order without an account": ("released", "card", lambda b: changed_order(b, "card", account_status=None)),
    "money set aside for an expired order": (
        "released",
        "expired",
        lambda b: with_more(
            b, "holds", HoldBook(key="x", account_id="northway", onboarding_id="expired", amount_minor=1, state="held")
        ),
    ),
    "a line of nobody": ("lines", "dstray", lambda b: with_more(b, "lines", STRAY)),
    "an active order whose line is missing": ("lines", "card", lambda b: with_only(b, "lines")),
    "a line that cannot register": (
        "lines",
        "card",
        lambda b: with_only(b, "lines", b.lines[0].model_copy(update={"registrable": False})),
    ),
    "a line at two domains": ("lines", "card", lambda b: with_more(b, "lines", TWICE)),
    "a line that its number does not ring": (
        "lines",
        "card",
        lambda b: with_only(b, "lines", b.lines[0].model_copy(update={"numbers": ()})),
    ),
    "a line that an expired order left behind": (
        "lines",
        "dold",
        lambda b: with_more(
            changed_order(b, "expired", lines=("dold",)), "lines", STRAY.model_copy(update={"username": "dold"})
        ),
    ),
    "an account that the switch knows nothing of": ("calling", "account of card", lambda b: with_only(b, "switch_rights")),
    "a suspension that the switch does not know": (
        "calling",
        "account of card",
        lambda b: with_only(b, "switch_rights", RIGHTS.model_copy(update={"version": 1, "barred": ()})),
    ),
    "a right that somebody changed on the switch": (
        "calling",
        "account of card",
        lambda b: with_only(b, "switch_rights", RIGHTS.model_copy(update={"barred": ()})),
    ),
    "a right to call of an expired order": (
        "calling",
        "account of expired",
        lambda b: with_more(b, "switch_rights", RIGHTS.model_copy(update={"account_id": "account of expired"})),
    ),
    "a customer who was not welcomed": ("letters", "card", lambda b: with_only(b, "letters", *b.letters[1:])),
    "a customer who got no link": ("letters", "waiting", lambda b: with_only(b, "letters", *b.letters[:-1])),
    "an approver who was not asked": (
        "letters",
        "waiting",
        lambda b: changed_order(b, "waiting", state=State.AWAITING_APPROVAL),
    ),
    "a welcome to an expired order": (
        "letters",
        "expired",
        lambda b: with_more(b, "letters", LetterBook(key="w", onboarding_id="expired", kind=MailKind.WELCOME)),
    ),
    "a letter about nothing": (
        "letters",
        "odd",
        lambda b: with_more(b, "letters", LetterBook(key="odd", onboarding_id="gone", kind=MailKind.ACTIVATION)),
    ),
    "active without accepted terms": ("letters", "card", lambda b: changed_order(b, "card", activated=False)),
    "a delivered letter about nothing": (
        "mailbox",
        "<odd>",
        lambda b: with_more(b, "mailbox", DeliveredBook(message_id="<odd>", onboarding_id=None)),
    ),
    "a run that somebody terminated": ("runs", "waiting", lambda b: with_only(b, "runs")),
    "a letter that was not delivered": ("mailbox", "card", lambda b: with_only(b, "mailbox", *(b.mailbox or ())[1:])),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_violation_is_found_by_its_check(violation: str) -> None:
    check, subject, plant = VIOLATIONS[violation]
    findings = audit(plant(right_books())).findings
    assert (check, subject) in {(finding.check, finding.subject) for finding in findings}
    assert all(finding.message.endswith((".", "?")) for finding in findings)


def test_every_check_has_a_violation_that_it_finds() -> None:
    planted = {check for check, _, _ in VIOLATIONS.values()}
    assert planted == {check.name for check in audit(right_books()).checks}


def test_an_order_in_the_making_may_have_lines_numbers_and_an_authorised_card() -> None:
    books = changed_order(right_books(), "card", state=State.PROVISIONING, account_status="pending")
    books = with_more(books, "runs", "card")
    books = with_only(books, "charges", a_charge("card", captured_minor=0, authorised_minor=6000))
    books = with_only(books, "letters", *books.letters[1:])
    assert audit(books).findings == ()


@pytest.mark.parametrize("holds", [0, 1])
def test_an_order_that_costs_nothing_is_charged_nothing_from_its_ledger_or_not_at_all(holds: int) -> None:
    books = changed_order(right_books(), "ledger", total_minor=0)
    books = with_only(books, "holds", *(hold.model_copy(update={"amount_minor": 0}) for hold in books.holds[:holds]))
    books = with_only(books, "entries", *books.entries[1:])
    books = with_only(books, "accounts", AccountBook(id="northway", balance_minor=0, held_minor=0, entries_minor=0))
    assert audit(books).findings == ()
    twice = with_more(
        books,
        "holds",
        *(HoldBook(key=k, account_id="northway", onboarding_id="ledger", amount_minor=0, state="posted") for k in "ab"),
    )
    assert [(finding.check, finding.subject) for finding in audit(twice).findings] == [("ledger-paid", "ledger")]


def test_an_invitation_is_about_a_user_and_no_onboarding() -> None:
    letter = DeliveredBook(message_id="<invited>", onboarding_id=None, kind=MailKind.INVITATION)
    assert audit(with_more(right_books(), "mailbox", letter)).findings == ()


def test_a_letter_has_time_to_go_out() -> None:
    books = with_only(right_books(), "letters", *right_books().letters[1:])
    just_now = changed_order(books, "card", updated_at=NOW - timedelta(seconds=20))
    assert audit(just_now).findings == ()
    assert [finding.check for finding in audit(just_now, timedelta(seconds=10)).findings] == ["letters"]


@pytest.mark.parametrize("account", [None, "acct_1Today", "acct_1Former"])
def test_money_on_any_account_that_the_white_label_has_or_had_is_right(account: str | None) -> None:
    books = with_only(right_books(), "charges", a_charge("card", merchant=account))
    books = books.model_copy(update={"merchants": {"northway": ("acct_1Today", "acct_1Former"), "brindley": ()}})
    assert audit(books).findings == ()


def test_a_ledger_that_is_not_there_is_left_out_by_name() -> None:
    books = right_books().model_copy(update={"charges": None, "mailbox": None, "runs": None})
    assert audit(books).left_out == ("one-charge", "money-in-money-owed", "nothing-authorised", "runs", "mailbox")


class Ledgers:
    """Books that change between one reading and the next."""

    def __init__(self, *readings: Books) -> None:
        self.readings = list(readings)

    async def read(self) -> Books:
        return self.readings.pop(0)


async def test_what_was_only_in_motion_is_no_finding() -> None:
    in_motion = with_more(right_books(), "lines", STRAY)
    report = await audit_installation(Ledgers(in_motion, right_books()), again=0)
    assert report.findings == ()


async def test_what_is_still_there_a_moment_later_is_a_finding_and_what_came_since_is_not() -> None:
    first = with_more(right_books(), "lines", STRAY)
    second = with_more(first, "lines", STRAY.model_copy(update={"username": "dnew"}))
    report = await audit_installation(Ledgers(first, second), again=0)
    assert [finding.subject for finding in report.findings] == ["dstray"]
