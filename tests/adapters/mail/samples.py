"""Mails as the desk makes them."""

from typing import Any

from pydantic import SecretStr

from adapters.crypto import Secrets
from adapters.mail.render import Letter, Renderer
from domain.mails import Mail, MailKind

ONBOARDING = "5b0e2b0c-5c3f-5d1e-9a53-0c8f4b2d7f11"
BASE_URL = "https://join.brindley.example"
SECRETS = Secrets(SecretStr("a-root-secret-for-tests-of-32-characters"))
OPERATOR_KINDS = {MailKind.APPROVAL_NEEDED, MailKind.OPERATOR_NEEDED}
CUSTOMER_KINDS = set(MailKind) - OPERATOR_KINDS - {MailKind.INVITATION, MailKind.LOW_BALANCE}
INVITED: dict[str, Any] = {"user_id": "user-0123456789abcdef", "invitation": 3}

FULL: dict[str, Any] = {
    "onboarding_id": ONBOARDING,
    "generation": 2,
    "code": None,
    "customer_name": "Colmore Trading Ltd",
    "contact_name": "Ann Baker",
    "tenant_name": "Brindley Voice",
    "support_email": "help@brindley.example",
    "lines": [
        {"text": "Office 20, set-up", "quantity": 1, "total": "£25.00"},
        {"text": "Office 20, first month", "quantity": 2, "total": "£40.00"},
    ],
    "total": "£78.00",
    "tax_name": "VAT",
    "tax": "£13.00",
    "numbers": ["+441214960123", "+441214960124"],
    "deadline": "2026-12-06T14:00:00Z",
    "waits_for": "customer",
    "state": "awaiting_activation",
    "approval_reasons": ["total", "number_grade"],
    "administration": "customer",
    "needs_attention": None,
    "balance": "£4.00",
    "below": "£10.00",
}
"""Everything an order can have."""

MINIMAL: dict[str, Any] = {
    **FULL,
    "contact_name": "",
    "lines": [],
    "total": None,
    "tax_name": None,
    "tax": None,
    "numbers": [],
    "deadline": None,
    "waits_for": None,
    "state": None,
    "approval_reasons": [],
    "administration": "operator",
}
"""An order with nothing in it that may be left out."""


def mail(kind: MailKind = MailKind.ACTIVATION, *, to: str = "ann@example.com", key: str = "", **facts: Any) -> Mail:
    invited = INVITED if kind is MailKind.INVITATION else {}
    if kind is MailKind.NOTIFICATION:
        invited = {"own_subject": "{customer_name} is ready", "own_body": "Hello {contact_name},\n\nThis is {customer_name}."}
    return Mail(key=key or f"{ONBOARDING}:mail:{kind}:1", kind=kind, recipients=(to,), facts={**FULL, **invited, **facts})


def letter(kind: MailKind, **facts: Any) -> Letter:
    return Renderer(BASE_URL, SECRETS).render(mail(kind, **facts))
