"""Accounts that are there already: read whole, and whether something can be added to one (S3-03)."""

from sqlalchemy import Connection, bindparam, func, or_, select

from adapters.database import account_plans, tree
from adapters.database.statements import now
from adapters.database.tables import account_pins, accounts, calling, customers, ledger_entries, numbers, onboardings
from adapters.transactions import Transactions
from domain.accounts import AccountKind
from domain.calling import Calling
from domain.customers import CustomerDetails
from domain.errors import DialtoneError, NotFound, Refused
from domain.existing import AccountRecord, may_be_added_to
from domain.onboarding import State
from domain.orders import Order

_a, _o, _n = accounts.c, onboardings.c, numbers.c
_ACCOUNT = (
    select(accounts, customers.c.details, customers.c.version)
    .outerjoin(customers, customers.c.account_id == _a.id)
    .where(_a.id == bindparam("of"))
)
_ORDERS = (
    select(_o.id, _o.order, _o.quote)
    .where(_o.account_id == bindparam("of"), _o.state == State.ACTIVE.value)
    .order_by(_o.created_at, _o.id)
)
_NUMBERS = select(func.count()).where(
    _n.onboarding_id.in_(select(_o.id).where(_o.account_id == bindparam("of"))), _n.state == "assigned"
)
# Also what its parent was charged for it.
_POSTED = (
    select(ledger_entries.c.id)
    .where(
        or_(
            ledger_entries.c.account_id == bindparam("of"),
            ledger_entries.c.onboarding_id.in_(select(_o.id).where(_o.account_id == bindparam("of"))),
        )
    )
    .limit(1)
)
_ENDS = [state.value for state in State if state.is_final]
_RUNNING = select(_o.id).where(_o.account_id == bindparam("of"), _o.state.not_in(_ENDS)).limit(1)
_PIN = select(account_pins.c.account_id).where(account_pins.c.account_id == bindparam("of"))
_ROW_OF_CALLING = select(calling.c.calling, calling.c.version, calling.c.switch_version).where(
    calling.c.account_id == bindparam("of")
)
# The lock keeps the account from being closed, or moved to another white label, until the transaction ends.
_FIND = select(_a.kind, _a.status, _a.parent_id, _a.currency).where(_a.id == bindparam("of")).with_for_update(key_share=True)
_CALLING = select(calling.c.calling).where(calling.c.account_id == bindparam("of"))


def refusal(connection: Connection, account_id: str, tenant_id: str, currency: str) -> DialtoneError | None:
    """Why nothing that was priced in this currency can be added to this account by this white label, or ``None``."""
    row = connection.execute(_FIND, {"of": account_id}).first()
    if row is None or row.parent_id != tenant_id:
        return _unknown()
    if row.currency != currency:
        return Refused(
            f"The account is kept in {row.currency}, and this was priced in {currency}. Look at the account and its plan, then "
            "order again.",
            code="currency_differs",
        )
    rights = connection.execute(_CALLING, {"of": account_id}).scalar_one_or_none()
    return may_be_added_to(row.kind, row.status, rights.suspended_for if rights else ())


def require_active(connection: Connection, account_id: str) -> None:
    """Raises ``Refused`` if the account was closed, or is not active any more, since the order was taken."""
    row = connection.execute(_FIND, {"of": account_id}).first()
    why = may_be_added_to(row.kind, row.status, ()) if row else _unknown()
    if why:
        raise why


class ExistingAccounts:
    """``domain.existing.AccountBook``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def record(self, account_id: str, scope: str) -> AccountRecord:
        def work(connection: Connection) -> AccountRecord:
            if not tree.covers(connection, scope, account_id):
                raise NotFound("There is no such account, or it is not yours to see.")
            return read(connection, account_id)

        return await self._transactions.read(work)


def read(connection: Connection, account_id: str) -> AccountRecord:
    """The account as it stands. Raises ``NotFound``, and ``Refused`` for one that is not active or that nobody ordered."""
    of = {"of": account_id}
    row = connection.execute(_ACCOUNT, of).first()
    if row is None:
        raise NotFound("There is no such account, or it is not yours to see.")
    if row.status != "active":
        raise _not_active(row.status)
    orders = connection.execute(_ORDERS, of).all()
    # The account's id says which order opened it; accounts that others moved here have none that does.
    first = next((order for order in orders if order.order.account_id is None), None)
    if first is None:
        raise Refused(
            "This account was made with the white label itself and not ordered, so it has no customer's details.",
            code="account_not_ordered",
        )
    order: Order = first.order
    details = row.details or CustomerDetails(customer=order.customer, low_balance_alert=order.low_balance_alert)
    in_force = account_plans.in_force(connection, account_id, now())
    return AccountRecord(
        account_id=account_id,
        tenant_id=row.parent_id,
        kind=AccountKind(row.kind),
        status=row.status,
        account_number=row.number,
        currency=row.currency,
        balance_minor=row.balance_minor,
        held_minor=row.held_minor,
        credit_limit_minor=row.credit_limit_minor,
        account_type=row.account_type,
        payer=row.payer,
        administration=row.administration,
        segment=row.segment,
        onboarding_id=first.id,
        customer=details.customer,
        low_balance_alert=details.low_balance_alert,
        taxes=None if details.moved else order.taxes,
        tax_rate_basis_points=None if details.moved else order.tax_rate_basis_points,
        plan=in_force.plan,
        price_list=in_force.price_list,
        calling=_calling(connection, account_id, first.id),
        services=sum(len(one.order.services) for one in orders),
        numbers=connection.execute(_NUMBERS, of).scalar_one(),
        postings=connection.execute(_POSTED, of).first() is not None,
        version=row.version or 0,
        has_pin=connection.execute(_PIN, of).first() is not None,
        ordering=connection.execute(_RUNNING, of).first() is not None,
    )


def _calling(connection: Connection, account_id: str, onboarding_id: str) -> Calling:
    row = connection.execute(_ROW_OF_CALLING, {"of": account_id}).first()
    if row is None:
        return Calling(account_id=account_id, onboarding_id=onboarding_id)
    found: Calling = row.calling
    return found.model_copy(update={"version": row.version, "switch_version": row.switch_version})


def _not_active(status: str) -> DialtoneError:
    return may_be_added_to(AccountKind.CUSTOMER, status, ()) or Refused("The account is not active.", code="account_not_active")


def _unknown() -> Refused:
    return Refused("There is no such account in this white label, so nothing can be added to it.", code="account_unknown")
