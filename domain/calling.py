"""Calling: whether and until when the telephones of an account may make calls, and how what they dial is read.

An account that may not call can still register its telephones and be called: a suspension is not a disconnection, and the
number stays the customer's.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from domain.base import Value
from domain.errors import Refused

MOST_DIAL_RULES = 20
_ROOM = 128
"""Characters that the switch keeps for all rules of an account together."""
Dialled = Annotated[str, StringConstraints(pattern=r"^\+?[0-9*#]{0,15}$")]
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
RateGroupCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=["uk-standard"])]


class SuspensionReason(StrEnum):
    """Why an account is suspended. It is suspended as long as one reason is left (C23)."""

    PAYMENT = "payment"
    EXPIRY = "expiry"
    FRAUD = "fraud"
    ADMIN = "admin"


class DialRule(Value):
    """A dialled number that begins with ``strip`` begins with ``replace`` instead (S4-18). The first rule that fits applies."""

    strip: Dialled = Field(description="What the dialled number begins with; empty fits every number", examples=["0"])
    replace: Dialled = Field(default="", description="What it begins with instead", examples=["+44"])

    @model_validator(mode="after")
    def _changes_something(self) -> "DialRule":
        if self.strip == self.replace:
            raise ValueError("replaces a prefix by itself; change one of the two or leave the rule out")
        return self


def fit(rules: "tuple[DialRule, ...]") -> "tuple[DialRule, ...]":
    """The rules, if the switch has room for them. Raises ``ValueError``."""
    if sum(len(rule.strip) + len(rule.replace) + 2 for rule in rules) - 1 > _ROOM:
        raise ValueError(f"is more than the switch has room for: {_ROOM} characters, two for each rule counted in; shorten it")
    return rules


DialRules = Annotated[tuple[DialRule, ...], Field(max_length=MOST_DIAL_RULES), AfterValidator(fit)]


class RateGroup(Value):
    """What calls are rated by (S4-23, S4-24). Valid from the first day to the last, both included, in UTC."""

    code: RateGroupCode
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    valid_from: Day | None = None
    valid_until: Day | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "RateGroup":
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("ends before it begins; correct valid_from or valid_until")
        return self

    def valid_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_until is None or day <= self.valid_until)


class CallingRights(Value):
    """What the switch must know of one account. ``version`` grows with every change; an older one never replaces a newer.

    ``barred`` holds stable words (the reasons of suspension, ``no_rate_group``); empty, and the account may call until
    ``until`` (UTC, exclusive). ``until_word`` says what ends then.
    """

    account_id: str
    version: int = 0
    barred: tuple[str, ...] = ()
    expires_at: datetime | None = None
    rated_until: datetime | None = None
    dial_rules: DialRules = ()


class Calling(Value):
    """An account's right to make calls, as our records have it.

    ``switch_version`` is the newest version that the switch is known to hold: equal to ``version``, and the two agree.
    """

    account_id: str
    onboarding_id: str | None = None
    version: int = 0
    switch_version: int = 0
    rate_group: RateGroupCode | None = None
    rated: bool = True
    """Whether calls can be rated; false bars them. True of accounts from before there were rate groups."""
    rated_until: datetime | None = None
    expires_at: datetime | None = None
    late_payment_exempt: bool = False
    suspended_for: tuple[SuspensionReason, ...] = ()
    dial_rules: DialRules = ()

    @property
    def rights(self) -> CallingRights:
        """What the switch must hold."""
        barred = [reason.value for reason in self.suspended_for] + ([] if self.rated else ["no_rate_group"])
        return CallingRights(
            account_id=self.account_id,
            version=self.version,
            barred=tuple(barred),
            expires_at=self.expires_at,
            rated_until=self.rated_until,
            dial_rules=self.dial_rules,
        )

    def reasons(self, now: datetime) -> tuple[SuspensionReason, ...]:
        """Why the account is suspended at this moment: what people decided, and expiry once its time has come."""
        return _ordered({*self.suspended_for, *([SuspensionReason.EXPIRY] if self.expired(now) else [])})

    def expired(self, now: datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at

    def barred(self, now: datetime) -> tuple[str, ...]:
        """Every word that keeps the account from calling at this moment."""
        unrated = not self.rated or (self.rated_until is not None and now >= self.rated_until)
        return tuple(reason.value for reason in self.reasons(now)) + (("no_rate_group",) if unrated else ())


class CallingChange(Value):
    """One change of an account's right to call, decided by a person (``actor``) under an idempotency ``key``.

    ``act`` is ``suspend`` or ``resume`` for ``reason``, or ``set``, which changes what is named in ``fields``.
    """

    key: str
    account_id: str
    tenant_id: str
    actor: str
    act: Literal["suspend", "resume", "set"]
    reason: SuspensionReason | None = None
    note: str | None = None
    fields: frozenset[Literal["expires_at", "rate_group", "late_payment_exempt", "dial_rules"]] = frozenset()
    expires_at: datetime | None = None
    rate_group: RateGroupCode | None = None
    rated_until: datetime | None = None
    late_payment_exempt: bool = False
    dial_rules: DialRules = ()
    at: datetime


class CallingOutcome(Value):
    """What became of a change: the row after it, or the code and sentence of a no."""

    calling: Calling | None = None
    code: str | None = None
    message: str | None = None


class LineName(Value):
    """A line by its name on the switch."""

    username: str
    domain: str


class CallingWrite(Value):
    """Rights for the switch, and the account's lines that they are for."""

    calling: Calling
    lines: tuple[LineName, ...] = ()


def changed(calling: Calling, change: CallingChange) -> Calling:
    """The row after this change; the same row (and version) if nothing is different.

    Raises ``Refused``: ``exempt_from_late_payment`` (S5-27), ``still_expired``.
    """
    after = _changed(calling, change)
    return calling if after == calling else after.model_copy(update={"version": calling.version + 1})


def _changed(calling: Calling, change: CallingChange) -> Calling:
    reason = change.reason
    if change.act == "suspend" and reason is not None:
        if reason is SuspensionReason.PAYMENT and calling.late_payment_exempt:
            raise Refused(
                "This account is exempt from suspension for late payment, so it was not suspended. End the exemption first, "
                "or suspend it for another reason.",
                code="exempt_from_late_payment",
            )
        return calling.model_copy(update={"suspended_for": _ordered({*calling.suspended_for, reason})})
    if change.act == "resume" and reason is not None:
        if reason is SuspensionReason.EXPIRY and calling.expired(change.at):
            raise Refused("The account's time is over, so it stays suspended. Set a later expiry date.", code="still_expired")
        return calling.model_copy(update={"suspended_for": _ordered({*calling.suspended_for} - {reason})})
    update: dict[str, object] = {name: getattr(change, name) for name in change.fields}
    if "rate_group" in change.fields:
        update |= {"rated": change.rate_group is not None, "rated_until": change.rated_until}
    if "expires_at" in change.fields and (change.expires_at is None or change.at < change.expires_at):
        update["suspended_for"] = _ordered({*calling.suspended_for} - {SuspensionReason.EXPIRY})
    if "late_payment_exempt" in change.fields and change.late_payment_exempt:
        # Somebody who is exempt from this suspension does not stay in it.
        kept = update.get("suspended_for", calling.suspended_for)
        assert isinstance(kept, tuple)
        update["suspended_for"] = _ordered({*kept} - {SuspensionReason.PAYMENT})
    return calling.model_copy(update=update)


def _ordered(reasons: Iterable[SuspensionReason]) -> tuple[SuspensionReason, ...]:
    return tuple(sorted(reasons))


def end_of(day: date, time_zone: str) -> datetime:
    """The moment (UTC) at which a day ends where the customer lives: an account that expires on it can call all day (S4-20)."""
    return datetime.combine(day + timedelta(days=1), time.min, ZoneInfo(time_zone)).astimezone(UTC)


def rated_until(group: RateGroup) -> datetime | None:
    """The moment at which this rate group stops rating calls; ``None`` for one without an end."""
    return None if group.valid_until is None else end_of(group.valid_until, "UTC")


def rate_group_for(groups: Iterable[RateGroup], code: str | None, day: date) -> RateGroup | None:
    """The rate group of this code, or the first by position, if it is valid on that day (C9)."""
    return next((group for group in groups if group.valid_on(day) and code in {None, group.code}), None)


def unreachable_rules(rules: Iterable[DialRule]) -> list[int]:
    """Positions of the rules that no number ever comes to, because an earlier one fits all that they fit."""
    seen: list[str] = []
    found = []
    for position, rule in enumerate(rules):
        if any(rule.strip.startswith(earlier) for earlier in seen):
            found.append(position)
        seen.append(rule.strip)
    return found
