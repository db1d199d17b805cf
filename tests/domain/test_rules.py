from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.catalogue import ApprovalPolicy, Tenant
from domain.numbers import Grade, NumberCriteria, NumberSelection
from domain.orders import AccountType, Administration, Order, Payer, Service
from domain.payments import MeansKind
from domain.quotes import quote
from domain.rules import Severity, approval_reasons, blocking, findings, means_kind
from tests.builders import a_tenant, accepted, an_order, paid_by_parent
from tests.domain.values import orders, tenants

KNOWN = ("+441214960001", "+441214960002")


def naming(*services: tuple[str, ...], **changes: Any) -> Order:
    return an_order(services=tuple(Service(numbers=NumberSelection(explicit=each)) for each in services), **changes)


def by_operator(**changes: Any) -> Order:
    return an_order(administration=Administration.OPERATOR, payer=Payer.PARENT, **changes)


def codes(
    order: Order, tenant: Tenant | None = None, *, terms: bool = True, severity: Severity = Severity.ERROR
) -> list[tuple[str, str]]:
    found = findings(order, tenant or a_tenant(), dict.fromkeys(KNOWN, Grade.STANDARD), accepted() if terms else None)
    return [(finding.code, finding.pointer) for finding in found if finding.severity is severity]


def resolve(document: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) points at; raises if it points nowhere."""
    assert pointer.startswith("/")
    for token in pointer[1:].split("/"):
        document = document[int(token)] if isinstance(document, list) else document[token]
    return document


@given(orders(plans=(None, "one", "none-such")), tenants(), st.booleans(), st.booleans())
def test_every_finding_points_into_the_order_and_says_the_way_out(
    order: Order, tenant: Tenant, attested: bool, known: bool
) -> None:
    grades = dict.fromkeys(order.explicit_numbers, Grade.STANDARD) if known else {}
    body = order.model_dump(mode="json") | {"terms_accepted": attested}
    for finding in findings(order, tenant, grades, accepted() if attested else None):
        resolve(body, finding.pointer)
        assert finding.message.endswith(".")
        assert finding.fix.endswith("."), "a sentence on what to do"
        assert finding.section in {"customer", "service", "numbers", "billing", "creation"}


@given(orders(plans=(None, "one", "none-such")), tenants(), st.sets(st.sampled_from(KNOWN)))
def test_whatever_passes_the_door_can_be_priced(order: Order, tenant: Tenant, known: set[str]) -> None:
    grades = dict.fromkeys(known | set(order.explicit_numbers[::2]), Grade.GOLD)
    assume(not blocking(findings(order, tenant, grades, accepted()), {"credit_limit_not_counted"}))
    quote(order, tenant, grades)


def test_a_good_order_has_no_findings() -> None:
    assert codes(an_order()) == []
    assert codes(paid_by_parent()) == []
    assert codes(naming(KNOWN)) == []


def test_a_customer_cannot_pay_by_card_where_there_is_no_gateway() -> None:
    without = a_tenant(card_gateway=False)
    assert codes(an_order(), without) == [("gateway_missing", "/administration")]
    assert codes(paid_by_parent(), without) == []


def test_a_prepaid_account_that_the_operator_opens_has_nothing_to_pay_with() -> None:
    order = an_order(administration=Administration.OPERATOR, account_type=AccountType.PREPAID)
    assert codes(order) == [("nothing_to_pay_with", "/payer")]
    assert codes(order.model_copy(update={"account_type": AccountType.POSTPAID})) == []


def test_what_costs_nothing_can_be_paid_from_an_account_without_money() -> None:
    """C3: a zero price always passes."""
    order = an_order(administration=Administration.OPERATOR, payer=Payer.SELF, account_type=AccountType.PREPAID)
    assert codes(order) == [("nothing_to_pay_with", "/payer")]
    free = a_tenant().price_list.plans[0].model_copy(update={"setup_minor": 0, "period_minor": 0, "number_period_minor": 0})
    prices = a_tenant().price_list.model_copy(update={"plans": (free,), "grade_setup_minor": {}})
    assert codes(order, a_tenant().model_copy(update={"price_list": prices})) == []


def test_a_credit_limit_on_a_prepaid_account_is_taken_and_warned_about() -> None:
    order = by_operator(credit_limit_minor=100, account_type=AccountType.PREPAID)
    assert codes(order) == []
    assert codes(order, severity=Severity.WARNING) == [("credit_limit_not_counted", "/credit_limit_minor")]
    postpaid = by_operator(credit_limit_minor=100, account_type=AccountType.POSTPAID)
    assert codes(postpaid, severity=Severity.WARNING) == []


def test_a_warning_blocks_until_it_is_acknowledged_and_an_error_always_does() -> None:
    order = by_operator(credit_limit_minor=100, account_type=AccountType.PREPAID, plan="none-such")
    found = findings(order, a_tenant(), {}, accepted())
    assert [finding.code for finding in blocking(found)] == ["unknown_plan", "credit_limit_not_counted"]
    assert [finding.code for finding in blocking(found, {"credit_limit_not_counted", "unknown_plan"})] == ["unknown_plan"]


def test_a_plan_that_is_not_offered_is_answered_with_those_that_are() -> None:
    (finding,) = blocking(findings(an_order(plan="none-such"), a_tenant(), {}, None))
    assert (finding.code, finding.pointer) == ("unknown_plan", "/plan")
    assert "office-20" in finding.fix


def test_a_number_is_ordered_once_in_the_whole_order() -> None:
    assert codes(naming(KNOWN, KNOWN[:1])) == [("number_twice", "/services/1/numbers/explicit/0")]


def test_a_number_that_is_not_in_the_inventory_is_pointed_at() -> None:
    assert codes(naming(KNOWN, ("+441214969999",))) == [("number_unknown", "/services/1/numbers/explicit/0")]


def test_telephone_numbers_need_the_address_where_they_are_used() -> None:
    order = an_order()
    homeless = order.model_copy(update={"customer": order.customer.model_copy(update={"service_address": None})})
    assert codes(homeless) == [("service_address_missing", "/customer/service_address")]
    assert codes(homeless.model_copy(update={"services": ()})) == []


def test_an_operator_attests_that_the_terms_were_accepted() -> None:
    assert codes(paid_by_parent(), terms=False) == [("terms_not_accepted", "/terms_accepted")]
    assert codes(an_order(), terms=False) == [], "a customer who administers is asked on the activation page"


@pytest.mark.parametrize(
    ("administration", "payer", "kind"),
    [
        (Administration.CUSTOMER, Payer.SELF, MeansKind.CARD),
        (Administration.OPERATOR, Payer.SELF, MeansKind.OWN_ACCOUNT),
        (Administration.CUSTOMER, Payer.PARENT, MeansKind.PARENT_ACCOUNT),
        (Administration.OPERATOR, Payer.PARENT, MeansKind.PARENT_ACCOUNT),
    ],
)
def test_who_administers_and_who_pays_decide_the_means(administration: Administration, payer: Payer, kind: MeansKind) -> None:
    assert means_kind(an_order(administration=administration, payer=payer)) is kind


@given(orders())
def test_the_other_axes_do_not_decide_the_means(order: Order) -> None:
    plain = an_order(administration=order.administration, payer=order.payer)
    assert means_kind(order) is means_kind(plain)
    assert means_kind(order).is_ledger == (means_kind(order) is not MeansKind.CARD)


def reasons(policy: ApprovalPolicy, order: Order) -> tuple[str, ...]:
    tenant, grades = a_tenant(approval=policy), dict.fromkeys(order.explicit_numbers, Grade.GOLD)
    return approval_reasons(order, quote(order, tenant, grades), tenant, grades)


@given(orders(plans=(None,)))
def test_a_policy_without_thresholds_asks_nobody(order: Order) -> None:
    assert reasons(ApprovalPolicy(), order) == ()


def test_an_approver_is_asked_above_the_total_and_not_at_it() -> None:
    total = quote(an_order(), a_tenant(), {}).total_minor
    assert reasons(ApprovalPolicy(total_over_minor=total), an_order()) == ()
    assert reasons(ApprovalPolicy(total_over_minor=total - 1), an_order()) == ("total",)


def test_an_approver_is_asked_above_the_credit_limit_and_not_at_it() -> None:
    policy = ApprovalPolicy(credit_limit_over_minor=100)
    assert reasons(policy, an_order(credit_limit_minor=100)) == ()
    assert reasons(policy, an_order(credit_limit_minor=101)) == ("credit_limit",)


def test_a_threshold_of_nothing_is_a_threshold() -> None:
    policy = ApprovalPolicy(total_over_minor=0, credit_limit_over_minor=0)
    assert reasons(policy, an_order(credit_limit_minor=1)) == ("total", "credit_limit")


def test_an_approver_is_asked_for_precious_numbers_named_or_described() -> None:
    policy = ApprovalPolicy(grades=(Grade.GOLD,))
    described = NumberSelection(criteria=NumberCriteria(prefix="+44121", grade=Grade.GOLD))
    assert reasons(policy, an_order()) == ()
    assert reasons(policy, naming(KNOWN)) == ("number_grade",)
    assert reasons(policy, an_order(services=(Service(numbers=described),))) == ("number_grade",)
