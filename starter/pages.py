"""The customer's pages behind the activation link. They work without JavaScript, and no GET changes anything: mail
scanners press links, people press buttons."""

import hmac
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote as url_quote

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from domain.catalogue import Tenant
from domain.errors import DialtoneError, NotFound, Refused, Unavailable
from domain.onboarding import Activation, State
from domain.orders import TermsAcceptance
from domain.payments import MeansKind
from domain.rules import means_kind
from domain.views import OnboardingView
from starter import cards, lines, words
from starter.api.access import Work
from starter.assessment import quoted_terms
from starter.middleware import log_unforeseen
from starter.rendering import render
from starter.services import Services
from starter.words import Notice

_log = logging.getLogger(__name__)

PASSWORDS_SHOWN_FOR = timedelta(days=7)
"""How long after going live the page shows the telephones' passwords: a mailbox is read by others years later."""

_WAITING = {State.AWAITING_ACTIVATION, State.AWAITING_PAYMENT}


class _Ended(Exception):
    def __init__(self, notice: Notice, status: int, tenant: Tenant | None = None) -> None:
        super().__init__(notice.title)
        self.notice, self.status, self.tenant = notice, status, tenant


class _PageRoute(APIRoute):
    """Whatever goes wrong behind a page is said on a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            origin = request.app.state.services.card_page_origin
            try:
                response = await handle(request)
            except _Ended as ended:
                response = _say(ended.notice, ended.status, ended.tenant)
            except (RequestValidationError, HTTPException):
                response = _say(words.FORGED, 400)
            except Unavailable as error:
                response = _say(words.TOO_BUSY, 503)
                response.headers["Retry-After"] = str(round(error.retry_after or 5))
            except NotFound:
                response = _say(words.FORGED, 404)
            except Exception as error:  # noqa: BLE001 - the customer sees a page, whatever it is
                log_unforeseen(error, request.state.request_id)
                response = _say(words.BROKEN, 500)
            response.headers["Content-Security-Policy"] = (
                "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
                # A form's redirect is held to this too, and one of them leads to the gateway's card page.
                f"form-action 'self' {origin}"
            )
            response.headers["X-Robots-Tag"] = "noindex, nofollow"
            response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
            return response

        return handler


router = APIRouter(route_class=_PageRoute, include_in_schema=False, default_response_class=HTMLResponse)


def _say(notice: Notice, status: int, tenant: Tenant | None = None) -> HTMLResponse:
    return render("notice.html", status=status, page=notice, tenant=tenant)


@dataclass(frozen=True)
class _Visit:
    """A customer's visit: the link was genuine and is the newest."""

    token: str
    view: OnboardingView
    tenant: Tenant

    @property
    def path(self) -> str:
        return f"/activate/{self.token}"

    @property
    def by_card(self) -> bool:
        return means_kind(self.view.order) is MeansKind.CARD


async def _visit(services: Services, token: str) -> _Visit:
    link = services.secrets.read_activation_token(token)
    if link is None:
        raise _Ended(words.FORGED, 404)
    view = await services.onboardings.view(link.onboarding_id, None)
    tenant = await services.catalogue.tenant(view.tenant_id)
    # A newer link than the row knows was sent this very moment; the workflow knows it and decides.
    if link.generation < view.generation:
        raise _Ended(words.SUPERSEDED, 410, tenant)
    # What the customer reads and accepts is what the order was quoted on, whatever has been put in force since.
    return _Visit(token=token, view=view, tenant=await quoted_terms(services.prices, tenant, view))


def _own_form(request: Request, services: Services) -> None:
    """Refuse a form that another site sent. The token in the address is the real key; this is the second lock.

    Our pages send no referrer, so browsers send ``Origin: null`` with our own forms: it tells nothing, and the
    fetch-metadata header, which every current browser sends, decides.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "null")
    if (site is not None and site not in {"same-origin", "none"}) or (
        site is None and origin not in {"null", services.base_url}
    ):
        raise _Ended(words.FOREIGN, 403)


@router.api_route("/activate/{token}", methods=["GET", "HEAD"])
async def show(token: str, services: Work, sent: Annotated[str | None, Query()] = None) -> Response:
    """Where the order stands, and what the customer can do now. ``sent`` follows a button: then the workflow itself is
    asked, because its row may be a moment behind."""
    visit = await _visit(services, token)
    state, waits_for = visit.view.state, visit.view.waits_for
    if sent is not None and state in _WAITING:
        try:
            status = await services.onboardings.status(visit.view.id, patience=1.0)
        except DialtoneError:
            _log.info("the row has to do: the workflow did not answer")
        else:
            state, waits_for = status.state, status.waits_for
    return await _page(services, visit, state, waits_for, pressed=sent is not None)


async def _page(services: Services, visit: _Visit, state: State, waits_for: str | None, *, pressed: bool) -> Response:
    if state is State.ACTIVE:
        return render("active.html", visit=visit, numbers=visit.view.service_numbers)
    if state.is_final:
        raise _Ended(words.closed(visit.view), 410, visit.tenant)
    if state is State.AWAITING_ACTIVATION and not pressed:
        return _activation(visit)
    if state is State.AWAITING_PAYMENT and waits_for == "customer":
        declined = await cards.last_decline(services.reader, visit.view.id)
        return render("card.html", visit=visit, declined=declined)
    return render("progress.html", visit=visit, page=words.PROGRESS[state.value])


def _activation(visit: _Visit, *, error: str | None = None, ticked: bool = False, status: int = 200) -> HTMLResponse:
    numbers = visit.view.service_numbers
    terms = visit.tenant.terms
    return render("activation.html", status=status, visit=visit, numbers=numbers, error=error, ticked=ticked, terms=terms)


@router.post("/activate/{token}")
async def accept(
    request: Request,
    token: str,
    services: Work,
    accepted: Annotated[str, Form(max_length=10)] = "",
    terms: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """The customer accepts the terms: activate, then go on to the gateway's card page."""
    _own_form(request, services)
    visit = await _visit(services, token)
    if visit.view.state is not State.AWAITING_ACTIVATION:
        # Pressed twice, or the page was open in two windows: show where it stands.
        return _back(visit)
    offered = visit.tenant.terms
    if accepted != "yes":
        return _activation(visit, error="Accept the terms and conditions to continue", status=422)
    if not hmac.compare_digest(terms.encode(), offered.sha256.encode()):
        return _activation(
            visit, error="The terms have changed since you opened this page: read and accept them again", status=409
        )
    acceptance = TermsAcceptance(
        version=offered.version,
        sha256=offered.sha256,
        capacity="self",
        accepted_by="customer",
        accepted_at=datetime.now(UTC),
        address=request.client.host if request.client else None,
    )
    generation = services.secrets.read_activation_token(token)
    assert generation is not None  # _visit has read it
    activation = Activation(generation=generation.generation, terms=acceptance)
    try:
        status = await services.onboardings.steer(visit.view.id, "activate", activation)
    except Refused as refused:
        if refused.code == "link_superseded":
            raise _Ended(words.SUPERSEDED, 410, visit.tenant) from refused
        return _back(visit)
    except Unavailable:
        message = "We cannot reach our system right now. Nothing was done: press the button again in a minute"
        return _activation(visit, error=message, ticked=True, status=503)
    if visit.by_card:
        return await _to_card_page(services, visit, status.payment_attempt)
    return _back(visit)


@router.post("/activate/{token}/card/begin")
async def begin_card(request: Request, token: str, services: Work) -> Response:
    """Go to the gateway's card page, for the first time or again."""
    _own_form(request, services)
    visit = await _visit(services, token)
    if visit.view.state is not State.AWAITING_PAYMENT or not visit.by_card:
        return _back(visit)
    status = await services.onboardings.status(visit.view.id)
    return await _to_card_page(services, visit, status.payment_attempt)


async def _to_card_page(services: Services, visit: _Visit, attempt: int) -> Response:
    # The gateway adds ``session=...`` to the address that it comes back to.
    here = f"{services.base_url}{visit.path}"
    url = await services.card_page.begin(visit.view.id, attempt, f"{here}/card", here, visit.tenant.gateway_account)
    return RedirectResponse(url, status_code=303)


@router.api_route("/activate/{token}/card", methods=["GET", "HEAD"])
async def returned(token: str, services: Work, session: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Back from the gateway. It reports to us by itself; the button is for when that takes long."""
    visit = await _visit(services, token)
    if visit.view.state is not State.AWAITING_PAYMENT and visit.view.state is not State.AWAITING_ACTIVATION:
        return _back(visit)
    return render("returned.html", visit=visit, session=session, error=None)


@router.post("/activate/{token}/card")
async def confirm_card(
    request: Request, token: str, services: Work, session: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """The customer says that the card is entered: ask the gateway, then pay with it."""
    _own_form(request, services)
    visit = await _visit(services, token)
    if not await cards.present(services, session, visit.view.id, visit.tenant.gateway_account):
        return render("returned.html", status=409, visit=visit, session=session, error="The card has not arrived yet")
    return _back(visit)


@router.post("/activate/{token}/credentials")
async def show_passwords(request: Request, token: str, services: Work) -> Response:
    """What to type into the telephones."""
    _own_form(request, services)
    visit = await _visit(services, token)
    if visit.view.state is not State.ACTIVE:
        return _back(visit)
    if datetime.now(UTC) - visit.view.updated_at > PASSWORDS_SHOWN_FOR:
        raise _Ended(words.TOO_LATE_FOR_PASSWORDS, 410, visit.tenant)
    found = await lines.credentials(services, visit.view)
    named = list(zip((service.label for service in visit.view.order.services), found, strict=True))
    return render("passwords.html", visit=visit, lines=named)


@router.api_route("/activate/{rest:path}", methods=["GET", "HEAD", "POST"])
async def mangled(rest: str) -> Response:  # noqa: ARG001 - mail clients break long links in many ways
    """A link that lost a part or gained one."""
    raise _Ended(words.FORGED, 404)


def _back(visit: _Visit) -> Response:
    return RedirectResponse(f"/activate/{url_quote(visit.token)}?sent=1", status_code=303)
