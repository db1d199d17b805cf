"""Who may call when, and what an order asks of the switch."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.calling import (
    Calling,
    CallingChange,
    DialRule,
    RateGroup,
    SuspensionReason,
    changed,
    end_of,
    rate_group_for,
    unreachable_rules,
)
from domain.catalogue import FeatureSet
from domain.errors import Refused
from domain.line_rules import calling_of, forwards, last_day, line_findings
from domain.numbers import NumberSelection
from domain.orders import NumberSetting, Order, Segment, Service
from domain.rules import Severity
from tests.builders import ADDRESS, a_tenant, an_order

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROW = Calling(account_id="acc", rate_group="uk", version=4)
_R = SuspensionReason


def change(act: str, reason: _R | None = None, **more: Any) -> CallingChange:
    values = {"key": "k", "account_id": "acc", "tenant_id": "t", "actor": "a", "act": act, "reason": reason, "at": NOW}
    return CallingChange.model_validate({**values, **more})


def codes(order: Order, **tenant: Any) -> dict[str, str]:
    return {finding.code: finding.pointer for finding in line_findings(order, a_tenant(**tenant), NOW)}


def test_the_versions_of_a_row_grow_with_what_is_different_only() -> None:
    once = changed(ROW, change("suspend", _R.FRAUD))
    assert (once.version, once.suspended_for) == (5, (_R.FRAUD,))
    assert changed(once, change("suspend", _R.FRAUD)) == once
    assert changed(once, change("resume", _R.PAYMENT)) == once
    twice = changed(once, change("suspend", _R.ADMIN))
    assert changed(twice, change("resume", _R.FRAUD)).suspended_for == (_R.ADMIN,)


def test_what_is_not_named_in_a_change_stays() -> None:
    row = ROW.model_copy(update={"expires_at": NOW + timedelta(days=1), "dial_rules": (DialRule(strip="0", replace="+44"),)})
    after = changed(row, change("set", fields={"rate_group"}, rate_group=None))
    assert (after.expires_at, after.dial_rules, after.rated) == (row.expires_at, row.dial_rules, False)


def test_an_account_that_has_expired_is_not_resumed_but_given_a_later_date() -> None:
    row = ROW.model_copy(update={"expires_at": NOW, "suspended_for": (_R.EXPIRY,)})
    assert row.reasons(NOW) == (_R.EXPIRY,)
    with pytest.raises(Refused) as refused:
        changed(row, change("resume", _R.EXPIRY))
    assert refused.value.code == "still_expired"
    later = changed(row, change("set", fields={"expires_at"}, expires_at=NOW + timedelta(days=1)))
    assert later.barred(NOW) == ()
    assert later.barred(NOW + timedelta(days=1)) == ("expiry",)


def test_who_is_exempt_does_not_stay_suspended_for_late_payment() -> None:
    row = ROW.model_copy(update={"suspended_for": (_R.FRAUD, _R.PAYMENT)})
    after = changed(row, change("set", fields={"late_payment_exempt"}, late_payment_exempt=True))
    assert (after.suspended_for, after.late_payment_exempt) == ((_R.FRAUD,), True)


def test_a_day_ends_where_the_customer_lives() -> None:
    assert end_of(date(2026, 11, 22), "Europe/London") == datetime(2026, 11, 23, tzinfo=UTC)
    assert end_of(date(2026, 6, 30), "Europe/London") == datetime(2026, 6, 30, 23, tzinfo=UTC)
    assert end_of(date(2026, 11, 22), "Pacific/Auckland") == datetime(2026, 11, 22, 11, tzinfo=UTC)


def test_valid_days_are_added_to_the_day_of_the_order_and_a_date_wins() -> None:
    assert last_day(an_order(valid_days=1), NOW) == date(2026, 11, 23)
    assert last_day(an_order(valid_days=1, expires_on=date(2027, 1, 1)), NOW) == date(2027, 1, 1)
    assert last_day(an_order(), NOW) is None
    assert codes(an_order(valid_days=1, expires_on=date(2026, 11, 23))) == {}
    assert codes(an_order(valid_days=2, expires_on=date(2026, 11, 23))) == {"expiry_differs": "/valid_days"}
    assert codes(an_order(expires_on=date(2026, 11, 22))) == {}, "the whole day counts"
    assert codes(an_order(expires_on=date(2026, 11, 21))) == {"expiry_past": "/expires_on"}


def test_the_rate_group_is_the_one_that_is_named_or_the_first_that_is_valid() -> None:
    old = RateGroup(code="old", name="Old", valid_until=date(2026, 11, 21))
    new, next_one = RateGroup(code="new", name="New", valid_until=date(2026, 11, 22)), RateGroup(code="next", name="Next")
    assert rate_group_for((old, new, next_one), None, NOW.date()) == new
    assert rate_group_for((old, new, next_one), "next", NOW.date()) == next_one
    assert rate_group_for((old, new, next_one), "old", NOW.date()) is None
    begun = calling_of(an_order(), a_tenant(rate_groups=(old, new)), "acc", "onb", NOW)
    assert (begun.rate_group, begun.rated_until) == ("new", datetime(2026, 11, 23, tzinfo=UTC))
    assert begun.barred(datetime(2026, 11, 23, tzinfo=UTC)) == ("no_rate_group",)


def test_without_a_rate_group_an_order_is_warned_of_and_its_account_barred() -> None:
    [finding] = line_findings(an_order(), a_tenant(rate_groups=()), NOW)
    assert (finding.code, finding.severity) == ("no_rate_group", Severity.WARNING)
    assert calling_of(an_order(), a_tenant(rate_groups=()), "acc", "onb", NOW).rights.barred == ("no_rate_group",)
    assert codes(an_order(rate_group="nonsense")) == {"unknown_rate_group": "/rate_group"}


@pytest.mark.parametrize(
    ("strips", "never"),
    [(["00", "0"], []), (["0", "00"], [1]), (["", "0", "1"], [1, 2]), (["1", "1"], [1])],
    ids=["long first", "short first", "everything first", "twice"],
)
def test_a_rule_that_no_number_comes_to_is_found(strips: list[str], never: list[int]) -> None:
    assert unreachable_rules([DialRule(strip=strip, replace="9") for strip in strips]) == never


@pytest.mark.parametrize("strip", ["a", "+", "0>1", "0;1", " ", "++", "0" * 17], ids=repr)
def test_a_rule_holds_nothing_that_the_switch_would_read_as_something_else(strip: str) -> None:
    if strip == "+":
        assert DialRule(strip=strip, replace="0")
        return
    with pytest.raises(ValidationError):
        DialRule(strip=strip, replace="0")


def test_rules_are_no_more_than_the_switch_has_room_for() -> None:
    rules = [{"strip": f"{index:07}", "replace": "+44121496"} for index in range(7)]
    assert len(an_order(dial_rules=rules).dial_rules) == 7
    with pytest.raises(ValidationError):
        an_order(dial_rules=[*rules, {"strip": "1", "replace": "2"}])


def test_settings_must_be_of_numbers_that_are_there_and_make_sense() -> None:
    def service(*settings: NumberSetting) -> Order:
        numbers = NumberSelection(explicit=("+441214960001", "+441214960002"))
        return an_order(services=(Service(numbers=numbers, settings=settings),))

    place = "/services/0/settings"
    assert codes(service(NumberSetting(number=2))) == {"setting_of_no_number": f"{place}/0/number"}
    assert codes(service(NumberSetting(number=1), NumberSetting(number=1))) == {"setting_twice": f"{place}/1/number"}
    itself = NumberSetting(number=1, destination="forward", forward_to="+441214960002")
    assert codes(service(itself)) == {"forward_to_itself": f"{place}/0/forward_to"}
    other = NumberSetting(number=1, destination="forward", forward_to="+441214960009", emergency_address=ADDRESS)
    order = service(other)
    assert codes(order) == {}
    numbers = order.services[0].numbers.explicit
    assert [(one.number, one.to) for one in forwards(order.services[0], numbers)] == [("+441214960002", "+441214960009")]


def test_a_residential_customer_has_no_translation_unless_the_white_label_says_so() -> None:
    order = an_order(segment=Segment.RESIDENTIAL, dial_rules=[{"strip": "0", "replace": "+44"}])
    assert codes(order) == {"not_in_segment": "/dial_rules"}
    assert codes(order, residential=FeatureSet()) == {}
    assert codes(order.model_copy(update={"segment": Segment.NORMAL})) == {}
