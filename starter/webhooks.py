"""What the gateway reports by itself: a customer who closes the browser too early still gets the service."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from starter import cards
from starter.api.access import Work

router = APIRouter(include_in_schema=False)


@router.post("/webhooks/stripe", status_code=204)
async def receive(
    request: Request, services: Work, signature: Annotated[str, Header(alias="Stripe-Signature", max_length=2_000)] = ""
) -> Response:
    """Any answer but 2xx makes the gateway report again: a wrong signature is 400, a missing Temporal 503.

    The signature is over the raw bytes. Only the ids are taken from the report; the card is read from the gateway.
    """
    visit = services.webhooks.visit(await request.body(), signature)
    if visit is not None:
        await cards.reported(services, visit)
    return Response(status_code=204)
