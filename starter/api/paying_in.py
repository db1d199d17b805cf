"""Paying money into an account."""

from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import APIRouter, Response, status
from pydantic import BaseModel, Field

from domain.access import Principal, Right
from domain.accounts import PLATFORM, Account
from domain.catalogue import Tenant
from domain.credits import MOST_MINOR, Credit, Credits, credit_key, needs_approval
from domain.customer import Text
from domain.customers import CustomerChange
from starter.api.access import Authenticated, Caller, Fingerprint, IdempotencyKey, OwnAccount, Strict, Work, act_key, need
from starter.api.described import problems
from starter.problems import Problem
from starter.schemas.base import Body
from starter.services import Services

router = APIRouter(prefix="/v1/accounts", tags=["Accounts"], route_class=Authenticated, dependencies=[Strict])


class CreditBody(Body):
    """Money that came in otherwise than by card."""

    amount_minor: Annotated[int, Field(strict=True, ge=1, le=MOST_MINOR, examples=[5000])] = Field(
        description="Minor units of the account's currency"
    )
    reference: Text = Field(description="What the money is known by; leave personal data out", examples=["Transfer 2026-114"])


class CreditAnswer(BaseModel):
    """What the account has afterwards. Amounts are minor units."""

    account_id: str
    amount_minor: int
    balance_minor: int
    currency: str
    waits_for_approval: str | None = Field(
        default=None,
        description="Id of the change of the customer by which it is paid in, if another person has to approve it first; until "
        "then the balance is the old one",
    )


@router.post(
    "/{account_id}/credits",  # noqa: FAST003 - OwnAccount takes it
    status_code=status.HTTP_201_CREATED,
    summary="Pay money in",
    responses={
        202: {"model": CreditAnswer, "description": "Nothing is paid in yet: it waits for another person's approval"},
        **problems(400, 403, 404, 409, 413),
    },
)
async def pay_in(
    principal: Caller,
    account: OwnAccount,
    body: CreditBody,
    key: IdempotencyKey,
    fingerprint: Fingerprint,
    services: Work,
    response: Response,
) -> CreditAnswer:
    """For those of an account above who have the right to: nobody pays into their own. The timeline tells who did.

    More than the white label lets one person give as a credit limit waits until another one has approved it, as a change of the
    customer does (`POST /v1/accounts/{id}/customer/changes/{change}/approve`).
    """
    need(principal, Right.PAY_IN)
    if account.id == principal.scope:
        raise Problem("not_allowed", "Nobody credits the account that they act in. Somebody of an account above has to.")
    credit = Credit(
        key=credit_key(account.id, key),
        account_id=account.id,
        amount_minor=body.amount_minor,
        reference=body.reference,
        actor=principal.actor,
    )
    tenant = await _above(services, account)
    if tenant is not None and needs_approval(tenant, credit.amount_minor, account.currency):
        waiting = _asked_for(principal, tenant, credit, key)
        await services.changes.start("customer", waiting, fingerprint)
        # Sent again, it may have been decided by now.
        waits = (await services.changes.look(account.id, waiting.key)).waits
        if not waits and await services.changes.finished("customer", account.id, waiting.key):
            response.headers["Idempotent-Replayed"] = "true"
        else:
            response.status_code = status.HTTP_202_ACCEPTED
            response.headers["Location"] = f"/v1/accounts/{account.id}/customer/changes/{waiting.key}"
        record = await services.existing.record(account.id, principal.scope)
        return CreditAnswer(
            account_id=account.id,
            amount_minor=credit.amount_minor,
            balance_minor=record.balance_minor,
            currency=record.currency,
            waits_for_approval=waiting.key if waits else None,
        )
    credited = await cast("Credits", services.credits).pay_in(credit)
    if credited.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return CreditAnswer(**credited.model_dump(exclude={"replayed"}))


async def _above(services: Services, account: Account) -> Tenant | None:
    """The white label that decides about the account; the platform's own have none."""
    above = account.parent_id
    return None if above is None or above == PLATFORM else await services.catalogue.tenant(above)


def _asked_for(principal: Principal, tenant: Tenant, credit: Credit, key: str) -> CustomerChange:
    return CustomerChange(
        key=act_key(principal, f"credit:{credit.account_id}", key),
        account_id=credit.account_id,
        tenant_id=tenant.id,
        actor=principal.actor,
        at=datetime.now(UTC),
        patch={},
        person=principal.person,
        needs_approval=True,
        credit=credit,
    )
