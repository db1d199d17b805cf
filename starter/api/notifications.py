"""The letters that an order has sent at its end: before anybody has edited them, and those that were refused."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response, status

from domain.access import Right
from domain.letters import LetterAct
from domain.notifications import MOST_OTHERS
from domain.orders import Administration
from starter.api.access import Authenticated, Caller, DecisionKey, Fingerprint, Own, Strict, Work, act_key, need
from starter.api.described import problems
from starter.schemas.notifications import Dismissal, NotificationDefaults, Resending
from starter.schemas.notifications import notification_defaults as defaults_of
from starter.schemas.onboardings import Onboarding

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


class _Desk:
    """Where one refused letter is decided about."""

    def __init__(
        self, principal: Caller, view: Own, place: Place, services: Work, key: DecisionKey, fingerprint: Fingerprint
    ) -> None:
        # As for the plan of letters itself: it is the white label that writes, to whomever it chooses.
        need(principal, Right.ONBOARD)
        self._principal, self._view, self._place, self._services = principal, view, place, services
        self._key, self._fingerprint = key, fingerprint

    async def decide(self, act: Literal["resend", "dismiss"], decided: Resending | Dismissal, response: Response) -> Onboarding:
        """The order as it stands after the act. The answer is 202 if it is still to be carried out."""
        view, caller = self._view, self._principal
        asked = LetterAct(
            key=act_key(caller, f"letter:{act}:{view.id}:{self._place}", self._key),
            account_id=view.account_id,
            tenant_id=view.tenant_id,
            actor=caller.actor,
            at=datetime.now(UTC),
            onboarding_id=view.id,
            place=self._place,
            act=act,
            email=decided.email if isinstance(decided, Resending) else None,
            reason=decided.reason,
        )
        if not await self._services.changes.carry_out("letter", asked, self._fingerprint):
            response.status_code = status.HTTP_202_ACCEPTED
        return Onboarding.of(await self._services.onboardings.view(view.id, None), caller)


Desk = Annotated[_Desk, Depends()]


@letters.post("/resend", summary="Send a refused letter again")
async def resend_letter(desk: Desk, response: Response, body: Resending | None = None) -> Onboarding:
    """For a letter that `needs_attention` names. One to an address of its own can be sent to another; the customer's goes to the
    address that the customer has by now. When it is taken, its mark is taken away."""
    return await desk.decide("resend", body or Resending(), response)


@letters.post("/dismiss", summary="Dismiss a refused letter")
async def dismiss_letter(desk: Desk, response: Response, body: Dismissal) -> Onboarding:
    """It is not sent, and asks for nobody's attention any more. Who dismissed it, and why, stays in the timeline."""
    return await desk.decide("dismiss", body, response)
