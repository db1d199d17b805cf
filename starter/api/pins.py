"""The PIN of an account: compared, and set anew."""

from typing import cast

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from domain.access import Right
from domain.accounts import PLATFORM
from domain.errors import NotFound
from starter import problems
from starter.api.access import Authenticated, Caller, OwnAccount, Strict, Work, need
from starter.api.described import problems as declared
from starter.first_access import about_pin
from starter.people import TooManyAttempts
from starter.pins import AccountPinOffice
from starter.problems import Problem
from starter.schemas.base import Body
from starter.schemas.people import Pin
from starter.services import Services

router = APIRouter(prefix="/v1/accounts", tags=["Accounts"], route_class=Authenticated, dependencies=[Strict])


class VerifyPinBody(Body):
    """The digits that somebody says are the account's."""

    pin: Pin


class SetPinBody(Body):
    """The new PIN. Left out or empty, it is made and answered this once."""

    pin: Pin | None = None


class PinVerified(BaseModel):
    """Whether they are."""

    correct: bool


class PinSet(BaseModel):
    """A PIN that was made is shown this once and stored nowhere in clear."""

    pin: str | None = Field(description="Null if you have chosen it yourself")


def _office(services: Services) -> AccountPinOffice:
    return cast("AccountPinOffice", services.pins)


@router.post("/{account_id}/pin/verify", summary="Compare the PIN", responses=declared(400, 403, 404, 409, 413, 429))  # noqa: FAST003
async def verify_pin(principal: Caller, account: OwnAccount, body: VerifyPinBody, services: Work) -> PinVerified:
    """Five wrong answers in a quarter of an hour, and nobody is let try for the rest of it."""
    need(principal, Right.OPERATE)
    try:
        correct = await _office(services).verify(account, body.pin.get_secret_value())
    except TooManyAttempts as error:
        raise Problem(
            error.code, "There were too many wrong PINs. Wait, then try again.", headers={"Retry-After": str(error.wait)}
        ) from error
    return PinVerified(correct=correct)


@router.put("/{account_id}/pin", summary="Set the PIN anew", responses=declared(400, 403, 404, 409, 413))  # noqa: FAST003
async def set_pin(principal: Caller, account: OwnAccount, body: SetPinBody, services: Work, response: Response) -> PinSet:
    """For administrators. The old one stops working at once; the timeline tells who set it, and never which it is."""
    need(principal, Right.MANAGE_USERS)
    if account.id == PLATFORM:
        raise NotFound("The platform's own account has no PIN.")
    tenant = await services.catalogue.tenant(account.tenant_id)
    pin = body.pin.get_secret_value() if body.pin else None
    if found := about_pin(pin or None, tenant.pin_length):
        raise problems.of_findings(found)
    response.headers["Cache-Control"] = "no-store"
    return PinSet(pin=await _office(services).put(account, tenant, principal.actor, pin or None))
