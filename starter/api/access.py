"""Who calls, for which white label, and whether they may."""

import json
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, cast

from fastapi import Depends, Header, Path, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from domain import keys
from domain.access import Principal, Right
from domain.accounts import Account
from domain.catalogue import Tenant
from domain.errors import NotFound
from domain.views import OnboardingView
from starter.problems import KINDS, Problem, ProblemError
from starter.reading import each_name_once
from starter.remember import RememberedKeys
from starter.services import Services

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", bearerFormat="dt_...", description="A Dialtone API key")


# Dependencies here are coroutines although they wait for nothing: others are run on a thread, which costs more than they do.


async def services_of(request: Request) -> Services:
    """What this process was composed of."""
    return cast("Services", request.app.state.services)


Work = Annotated[Services, Depends(services_of)]


@contextmanager
def page_tokens() -> Iterator[None]:
    """Around what reads a page of a list: it says ``ValueError`` to a token that is not its own."""
    try:
        yield
    except ValueError as error:
        raise Problem("page_token_invalid", KINDS["page_token_invalid"].advice) from error


async def _known_parameters(request: Request) -> None:
    """Refuse a query parameter that the operation does not have: a misspelt filter must not list everything."""
    if not request.query_params:
        return
    path = request.scope["route"].path
    operation = request.app.openapi()["paths"][path][request.method.lower()]
    known = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
    surplus = [
        ProblemError(code="unknown_parameter", detail="There is no such parameter. Check its spelling.", parameter=name)
        for name in dict.fromkeys(request.query_params.keys())
        if name not in known
    ]
    if surplus:
        raise Problem("invalid_request", "The address has a parameter that is not known here.", errors=surplus)


Strict = Depends(_known_parameters)


async def _authenticate(request: Request) -> Principal:
    credentials = await _bearer(request)
    if credentials is None:
        raise Problem(
            "unauthenticated",
            "Send your API key, or a session's token, as: Authorization: Bearer dt_...",
            headers={"WWW-Authenticate": 'Bearer realm="dialtone"'},
        )
    keys = cast("RememberedKeys", request.app.state.keys)
    principal = await keys.authenticate(credentials.credentials)
    if principal is None:
        raise Problem(
            "unauthenticated",
            "This API key or session is not known, or it was revoked or has ended. Use another one.",
            headers={"WWW-Authenticate": 'Bearer realm="dialtone", error="invalid_token"'},
        )
    request.state.principal_id = principal.id
    return principal


class _Once(Request):
    """A request whose body has each name once: of two, another reader of the same body might have taken the other."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = json.loads(await self.body(), object_pairs_hook=each_name_once)
        return self._json


class Authenticated(APIRoute):
    """A route that asks who calls before it reads the body. By itself the framework parses first: for whoever knocks."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def authenticated(request: Request) -> Response:
            request.state.principal = await _authenticate(request)
            return await handle(_Once(request.scope, request.receive))

        return authenticated


async def _caller(
    request: Request,
    _documented: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    return cast("Principal", request.state.principal)


Caller = Annotated[Principal, Depends(_caller)]


def need(principal: Principal, right: Right) -> None:
    """Raises the 403 ``Problem`` if the caller's role lacks the right."""
    if not principal.may(right):
        role, what = (word.replace("_", " ") for word in (principal.role.value, right.value))
        raise Problem("not_allowed", f"The role {role} has no right to {what} here. Use a key or a session with more rights.")


def need_of_seller(principal: Principal, right: Right) -> None:
    """The same for what a customer's own people never decide, whatever they may do in their account: who pays, what is undone."""
    need(principal, right)
    if not principal.sells:
        raise Problem("not_allowed", "This is for the white label to decide, not for its customer. Ask your provider.")


async def own_tenant(services: Services, principal: Principal, white_label: str | None) -> Tenant:
    """The white label that a request is about: the caller's own, or one below it that is named (C12).

    Raises ``NotFound`` for another's, and a ``Problem`` if the platform's key names none.
    """
    if principal.tenant_id is None:
        if white_label is None:
            raise Problem("invalid_request", "A key of the platform works for many white labels: name one as white_label.")
        return await services.catalogue.tenant(white_label)
    if white_label is None:
        return await services.catalogue.tenant(principal.tenant_id)
    try:
        tenant = await services.catalogue.tenant(white_label)
    except NotFound:
        tenant = None
    # Asked for one that does not exist too: neither the answer nor its time tells the two apart.
    if not await services.accounts.covers(principal.tenant_id, tenant.id if tenant else white_label) or tenant is None:
        raise NotFound("There is no such white label.")
    return tenant


OnboardingId = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        description="As the answer to the order gave it",
        examples=["2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11"],
    ),
]


async def _own_onboarding(onboarding_id: OnboardingId, principal: Caller, services: Work) -> OnboardingView:
    return await services.onboardings.view(onboarding_id, principal.tenant_id)


Own = Annotated[OnboardingView, Depends(_own_onboarding)]
"""The onboarding that the address names, if the caller's white label has it: looked up before rights are, so that nobody
learns from a 403 that an id exists."""


AccountId = Annotated[
    str,
    Path(
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
        description="The account's id, as an onboarding has it; `platform` is the root",
        examples=["9a0f3f0e-2f43-5c02-8e13-9d8f6f0c1a22"],
    ),
]


async def _own_account(account_id: AccountId, principal: Caller, services: Work) -> Account:
    return await services.accounts.get(account_id, principal.scope)


OwnAccount = Annotated[Account, Depends(_own_account)]
"""The account that the address names, if it is in the caller's subtree: looked up before rights are, as ``Own`` is."""


def _idempotency_header(description: str) -> Any:
    return Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*$",
        description=f"{description}; with or without quotes",
        examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    )


_PER_ORDER = _idempotency_header("New for every new order, the same when you repeat one")
_PER_DECISION = _idempotency_header("New for every decision, the same when you repeat one: you get the first answer again")


async def _idempotency_key(value: Annotated[str, _PER_ORDER]) -> str:
    key = value.strip()
    if len(key) >= 2 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if not key.strip():
        raise Problem("idempotency_key_invalid", "The Idempotency-Key is empty. Send 1 to 255 printable characters.")
    return key


IdempotencyKey = Annotated[str, Depends(_idempotency_key)]


async def _decision_key(value: Annotated[str | None, _PER_DECISION] = None) -> str | None:
    return None if value is None else await _idempotency_key(value)


DecisionKey = Annotated[str | None, Depends(_decision_key)]


async def _fingerprint(request: Request, services: Work) -> str:
    return services.secrets.fingerprint(await request.body())


Fingerprint = Annotated[str, Depends(_fingerprint)]
"""What tells one body under an Idempotency-Key from another."""


def act_key(principal: Principal, act: str, key: str | None) -> str:
    """What this act is known by: with the same ``Idempotency-Key`` by the same caller it is the same act, without one it is its own."""
    return keys.update_id(principal.id, act, key) if key else str(uuid.uuid4())
