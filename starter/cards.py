"""A card that a customer left with the gateway, on its way into the onboarding. Two ways lead here, in any order: the
customer's button and the gateway's report; whichever is second finds it done."""

import contextlib

from domain.errors import NotFound, Refused
from domain.onboarding import CardPresented
from domain.payments import CardVisit
from domain.views import OnboardingReader
from starter import words
from starter.services import Services


async def reported(services: Services, visit: CardVisit) -> None:
    """Pay with the card of a visit that the gateway reports. It is read on the account of the order's white label, whatever
    account the report names: a report of a stranger's account, or of an order that is not ours, comes to nothing."""
    try:
        view = await services.onboardings.view(visit.onboarding_id, None)
    except NotFound:
        return
    tenant = await services.catalogue.tenant(view.tenant_id)
    await present(services, visit.session, visit.onboarding_id, tenant.gateway_account)


async def present(services: Services, session: str, onboarding_id: str, merchant: str | None) -> bool:
    """Pay with the card of this visit. False if the gateway has no finished card for it on the account ``merchant``; after
    a change of that account, a visit of the former one is such a case, and the customer is asked for the card again.

    A no of the onboarding is as good as done: this card is known already, or no card is wanted any more.
    """
    means = await services.card_page.finished(session, onboarding_id, merchant) if session else None
    if means is None:
        return False
    with contextlib.suppress(Refused):
        await services.onboardings.steer(onboarding_id, "pay", CardPresented(session=session, means=means))
    return True


async def last_decline(reader: OnboardingReader, onboarding_id: str) -> str | None:
    """What to say about the card that was tried last, if it was declined."""
    for event in reversed(await reader.timeline(onboarding_id)):
        if event.event == "payment_declined":
            return words.DECLINES.get(event.detail.get("code", ""), words.DECLINED)
    return None
