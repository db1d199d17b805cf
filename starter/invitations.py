"""The page behind the link of an invitation: somebody sets a password, once. It works without JavaScript, and looking at it
changes nothing: mail scanners open links."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse

from domain.catalogue import Tenant
from domain.errors import Refused
from domain.users import Invitation
from starter import words
from starter.api.access import Work
from starter.pages import _Ended, _own_form, _PageRoute, _say
from starter.rendering import render
from starter.services import Services

router = APIRouter(route_class=_PageRoute, include_in_schema=False, default_response_class=HTMLResponse)


async def _invited(services: Services, token: str) -> tuple[Invitation, Tenant | None]:
    link = services.secrets.read_invitation_token(token)
    if link is None:
        raise _Ended(words.FORGED, 404)
    invitation = await services.people.users.invitation(link.user_id, link.generation)
    if invitation is None:
        raise _Ended(words.INVITATION_OVER, 410)
    return invitation, await services.people.white_label(invitation.tenant_id)


def _form(
    services: Services, token: str, invited: tuple[Invitation, Tenant | None], error: str | None = None, status: int = 200
) -> HTMLResponse:
    invitation, tenant = invited
    path, least = f"/invitation/{token}", services.people.least_password
    return render("invitation.html", status=status, invitation=invitation, tenant=tenant, path=path, least=least, error=error)


@router.api_route("/invitation/{token}", methods=["GET", "HEAD"])
async def show(token: str, services: Work) -> Response:
    """The form."""
    return _form(services, token, await _invited(services, token))


@router.post("/invitation/{token}")
async def set_password(
    request: Request,
    token: str,
    services: Work,
    password: Annotated[str, Form(max_length=1_000)] = "",
    again: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Set the password; the link is used up then, and every session of the user has ended."""
    _own_form(request, services)
    invited = await _invited(services, token)
    if not hmac.compare_digest(password.encode(), again.encode()):
        return _form(services, token, invited, "The two passwords are not the same. Type them again", 422)
    try:
        done = await services.people.accept(invited[0], password)
    except Refused as refused:
        return _form(services, token, invited, refused.message, 422)
    if not done:
        raise _Ended(words.INVITATION_OVER, 410, invited[1])
    request.app.state.keys.forget()
    return _say(words.PASSWORD_SET, 200, invited[1])


@router.api_route("/invitation/{rest:path}", methods=["GET", "HEAD", "POST"])
async def mangled(rest: str) -> Response:  # noqa: ARG001 - mail clients break long links in many ways
    """A link that lost a part or gained one."""
    raise _Ended(words.FORGED, 404)
