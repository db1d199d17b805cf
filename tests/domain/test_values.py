"""What every value can do, and the small ones that have no page of their own."""

import hashlib
import inspect

import pytest
from pydantic import ValidationError

from domain import errors
from domain.access import Principal, Right, Role
from domain.base import Value
from domain.catalogue import PriceList, Terms
from domain.errors import DialtoneError, Refused, Unavailable
from domain.numbers import Grade
from domain.onboarding import Decision, OnboardingInput
from tests.builders import a_tenant, an_onboarding, paid_by_parent


def test_a_value_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Decision(actor="key:a").actor = "key:b"  # type: ignore[misc]


def test_a_worker_reads_what_a_later_release_has_written() -> None:
    assert Decision.model_validate({"actor": "key:a", "mood": "sunny"}) == Decision(actor="key:a")


@pytest.mark.parametrize("order", [None, paid_by_parent()])
def test_an_onboarding_is_the_same_after_the_way_through_a_history(order: None) -> None:
    onboarding = an_onboarding(order)
    assert OnboardingInput.model_validate_json(onboarding.model_dump_json()) == onboarding


def test_every_field_added_since_the_first_release_has_a_default() -> None:
    """A worker of today reads histories of yesterday: only what the first release wrote may be required."""
    required = {name for name, field in OnboardingInput.model_fields.items() if field.is_required()}
    assert required == {"id", "tenant_id", "sip_domain", "requested_by", "submitted_at", "fingerprint", "order", "quote"}


def test_terms_are_proven_by_their_hash() -> None:
    assert Terms(version="1", text="Be kind.").sha256 == hashlib.sha256(b"Be kind.").hexdigest()


def test_a_plan_is_found_by_its_code_or_is_the_first() -> None:
    prices = a_tenant().price_list
    assert prices.plan(None) is prices.plans[0]
    assert prices.plan("office-20") is prices.plans[0]
    assert prices.plan("none-such") is None


def test_no_grade_of_number_pays_the_customer() -> None:
    prices = a_tenant().price_list.model_dump()
    for wrong in (-1, 9.5):
        with pytest.raises(ValidationError):
            PriceList.model_validate(prices | {"grade_setup_minor": {"gold": wrong}})
    assert PriceList.model_validate(prices | {"grade_setup_minor": {"gold": 0}}).grade_setup_minor == {Grade.GOLD: 0}


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.ADMIN, set(Right)),
        (Role.SUB_ADMIN, set()),
        (Role.APPROVER, {Right.READ, Right.APPROVE}),
        (Role.AUDITOR, {Right.READ}),
        (Role.ACCOUNT_ADMINISTRATOR, {Right.READ, Right.OPERATE, Right.MANAGE_USERS}),
        (Role.STANDARD_USER, {Right.READ}),
    ],
)
def test_a_role_may_do_what_it_is_for_and_nothing_else(role: Role, rights: set[Right]) -> None:
    principal = Principal(id="key:a", name="a", person="a", tenant_id=None, role=role)
    assert {right for right in Right if principal.may(right)} == rights


KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DialtoneError)]


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(codes) == len(set(codes)) >= 10
    assert all(code.isidentifier() and code.islower() for code in codes)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_tells_its_sentence_and_a_code_that_may_be_narrowed(kind: type[DialtoneError]) -> None:
    assert (str(kind("It did not work.")), kind("It did not work.").code) == ("It did not work.", kind.code)
    narrowed = kind("It did not work.", code="much_narrower")
    assert (narrowed.message, narrowed.code, kind("x").code) == ("It did not work.", "much_narrower", kind.code)


def test_an_answer_and_no_answer_are_never_the_same() -> None:
    assert not any(issubclass(kind, Refused) and issubclass(kind, Unavailable) for kind in KINDS)
    assert Unavailable("Busy.", retry_after=2.5).retry_after == 2.5


def test_values_have_no_fields_that_can_be_changed_behind_their_back() -> None:
    assert Value.model_config["frozen"] is True
    assert all(kind.model_config.get("frozen") for kind in Value.__subclasses__())
