"""One table says where each field of an order is; every view of the form shows all of them, each once."""

from collections import Counter

import pytest

from domain.forms import PROFILES
from domain.sections import AT_SUBMIT, CONTAINERS, DRAFT_ONLY, FIELDS, MANAGED, Section, field_of, form_named, section_of
from starter.schemas.orders import CreateOnboarding, CustomerBody, ServiceBody


def test_every_field_of_the_body_of_an_order_is_in_exactly_one_section() -> None:
    body = {name for name in CreateOnboarding.model_fields if name not in CONTAINERS}
    body |= {f"customer.{name}" for name in CustomerBody.model_fields} | {
        f"services.{name}" for name in ServiceBody.model_fields
    }
    assert set(FIELDS) - DRAFT_ONLY == body - (AT_SUBMIT - set(FIELDS)), (
        "a field of the order is missing in domain.sections.FIELDS, or one too many"
    )
    assert set(FIELDS) >= MANAGED | DRAFT_ONLY


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_view_of_the_form_shows_every_field_once(profile: str) -> None:
    shown = Counter(field for fields in form_named(profile).values() for field in fields)
    assert shown == Counter(list(FIELDS))


@pytest.mark.parametrize(
    ("pointer", "field", "section"),
    [
        ("/customer/contact/email", "customer.contact", Section.CUSTOMER),
        ("/services/3/numbers/explicit/1", "services.numbers", Section.NUMBERS),
        ("/services/0/settings/2/forward_to", "services.settings", Section.SETTINGS),
        ("/services", "services", Section.SERVICE),
        ("/services/0/there_is_none", "services.there_is_none", Section.SERVICE),
        ("/terms_accepted", "terms_accepted", Section.CREATION),
        ("/taxes/0", "taxes", Section.BILLING),
        ("", "", Section.CUSTOMER),
    ],
)
def test_a_pointer_into_an_order_is_about_one_field_of_one_section(pointer: str, field: str, section: Section) -> None:
    assert (field_of(pointer), section_of(pointer)) == (field, section)
