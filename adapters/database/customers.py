"""Customers as they were changed after their order. Everything that one act changes is one transaction."""

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.exc import IntegrityError

from adapters.database import alerts, calling, contacts, existing, progress, step_keys
from adapters.database.credits import pay_in
from adapters.database.statements import PerDialect
from adapters.database.tables import accounts, customers, onboardings, tenants
from adapters.transactions import Transactions
from domain.calling import CallingChange
from domain.catalogue import Tenant
from domain.customer import Customer, name_key
from domain.customers import (
    CustomerChange,
    CustomerDetails,
    CustomerDocument,
    CustomerWrite,
    differences,
    document,
    findings,
    patched,
    tag,
)
from domain.errors import NameTaken, Refused
from domain.existing import AccountRecord, moved_meanwhile
from domain.mails import MailKind, MailOrder
from domain.onboarding import Entry, State
from domain.rules import Finding, blocking

_a, _o, _c = accounts.c, onboardings.c, customers.c
# One change of an account at a time: each sees what the one before it has made.
_LOCK = select(_o.id).where(_o.id == bindparam("of")).with_for_update(key_share=True)
_LOCK_ACCOUNT = select(_a.id).where(_a.id == bindparam("of")).with_for_update(key_share=True)
_ACCOUNT = (
    update(accounts)
    .where(_a.id == bindparam("of"), _a.status == "active")
    .values(
        name=bindparam("new_name"),
        name_key=bindparam("new_name_key"),
        credit_limit_minor=bindparam("limit"),
        currency=bindparam("in_currency"),
    )
)
_DETAILS = PerDialect(
    customers,
    lambda insert: insert.values(version=1).on_conflict_do_update(
        index_elements=[_c.account_id], set_={"version": _c.version + 1, "details": insert.excluded.details}
    ),
)
_STORED = select(_c.details).where(_c.account_id == bindparam("of"))
_TENANT = select(tenants.c.settings).where(tenants.c.id == bindparam("of"))


class CustomerStore:
    """``domain.customers.CustomerRecords``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def change(self, change: CustomerChange) -> CustomerWrite:
        try:
            return await self._transactions.write(lambda connection: _change(connection, change))
        except IntegrityError as error:
            # The name is the only thing here that must be nobody else's.
            raise NameTaken("Another open account has this name. Choose a name that tells the two apart.") from error


def _change(connection: Connection, change: CustomerChange) -> CustomerWrite:
    acts = step_keys.begin(connection, change.key)
    if change.credit is not None:
        pay_in(connection, change.credit.model_copy(update={"approved_by": change.approved_by}))
        return CustomerWrite()
    connection.execute(_LOCK, {"of": existing.read(connection, change.account_id).onboarding_id})
    if "currency" in change.patch:
        # Orders for the account look at it under the same lock: either they see the new currency, or this sees them.
        connection.execute(_LOCK_ACCOUNT, {"of": change.account_id})
    account = existing.read(connection, change.account_id)
    before = document(account)
    if not acts:
        # It is done; only whether the switch knows is for this attempt to see to.
        touched = "late_payment_exempt" in change.patch
        invited = "contact" in change.patch and contacts.invited(connection, change.account_id) is not None
        return CustomerWrite(
            calling=calling.carry_out(connection, _exemption(change, before)) if touched else None,
            letter=_letter(change, account) if invited else None,
        )
    if account.tenant_id != change.tenant_id:
        raise moved_meanwhile()
    if change.if_match not in {None, tag(account)}:
        raise Refused(
            "Somebody has changed this customer since you looked. Look again, then send your change once more.",
            code="changed_meanwhile",
        )
    tenant: Tenant = connection.execute(_TENANT, {"of": account.tenant_id}).scalar_one()
    after, found = patched(before, change.patch)
    if after is None:
        raise _impossible(found)
    if wrong := blocking(
        findings(account, after, tenant, approved=change.approved_by is not None), {"credit_limit_not_counted"}
    ):
        raise _impossible(wrong)
    fields = differences(before, after)
    if not fields:
        return CustomerWrite()
    _write(connection, account, after)
    if "low_balance_alert" in fields:
        alerts.change(connection, account.account_id, account.onboarding_id, after.low_balance_alert)
    invited = contacts.change(connection, change, account, after.contact)
    news = calling.carry_out(connection, _exemption(change, after)) if "late_payment_exempt" in fields else None
    detail = {"fields": ", ".join(fields)}
    if change.approved_by is not None:
        detail["approved_by"] = change.approved_by
    entry = Entry(key=f"customer:{change.key}", at=change.at, event="customer_changed", actor=change.actor, detail=detail)
    progress.append(connection, account.onboarding_id, State.ACTIVE, [entry])
    return CustomerWrite(fields=fields, calling=news, letter=_letter(change, account) if invited else None)


def _letter(change: CustomerChange, account: AccountRecord) -> MailOrder:
    return MailOrder(key=f"customer:{change.key}:invitation", kind=MailKind.INVITATION, onboarding_id=account.onboarding_id)


def _write(connection: Connection, account: AccountRecord, after: CustomerDocument) -> None:
    row = {
        "of": account.account_id,
        "new_name": after.name,
        "new_name_key": name_key(after.name),
        "limit": after.credit_limit_minor,
        "in_currency": after.currency,
    }
    connection.execute(_ACCOUNT, row)
    customer = Customer.model_validate(after.model_dump())
    details = CustomerDetails(customer=customer, low_balance_alert=after.low_balance_alert)
    before = connection.execute(_STORED, {"of": account.account_id}).scalar_one_or_none() or details
    details = details.model_copy(update={"moved": before.moved})
    connection.execute(_DETAILS.on(connection), {"account_id": account.account_id, "details": details})


def _exemption(change: CustomerChange, after: CustomerDocument) -> CallingChange:
    return CallingChange(
        key=f"{change.key}:calling",
        account_id=change.account_id,
        tenant_id=change.tenant_id,
        actor=change.actor,
        act="set",
        fields=frozenset({"late_payment_exempt"}),
        late_payment_exempt=after.late_payment_exempt,
        at=change.at,
    )


def _impossible(found: list[Finding]) -> Refused:
    first = found[0]
    return Refused(first.said, code=first.code)
