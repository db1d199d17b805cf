"""Values with good defaults, so that a test names only what it is about."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.calling import RateGroup
from domain.catalogue import ApprovalPolicy, Plan, PriceList, Schedule, Tenant, Terms
from domain.customer import Address, Contact, Customer
from domain.numbers import Grade, NumberCriteria, NumberSelection
from domain.onboarding import Activation, CardPresented, Decision, OnboardingInput
from domain.orders import AccountType, Administration, Order, Payer, Service, TermsAcceptance
from domain.payments import MeansKind, PaymentMeans
from domain.quotes import quote

PLAN = Plan(code="office-20", name="Office 20", setup_minor=2500, period_minor=1500, number_period_minor=200)
TERMS = Terms(version="2026-01", text="Be kind to each other.")
ADDRESS = Address(lines=("1 Colmore Row",), city="Birmingham", postcode="B3 2BJ", country="GB")


def a_tenant(**changes: Any) -> Tenant:
    return Tenant(
        **{
            "id": "5f0c5f0e-0000-4000-8000-000000000001",
            "slug": "brumtel",
            "name": "Brumtel",
            "currency": "GBP",
            "tax_rate_basis_points": 2000,
            "sip_domain": "sip.brumtel.example",
            "support_email": "support@brumtel.example",
            "operator_emails": ("operators@brumtel.example",),
            "card_gateway": True,
            "price_list": PriceList(version="2026-11", plans=(PLAN,), grade_setup_minor={Grade.GOLD: 9900}),
            "rate_groups": (RateGroup(code="uk-standard", name="UK standard"),),
            "terms": TERMS,
            "approval": ApprovalPolicy(),
            **changes,
        }
    )


def an_order(**changes: Any) -> Order:
    customer = Customer(
        name=changes.pop("name", "Ada's Bakery"),
        contact=Contact(full_name="Ada Baker", email=changes.pop("email", "ada@example.com")),
        billing_address=ADDRESS,
        service_address=ADDRESS,
    )
    return Order(
        **{
            "customer": customer,
            "services": (Service(numbers=NumberSelection(criteria=NumberCriteria(prefix="+44121"))),),
            **changes,
        }
    )


def paid_by_parent(**changes: Any) -> Order:
    return an_order(administration=Administration.OPERATOR, payer=Payer.PARENT, account_type=AccountType.POSTPAID, **changes)


def an_onboarding(order: Order | None = None, **changes: Any) -> OnboardingInput:
    order, tenant = order or an_order(), changes.pop("tenant", a_tenant())
    return OnboardingInput(
        **{
            "id": str(uuid.uuid4()),
            "tenant_id": tenant.id,
            "sip_domain": tenant.sip_domain,
            "requested_by": "key:requester",
            "submitted_at": datetime.now(UTC),
            "fingerprint": "f" * 64,
            "order": order,
            "quote": quote(order, tenant, dict.fromkeys(order.explicit_numbers, Grade.STANDARD)),
            "terms": accepted("on_behalf") if order.administration is Administration.OPERATOR else None,
            "schedule": Schedule(undo_attention_after=timedelta(minutes=1), resend_cooldown=timedelta(0)),
            **changes,
        }
    )


def accepted(capacity: Any = "self") -> TermsAcceptance:
    return TermsAcceptance(
        version=TERMS.version, sha256=TERMS.sha256, capacity=capacity, accepted_by="customer", accepted_at=datetime.now(UTC)
    )


def activation(generation: int = 1) -> Activation:
    return Activation(generation=generation, terms=accepted())


def a_card(session: str = "cs_1", reference: str = "pm_1") -> CardPresented:
    return CardPresented(session=session, means=PaymentMeans(kind=MeansKind.CARD, reference=reference, customer="cus_1"))


def by(actor: str = "key:operator", reason: str | None = None) -> Decision:
    return Decision(actor=actor, reason=reason)
