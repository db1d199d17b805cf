"""The letters that an order can have sent at its end, before anybody has edited them."""

from typing import Annotated

from fastapi import APIRouter, Query

from domain.access import Right
from domain.orders import Administration
from starter.api.access import Authenticated, Caller, Strict, need
from starter.api.described import problems
from starter.schemas.notifications import NotificationDefaults
from starter.schemas.notifications import notification_defaults as defaults_of

router = APIRouter(prefix="/v1/notification-defaults", tags=["Onboardings"], route_class=Authenticated, dependencies=[Strict])


@router.get("", summary="The letters at the end, to be edited", responses=problems(403))
async def notification_defaults(
    principal: Caller,
    administration: Annotated[Administration, Query(description="Who will administer the account")] = Administration.CUSTOMER,
) -> NotificationDefaults:
    """Send them back, edited, as `notifications` of an order. Nothing is sent unless the onboarding ends well."""
    need(principal, Right.ONBOARD)
    return NotificationDefaults(administration=administration, notifications=defaults_of(administration))
