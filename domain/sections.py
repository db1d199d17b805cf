"""Which field of an order belongs to which section of the form: one table for findings, drafts and every view of the form.

A field is named by its path in the body of an order: ``plan``, ``customer.name``, ``services.numbers`` (of each service). A new
field of the order is one new line of ``FIELDS``; a test fails until it is there.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum


class Section(StrEnum):
    """The sections of the form in their order (S3-05)."""

    CUSTOMER = "customer"
    SERVICE = "service"
    NUMBERS = "numbers"
    SETTINGS = "settings"
    BILLING = "billing"
    CREATION = "creation"
    NOTIFICATIONS = "notifications"


CONTAINERS = ("customer", "services")
"""Fields whose own fields are told apart. ``services`` by itself is how many there are."""

FIELDS: dict[str, Section] = {
    # one line a field, in the order of the form
    "customer.kind": Section.CUSTOMER,
    "customer.name": Section.CUSTOMER,
    "customer.contact": Section.CUSTOMER,
    "customer.billing_email": Section.CUSTOMER,
    "customer.billing_address": Section.CUSTOMER,
    "customer.service_address": Section.CUSTOMER,
    "customer.time_zone": Section.CUSTOMER,
    "customer.given_name": Section.CUSTOMER,
    "customer.family_name": Section.CUSTOMER,
    "customer.company": Section.CUSTOMER,
    "customer.country": Section.CUSTOMER,
    "customer.tax_id": Section.CUSTOMER,
    "customer.identity_number": Section.CUSTOMER,
    "customer.coordinates": Section.CUSTOMER,
    "administration": Section.CUSTOMER,
    "segment": Section.CUSTOMER,
    "account_kind": Section.CUSTOMER,
    "account_number": Section.CUSTOMER,
    "status": Section.CUSTOMER,
    "expires_on": Section.CUSTOMER,
    "valid_days": Section.CUSTOMER,
    "white_label": Section.CUSTOMER,
    "account_id": Section.CUSTOMER,
    "credential": Section.CUSTOMER,
    "only_account": Section.SERVICE,
    "services": Section.SERVICE,
    "services.label": Section.SERVICE,
    "services.type": Section.SERVICE,
    "services.max_channels": Section.SERVICE,
    "create_sip_device": Section.SERVICE,
    "services.numbers": Section.NUMBERS,
    "substitutes": Section.NUMBERS,
    "basket": Section.NUMBERS,
    "services.caller_id": Section.SETTINGS,
    "services.settings": Section.SETTINGS,
    "dial_rules": Section.SETTINGS,
    "price_list": Section.BILLING,
    "currency": Section.BILLING,
    "plan": Section.BILLING,
    "payer": Section.BILLING,
    "account_type": Section.BILLING,
    "credit_limit_minor": Section.BILLING,
    "taxes": Section.BILLING,
    "tax_rate_basis_points": Section.BILLING,
    "invoicing": Section.BILLING,
    "low_balance_alert": Section.BILLING,
    "rate_group": Section.BILLING,
    "late_payment_exempt": Section.BILLING,
    "acknowledged_warnings": Section.CREATION,
    "terms_accepted": Section.CREATION,
    "notifications": Section.NOTIFICATIONS,
    "afterwards": Section.NOTIFICATIONS,
}

DRAFT_ONLY = frozenset({"only_account", "services"})
"""What a draft is asked beside the order: whether only an account is created (S3-15), and how many services there are."""
MANAGED = frozenset({"white_label", "basket"})
"""What a draft looks after by itself, so that nobody enters it."""
AT_SUBMIT = frozenset({"password", "pin"})
"""Secrets: a draft keeps none, so they are given with the submission."""
PASSED_OVER = frozenset({Section.NUMBERS, Section.SETTINGS})
"""What is not looked at, and not ordered, while only an account is created (S3-16)."""

Form = Mapping[str, tuple[str, ...]]
"""The sections of one view of the form in order, each with its fields."""


def _form(sections: Sequence[str], places: Mapping[Section, str], moved: Mapping[str, str]) -> Form:
    """A view: where each of our sections goes, but for the fields that are moved."""
    return {
        name: tuple(field for field, section in FIELDS.items() if moved.get(field, places[section]) == name)
        for name in sections
    }


WIZARD = _form(list(Section), {section: section.value for section in Section}, {})
"""S3: seven sections."""
_ADDRESS = dict.fromkeys(
    ("billing_address", "service_address", "country", "time_zone", "coordinates"),
    "address",
)
_WHERE = {f"customer.{field}": section for field, section in _ADDRESS.items()}
BUSINESS_ADDRESS_PLAN = _form(
    ["business", "address", "plan_and_payment"],
    dict.fromkeys(Section, "plan_and_payment") | {Section.CUSTOMER: "business"},
    _WHERE,
)
"""S1: three parts (S1-05); who administers the account is asked in the first (S1-06)."""
SETTINGS_BILLING_ADDRESS = _form(
    ["customer_settings", "billing", "address"],
    dict.fromkeys(Section, "customer_settings") | {Section.BILLING: "billing", Section.CREATION: "billing"},
    _WHERE | {"customer.billing_email": "address"},
)
"""S2: three sections (S2-15), the billing e-mail address among the addresses (S2-27)."""

_FORMS = {"white-label": BUSINESS_ADDRESS_PLAN, "reseller": SETTINGS_BILLING_ADDRESS}


def form_named(profile: str) -> Form:
    """The view of the form that a form profile of this name shows; the seven sections unless it has one of its own."""
    return _FORMS.get(profile, WIZARD)


def field_of(pointer: str) -> str:
    """The field that a JSON pointer into an order is about: ``/services/0/numbers/explicit/2`` is ``services.numbers``."""
    first, *rest = pointer.removeprefix("/").split("/")
    if first == "services" and len(rest) > 1:
        return f"services.{rest[1]}"
    if first == "customer" and rest:
        return f"customer.{rest[0]}"
    return first


def section_of(pointer: str) -> Section:
    """Our section that a JSON pointer into an order is about (S3-44)."""
    field = field_of(pointer)
    return FIELDS.get(field) or FIELDS.get(field.partition(".")[0], Section.CUSTOMER)
