"""Looking at an order before anything is done: what is wrong or odd about it, what it costs, what it will lead to.

An order is started from the same assessment that the validity report shows (S3-41 to S3-46).
"""

from datetime import UTC, datetime

from pydantic import BaseModel, Field

from domain import additions, catalogue_rules, line_rules, rules
from domain.access import Principal, Role, rights_of
from domain.base import Value
from domain.catalogue import Tenant
from domain.existing import AccountRecord
from domain.notification_rules import notification_findings
from domain.orders import Administration, Order, Payer, TermsAcceptance
from domain.payments import MeansKind
from domain.plan import Planned, plan
from domain.ports import Catalogue
from domain.price_lists import Prices
from domain.quotes import Quote, quote
from domain.rules import Severity
from domain.views import OnboardingView
from starter.problems import ProblemError, of_finding
from starter.schemas.notifications import NotificationDefault, notification_defaults

_UNPRICEABLE = {"unknown_plan", "number_unknown", "unknown_tax", *catalogue_rules.UNPRICEABLE}


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
    adds_to: AccountRecord | None = None,
    principal: Principal | None = None,
) -> Assessment:
    """Look at an order as it would be started, and start nothing.

    ``adds_to`` is the account that it names, ``principal`` is who orders.
    """
    numbers = order.explicit_numbers
    grades = await catalogue.grades(tenant.id, numbers) if numbers else {}
    day = now.astimezone(UTC).date()
    found = (
        *rules.findings(order, tenant, grades, terms, day),
        *catalogue_rules.catalogue_findings(order, tenant, day),
        *line_rules.line_findings(order, tenant, now),
        *notification_findings(order),
        *_beyond_rights(principal, order),
    )
    if adds_to is not None:
        found = additions.about_account((*found, *additions.findings(order, tenant, adds_to)))
    if _UNPRICEABLE & {finding.code for finding in found}:
        return Assessment(findings=found)
    price = quote(order, tenant, grades, day)
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


async def quoted_terms(prices: Prices, tenant: Tenant, view: OnboardingView) -> Tenant:
    """The white label with the terms that this order was quoted on: those are accepted, whatever is in force since (C15)."""
    wanted = view.quote.terms_sha256
    if wanted is None or wanted == tenant.terms.sha256:
        return tenant
    kept = await prices.terms(tenant.id, wanted)
    return tenant if kept is None else tenant.model_copy(update={"terms": kept})


class Summary(BaseModel):
    """The most pertinent of an order, on a few lines (S3-40)."""

    white_label: str
    customer: str
    administration: Administration
    payer: Payer
    paid_from: MeansKind = Field(description="What the order is paid with once everybody has agreed")
    price_list: str | None = Field(description="Its code")
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
    notifications: tuple[NotificationDefault, ...] | None = Field(
        default=None, description="The letters that can be sent at the end, to be edited; only when all is well"
    )


def report(tenant: Tenant, order: Order, assessment: Assessment, *, full: bool) -> ValidityReport:
    """The short report, or the full one."""
    price, severities = assessment.price, [item.severity for item in assessment.findings]
    everything = None
    if full:
        steps = plan(order, price, assessment.approval_reasons, tenant.schedule) if price else ()
        terms = TermsText(version=tenant.terms.version, sha256=tenant.terms.sha256, text=tenant.terms.text)
        everything = Everything(steps=steps, quote=price, terms=terms)
    valid = not rules.blocking(assessment.findings, order.acknowledged_warnings)
    return ValidityReport(
        valid=valid,
        errors=severities.count(Severity.ERROR),
        warnings=severities.count(Severity.WARNING),
        summary=Summary(
            white_label=tenant.slug,
            customer=order.customer.name,
            administration=order.administration,
            payer=order.payer,
            paid_from=rules.means_kind(order),
            price_list=price.price_list_code if price else order.price_list,
            plan=price.plan if price else order.plan,
            services=len(order.services),
            numbers=order.number_count,
            total_minor=price.total_minor if price else None,
            currency=price.currency if price else tenant.currency,
            needs_approval=assessment.approval_reasons,
        ),
        findings=[of_finding(item) for item in assessment.findings],
        full=everything,
        notifications=notification_defaults(order.administration) if valid else None,
    )
