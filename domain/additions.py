"""Orders that add services to an account that is there already (S3-03, S3-08): the account decides who administers and pays."""

from collections.abc import Collection, Sequence

from domain.catalogue import Tenant
from domain.existing import AccountRecord
from domain.orders import Order, Segment
from domain.rules import Finding

OF_THE_ORDER = frozenset(
    {"account_id", "services", "basket", "substitutes", "acknowledged_warnings", "notifications", "afterwards"}
)
"""Fields of ``Order`` that such an order has; all others are the account's."""
_OF_THE_ACCOUNT = (frozenset(Order.model_fields) | {"password", "pin"}) - OF_THE_ORDER


def order_for(account: AccountRecord, asked: Order) -> Order:
    """The order, filled in with what the account has: who pays, how it is taxed, which plan is in force, who the customer is."""
    own = {name: getattr(asked, name) for name in OF_THE_ORDER}
    return Order(
        **own
        | {
            "customer": account.customer,
            "administration": account.administration,
            "payer": account.payer,
            "account_type": account.account_type,
            "segment": account.segment,
            "plan": account.plan,
            "price_list": account.price_list,
            "taxes": account.taxes,
            "tax_rate_basis_points": account.tax_rate_basis_points,
            "account_id": account.account_id,
        }
    )


def surplus(named: Collection[str]) -> list[Finding]:
    """What an order says of things that are the account's to decide."""
    return [
        Finding(
            code="decided_by_account",
            pointer=f"/{name}",
            message="The services are added to an account that is there already, and this is decided there.",
            fix="Leave it out; to change it, change the account.",
        )
        for name in sorted(_OF_THE_ACCOUNT & set(named))
    ]


def findings(order: Order, tenant: Tenant, account: AccountRecord) -> list[Finding]:
    """What the account has already, together with the order, makes too much of (S2-08)."""
    if order.segment is not Segment.RESIDENTIAL:
        return []
    features = tenant.residential
    found = []
    for what, has, more, most in (
        ("services", account.services, len(order.services), features.services),
        ("telephone numbers", account.numbers, order.number_count, features.numbers),
    ):
        if most is not None and more <= most < has + more:
            message = f"Residential customers have at most {most} {what}, and this account has {has}."
            found.append(Finding(code="not_in_segment", pointer="/services", message=message, fix="Add less."))
    return found


def about_account(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """The same findings; those about what the order has from its account point at the account."""
    owned = tuple(f"/{name}" for name in _OF_THE_ACCOUNT)
    return tuple(
        finding.model_copy(update={"pointer": "/account_id"}) if finding.pointer.startswith(owned) else finding
        for finding in found
    )
