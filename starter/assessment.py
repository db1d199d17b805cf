"""Looking at an order before anything is done: what is wrong or odd about it, what it costs, what it will lead to.

An order is started from the same assessment that the validity report shows (S3-41 to S3-46).
"""

from datetime import datetime

from pydantic import BaseModel, Field

from domain import line_rules, rules
from domain.access import Principal, Role, rights_of
from domain.base import Value
from domain.catalogue import Tenant
from domain.orders import Administration, Order, Payer, TermsAcceptance
from domain.plan import Planned, plan
from domain.ports import Catalogue
from domain.quotes import Quote, quote
from domain.rules import Severity
from starter.problems import ProblemError, of_finding

_UNPRICEABLE = {"unknown_plan", "number_unknown", "unknown_tax"}


class Assessment(Value):
    """What is found about an order, what it costs, and why an approver must look at it. No price where there can be none."""

    findings: tuple[rules.Finding, ...]
    price: Quote | None = None
    approval_reasons: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.code for item in self.findings if item.severity is Severity.WARNING))


async def assess(
    catalogue: Catalogue,
    tenant: Tenant,
    order: Order,
    terms: TermsAcceptance | None,
    now: datetime,
    principal: Principal | None = None,
) -> Assessment:
    """Look at an order as it would be started, and start nothing. ``principal`` is who orders."""
    numbers = order.explicit_numbers
    grades = await catalogue.grades(tenant.id, numbers) if numbers else {}
    found = (*rules.findings(order, tenant, grades, terms), *line_rules.line_findings(order, tenant, now))
    found += _beyond_rights(principal, order)
    if _UNPRICEABLE & {finding.code for finding in found}:
        return Assessment(findings=found)
    price = quote(order, tenant, grades)
    reasons = rules.approval_reasons(order, price, tenant, grades)
    return Assessment(findings=found, price=price, approval_reasons=reasons)


def may_make_admins(principal: Principal) -> bool:
    """Whether the caller has every right that the administrator of a new white label gets."""
    return principal.allowed >= rights_of(Role.ADMIN)


def _beyond_rights(principal: Principal | None, order: Order) -> tuple[rules.Finding, ...]:
    if order.account_kind != "reseller" or principal is None or may_make_admins(principal):
        return ()
    return (
        rules.Finding(
            code="reseller_needs_admin",
            pointer="/account_kind",
            message="Whoever administers a reseller may do everything there, and nobody gives more rights than they have.",
            fix="Ask an admin of the white label to order it.",
        ),
    )


def attested(principal: Principal, tenant: Tenant, order: Order, now: datetime, address: str | None) -> TermsAcceptance | None:
    """That an operator accepted the terms on the customer's behalf; a customer who administers accepts them in person (C15)."""
    if order.administration is not Administration.OPERATOR:
        return None
    return on_behalf(principal, tenant, now, address)


def on_behalf(principal: Principal, tenant: Tenant, now: datetime, address: str | None) -> TermsAcceptance:
    """The record that the customer accepted the terms, attested by the caller at this IP address."""
    return TermsAcceptance(
        version=tenant.terms.version,
        sha256=tenant.terms.sha256,
        capacity="on_behalf",
        accepted_by=principal.actor,
        accepted_at=now,
        address=address,
    )


class Summary(BaseModel):
    """The most pertinent of an order, on a few lines (S3-40)."""

    white_label: str
    customer: str
    administration: Administration
    payer: Payer
    plan: str | None
    services: int
    numbers: int
    total_minor: int | None = Field(description="Minor units, tax included; null where an error keeps it from being priced")
    currency: str
    needs_approval: tuple[str, ...]


class TermsText(BaseModel):
    """The terms and conditions that will have to be accepted (S3-47)."""

    version: str
    sha256: str
    text: str


class Everything(BaseModel):
    """The full report: every effect that the order will have, before any of it is done (S3-41)."""

    steps: tuple[Planned, ...]
    quote: Quote | None
    terms: TermsText


class ValidityReport(BaseModel):
    """Whether an order can be started, and what is to be said about it. Nothing was done."""

    valid: bool = Field(description="Whether it would be accepted as it is, acknowledged warnings included")
    errors: int
    warnings: int
    summary: Summary
    findings: list[ProblemError]
    full: Everything | None = None


def report(tenant: Tenant, order: Order, assessment: Assessment, *, full: bool) -> ValidityReport:
    """The short report, or the full one."""
    price, severities = assessment.price, [item.severity for item in assessment.findings]
    everything = None
    if full:
        steps = plan(order, price, assessment.approval_reasons, tenant.schedule) if price else ()
        terms = TermsText(version=tenant.terms.version, sha256=tenant.terms.sha256, text=tenant.terms.text)
        everything = Everything(steps=steps, quote=price, terms=terms)
    return ValidityReport(
        valid=not rules.blocking(assessment.findings, order.acknowledged_warnings),
        errors=severities.count(Severity.ERROR),
        warnings=severities.count(Severity.WARNING),
        summary=Summary(
            white_label=tenant.slug,
            customer=order.customer.name,
            administration=order.administration,
            payer=order.payer,
            plan=price.plan if price else order.plan,
            services=len(order.services),
            numbers=order.number_count,
            total_minor=price.total_minor if price else None,
            currency=tenant.currency,
            needs_approval=assessment.approval_reasons,
        ),
        findings=[of_finding(item) for item in assessment.findings],
        full=everything,
    )
