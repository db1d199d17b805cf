"""The rules at the door: what makes an order impossible, and what makes it wait for an approver."""

from collections.abc import Mapping

from domain.base import Value
from domain.catalogue import Tenant
from domain.numbers import Grade
from domain.orders import AccountType, Administration, Order, Payer, TermsAcceptance
from domain.payments import MeansKind
from domain.quotes import Quote, grades_ordered


class Finding(Value):
    """What is wrong with an order: a stable code, where (JSON pointer, RFC 6901), and a sentence with the way out."""

    code: str
    pointer: str
    message: str


def means_kind(order: Order) -> MeansKind:
    """Whose ledger or card an order is paid from."""
    if order.payer is Payer.PARENT:
        return MeansKind.PARENT_ACCOUNT
    return MeansKind.CARD if order.administration is Administration.CUSTOMER else MeansKind.OWN_ACCOUNT


def findings(
    order: Order, tenant: Tenant, explicit_grades: Mapping[str, Grade], terms: TermsAcceptance | None
) -> list[Finding]:
    """Everything that makes this order impossible for this tenant; empty if it can be started.

    ``explicit_grades`` has the grade of those named numbers that exist in the tenant's inventory.
    """
    found: list[Finding] = []

    def refuse(code: str, pointer: str, message: str) -> None:
        found.append(Finding(code=code, pointer=pointer, message=message))

    kind = means_kind(order)
    if kind is MeansKind.CARD and not tenant.card_gateway:
        refuse(
            "gateway_missing",
            "/administration",
            "This white label has no payment gateway, so a customer cannot pay by card. "
            "Connect a gateway, or let the operator administer or the parent pay.",
        )
    if kind is MeansKind.OWN_ACCOUNT and order.account_type is AccountType.PREPAID:
        refuse(
            "nothing_to_pay_with",
            "/payer",
            "A prepaid account that the operator opens has no money yet. Let the parent pay, make it postpaid with a "
            "credit limit, or let the customer administer it and pay by card.",
        )
    if tenant.price_list.plan(order.plan) is None:
        offered = ", ".join(plan.code for plan in tenant.price_list.plans)
        refuse("unknown_plan", "/plan", f"There is no such plan on the price list. Choose one of: {offered}.")
    seen: set[str] = set()
    for position, service in enumerate(order.services):
        for index, e164 in enumerate(service.numbers.explicit):
            pointer = f"/services/{position}/numbers/explicit/{index}"
            if e164 in seen:
                refuse("number_twice", pointer, "This number is ordered twice. Remove one of the two.")
            elif e164 not in explicit_grades:
                refuse("number_unknown", pointer, "This number is not in the inventory. Search for one that is available.")
            seen.add(e164)
    if order.number_count and order.customer.service_address is None:
        refuse(
            "service_address_missing",
            "/customer/service_address",
            "A telephone number needs the address where it is used: emergency services are sent there. Add it.",
        )
    if order.administration is Administration.OPERATOR and terms is None:
        refuse(
            "terms_not_accepted",
            "/terms_accepted",
            "Nobody else will be asked: confirm that the customer has accepted the terms and conditions.",
        )
    return found


def approval_reasons(order: Order, quote: Quote, tenant: Tenant, explicit_grades: Mapping[str, Grade]) -> tuple[str, ...]:
    """Why an approver must look at this order first; empty if nobody needs to."""
    policy, reasons = tenant.approval, []
    if policy.total_over_minor is not None and quote.total_minor > policy.total_over_minor:
        reasons.append("total")
    if policy.credit_limit_over_minor is not None and order.credit_limit_minor > policy.credit_limit_over_minor:
        reasons.append("credit_limit")
    if any(grade in policy.grades for grade in grades_ordered(order, explicit_grades)):
        reasons.append("number_grade")
    return tuple(reasons)
