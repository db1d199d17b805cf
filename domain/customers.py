"""A customer after the order: what is known, and what can be changed (S3-61, S5-07, S5-24, S5-26)."""

import hashlib
import math
from datetime import datetime, timedelta
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import Field, ValidationError

from domain.base import Value
from domain.billing import LowBalanceAlert
from domain.calling import CallingWrite
from domain.catalogue import Tenant
from domain.credits import Credit
from domain.customer import Customer
from domain.existing import AccountRecord
from domain.forms import Stage
from domain.mails import MailOrder
from domain.money import Currency
from domain.orders import AccountKind, AccountType, Payer
from domain.rules import Finding, Severity

D = TypeVar("D", bound=Value)


class CustomerDetails(Value):
    """Who the customer is now, and who is told when the money runs low."""

    customer: Customer
    low_balance_alert: LowBalanceAlert | None = None
    moved: bool = False
    """Whether it is another white label's now than the one that it ordered from, whose taxes do not apply any more, nor the
    rate that it agreed with the customer."""


class CustomerDocument(Customer):
    """Everything about a customer that can be changed, as one document. Money in minor units."""

    low_balance_alert: LowBalanceAlert | None = None
    late_payment_exempt: bool = Field(default=False, description="Never suspended for late payment (S5-27)")
    credit_limit_minor: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    currency: Currency


class AccountChange(Value):
    """A change of an account of the white label ``tenant_id``, decided by ``actor`` under an idempotency ``key``."""

    key: str
    account_id: str
    tenant_id: str
    actor: str
    at: datetime


class CustomerChange(AccountChange):
    """A JSON merge patch (RFC 7396) of the document: all of it or nothing.

    ``if_match`` is the ``tag`` of the document that the caller has seen; unset, it is not asked. ``person`` is whose key the
    actor's is. One that ``needs_approval`` waits for somebody else, for as long as ``decided_within``, who is then in
    ``approved_by`` (S2-26). ``credit`` is money that is paid in when that has happened.
    """

    patch: dict[str, Any]
    if_match: str | None = None
    person: str | None = None
    needs_approval: bool = False
    decided_within: timedelta = timedelta(days=7)
    approved_by: str | None = None
    credit: Credit | None = None


class CustomerWrite(Value):
    """What our records made of a change. ``fields`` are those that are different now; ``calling`` is news for the switch.

    ``letter`` is an invitation to be sent to whoever has become the contact.
    """

    fields: tuple[str, ...] = ()
    calling: CallingWrite | None = None
    letter: MailOrder | None = None


class ChangeOutcome(Value):
    """What became of a change: done, or the code and sentence of a no."""

    done: bool
    code: str | None = None
    message: str | None = None


class CustomerRecords(Protocol):
    """Our own records of customers. One transaction."""

    async def change(self, change: CustomerChange) -> CustomerWrite:
        """Make the change and tell the timeline which fields, once per key.

        Raises ``NameTaken``, and ``Refused``: ``changed_meanwhile`` if the document is not the one that was seen, or the code of
        what ``findings`` finds.
        """


def document(account: AccountRecord) -> CustomerDocument:
    """The document as it stands."""
    return CustomerDocument(
        **account.customer.model_dump(),
        low_balance_alert=account.low_balance_alert,
        late_payment_exempt=account.calling.late_payment_exempt,
        credit_limit_minor=account.credit_limit_minor,
        currency=account.currency,
    )


def tag(account: AccountRecord) -> str:
    """What tells two states of the document apart: an entity tag (RFC 9110, 8.8.3) without its quotes.

    Not over the identity number: all else of the document is shown, so that a digest of it would give the number away. That it was changed, the
    version tells.
    """
    shown = document(account).model_dump_json(exclude={"identity_number"})
    return hashlib.sha256(f"{account.version}:{shown}".encode()).hexdigest()[:32]


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396: a member that is null is removed, an object is merged, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def patched(shown: CustomerDocument, patch: dict[str, Any]) -> tuple[CustomerDocument | None, list[Finding]]:
    """The document after the patch, or what about the result cannot be, each with a pointer into the document."""
    return merged(CustomerDocument, shown, patch)


def merged(kind: type[D], shown: D, patch: dict[str, Any]) -> tuple[D | None, list[Finding]]:
    """A document of this kind after a merge patch, or what about the result cannot be."""
    try:
        return kind.model_validate(merge(shown.model_dump(mode="json"), patch)), []
    except ValidationError as error:
        return None, [
            Finding(
                code=item["type"],
                pointer="/" + "/".join(str(part) for part in item["loc"]),
                message="This is missing." if item["type"] == "missing" else f"{item['msg']}.",
                fix="Add it." if item["type"] == "missing" else "Correct it.",
            )
            for item in error.errors(include_url=False, include_context=False, include_input=False)
        ]


def differences(before: CustomerDocument, after: CustomerDocument) -> tuple[str, ...]:
    """Names of the fields that are different, those of the contact one by one. No values."""
    found = []
    for name in CustomerDocument.model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        if name == "contact":
            found += [f"contact.{part}" for part in type(old).model_fields if getattr(old, part) != getattr(new, part)]
        else:
            found.append(name)
    return tuple(found)


def findings(account: AccountRecord, after: CustomerDocument, tenant: Tenant, *, approved: bool = False) -> list[Finding]:
    """What makes this change impossible, or odd; ``approved`` by a second person, if one was needed."""
    before, found = document(account), list[Finding]()

    def say(code: str, pointer: str, message: str, fix: str, severity: Severity = Severity.ERROR) -> None:
        found.append(Finding(code=code, pointer=pointer, message=message, fix=fix, severity=severity))

    # What was never filled in may stay so; what the form asks for cannot be taken out.
    missing = _missing(tenant, after)
    for pointer in missing - _missing(tenant, before):
        say(
            "field_required",
            pointer,
            f"The form of this white label ({tenant.form.name}) asks for this.",
            "Keep it, or change it.",
        )
    if account.numbers and before.service_address is not None and after.service_address is None:
        say(
            "service_address_missing",
            "/service_address",
            "The customer has telephone numbers, which need the address where they are used: emergency services are sent there.",
            "Change it instead of removing it.",
        )
    reseller = account.kind is AccountKind.RESELLER
    if reseller and after.late_payment_exempt != before.late_payment_exempt:
        message = "A reseller has no telephones that could be suspended; its customers each have an exemption of their own."
        say("account_is_reseller", "/late_payment_exempt", message, "Leave it as it is.")
    if after.currency != before.currency:
        if reseller:
            message = "The customers of this reseller are sold to in its currency."
            say("currency_fixed", "/currency", message, "Leave it as it is.")
        elif account.postings:
            message, fix = "The account has entries in its currency, which is fixed since the first.", "Leave it as it is."
            say("currency_fixed", "/currency", message, fix)
        elif account.ordering or account.held_minor or account.balance_minor:
            message = "Money is held or authorised for an order of this account that is under way, in the currency that it has."
            say("currency_in_use", "/currency", message, "Wait until the order has ended, or cancel it.")
        elif after.currency != tenant.currency:
            say("currency_not_sold", "/currency", f"This white label sells in {tenant.currency} only.", "Leave it as it is.")
    most = tenant.decided_alone(tenant.approval.credit_limit_over_minor, after.currency)
    had, has = spendable(account, before), spendable(account, after)
    # In another currency the same figure is another limit.
    if most is not None and not approved and has > most and (has > had or after.currency != before.currency):
        unlimited = has == math.inf
        message = "Without a limit its parent pays whatever this customer orders" if unlimited else "A limit as high as this"
        say(
            "credit_limit_needs_approval",
            "/credit_limit_minor",
            f"{message}, which is not for one person to decide: somebody who approves has to agree.",
            f"Choose one from 1 to {most}, or have it approved." if most else "Have it approved.",
        )
    if after.credit_limit_minor > before.credit_limit_minor and account.account_type is AccountType.PREPAID:
        message = "A credit limit counts for postpaid accounts only; this account is prepaid and can spend what it has."
        say("credit_limit_not_counted", "/credit_limit_minor", message, "Leave it out.", Severity.WARNING)
    return found


def spendable(account: AccountRecord, shown: CustomerDocument) -> float:
    """How much the limit lets the customer spend. 0 caps nothing where the parent pays, and gives nothing where it does not (C3)."""
    return shown.credit_limit_minor or (math.inf if account.payer is Payer.PARENT else 0)


def _missing(tenant: Tenant, shown: CustomerDocument) -> set[str]:
    of_order = {"customer": shown.model_dump(mode="json"), "credit_limit_minor": shown.credit_limit_minor}
    asked = tenant.form.missing(of_order, Stage.SUBMIT)
    ours = {name.partition("/")[0] for name in CustomerDocument.model_fields}
    pointers = {pointer.removeprefix("/customer") for pointer in asked}
    return {pointer for pointer in pointers if pointer[1:].partition("/")[0] in ours}
