"""Whether the telephones of an account may make calls, and what their calls are rated by."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Query, Request, Response, status
from pydantic import BaseModel, Field, StrictBool

from domain import line_rules
from domain.access import Principal, Right
from domain.calling import (
    Calling,
    CallingChange,
    DialRule,
    RateGroup,
    RateGroupCode,
    SuspensionReason,
    end_of,
    rate_group_for,
    rated_until,
)
from domain.customer import LongText, Text
from domain.rules import Finding, Severity
from starter import problems
from starter.api.access import Authenticated, Caller, DecisionKey, Strict, Work, act_key, need, need_of_seller, own_tenant
from starter.api.described import problems as declared
from starter.schemas.base import Body, Listing, WhiteLabel, WrittenDay
from starter.schemas.orders import DialRuleBodies
from starter.services import Services

router = APIRouter(prefix="/v1", tags=["Calling"], route_class=Authenticated, dependencies=[Strict])

AccountId = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        description="`account_id` of the onboarding",
        examples=["0a3a5f0e-8d5b-5f0e-9d43-0f3f1f3f4a12"],
    ),
]


async def _both(request: Request, response: Response) -> tuple[Request, Response]:
    return request, response


Both = Annotated[tuple[Request, Response], Depends(_both)]
"""The request, whose body a key stands for, and the response."""


class CallingBody(BaseModel):
    """An account's right to make calls. Whatever it says, the telephones can register and be called."""

    account_id: str
    onboarding_id: str | None
    may_call: bool
    barred: list[str] = Field(description="What keeps it from calling now: reasons of suspension, no_rate_group")
    suspended_for: list[SuspensionReason] = Field(description="Why it is suspended now; empty, and it is not")
    expires_at: datetime | None = Field(description="From this moment it cannot make calls")
    rate_group: str | None
    rated_until: datetime | None = Field(description="From this moment the rate group is not valid any more")
    late_payment_exempt: bool
    dial_rules: list[DialRule]
    first_used_at: datetime | None = Field(description="When it made its first call; null before")
    version: int
    switch_agrees: bool = Field(description="False while a change is still on its way to the switch")

    @classmethod
    def of(cls, calling: Calling, first_used_at: datetime | None) -> Self:
        now = datetime.now(UTC)
        barred = calling.barred(now)
        return cls(
            account_id=calling.account_id,
            onboarding_id=calling.onboarding_id,
            may_call=not barred,
            barred=list(barred),
            suspended_for=list(calling.reasons(now)),
            expires_at=calling.expires_at,
            rate_group=calling.rate_group,
            rated_until=calling.rated_until,
            late_payment_exempt=calling.late_payment_exempt,
            dial_rules=list(calling.dial_rules),
            first_used_at=first_used_at,
            version=calling.version,
            switch_agrees=calling.switch_version >= calling.version,
        )


class SuspensionBody(Body):
    """One reason of suspension."""

    reason: SuspensionReason
    note: LongText | None = Field(default=None, description="Kept in the timeline, so leave personal data out")


class ChangeCalling(Body):
    """What is changed; fields left out stay as they are."""

    expires_on: WrittenDay | None = Field(
        default=None, description="The last day on which calls can be made, in the customer's time zone; null is no end"
    )
    rate_group: RateGroupCode | None = Field(default=None, description="What calls are rated by; null bars them")
    late_payment_exempt: StrictBool = Field(default=False, description="True also ends a suspension for late payment")
    dial_rules: DialRuleBodies = ()
    note: LongText | None = Field(default=None, description="Kept in the timeline, so leave personal data out")


class RateGroupBody(Body):
    """A rate group. Days are in UTC, both included."""

    name: Text
    valid_from: WrittenDay | None = None
    valid_until: WrittenDay | None = None


class RateGroupList(Listing[RateGroup]):
    """The first that is valid is the default of new accounts."""


_CHANGED: dict[int | str, dict[str, Any]] = {
    202: {"model": CallingBody, "description": "Kept, and carried out as soon as a worker and the switch can"}
}


@router.get("/accounts/{account_id}/calling", summary="May it call?", responses=declared(403, 404, 409))
async def get_calling(account_id: AccountId, principal: Caller, services: Work) -> CallingBody:
    """As our records have it, and when the switch saw the first call."""
    calling = await services.callings.get(account_id, principal.tenant_id)
    need(principal, Right.READ)
    return CallingBody.of(calling, await services.callings.first_call(account_id))


@router.post("/accounts/{account_id}/suspend", summary="Suspend", responses=_CHANGED | declared(400, 403, 404, 409, 413))
async def suspend(
    account_id: AccountId, body: SuspensionBody, principal: Caller, services: Work, key: DecisionKey, exchange: Both
) -> CallingBody:
    """No calls but emergency calls from now on, for one more reason. Calls under way go on; incoming ones are not affected."""
    calling = await _own(services, principal, account_id)
    change = await _change(services, principal, calling, "suspend", key)
    return await _carried_out(services, principal, change.model_copy(update=body.model_dump()), exchange)


@router.post(
    "/accounts/{account_id}/resume", summary="Lift a suspension", responses=_CHANGED | declared(400, 403, 404, 409, 413)
)
async def resume(
    account_id: AccountId, body: SuspensionBody, principal: Caller, services: Work, key: DecisionKey, exchange: Both
) -> CallingBody:
    """Lifts one reason. The account can call again when none is left."""
    calling = await _own(services, principal, account_id)
    change = await _change(services, principal, calling, "resume", key)
    return await _carried_out(services, principal, change.model_copy(update=body.model_dump()), exchange)


@router.patch("/accounts/{account_id}/calling", summary="Change", responses=_CHANGED | declared(400, 403, 404, 409, 413))
async def change_calling(
    account_id: AccountId, body: ChangeCalling, principal: Caller, services: Work, key: DecisionKey, exchange: Both
) -> CallingBody:
    """Changes expiry, rate group, the exemption from suspension for late payment, or the dialling rules, at once."""
    calling = await _own(services, principal, account_id)
    change = await _change(services, principal, calling, "set", key)
    update = await _settings(services, change.tenant_id, calling, body)
    return await _carried_out(services, principal, change.model_copy(update=update), exchange)


async def _own(services: Services, principal: Principal, account_id: str) -> Calling:
    calling = await services.callings.get(account_id, principal.tenant_id)
    # Who administers the account operates it, and does not decide about its debts, its end or its price.
    need_of_seller(principal, Right.OPERATE)
    return calling


async def _change(services: Services, principal: Principal, calling: Calling, act: str, key: str | None) -> CallingChange:
    unique = act_key(principal, f"{act}:{calling.account_id}", key)
    # The account's own white label, whoever of those above it asks; asked for by them, nobody changes what has moved away meanwhile.
    order = await services.reader.get(calling.onboarding_id, principal.tenant_id) if calling.onboarding_id else None
    return CallingChange.model_validate(
        {
            "key": unique,
            "account_id": calling.account_id,
            "tenant_id": (order.tenant_id if order else principal.tenant_id) or "",
            "actor": principal.actor,
            "act": act,
            "at": datetime.now(UTC),
        }
    )


async def _settings(services: Services, tenant_id: str, calling: Calling, body: ChangeCalling) -> dict[str, object]:
    """What the body changes, ready to be recorded. Raises a ``Problem`` for what cannot be."""
    named = body.model_fields_set - {"note"}
    if not named:
        raise problems.of_findings(
            [
                Finding(
                    code="nothing_to_change", pointer="", message="Nothing is changed by this.", fix="Name at least one field."
                )
            ]
        )
    now = datetime.now(UTC)
    groups = await services.rate_groups.rate_groups(tenant_id) if "rate_group" in named else ()
    group = rate_group_for(groups, body.rate_group, now.date()) if body.rate_group else None
    found = line_rules.rate_group_findings(body.rate_group, groups, now.date()) if body.rate_group and group is None else []
    expires_at = None
    if calling.onboarding_id is not None and named & {"expires_on", "dial_rules"}:
        order = (await services.reader.get(calling.onboarding_id)).order
        tenant = await services.catalogue.tenant(tenant_id)
        if body.expires_on is not None:
            expires_at = end_of(body.expires_on, order.customer.time_zone)
        dialling = order.model_copy(update={"dial_rules": body.dial_rules, "expires_on": body.expires_on, "valid_days": None})
        found += [
            finding
            for finding in [*line_rules.expiry_findings(dialling, now), *line_rules.rule_findings(dialling, tenant)]
            if finding.severity is Severity.ERROR
        ]
    if found:
        raise problems.of_findings(found)
    return {
        "fields": frozenset({"expires_at" if name == "expires_on" else name for name in named}),
        "expires_at": expires_at,
        "rate_group": group.code if group else None,
        "rated_until": rated_until(group) if group else None,
        "late_payment_exempt": body.late_payment_exempt,
        "dial_rules": tuple(DialRule.model_validate(rule.model_dump()) for rule in body.dial_rules),
        "note": body.note,
    }


async def _carried_out(
    services: Services, principal: Principal, change: CallingChange, exchange: tuple[Request, Response]
) -> CallingBody:
    request, response = exchange
    calling = await services.callings.change(change, services.secrets.fingerprint(await request.body()))
    if calling is None:
        response.status_code = status.HTTP_202_ACCEPTED
        calling = await services.callings.get(change.account_id, principal.tenant_id)
    return CallingBody.of(calling, await services.callings.first_call(change.account_id))


@router.get("/rate-groups", summary="Rate groups", responses=declared(403, 404))
async def list_rate_groups(
    principal: Caller, services: Work, white_label: Annotated[WhiteLabel | None, Query()] = None
) -> RateGroupList:
    """What calls can be rated by, the default first."""
    need(principal, Right.READ)
    tenant = await own_tenant(services, principal, white_label)
    return RateGroupList(items=list(await services.rate_groups.rate_groups(tenant.id)))


@router.put("/rate-groups/{code}", summary="Create or change a rate group", responses=declared(400, 403, 404, 409, 413))
async def put_rate_group(
    code: Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=["uk-standard"])],
    body: RateGroupBody,
    principal: Caller,
    services: Work,
    white_label: Annotated[WhiteLabel | None, Query()] = None,
) -> RateGroup:
    """A new one comes last. Accounts that have it keep the end of validity that it had when they got it.

    A white label has at most 200.
    """
    need(principal, Right.OPERATE)
    tenant = await own_tenant(services, principal, white_label)
    if body.valid_from and body.valid_until and body.valid_until < body.valid_from:
        message, fix = "The rate group ends before it begins.", "Correct one of the two days."
        raise problems.of_findings([Finding(code="ends_before_it_begins", pointer="/valid_until", message=message, fix=fix)])
    group = RateGroup(code=code, **body.model_dump())
    try:
        await services.rate_groups.put_rate_group(tenant.id, group)
    finally:
        services.forget_catalogue()
    return group
