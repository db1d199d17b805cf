"""A customer moves to another white label (S5-25)."""

from datetime import UTC, datetime
from typing import cast

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, Field

from domain import transfers
from domain.access import Right
from domain.accounts import AccountKind
from domain.customer import LongText
from domain.errors import NotFound
from domain.existing import AccountRecord
from domain.rules import Finding, Severity
from starter import problems
from starter.api.access import AccountId, Authenticated, Caller, DecisionKey, Fingerprint, Strict, Work, act_key, need
from starter.api.customers import record_of
from starter.api.described import problems as declared
from starter.problems import ProblemError
from starter.remember import RememberedKeys
from starter.schemas.base import Body, PlanCode, WhiteLabel

router = APIRouter(prefix="/v1/accounts", tags=["Accounts"], route_class=Authenticated, dependencies=[Strict])


class TransferBody(Body):
    """Where to, why, and how the customer agreed. The last two are kept in the timeline, so leave personal data out."""

    to: WhiteLabel
    reason: LongText = Field(examples=["The customer has moved to Leeds"])
    consent: LongText = Field(examples=["Agreed in writing, 22 November"])
    plan: PlanCode | None = Field(
        default=None, description="On the default price list of the new white label; its first if unset"
    )


class Transferred(BaseModel):
    """Where the customer was, and where it is now, or will be as soon as a worker can."""

    account_id: str
    from_: str = Field(serialization_alias="from")
    to: str
    plan: str
    done: bool
    warnings: list[ProblemError] = Field(default=[], description="What the new white label has to know of")


@router.post(
    "/{account_id}/transfer",
    summary="Move a customer to another white label",
    responses={
        202: {"model": Transferred, "description": "Kept, and carried out as soon as a worker can"},
        **declared(400, 403, 404, 409, 413),
    },
)
async def transfer(
    request: Request,
    account_id: AccountId,
    body: TransferBody,
    principal: Caller,
    services: Work,
    key: DecisionKey,
    fingerprint: Fingerprint,
    response: Response,
) -> Transferred:
    """Everything moves or nothing: its orders, numbers and own people; from now on it buys from the new white label.

    For administrators of an account above both. What was charged stays charged; telephones go on working as they are.
    """
    account = await record_of(services, principal, account_id)
    need(principal, Right.ONBOARD)
    unique = act_key(principal, f"transfer:{account_id}", key)
    if key and (first := await services.changes.before("transfer", transfers.Transfer, account_id, unique, fingerprint)):
        done = await services.changes.finished("transfer", account_id, unique)
        return _answer(first, done, _moved_on(first, account) if done else [], response)
    to = await services.accounts.get((await _white_label(services, body.to)) or body.to, principal.scope)
    if to.kind is not AccountKind.RESELLER or to.status != "active":
        raise NotFound("There is no such white label, or it is not yours to see.")
    tenant = await services.catalogue.tenant(to.id)
    now = datetime.now(UTC)
    prices = transfers.price_list_for(account, tenant, now)
    chosen = prices.plan(body.plan) if prices else None
    change = transfers.Transfer(
        key=unique,
        account_id=account_id,
        tenant_id=account.tenant_id,
        actor=principal.actor,
        at=now,
        to=tenant.id,
        plan=chosen.code if chosen else body.plan or "",
        reason=body.reason,
        consent=body.consent,
    )
    if wrong := transfers.findings(account, tenant, change.plan, now):
        raise problems.of_findings(wrong)
    about = transfers.warnings(account, await services.lines.services(account_id), tenant)
    try:
        done = await services.changes.carry_out("transfer", change, fingerprint)
    finally:
        # Whom the former white label let in here is known no more.
        cast("RememberedKeys", request.app.state.keys).forget()
    return _answer(change, done, about, response)


def _answer(change: transfers.Transfer, done: bool, about: list[Finding], response: Response) -> Transferred:
    if not done:
        response.status_code = status.HTTP_202_ACCEPTED
    return Transferred(
        account_id=change.account_id,
        from_=change.tenant_id,
        to=change.to,
        plan=change.plan,
        done=done,
        warnings=[problems.of_finding(finding) for finding in about],
    )


def _moved_on(first: transfers.Transfer, account: AccountRecord) -> list[Finding]:
    """That it is somewhere else by now, if a request is sent again so late."""
    if account.tenant_id == first.to:
        return []
    message = f"This was done, and the customer has moved on since: it is white label {account.tenant_id}'s now."
    return [
        Finding(code="moved_on", severity=Severity.WARNING, pointer="/to", message=message, fix="Move it again if need be.")
    ]


async def _white_label(services: Work, name: str) -> str | None:
    try:
        return (await services.catalogue.tenant(name)).id
    except NotFound:
        return None
