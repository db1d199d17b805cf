"""The rules at the door for what an order chooses from the catalogue: price list, currency, taxes, service types."""

from collections.abc import Iterator
from datetime import date

from domain.billing import InvoicingPolicy
from domain.catalogue import PriceList, Tenant
from domain.orders import Order, Payer, Service
from domain.rules import Finding, Severity
from domain.service_types import ServiceType

UNPRICEABLE = frozenset({"unknown_price_list", "price_list_not_valid", "no_price_list", "unknown_service_type"})
"""Findings after which there is no price."""


def catalogue_findings(order: Order, tenant: Tenant, day: date | None = None) -> list[Finding]:
    """What is wrong with what the order chooses, or odd. ``day`` is today in UTC; without it everything is valid."""
    found = price_list_findings(order.price_list, tenant, order.sold_on(day))
    prices = tenant.list_for(order.price_list, order.sold_on(day))
    if prices is not None:
        found += _currency_findings(order, tenant, prices)
        found += _invoicing_findings(order, prices)
    known = {tax.code: tax for tax in tenant.taxes}
    found += [
        _error("tax_not_valid", f"/taxes/{index}", "This tax is not valid today.", "Choose another one, or none.")
        for index, code in enumerate(order.taxes or ())
        if code in known and not known[code].valid_on(day)
    ]
    for position, service in enumerate(order.services):
        found += _service_findings(order, tenant, service, f"/services/{position}")
    return found


def price_list_findings(code: str | None, tenant: Tenant, day: date | None) -> list[Finding]:
    """Whether the price list of this code, or a default one, can be sold on."""
    if tenant.list_for(code, day) is not None:
        return []
    offered = ", ".join(one.code for one in tenant.offered if one.valid_on(day)) or "none"
    if code is None:
        message, fix = "No price list of this white label is valid today.", "Make one valid."
        return [_error("no_price_list", "/price_list", message, fix)]
    if tenant.list_for(code) is not None:
        message = "This price list is not valid today."
        return [_error("price_list_not_valid", "/price_list", message, f"Choose one of: {offered}.")]
    return [_error("unknown_price_list", "/price_list", "There is no such price list.", f"Choose one of: {offered}.")]


def _error(code: str, pointer: str, message: str, fix: str) -> Finding:
    return Finding(code=code, pointer=pointer, message=message, fix=fix)


def _currency_findings(order: Order, tenant: Tenant, prices: PriceList) -> Iterator[Finding]:
    """An account has one currency, and the account that pays has the same (S4-27)."""
    theirs = tenant.currency_of(prices)
    pointer = "/price_list" if order.price_list else "/currency"
    if order.currency is not None and order.currency != theirs:
        message = f"The account is to be in {order.currency}, and the price list is in {theirs}."
        yield _error("price_list_currency", pointer, message, "Choose a price list in the account's currency.")
    elif order.payer is Payer.PARENT and theirs != tenant.currency:
        message = f"The white label pays from an account in {tenant.currency}, and the price list is in {theirs}."
        yield _error("price_list_currency", "/price_list", message, "Choose another price list, or let the customer pay.")


def _invoicing_findings(order: Order, prices: PriceList) -> Iterator[Finding]:
    """Who bills elsewhere invoices elsewhere, and nobody else does (S2-18, C18)."""
    policy, where = order.invoicing.policy, "/invoicing/policy"
    if prices.external and policy not in {None, InvoicingPolicy.EXTERNAL}:
        message = "Customers on this price list are billed elsewhere, so there is nothing to invoice here."
        yield _error(
            "invoicing_does_not_match", where, message, "Make it external or leave it out, or choose another price list."
        )
    elif not prices.external and policy is InvoicingPolicy.EXTERNAL:
        message = "On this price list charges are made here, and invoices from elsewhere would charge them again."
        yield _error(
            "invoicing_does_not_match", where, message, "Choose a price list of those who bill elsewhere, or another policy."
        )
    if prices.external:
        message = "Nothing is charged here on this price list: the customer is billed elsewhere."
        fix = "Choose another price list to charge here."
        yield Finding(code="billed_elsewhere", pointer="/price_list", message=message, fix=fix, severity=Severity.INFO)


def _service_findings(order: Order, tenant: Tenant, service: Service, pointer: str) -> Iterator[Finding]:
    kind = tenant.service_type(service.type)
    sold = ", ".join(one.code for one in tenant.service_types if not one.withdrawn) or "none"
    if kind is None:
        message = "There is no such service type."
        yield _error("unknown_service_type", f"{pointer}/type", message, f"Choose one of: {sold}.")
        return
    if kind.withdrawn:
        message = f"{kind.name} is not sold any more."
        yield _error("service_type_withdrawn", f"{pointer}/type", message, f"Choose one of: {sold}.")
    if order.segment not in kind.segments:
        message = f"{order.segment.value.capitalize()} customers cannot have this type of service ({kind.name})."
        yield _error("not_in_segment", f"{pointer}/type", message, "Choose another type, or make the customer another kind.")
    yield from beyond_type(service, kind, pointer)


def beyond_type(service: Service, kind: ServiceType, pointer: str) -> Iterator[Finding]:
    """What a service asks for that its type does not include."""
    count = service.numbers.count
    if kind.needs_number and count == 0:
        message = f"A service of this type ({kind.name}) needs a telephone number."
        yield _error("number_needed", f"{pointer}/numbers", message, "Choose at least one.")
    if kind.most_numbers is not None and count > kind.most_numbers:
        message = f"A service of this type ({kind.name}) has {kind.most_numbers} telephone numbers at most."
        yield _error("beyond_type", f"{pointer}/numbers", message, "Choose fewer, or another type.")
    if kind.most_channels is not None and not 0 < service.max_channels <= kind.most_channels:
        message = f"A service of this type ({kind.name}) makes {kind.most_channels} calls at once at most."
        yield _error("beyond_type", f"{pointer}/max_channels", message, "Lower it, or choose another type.")
    asked = {"caller_id": service.caller_id is not None, "settings": bool(service.settings)}
    for name in sorted(asked):
        if asked[name] and name not in kind.applies:
            message = f"This cannot be set for a service of this type ({kind.name})."
            yield _error("setting_not_of_type", f"{pointer}/{name}", message, "Leave it out, or choose another type.")
