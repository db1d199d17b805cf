"""Signing in as a person, and out."""

from typing import cast

from fastapi import APIRouter, Request, Response, status

from domain.errors import Refused
from starter.api.access import Authenticated, Caller, Strict, Work
from starter.api.described import problems
from starter.people import TooManyAttempts
from starter.problems import Problem
from starter.remember import RememberedKeys
from starter.schemas.people import Caller as CallerAnswer
from starter.schemas.people import SessionAnswer, SignInBody

doors = APIRouter(prefix="/v1/sessions", tags=["Sessions"], dependencies=[Strict])
"""Open to whoever knocks."""
router = APIRouter(prefix="/v1/sessions", tags=["Sessions"], route_class=Authenticated, dependencies=[Strict])


@doors.post("", status_code=status.HTTP_201_CREATED, summary="Sign in", responses=problems(400, 413, 429))
async def sign_in(request: Request, body: SignInBody, services: Work) -> SessionAnswer:
    """A token that works for an hour wherever an API key does. Whatever is wrong, the answer is the same."""
    try:
        done = await services.people.sign_in(
            body.email,
            body.password.get_secret_value(),
            body.white_label,
            body.account_id,
            request.client.host if request.client else None,
        )
    except TooManyAttempts as error:
        raise Problem(error.code, error.message, headers={"Retry-After": str(error.wait)}) from error
    except Refused as refused:
        headers = {"WWW-Authenticate": 'Bearer realm="dialtone"'}
        raise Problem(refused.code, refused.message, headers=headers) from refused
    return SessionAnswer(
        token=done.token,
        expires_at=done.session.expires_at,
        account_id=done.session.account_id,
        memberships=done.memberships,
    )


@router.get("/current", summary="Who am I", responses=problems())
async def current(principal: Caller, services: Work) -> CallerAnswer:
    """For a session and for an API key."""
    return CallerAnswer(
        id=principal.id,
        name=principal.name,
        account_id=principal.scope,
        role=principal.role,
        rights=tuple(sorted(principal.allowed)),
        acting_as=principal.acting_as,
        memberships=tuple(await services.people.memberships(principal)),
    )


@router.delete("/current", status_code=status.HTTP_204_NO_CONTENT, summary="Sign out", responses=problems(409))
async def sign_out(request: Request, principal: Caller, services: Work) -> Response:
    """The session ends, and with it whatever was switched from it."""
    if principal.session is None:
        raise Refused("This is an API key: it has no session to end. Keys are revoked by the operator.", code="not_a_session")
    await services.people.sessions.end(principal.session)
    cast("RememberedKeys", request.app.state.keys).forget()
    return Response(status_code=status.HTTP_204_NO_CONTENT)
