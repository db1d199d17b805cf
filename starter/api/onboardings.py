"""Orders and what becomes of them."""

from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import APIRouter, Header, Query, Request, Response, status

from domain.access import Right
from domain.onboarding import OnboardingStatus, State
from domain.views import TimelineEvent
from starter import additions, events
from starter.api.access import Authenticated, Caller, IdempotencyKey, Own, Strict, Work, need, own_tenant, page_tokens
from starter.api.described import problems as declared
from starter.assessment import ValidityReport, assess, attested, report
from starter.first_access import Shown
from starter.schemas.base import Listing, WhiteLabel
from starter.schemas.onboardings import Accepted, Onboarding, OnboardingPage
from starter.schemas.orders import CreateOnboarding

router = APIRouter(prefix="/v1/onboardings", tags=["Onboardings"], route_class=Authenticated, dependencies=[Strict])

checks = APIRouter(prefix="/v1/order-checks", tags=["Onboardings"], route_class=Authenticated, dependencies=[Strict])

MOST_PER_PAGE = 100
_MOST_SEQUENCE = 2**63 - 1


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Order: start an onboarding",
    responses={
        202: {
            "description": "Accepted. The order runs to its end, whatever happens to us meanwhile",
            "headers": {
                "Location": {"schema": {"type": "string"}, "required": True},
                "Idempotent-Replayed": {"schema": {"type": "string"}, "description": "`true` if a repetition was recognised"},
            },
        },
        **declared(400, 403, 404, 409, 413),
    },
)
async def create_onboarding(
    request: Request, response: Response, principal: Caller, body: CreateOnboarding, key: IdempotencyKey, services: Work
) -> Accepted:
    """Validates, prices and starts an onboarding. Sending the same again with the same key is always safe.

    With `account_id` instead of `customer`, services are added to an active account: it decides who administers and pays, and
    only what is added is charged.
    """
    need(principal, Right.ONBOARD)
    tenant, order, account = await additions.read(services, principal, body)
    started = await services.onboardings.start(
        principal,
        tenant,
        order,
        idempotency_key=key,
        fingerprint=services.secrets.fingerprint(await request.body()),
        terms_accepted=body.terms_accepted,
        address=request.client.host if request.client else None,
        wanted=body.wanted,
        adds_to=account,
    )
    if started.shown != Shown():
        response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/v1/onboardings/{started.id}"
    if started.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return Accepted.of(started.id, State.OPENING, order.administration, order.afterwards, started.shown)


@router.get("", summary="List onboardings, newest first", responses=declared(400, 403, 404))
async def list_onboardings(
    principal: Caller,
    services: Work,
    state: Annotated[State | None, Query(description="Only those in this state")] = None,
    page_size: Annotated[int, Query(ge=1, le=2**31 - 1, description=f"Coerced to {MOST_PER_PAGE}")] = 20,
    page_token: Annotated[str | None, Query(max_length=500)] = None,
    white_label: Annotated[WhiteLabel | None, Query()] = None,
) -> OnboardingPage:
    """Those of your account and of all accounts below it, unless you name one white label."""
    need(principal, Right.READ)
    tenant_id = principal.tenant_id
    if white_label is not None:
        tenant_id = (await own_tenant(services, principal, white_label)).id
    with page_tokens():
        page = await services.reader.list(tenant_id, state, min(page_size, MOST_PER_PAGE), page_token)
    return OnboardingPage(items=[Onboarding.of(view, principal) for view in page.items], next_page_token=page.next_page_token)


@router.get("/{onboarding_id}", summary="Look at one", responses=declared(403, 404))  # noqa: FAST003 - Own takes it
async def get_onboarding(principal: Caller, view: Own) -> Onboarding:
    """As its row has it; needs neither a worker nor Temporal."""
    need(principal, Right.READ)
    return Onboarding.of(view, principal)


@router.get(
    "/{onboarding_id}/status",  # noqa: FAST003 - Own takes it
    summary="Ask the running workflow",
    responses=declared(403, 404),
)
async def get_status(principal: Caller, view: Own, services: Work) -> OnboardingStatus:
    """The workflow's own answer, with the undos that are stuck. Needs a worker; without one it is 503."""
    need(principal, Right.READ)
    return await services.onboardings.status(view.id)


class Timeline(Listing[TimelineEvent]):
    """Entries, oldest first. Ask again with ``after`` set to the last sequence."""


@router.get(
    "/{onboarding_id}/events",  # noqa: FAST003 - Own takes it
    response_model=Timeline,
    summary="Follow the timeline",
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "The entries after `after`"},
        204: {"description": "The stream has ended and has nothing more: do not reconnect"},
        **declared(403, 404, 429),
    },
)
async def get_events(
    request: Request,
    principal: Caller,
    view: Own,
    services: Work,
    after: Annotated[int, Query(ge=0, le=_MOST_SEQUENCE, description="Only entries after this sequence")] = 0,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    last_event_id: Annotated[int | None, Header(ge=0, le=_MOST_SEQUENCE, description="As browsers send it")] = None,
) -> Response | Timeline:
    """JSON by default; with `Accept: text/event-stream` a stream that ends when the onboarding has ended.

    It also ends after five minutes: come back with `Last-Event-ID`, as browsers do by themselves.
    """
    need(principal, Right.READ)
    if "text/event-stream" not in accept:
        return Timeline(items=list(await services.reader.timeline(view.id, after)))
    after = after if last_event_id is None else last_event_id
    if after and view.state.is_final and not await services.reader.timeline(view.id, after):
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    streams = cast("events.Streams", request.app.state.streams)
    return streams.open(principal.id, events.stream(services.reader, view.id, after, services.closing))


@checks.post("", summary="Check an order without placing it", responses=declared(400, 403, 404, 409, 413))
async def check_onboarding(
    principal: Caller,
    body: CreateOnboarding,
    services: Work,
    full: Annotated[bool, Query(description="Every effect in order, the whole price, and the text of the terms")] = False,
) -> ValidityReport:
    """The validity report: errors and warnings with the way out of each, the price, what would be done. Changes nothing."""
    need(principal, Right.ONBOARD)
    tenant, order, account = await additions.read(services, principal, body)
    now = datetime.now(UTC)
    terms = attested(principal, tenant, order, now, address=None) if body.terms_accepted else None
    assessment = await assess(services.catalogue, tenant, order, terms, now, account, principal)
    if services.access is not None:
        more = await services.access.findings(order, tenant, body.wanted)
        assessment = assessment.model_copy(update={"findings": (*assessment.findings, *more)})
    return report(tenant, order, assessment, full=full)
