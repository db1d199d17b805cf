"""Our own records: accounts, the state of every onboarding, and the moment a customer goes live.

Rows are locked in one order everywhere, so that no two transactions wait for each other: keys, holds, numbers, onboardings,
accounts (the child before its parent), users, memberships.
"""

import secrets
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from adapters.database import alerts, calling, contacts, existing, handover, ledger, numbers, pins, progress, step_keys
from adapters.database.statements import PerDialect, now
from adapters.database.tables import accounts, onboardings
from adapters.transactions import Transactions
from domain.billing import AccountNumbers
from domain.customer import name_key
from domain.errors import AccountNumberTaken, DialtoneError, NameTaken, NotFound, Refused
from domain.keys import account_id
from domain.onboarding import Progress
from domain.orders import Order
from domain.pins import NewPin
from domain.steps import Amendment, GoLive, Opening, Undo

_NAME_TAKEN, _NUMBER_TAKEN = "name_taken", "number_taken"
# With nine in ten numbers in use, this many tries fail once in 37,000 times.
_TRIES = 100
_a, _o = accounts.c, onboardings.c

_OPEN_ACCOUNT = PerDialect(
    accounts,
    lambda insert: insert.values(status="pending", balance_minor=0, held_minor=0).on_conflict_do_nothing().returning(_a.id),
)
_HAS_NUMBER = select(_a.id).where(_a.number == bindparam("number"))
_OPEN_ONBOARDING = PerDialect(
    onboardings, lambda insert: insert.on_conflict_do_nothing(index_elements=[_o.id]).returning(_o.id)
)
_CLOSE_ACCOUNT = (
    update(accounts)
    .where(_a.id == bindparam("of"), _a.status == "pending")
    .values(status="closed", closed_at=bindparam("moment"))
)
_ACTIVATE = (
    update(accounts)
    .where(_a.id == bindparam("of"), _a.status == "pending")
    .values(status="active", activated_at=bindparam("moment"))
)
_DEACTIVATE = (
    update(accounts).where(_a.id == bindparam("of"), _a.status == "active").values(status="pending", activated_at=None)
)
_READ_ORDER = select(_o.order, _o.account_id).where(_o.id == bindparam("of")).with_for_update(key_share=True)


class Records:
    """``domain.ports.OnboardingRecords``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def open_account(self, opening: Opening) -> None:
        # The row must be kept when the answer is no, so a refusal is carried out of the transaction and raised after it.
        refusal = await self._transactions.write(lambda connection: _open(connection, opening))
        if refusal:
            raise refusal

    async def register(self, opening: Opening) -> None:
        await self._transactions.write(lambda connection: _write_row(connection, opening))

    async def close_account(self, undo: Undo) -> None:
        def work(connection: Connection) -> None:
            if step_keys.close(connection, undo.key):
                connection.execute(_CLOSE_ACCOUNT, {"of": _account_of(undo), "moment": now()})

        await self._transactions.write(work)

    async def record(self, news: Progress) -> None:
        await self._transactions.write(lambda connection: progress.write(connection, news, now()))

    async def amend(self, amendment: Amendment) -> None:
        await self._transactions.write(lambda connection: _amend(connection, amendment))

    async def go_live(self, order: GoLive) -> None:
        await self._transactions.write(lambda connection: _go_live(connection, order))

    async def withdraw(self, undo: Undo) -> None:
        await self._transactions.write(lambda connection: _withdraw(connection, undo))


def _account_of(undo: Undo) -> str:
    return undo.account_id or account_id(undo.onboarding_id)


def _open(connection: Connection, opening: Opening) -> DialtoneError | None:
    moment, onboarding = now(), opening.onboarding
    order = onboarding.order
    beginning = step_keys.arrive(connection, opening.key)
    refusal: DialtoneError | None = beginning.closed
    taken = beginning.result
    if order.account_id is not None:
        refusal = refusal or existing.refusal(connection, order.account_id, onboarding.tenant_id, onboarding.quote.currency)
    elif not refusal and not beginning.repeated:
        row = {
            "id": opening.account_id,
            "parent_id": onboarding.tenant_id,
            "kind": order.account_kind,
            "name": order.customer.name,
            "name_key": name_key(order.customer.name),
            "currency": onboarding.quote.currency,
            "credit_limit_minor": order.credit_limit_minor,
            "account_type": order.account_type,
            "payer": order.payer,
            "administration": order.administration,
            "segment": order.segment,
            "opened_at": moment,
        }
        taken = _open_account(connection, row, order.account_number, onboarding.account_numbers)
        if taken:
            step_keys.remember(connection, opening.key, taken)
    if taken:
        refusal = refusal or _REFUSALS[taken]()
    # A refused opening is kept as a row that can end; what its entries tell did not happen.
    told = () if refusal else opening.progress.entries
    _write_row(connection, opening.model_copy(update={"progress": opening.progress.model_copy(update={"entries": told})}))
    return refusal


_REFUSALS: dict[str, Callable[[], DialtoneError]] = {
    _NAME_TAKEN: lambda: NameTaken("Another open account has this name. Choose a name that tells the two apart."),
    _NUMBER_TAKEN: lambda: AccountNumberTaken(
        "Another account has this account number. Choose another one, or leave it out: then one is made."
    ),
}


def _open_account(connection: Connection, row: dict[str, Any], number: str | None, shape: AccountNumbers) -> str | None:
    """Insert the account under its number, or one that is free. What is taken, if it cannot be."""
    for _ in range(_TRIES):
        candidate = number or _random_number(shape)
        if connection.execute(_OPEN_ACCOUNT.on(connection), row | {"number": candidate}).first() is not None:
            return None
        # One statement refuses for either reason, and only the number can be tried again.
        if connection.execute(_HAS_NUMBER, {"number": candidate}).first() is None:
            return _NAME_TAKEN
        if number:
            return _NUMBER_TAKEN
    raise Refused("There is hardly an account number left. Let the account numbers be longer.", code="account_numbers_used_up")


def _random_number(shape: AccountNumbers) -> str:
    # Not counted upwards: whoever knows one must not know how many customers there are, or the next one's number.
    digits = shape.length - len(shape.starting)
    return f"{shape.starting}{secrets.randbelow(10**digits):0{digits}d}"


def _write_row(connection: Connection, opening: Opening) -> None:
    onboarding, news, moment = opening.onboarding, opening.progress, now()
    row = {
        "id": onboarding.id,
        "tenant_id": onboarding.tenant_id,
        "account_id": opening.account_id,
        "version": news.version,
        "state": news.state,
        "waits_for": news.waits_for,
        "deadline": news.deadline,
        "generation": news.generation,
        "needs_attention": news.needs_attention,
        "outcome": news.outcome,
        "requested_by": onboarding.requested_by,
        "created_at": onboarding.submitted_at,
        "updated_at": moment,
        "fingerprint": onboarding.fingerprint,
        "order": onboarding.order,
        "quote": onboarding.quote,
        "approval_reasons": onboarding.approval_reasons,
        "terms": onboarding.terms,
    }
    if connection.execute(_OPEN_ONBOARDING.on(connection), row).first() is None:
        progress.write(connection, news, moment)
    else:
        progress.append(connection, news.onboarding_id, news.state, news.entries)


def _amend(connection: Connection, amendment: Amendment) -> None:
    row = connection.execute(_READ_ORDER, {"of": amendment.onboarding_id}).first()
    if row is None:
        raise NotFound("There is no such onboarding, so it cannot be corrected.")
    amended = _amended(row.order, amendment)
    if amended != row.order:
        connection.execute(update(onboardings).where(_o.id == amendment.onboarding_id).values(order=amended))
    progress.write(connection, amendment.progress, now())
    if row.order.account_id is not None:
        return  # Only this order is paid otherwise; the account that it adds to keeps its arrangement.
    changes = {name: getattr(amendment, name) for name in ("means", "administration", "payer")}
    if changes := {name: value for name, value in changes.items() if value is not None}:
        connection.execute(update(accounts).where(_a.id == row.account_id).values(changes))


def _amended(order: Order, amendment: Amendment) -> Order:
    changes: dict[str, Any] = {name: getattr(amendment, name) for name in ("administration", "payer")}
    if amendment.email is not None:
        contact = order.customer.contact.model_copy(update={"email": amendment.email})
        changes["customer"] = order.customer.model_copy(update={"contact": contact})
    return order.model_copy(update={name: value for name, value in changes.items() if value is not None})


def _go_live(connection: Connection, order: GoLive) -> None:
    moment, payment = now(), order.payment
    acts = step_keys.begin(connection, order.key)
    if acts:
        if payment.means.kind.is_ledger:
            ledger.post_hold(connection, payment)
        numbers.assign(connection, order.reservation_key, payment.onboarding_id, order.reservation)
    progress.write(connection, order.progress, moment, order.terms)
    if acts and order.adds:
        existing.require_active(connection, order.account_id)
        contacts.end_late_link(connection, payment.onboarding_id, order.account_id)
        ledger.post(connection, order, moment)
    elif acts:
        if not connection.execute(_ACTIVATE, {"of": order.account_id, "moment": moment}).rowcount:
            raise Refused("The customer's account is not waiting to be activated, so it cannot go live.", code="account_closed")
        if order.calling is not None:
            calling.begin(connection, order.calling)
        if order.credentials.pin is not None:
            pins.begin(connection, NewPin(account_id=order.account_id, digest=order.credentials.pin, actor="order"), moment)
        # Before anything is posted: a first charge may be what takes the balance below the mark.
        ordered: Order = connection.execute(_READ_ORDER, {"of": payment.onboarding_id}).one().order
        alerts.begin(connection, order.account_id, payment.onboarding_id, ordered.low_balance_alert)
        ledger.post(connection, order, moment)
        handover.hand_over(connection, order, moment)


def _withdraw(connection: Connection, undo: Undo) -> None:
    if not step_keys.close(connection, undo.key):
        return
    aside = ledger.unpost_holds(connection, undo.onboarding_id)
    numbers.unassign(connection, undo.onboarding_id)
    calling.end(connection, _account_of(undo))
    connection.execute(_DEACTIVATE, {"of": _account_of(undo)})
    pins.end(connection, _account_of(undo))
    handover.take_back(connection, undo.onboarding_id, _account_of(undo))
    alerts.end(connection, _account_of(undo))
    ledger.unpost(connection, undo.key, aside)
