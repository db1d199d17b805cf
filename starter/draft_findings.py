"""What is wrong with a draft as it stands, and what it costs so far: by the very rules that an order is started by.

A draft may hold anything, so whatever cannot be read is told and then left out, field by field, until the rest is an order that
``starter.assessment`` can look at.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from domain.access import Principal
from domain.base import Value
from domain.catalogue import Tenant
from domain.drafts import Draft, Kept, order_body
from domain.existing import AccountRecord
from domain.forms import Stage
from domain.orders import Order
from domain.ports import Catalogue
from domain.quotes import Quote
from domain.rules import Finding, Severity
from domain.sections import FIELDS, WIZARD, field_of, form_named
from starter.assessment import assess, attested
from starter.problems import pointer, sentence
from starter.schemas.base import e164
from starter.schemas.orders import CreateOnboarding

_STAND_INS = {
    "customer.name": "-",
    "customer.contact": {"full_name": "-", "email": "nobody@example.com"},
}
"""What an order cannot be without, for as long as a draft has nothing that can be read there: so that it can be priced."""


class Assessed(Value):
    """Everything found about a draft, and the price of what is there so far."""

    findings: tuple[Finding, ...]
    price: Quote | None = None
    approval_reasons: tuple[str, ...] = ()


def named_numbers(draft: Draft) -> dict[str, str]:
    """The numbers (E.164) that the order names as it stands, each with the pointer to it. What cannot be read is left out."""
    body, found = order_body(draft), dict[str, str]()
    for place, text in _explicit(body):
        number = e164(text, region_of(body, draft.country))
        if number is not None:
            found.setdefault(number, place)
    return found


def region_of(body: Mapping[str, Any], country: str) -> str:
    """Where national numbers of an order are dialled, as ``CreateOnboarding.order`` decides it; of whatever can be read."""
    customer = body.get("customer", {})
    addresses = (customer.get("service_address"), customer, customer.get("billing_address"))
    stated = (part.get("country") for part in addresses if isinstance(part, dict))
    return next((code for code in stated if isinstance(code, str) and len(code) == 2), country)


def _explicit(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for position, service in enumerate(body.get("services", ())):
        numbers = service.get("numbers")
        explicit = numbers.get("explicit") if isinstance(numbers, dict) else None
        for index, text in enumerate(explicit if isinstance(explicit, list) else ()):
            if isinstance(text, str):
                yield f"/services/{position}/numbers/explicit/{index}", text


async def assess_draft(
    catalogue: Catalogue,
    principal: Principal,
    tenant: Tenant,
    kept: Kept,
    now: datetime,
    adds_to: AccountRecord | None = None,
) -> Assessed:
    """Look at a draft as it stands, and change nothing. ``adds_to`` is the account that it names."""
    draft, body = kept.draft, order_body(kept.draft)
    if adds_to is None:
        body["customer"] = {"contact": {}} | body.get("customer", {})
    found: list[Finding] = []
    parsed, order, left_out = _readable(body, draft.country, found, adds_to)
    price: Quote | None = None
    reasons: tuple[str, ...] = ()
    if order is not None and parsed is not None:
        terms = attested(principal, tenant, order, now, address=None) if parsed.terms_accepted else None
        assessment = await assess(catalogue, tenant, order, terms, now, adds_to, principal)
        price, reasons = assessment.price, assessment.approval_reasons
        found += (finding for finding in assessment.findings if field_of(finding.pointer) not in left_out)
        told = {finding.pointer for finding in found}
        for place in tenant.form.missing(body, Stage.SUBMIT) if adds_to is None else ():
            if field_of(place) in left_out and place not in told:
                message = f"The form of this white label ({tenant.form.name}) asks for this."
                found.append(Finding(code="field_required", pointer=place, message=message, fix="Fill it in."))
    found += _of_services(draft, tenant)
    told = {finding.pointer for finding in found if finding.severity is Severity.ERROR}
    found += (finding for finding in _of_numbers(kept) if finding.pointer not in told)
    return Assessed(findings=tuple(found), price=price, approval_reasons=reasons)


def _readable(
    body: dict[str, Any], country: str, found: list[Finding], adds_to: AccountRecord | None
) -> tuple[CreateOnboarding | None, Order | None, set[str]]:
    """The order without the fields that cannot be read, which are told in ``found``."""
    left_out = set[str]()
    for _ in FIELDS:
        try:
            parsed = CreateOnboarding.model_validate(_without(body, left_out))
        except ValidationError as error:
            fresh = [of_validation(item["type"], item["loc"], item["msg"]) for item in error.errors(include_url=False)]
            order = None
        else:
            order, fresh = parsed.order(country, adds_to)
            if order is not None:
                return parsed, order, left_out
        found += fresh
        fields = {field_of(finding.pointer) for finding in fresh} & FIELDS.keys()
        if fields <= left_out:
            break
        left_out |= fields
    return None, None, left_out


def _without(body: Mapping[str, Any], left_out: set[str]) -> dict[str, Any]:
    kept = {name: value for name, value in body.items() if name not in left_out}
    if "customer" in body:
        kept["customer"] = {name: value for name, value in body["customer"].items() if f"customer.{name}" not in left_out} | {
            field.removeprefix("customer."): value for field, value in _STAND_INS.items() if field in left_out
        }
    if "services" in body:
        kept["services"] = [
            {name: value for name, value in service.items() if f"services.{name}" not in left_out}
            for service in body["services"]
        ]
    return kept


def of_validation(kind: str, location: tuple[str | int, ...], message: str) -> Finding:
    """What pydantic found about an order's body, as a finding."""
    said = sentence(kind, message)
    first, _, rest = said.partition(". ")
    # Sentences of validators carry their own way out, after the first full stop or semicolon.
    return Finding(code=kind, pointer=pointer(location), message=f"{first.rstrip('.')}.", fix=rest or "Correct it.")


def _of_services(draft: Draft, tenant: Tenant) -> Iterator[Finding]:
    """Whether it is decided what is ordered, and whether something was entered for services that are not there."""
    entered = draft.entered
    made_anyway = draft.only_account or entered.get("create_sip_device") is True or entered.get("account_kind") == "reseller"
    if not draft.services and not made_anyway and form_named(tenant.form.name) is WIZARD:
        message, fix = "No service was chosen.", "Choose one, or create only a customer account: only_account."
        yield Finding(code="service_not_chosen", pointer="/services", message=message, fix=fix)
    for field in () if draft.only_account else ("services.numbers", "services.settings", "services.caller_id"):
        for position in sorted(map(int, entered.get(field, ()))):
            if position >= draft.services:
                yield Finding(
                    code="service_not_there",
                    pointer=f"/services/{position}/{field.partition('.')[2]}",
                    message="This belongs to a service that the draft does not have, so it is kept and not ordered.",
                    fix="Add the service again, or take this out.",
                    severity=Severity.WARNING,
                )


def _of_numbers(kept: Kept) -> Iterator[Finding]:
    """Whether the numbers that the draft names are held for it, could be, or are gone."""
    for number, place in named_numbers(kept.draft).items():
        if number in kept.held:
            continue
        if number in kept.free:
            message = "This number is free, and not held for this draft: others can take it."
            fix = "Save any section, and it is held again."
            yield Finding(code="number_not_held", pointer=place, message=message, fix=fix, severity=Severity.INFO)
        else:
            message = "This number cannot be had any more: somebody else has it or keeps it, or it rests."
            yield Finding(code="number_unavailable", pointer=place, message=message, fix="Remove it, and choose another one.")
