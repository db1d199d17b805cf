"""The rules at the door for what an order asks of the switch: the right to call, dialling, and how each number behaves."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.calling import (
    Calling,
    RateGroup,
    SuspensionReason,
    end_of,
    rate_group_for,
    rated_until,
    unreachable_rules,
)
from domain.catalogue import Tenant
from domain.orders import Destination, NumberSetting, Order, Segment, Service
from domain.rules import Finding, Severity
from domain.voice import Forward


def line_findings(order: Order, tenant: Tenant, now: datetime) -> list[Finding]:
    """What is wrong with, or surprising about, what the order asks of the switch at this moment."""
    found: list[Finding] = []
    if order.account_id is None:
        found += expiry_findings(order, now)
        found += rate_group_findings(order.rate_group, tenant.rate_groups, now.date())
        found += rule_findings(order, tenant)
    for position, service in enumerate(order.services):
        found += _service_findings(order, service, f"/services/{position}")
    return found


def calling_of(order: Order, tenant: Tenant, account_id: str, onboarding_id: str, now: datetime) -> Calling:
    """The right to call with which the order's account begins. Ask ``line_findings`` first."""
    group = rate_group_for(tenant.rate_groups, order.rate_group, now.date())
    last = last_day(order, now)
    return Calling(
        account_id=account_id,
        onboarding_id=onboarding_id,
        rate_group=group.code if group else None,
        rated=group is not None,
        rated_until=rated_until(group) if group else None,
        expires_at=end_of(last, order.customer.time_zone) if last else None,
        late_payment_exempt=order.late_payment_exempt,
        suspended_for=(SuspensionReason.ADMIN,) if order.status == "suspended" else (),
        dial_rules=order.dial_rules,
    )


def last_day(order: Order, now: datetime) -> date | None:
    """The last day on which calls can be made: the date that was named, else the valid days added to today (C22)."""
    if order.expires_on is not None:
        return order.expires_on
    return None if order.valid_days is None else _last_of(order, order.valid_days, now)


def forwards(service: Service, numbers: tuple[str, ...]) -> tuple[Forward, ...]:
    """Which of the service's numbers go on to others. ``numbers`` are those that it got, in their order."""
    settings = ((number, service.setting(position)) for position, number in enumerate(numbers))
    return tuple(
        Forward(number=number, to=setting.forward_to)
        for number, setting in settings
        if setting.destination is Destination.FORWARD and setting.forward_to
    )


def _last_of(order: Order, days: int, now: datetime) -> date:
    return now.astimezone(ZoneInfo(order.customer.time_zone)).date() + timedelta(days=days)


def expiry_findings(order: Order, now: datetime) -> list[Finding]:
    """Whether the order's last day of calls can be, and says the same as its valid days (C22)."""
    found = []
    if order.expires_on is not None:
        if end_of(order.expires_on, order.customer.time_zone) <= now:
            message, fix = "This day is over, so the account could never call.", "Choose a later one."
            found.append(Finding(code="expiry_past", pointer="/expires_on", message=message, fix=fix))
        if order.valid_days is not None and _last_of(order, order.valid_days, now) != order.expires_on:
            other = _last_of(order, order.valid_days, now)
            message, fix = (
                f"The valid days would end on {other}; the date counts.",
                "Leave one of the two out, or make them agree.",
            )
            found.append(
                Finding(code="expiry_differs", pointer="/valid_days", message=message, fix=fix, severity=Severity.WARNING)
            )
    return found


def rate_group_findings(code: str | None, groups: tuple[RateGroup, ...], today: date) -> list[Finding]:
    """Whether calls can be rated by the rate group of this code, or by the default without one."""
    if rate_group_for(groups, code, today) is not None:
        return []
    if code is None:
        message = "There is no valid rate group, so this account will not be able to call."
        fix = "Create one and give it to the account."
        return [Finding(code="no_rate_group", pointer="/rate_group", message=message, fix=fix, severity=Severity.WARNING)]
    if code in {group.code for group in groups}:
        message, fix = "This rate group is not valid today.", "Choose another one."
        return [Finding(code="rate_group_not_valid", pointer="/rate_group", message=message, fix=fix)]
    message, fix = "There is no such rate group.", "Choose one that exists."
    return [Finding(code="unknown_rate_group", pointer="/rate_group", message=message, fix=fix)]


def rule_findings(order: Order, tenant: Tenant) -> list[Finding]:
    """Whether the order's dialling rules all have an effect, and its customer may have any."""
    found = [
        Finding(
            code="dial_rule_unreachable",
            pointer=f"/dial_rules/{position}",
            message="An earlier rule fits every number that this one fits.",
            fix="Put the longer prefix first.",
            severity=Severity.WARNING,
        )
        for position in unreachable_rules(order.dial_rules)
    ]
    if order.dial_rules and order.segment is Segment.RESIDENTIAL and not tenant.residential.dial_rules:
        message, fix = "Residential customers have no number translation.", "Leave it out, or make the customer a normal one."
        found.append(Finding(code="not_in_segment", pointer="/dial_rules", message=message, fix=fix))
    return found


def _service_findings(order: Order, service: Service, pointer: str) -> list[Finding]:
    found = []
    if service.caller_id is not None and service.caller_id not in order.explicit_numbers:
        message, fix = (
            "The order does not name this number, so calls cannot show it.",
            "Choose one of the numbers that it names.",
        )
        found.append(Finding(code="caller_id_not_ordered", pointer=f"{pointer}/caller_id", message=message, fix=fix))
    seen: set[int] = set()
    for index, setting in enumerate(service.settings):
        place = f"{pointer}/settings/{index}"
        if setting.number >= service.numbers.count:
            message, fix = f"The service has {service.numbers.count} numbers, counted from 0.", "Set up one of them."
            found.append(Finding(code="setting_of_no_number", pointer=f"{place}/number", message=message, fix=fix))
        elif setting.number in seen:
            message, fix = "This number is set up twice.", "Remove one of the two."
            found.append(Finding(code="setting_twice", pointer=f"{place}/number", message=message, fix=fix))
        seen.add(setting.number)
        found += setting_findings(setting, service, place)
    return found


def setting_findings(setting: NumberSetting, service: Service, place: str) -> list[Finding]:
    """Whether a number of the service can behave like this."""
    destination, target = setting.destination, setting.forward_to
    if destination is Destination.VOICEMAIL:
        message, fix = "The switch has no mailboxes.", "Let the number ring the line's telephones, or forward it."
        return [Finding(code="voicemail_unsupported", pointer=f"{place}/destination", message=message, fix=fix)]
    if destination is Destination.FORWARD and target is None:
        message, fix = "A forwarded number needs the number that its calls go on to.", "Add it."
        return [Finding(code="forward_target_missing", pointer=f"{place}/forward_to", message=message, fix=fix)]
    if destination is not Destination.FORWARD and target is not None:
        message, fix = (
            "This number is not forwarded, so nothing would happen.",
            "Remove the target, or choose forward as destination.",
        )
        return [Finding(code="forward_target_unused", pointer=f"{place}/forward_to", message=message, fix=fix)]
    if (
        target is not None
        and setting.number < len(service.numbers.explicit)
        and target == service.numbers.explicit[setting.number]
    ):
        message, fix = "The number would be forwarded to itself.", "Choose another target."
        return [Finding(code="forward_to_itself", pointer=f"{place}/forward_to", message=message, fix=fix)]
    return []
