"""A card that a customer left with the gateway, on its way into the onboarding. Two ways lead here, in any order: the
customer's button and the gateway's report; whichever is second finds it done."""

import contextlib

from domain.errors import Refused
from domain.onboarding import CardPresented
from domain.views import OnboardingReader
from starter import words
from starter.services import Services


async def present(services: Services, session: str, onboarding_id: str) -> bool:
    """Pay with the card of this visit. False if the gateway has no finished card for it.

    A no of the onboarding is as good as done: this card is known already, or no card is wanted any more.
    """
    means = await services.card_page.finished(session, onboarding_id) if session else None
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
