"""The letters that an order has sent at its end: before anybody has edited them, and those that were refused."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response, status

from domain.access import Principal, Right
from domain.letters import LetterAct
from domain.notifications import MOST_OTHERS
from domain.orders import Administration
from domain.views import OnboardingView
from starter.api.access import Authenticated, Caller, DecisionKey, Fingerprint, Own, Strict, Work, act_key, need
from starter.api.described import problems
from starter.schemas.notifications import Dismissal, NotificationDefaults, Resending
from starter.schemas.notifications import notification_defaults as defaults_of
from starter.schemas.onboardings import Onboarding
from starter.services import Services

router = APIRouter(prefix="/v1/notification-defaults", tags=["Onboardings"], route_class=Authenticated, dependencies=[Strict])

letters = APIRouter(
    prefix="/v1/onboardings/{onboarding_id}/notifications/{place}",
    tags=["Onboardings"],
    route_class=Authenticated,
    dependencies=[Strict],
    responses={
        202: {"model": Onboarding, "description": "Decided, and carried out as soon as it can be; this is how it stands"},
        **problems(400, 403, 404, 409, 413),
    },
)
Place = Annotated[
    int, Path(ge=0, lt=MOST_OTHERS + 2, description="In the order's `notifications`, as `needs_attention` has it")
]


@router.get("", summary="The letters at the end, to be edited", responses=problems(403))
async def notification_defaults(
    principal: Caller,
    administration: Annotated[Administration, Query(description="Who will administer the account")] = Administration.CUSTOMER,
) -> NotificationDefaults:
    """Send them back, edited, as `notifications` of an order. Nothing is sent unless the onboarding ends well."""
    need(principal, Right.ONBOARD)
    return NotificationDefaults(administration=administration, notifications=defaults_of(administration))


@letters.post("/resend", summary="Send a refused letter again")
async def resend_letter(
    principal: Caller,
    view: Own,
    place: Place,
    services: Work,
    key: DecisionKey,
    fingerprint: Fingerprint,
    response: Response,
    body: Resending | None = None,
) -> Onboarding:
    """For a letter that `needs_attention` names. One to an address of its own can be sent to another; the customer's goes to the
    address that the customer has by now. When it is taken, its mark is taken away."""
    asked = body or Resending()
    return await _decided(services, principal, view, place, "resend", asked.email, asked.reason, key, fingerprint, response)


@letters.post("/dismiss", summary="Dismiss a refused letter")
async def dismiss_letter(
    principal: Caller,
    view: Own,
    place: Place,
    services: Work,
    key: DecisionKey,
    fingerprint: Fingerprint,
    response: Response,
    body: Dismissal,
) -> Onboarding:
    """It is not sent, and asks for nobody's attention any more. Who dismissed it, and why, stays in the timeline."""
    return await _decided(services, principal, view, place, "dismiss", None, body.reason, key, fingerprint, response)


async def _decided(
    services: Services,
    principal: Principal,
    view: OnboardingView,
    place: int,
    act: Literal["resend", "dismiss"],
    email: str | None,
    reason: str | None,
    key: str | None,
    fingerprint: str,
    response: Response,
) -> Onboarding:
    # As for the plan of letters itself: it is the white label that writes, to whomever it chooses.
    need(principal, Right.ONBOARD)
    decided = LetterAct(
        key=act_key(principal, f"letter:{act}:{view.id}:{place}", key),
        account_id=view.account_id,
        tenant_id=view.tenant_id,
        actor=principal.actor,
        at=datetime.now(UTC),
        onboarding_id=view.id,
        place=place,
        act=act,
        email=email,
        reason=reason,
    )
    if not await services.changes.carry_out("letter", decided, fingerprint):
        response.status_code = status.HTTP_202_ACCEPTED
    return Onboarding.of(await services.onboardings.view(view.id, None), principal)
