"""The ledger: signed entries that are never changed, and holds for what is about to become one.

An account's ``balance_minor`` is the sum of its entries and its ``held_minor`` the sum of its holds that are ``held`` or
``taken``; both change in the transaction of the entry or the hold. A hold is placed at the order, taken when the payment is
captured, posted when the customer goes live.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from adapters.database import alerts, progress, step_keys
from adapters.database.statements import now
from adapters.database.tables import accounts, ledger_entries, ledger_holds, onboardings
from adapters.transactions import Transactions
from domain.errors import PaymentDeclined, Refused
from domain.money import CurrencyMismatch, Money
from domain.payments import MeansKind, Payment, PaymentOrder, PaymentState
from domain.steps import GoLive, LedgerPayment

_a, _h, _e = accounts.c, ledger_holds.c, ledger_entries.c
_STATES = {
    "held": PaymentState.AUTHORISED,
    "taken": PaymentState.CAPTURED,
    "posted": PaymentState.CAPTURED,
    "released": PaymentState.VOIDED,
    "refunded": PaymentState.REFUNDED,
}
# What undoes an entry of each kind. Money that came in by card goes back by card; a charge is given back on the account.
_REVERSALS = {"charge": "refund", "payment": "repayment"}


def headroom(account: FromClause = accounts) -> ColumnElement[int]:
    """What an account can still spend, in minor units: balance less holds, and for postpaid accounts the credit limit (C3)."""
    c = account.c
    credit = case((c.account_type == "postpaid", c.credit_limit_minor), else_=0)
    return c.balance_minor - c.held_minor + credit


_amount = bindparam("amount", type_=BigInteger)
_child = accounts.alias("child")
# Everything that a child's orders have cost its parent, or are about to. Its row is locked first: two orders at once are added up.
_OF_CHILD = select(onboardings.c.id).where(onboardings.c.account_id == bindparam("child"))
_SPENT = (
    select(func.coalesce(func.sum(_h.amount_minor), 0))
    .where(_h.account_id == bindparam("of"), _h.onboarding_id.in_(_OF_CHILD), _h.state.in_(("held", "taken", "posted")))
    .scalar_subquery()
)
_CAPPED = exists(select(_child.c.id)).where(
    _child.c.id == bindparam("child"),
    _child.c.parent_id == _a.id,
    _child.c.payer == "parent",
    _child.c.credit_limit_minor > 0,
    _child.c.credit_limit_minor < _amount + _SPENT,
)
_LOCK_CHILD = (
    select(_child.c.id)
    .join(onboardings, onboardings.c.account_id == _child.c.id)
    .where(onboardings.c.id == bindparam("of"))
    .with_for_update(of=_child, key_share=True)
)
_SET_ASIDE = (
    update(accounts)
    .where(
        _a.id == bindparam("of"),
        _a.status != "closed",
        _a.currency == bindparam("in_currency"),
        or_(_amount == 0, (headroom() >= _amount) & ~_CAPPED),
    )
    .values(held_minor=_a.held_minor + _amount)
)
_WHY_NOT = select(_a.status, _a.currency, _CAPPED.label("capped")).where(_a.id == bindparam("of"))
_MOVE = (
    update(accounts)
    .where(_a.id == bindparam("of"))
    .values(balance_minor=_a.balance_minor + bindparam("credit"), held_minor=_a.held_minor + bindparam("hold"))
)
_PLACE = insert(ledger_holds).values(state="held")
_FIND = select(_h.account_id, _h.amount_minor, _h.currency, _h.state, _h.onboarding_id).where(_h.key == bindparam("of"))
_FIND_LOCKED = _FIND.with_for_update(key_share=True)
_TURN = update(ledger_holds).where(_h.key == bindparam("of"), _h.state == bindparam("before")).values(state=bindparam("after"))
_UNPOST = (
    update(ledger_holds)
    .where(_h.onboarding_id == bindparam("onboarding"), _h.state == "posted")
    .values(state="taken")
    .returning(_h.account_id, _h.amount_minor)
)
_ENTER = insert(ledger_entries)
_ENTERED = select(ledger_entries).where(_e.key.in_(bindparam("of", expanding=True))).order_by(_e.id)


class AccountLedger:
    """``domain.ports.Ledger``. The account that pays is the reference of the means of payment."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def hold(self, order: LedgerPayment) -> Payment:
        return await self._transactions.write(lambda connection: _hold(connection, order))

    async def take(self, order: LedgerPayment) -> Payment:
        return await self._transactions.write(lambda connection: _take(connection, order))

    async def release(self, payment: PaymentOrder) -> Payment | None:
        return await self._transactions.write(lambda connection: _release(connection, payment))


def _payment(key: str, row: Any) -> Payment:
    return Payment(
        key=key, reference=key, amount=Money(minor=row.amount_minor, currency=row.currency), state=_STATES[row.state]
    )


def _hold(connection: Connection, order: LedgerPayment) -> Payment:
    payment, amount = order.payment, order.payment.amount
    acts = step_keys.begin(connection, payment.key)
    moment = now()
    progress.write(connection, order.progress, moment)
    if not acts:
        return _payment(payment.key, connection.execute(_FIND, {"of": payment.key}).one())
    _set_aside(connection, payment)
    connection.execute(
        _PLACE,
        {
            "key": payment.key,
            "account_id": payment.means.reference,
            "onboarding_id": payment.onboarding_id,
            "amount_minor": amount.minor,
            "currency": amount.currency,
            "created_at": moment,
        },
    )
    return Payment(key=payment.key, reference=payment.key, amount=amount, state=PaymentState.AUTHORISED)


def _set_aside(connection: Connection, payment: PaymentOrder) -> None:
    amount, account = payment.amount, payment.means.reference
    if amount.minor < 0:
        raise ValueError("A payment of less than nothing was ordered; a refund is a release.")
    child = ""
    if payment.means.kind is MeansKind.PARENT_ACCOUNT:
        child = connection.execute(_LOCK_CHILD, {"of": payment.onboarding_id}).scalar_one_or_none() or ""
    terms = {"of": account, "amount": amount.minor, "child": child}
    if connection.execute(_SET_ASIDE, terms | {"in_currency": amount.currency}).rowcount:
        return
    row = connection.execute(_WHY_NOT, terms).first()
    if row is None or row.status == "closed":
        raise PaymentDeclined("The account that was to pay is closed or was never opened.", code="account_closed")
    if row.currency != amount.currency:
        raise CurrencyMismatch(f"An account in {row.currency} cannot pay in {amount.currency}.")
    if row.capped:
        raise PaymentDeclined(
            "The order costs more than the customer's credit limit allows the parent to be charged. Order less or raise the limit.",
            code="over_credit_limit",
        )
    raise PaymentDeclined(
        "The account that pays cannot bear this amount. Pay into it, raise its credit limit, or order less.",
        code="insufficient_headroom",
    )


def _take(connection: Connection, order: LedgerPayment) -> Payment:
    key = order.payment.key
    row = connection.execute(_FIND_LOCKED, {"of": key}).first()
    if row is None:
        step_keys.begin(connection, key)
        raise Refused("There is no hold under this key that could be charged. Hold the amount first.", code="not_held")
    if row.state in {"released", "refunded"}:
        raise step_keys.key_closed()
    if row.state == "held":
        connection.execute(_TURN, {"of": key, "before": "held", "after": "taken"})
    progress.write(connection, order.progress, now())
    return Payment(
        key=key,
        reference=key,
        amount=Money(minor=row.amount_minor, currency=row.currency),
        state=PaymentState.CAPTURED,
    )


def _release(connection: Connection, payment: PaymentOrder) -> Payment | None:
    key = payment.key
    step_keys.close(connection, key)
    row = connection.execute(_FIND_LOCKED, {"of": key}).first()
    if row is None:
        return None
    if row.state in {"released", "refunded"}:
        return _payment(key, row)
    posted = row.state == "posted"
    after = "refunded" if posted else "released"
    connection.execute(_TURN, {"of": key, "before": row.state, "after": after})
    if posted:
        entry = _entry(f"{key}:refund", row.account_id, row.onboarding_id, "refund", row.amount_minor, row.currency, now())
        _move(connection, row.account_id, credit=row.amount_minor)
        connection.execute(_ENTER, entry)
    else:
        _move(connection, row.account_id, hold=-row.amount_minor)
    return Payment(key=key, reference=key, amount=Money(minor=row.amount_minor, currency=row.currency), state=_STATES[after])


def post_hold(connection: Connection, payment: PaymentOrder) -> None:
    """Turn a taken hold into a posted one. Raises ``Refused`` (``not_captured``) if it is not there to be posted."""
    if not connection.execute(_TURN, {"of": payment.key, "before": "taken", "after": "posted"}).rowcount:
        raise Refused("The payment is not captured or was released, so the order cannot go live.", code="not_captured")


def post(connection: Connection, order: GoLive, moment: datetime) -> None:
    """Write the entries of an order that goes live, under the keys ``<go live key>:charge`` and ``:payment``.

    From a ledger: the hold becomes a charge on the account that pays. By card: charge and payment on the customer's account.
    """
    payment, minor = order.payment, order.payment.amount.minor
    if not minor:
        return
    ledger = payment.means.kind.is_ledger
    account = payment.means.reference if ledger else order.account_id

    def entry(kind: str, amount_minor: int, reference: str | None) -> dict[str, Any]:
        key = f"{order.key}:{kind}"
        return _entry(key, account, payment.onboarding_id, kind, amount_minor, payment.amount.currency, moment, reference)

    entries = [entry("charge", -minor, payment.key)]
    if ledger:
        _move(connection, account, credit=-minor, hold=-minor)
    else:
        entries.append(entry("payment", minor, order.gateway_reference))
    connection.execute(_ENTER, entries)


def unpost_holds(connection: Connection, onboarding_id: str) -> dict[str, int]:
    """Turn the posted holds of an onboarding back into taken ones. Returns what each account must set aside again."""
    return {row.account_id: row.amount_minor for row in connection.execute(_UNPOST, {"onboarding": onboarding_id})}


def unpost(connection: Connection, key: str, aside: dict[str, int]) -> None:
    """Reverse what ``post`` wrote under this key, entry by entry (the ledger keeps both), and set the money aside again."""
    moment = now()
    kinds = [*_REVERSALS, *_REVERSALS.values()]
    written = {row.key: row for row in connection.execute(_ENTERED, {"of": [f"{key}:{kind}" for kind in kinds]})}
    credit: dict[str, int] = dict.fromkeys(aside, 0)
    for kind, reversal in _REVERSALS.items():
        row = written.get(f"{key}:{kind}")
        if row is None or f"{key}:{reversal}" in written:
            continue
        entry = (row.account_id, row.onboarding_id, reversal, -row.amount_minor, row.currency, moment, row.reference)
        connection.execute(_ENTER, _entry(f"{key}:{reversal}", *entry))
        credit[row.account_id] = credit.get(row.account_id, 0) - row.amount_minor
    for account, minor in sorted(credit.items()):
        _move(connection, account, credit=minor, hold=aside.get(account, 0))


def enter(
    connection: Connection,
    key: str,
    account_id: str,
    kind: str,
    minor: int,
    currency: str,
    moment: datetime,
    reference: str | None = None,
) -> None:
    """Write one entry that no onboarding caused, and move the balance with it."""
    connection.execute(_ENTER, _entry(key, account_id, None, kind, minor, currency, moment, reference))
    _move(connection, account_id, credit=minor)


def _move(connection: Connection, account: str, *, credit: int = 0, hold: int = 0) -> None:
    connection.execute(_MOVE, {"of": account, "credit": credit, "hold": hold})
    if credit:
        alerts.watch(connection, account, now())


def _entry(
    key: str,
    account_id: str,
    onboarding_id: str | None,
    kind: str,
    amount_minor: int,
    currency: str,
    moment: datetime,
    reference: str | None = None,
) -> dict[str, Any]:
    return {
        "key": key,
        "account_id": account_id,
        "onboarding_id": onboarding_id,
        "kind": kind,
        "amount_minor": amount_minor,
        "currency": currency,
        "at": moment,
        "reference": reference,
    }
