"""Paying money into an account."""

from typing import Annotated, cast

from fastapi import APIRouter, Response, status
from pydantic import BaseModel, Field

from domain.access import Right
from domain.credits import MOST_MINOR, Credit, Credits, credit_key
from domain.customer import Text
from starter.api.access import Authenticated, Caller, IdempotencyKey, OwnAccount, Strict, Work, need
from starter.api.described import problems
from starter.problems import Problem
from starter.schemas.base import Body

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


@router.post(
    "/{account_id}/credits",  # noqa: FAST003 - OwnAccount takes it
    status_code=status.HTTP_201_CREATED,
    summary="Pay money in",
    responses=problems(400, 403, 404, 409, 413),
)
async def pay_in(
    principal: Caller, account: OwnAccount, body: CreditBody, key: IdempotencyKey, services: Work, response: Response
) -> CreditAnswer:
    """For operators of an account above: nobody pays into their own. The timeline tells who did."""
    need(principal, Right.OPERATE)
    if account.id == principal.scope:
        raise Problem("not_allowed", "Nobody credits the account that they act in. Somebody of an account above has to.")
    credit = Credit(
        key=credit_key(account.id, key),
        account_id=account.id,
        amount_minor=body.amount_minor,
        reference=body.reference,
        actor=principal.actor,
    )
    credited = await cast("Credits", services.credits).pay_in(credit)
    if credited.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return CreditAnswer(**credited.model_dump(exclude={"replayed"}))
