"""The rules at the door: what makes an order impossible, and what makes it wait for an approver."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum

from domain.base import Value
from domain.catalogue import FeatureSet, Tenant
from domain.forms import Stage
from domain.numbers import PUBLIC, Grade
from domain.orders import AccountType, Administration, Order, Payer, Segment, TermsAcceptance
from domain.payments import MeansKind
from domain.quotes import Quote, grades_ordered, quote
from domain.sections import section_of


class Severity(StrEnum):
    """An error blocks the order. A warning must be acknowledged by its code (C13). An info only tells."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(Value):
    """What is wrong or odd about an order: a stable code, where (JSON pointer, RFC 6901), what it means, and the way out."""

    code: str
    pointer: str
    message: str
    fix: str
    severity: Severity = Severity.ERROR

    @property
    def said(self) -> str:
        """What it is and what to do about it, in one text."""
        return f"{self.message} {self.fix}"

    @property
    def section(self) -> str:
        """Which part of the form it is about (S3-44)."""
        return section_of(self.pointer)


def means_kind(order: Order) -> MeansKind:
    """Whose ledger or card an order is paid from."""
    if order.payer is Payer.PARENT:
        return MeansKind.PARENT_ACCOUNT
    return MeansKind.CARD if order.administration is Administration.CUSTOMER else MeansKind.OWN_ACCOUNT


def findings(
    order: Order,
    tenant: Tenant,
    explicit_grades: Mapping[str, Grade],
    terms: TermsAcceptance | None,
    day: date | None = None,
) -> list[Finding]:
    """Everything that makes this order impossible for this tenant on this day, or odd; without an error it can be started.

    ``explicit_grades`` has the grade of those named numbers that exist in the tenant's inventory. What the catalogue says is
    in ``domain.catalogue_rules``.
    """
    found: list[Finding] = []

    def say(code: str, pointer: str, message: str, fix: str, severity: Severity = Severity.ERROR) -> None:
        found.append(Finding(code=code, pointer=pointer, message=message, fix=fix, severity=severity))

    kind = means_kind(order)
    if kind is MeansKind.CARD and not tenant.card_gateway:
        say(
            "gateway_missing",
            "/administration",
            "This white label has no payment gateway, so a customer cannot pay by card.",
            "Connect a gateway, or let the operator administer or the parent pay.",
        )
    if (
        kind is MeansKind.OWN_ACCOUNT
        and order.account_type is AccountType.PREPAID
        # One that is there already may have been paid into: its headroom decides.
        and order.account_id is None
        and not _is_free(order, tenant, explicit_grades, day)
    ):
        say(
            "nothing_to_pay_with",
            "/payer",
            "A prepaid account that the operator opens has no money yet.",
            "Let the parent pay, make it postpaid with a credit limit, or let the customer administer it and pay by card.",
        )
    # The form is of new customers.
    asked = [] if order.account_id else tenant.form.missing(order.model_dump(mode="json"), Stage.SUBMIT)
    for pointer in asked:
        say("field_required", pointer, f"The form of this white label ({tenant.form.name}) asks for this.", "Fill it in.")
    if order.account_number is not None and not tenant.account_numbers.fits(order.account_number):
        shape = tenant.account_numbers
        beginning = f" that begin with {shape.starting}" if shape.starting else ""
        say(
            "account_number_shape",
            "/account_number",
            f"Account numbers of this white label have {shape.length} digits{beginning}.",
            "Change it, or leave it out: then one is made.",
        )
    known_taxes = {tax.code for tax in tenant.taxes}
    for index, code in enumerate(order.taxes or ()):
        if code not in known_taxes:
            offered = ", ".join(sorted(known_taxes)) or "none"
            say("unknown_tax", f"/taxes/{index}", "This white label has no such tax.", f"Choose from: {offered}.")
    if order.tax_rate_basis_points is not None:
        rate = f"{order.tax_rate_basis_points / 100:g} %"
        say(
            "tax_rate_overridden",
            "/tax_rate_basis_points",
            f"This customer is taxed at {rate}, whatever taxes apply otherwise.",
            "Leave it out to apply the white label's taxes.",
            Severity.INFO,
        )
    prices = tenant.list_for(order.price_list, order.sold_on(day))
    if prices is not None and prices.plan(order.plan) is None:
        offered = ", ".join(plan.code for plan in prices.plans)
        say("unknown_plan", "/plan", "There is no such plan on the price list.", f"Choose one of: {offered}.")
    seen: set[str] = set()
    for position, service in enumerate(order.services):
        for index, e164 in enumerate(service.numbers.explicit):
            pointer = f"/services/{position}/numbers/explicit/{index}"
            if e164 in seen:
                say("number_twice", pointer, "This number is ordered twice.", "Remove one of the two.")
            elif e164 not in explicit_grades:
                say("number_unknown", pointer, "This number is not in the inventory.", "Search for one that is available.")
            seen.add(e164)
        if service.numbers.criteria is not None and service.numbers.criteria.pool not in {PUBLIC, order.account_id}:
            say(
                "pool_of_another",
                f"/services/{position}/numbers/criteria/pool",
                "These numbers are kept for a customer whom this order adds nothing to.",
                "Choose from the public pool, or name that customer as account_id.",
            )
    if order.segment is Segment.RESIDENTIAL:
        found += _beyond(order, tenant.residential)
    if order.customer.service_address is None and any(
        service.setting(number).emergency_address is None
        for service in order.services
        for number in range(service.numbers.count)
    ):
        say(
            "service_address_missing",
            "/customer/service_address",
            "A telephone number needs the address where it is used: emergency services are sent there.",
            "Add it.",
        )
    if order.account_kind == "reseller" and order.services:
        say(
            "reseller_has_no_lines",
            "/services",
            "A reseller has customers, not telephones.",
            "Leave the services out, and order them for a customer below it.",
        )
    if order.administration is Administration.OPERATOR and terms is None:
        say(
            "terms_not_accepted",
            "/terms_accepted",
            "Nobody else will be asked whether the customer accepts the terms and conditions.",
            "Confirm that the customer has accepted them.",
        )
    if order.administration is Administration.CUSTOMER:
        say(
            "activated_by_customer",
            "/administration",
            "Only the customer can activate this account, from the e-mail; you will not be able to.",
            "To set the account up yourself, let the operator administer it.",
            Severity.INFO,
        )
    if order.account_id and not order.services:
        say("nothing_added", "/services", "Nothing is added to the account by this.", "Name at least one service.")
    if order.credit_limit_minor and order.account_type is AccountType.PREPAID:
        say(
            "credit_limit_not_counted",
            "/credit_limit_minor",
            "A credit limit counts for postpaid accounts only; this account is prepaid and can spend what it has.",
            "Make the account postpaid, or leave the limit out.",
            Severity.WARNING,
        )
    return found


def _beyond(order: Order, features: FeatureSet) -> Iterator[Finding]:
    """What of an order is outside the feature set of its segment (S2-08)."""

    def outside(pointer: str, what: str) -> Finding:
        fix = "Order less, or make the customer a normal one."
        return Finding(code="not_in_segment", pointer=pointer, message=f"Residential customers have {what}.", fix=fix)

    if features.services is not None and len(order.services) > features.services:
        yield outside("/services", f"at most {features.services} services")
    if features.numbers is not None and order.number_count > features.numbers:
        yield outside("/services", f"at most {features.numbers} telephone numbers")
    for position, service in enumerate(order.services):
        if features.channels is not None and not 0 < service.max_channels <= features.channels:
            yield outside(f"/services/{position}/max_channels", f"at most {features.channels} calls at once")


def _is_free(order: Order, tenant: Tenant, explicit_grades: Mapping[str, Grade], day: date | None) -> bool:
    """Whether the order costs nothing: what costs nothing can always be paid (C3)."""
    taxes = {tax.code for tax in tenant.taxes} >= set(order.taxes or ())
    prices = tenant.list_for(order.price_list, order.sold_on(day))
    types = all(tenant.service_type(service.type) for service in order.services)
    known = prices and prices.plan(order.plan) and set(order.explicit_numbers) <= set(explicit_grades) and taxes and types
    return bool(known) and quote(order, tenant, explicit_grades, day).total_minor == 0


def blocking(found: Sequence[Finding], acknowledged: Collection[str] = ()) -> list[Finding]:
    """What keeps an order from being started: every error, and every warning that was not acknowledged by its code (S3-45)."""
    return [
        finding
        for finding in found
        if finding.severity is Severity.ERROR or (finding.severity is Severity.WARNING and finding.code not in acknowledged)
    ]


def approval_reasons(order: Order, price: Quote, tenant: Tenant, explicit_grades: Mapping[str, Grade]) -> tuple[str, ...]:
    """Why an approver must look at this order first; empty if nobody needs to."""
    policy, reasons = tenant.approval, []
    for reason, minor, over in (
        ("total", price.total_minor, policy.total_over_minor),
        ("credit_limit", order.credit_limit_minor, policy.credit_limit_over_minor),
    ):
        most = tenant.decided_alone(over, price.currency)
        if most is not None and minor > most:
            reasons.append(reason)
    if any(grade in policy.grades for grade in grades_ordered(order, explicit_grades)):
        reasons.append("number_grade")
    return tuple(reasons)
