"""What people decide about a running onboarding. The workflow says yes, or no with a reason."""

from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Body, Depends, Request, Response

from domain import keys
from domain.access import Principal, Right, member_of
from domain.errors import Refused
from domain.onboarding import Correction, Decision, OnboardingStatus, SubstituteAnswer, TakeOver, UndoResolution
from domain.orders import Administration
from domain.views import OnboardingView
from domain.voice import Credentials
from starter import lines
from starter.api.access import Authenticated, Caller, DecisionKey, Own, Strict, Work, need, need_of_seller
from starter.api.described import problems
from starter.assessment import may_make_admins, on_behalf, quoted_terms
from starter.problems import Problem
from starter.schemas.base import Listing, Reason
from starter.schemas.onboardings import CorrectBody, RejectBody, ResolveUndoBody, SubstituteBody, TakeOverBody
from starter.services import Services

router = APIRouter(
    prefix="/v1/onboardings/{onboarding_id}",
    tags=["Decisions"],
    route_class=Authenticated,
    dependencies=[Strict],
    responses=problems(400, 403, 404, 409, 413),
)


class _Repeatable(NamedTuple):
    """What tells a repeated decision from another one under the same key; nothing without a key."""

    key: str | None
    fingerprint: str | None


async def _once(request: Request, services: Work, key: DecisionKey) -> _Repeatable:
    return _Repeatable(key, None if key is None else services.secrets.fingerprint(await request.body()))


Once = Annotated[_Repeatable, Depends(_once)]

Why = Annotated[Reason | None, Body()]


async def _decide(
    services: Services,
    principal: Principal,
    view: OnboardingView,
    update: str,
    body: Reason | RejectBody | None,
    once: _Repeatable,
) -> OnboardingStatus:
    decision = Decision(
        actor=principal.actor, person=principal.person, reason=body.reason if body else None, fingerprint=once.fingerprint
    )
    return await services.onboardings.steer(view.id, update, decision, _update_id(principal, update, once))


def _may_say_who_administers(principal: Principal, view: OnboardingView) -> None:
    # Who owns the contact's mailbox, or takes an order over, becomes the admin of a new white label.
    if view.order.account_kind == "reseller" and not may_make_admins(principal):
        raise Problem("not_allowed", "This decides who is the admin of a reseller. Ask an admin of the white label above it.")


def _update_id(principal: Principal, update: str, once: _Repeatable) -> str | None:
    return None if once.key is None else keys.update_id(principal.id, update, once.key)


@router.post("/approve", summary="Approve")
async def approve(principal: Caller, view: Own, services: Work, once: Once, body: Why = None) -> OnboardingStatus:
    """Lets an order go on that waits for approval. Not for the one who placed it."""
    need_of_seller(principal, Right.APPROVE)
    requester = member_of(view.requested_by)
    # The workflow itself refuses the requester, and whoever else is the same person by name.
    if requester != principal.id and await services.people.may_be_one(principal.id, requester):
        raise Problem(
            "approver_is_requester",
            "One person may know the passwords of whoever placed this order and of whoever approves it here. Choose a password of "
            "your own by the link of a new invitation, or ask another approver.",
        )
    return await _decide(services, principal, view, "approve", body, once)


@router.post("/activate", summary="Activate: the customer's to do")
async def activate(principal: Caller, view: Own) -> OnboardingStatus:
    """Always refused: an account that its customer administers is activated by the customer, from the letter (S1-09, C1)."""
    need_of_seller(principal, Right.OPERATE)
    if view.order.administration is Administration.OPERATOR:
        raise Refused("You administer this account, so it is activated by itself. There is nothing to do.", code="not_waiting")
    raise Refused(
        "This account is activated by its customer, by the button behind the link in the letter. Send a new letter "
        "(resend-activation), or take the order over if the customer agrees (take-over).",
        code="customer_activates",
    )


@router.post("/reject", summary="Reject")
async def reject(principal: Caller, view: Own, services: Work, once: Once, body: RejectBody) -> OnboardingStatus:
    """Refuses an order that waits for approval; what was reserved is released."""
    need_of_seller(principal, Right.APPROVE)
    return await _decide(services, principal, view, "reject", body, once)


@router.post("/cancel", summary="Cancel")
async def cancel(principal: Caller, view: Own, services: Work, once: Once, body: Why = None) -> OnboardingStatus:
    """Undoes everything. Possible until the service is active."""
    need_of_seller(principal, Right.OPERATE)
    return await _decide(services, principal, view, "cancel", body, once)


@router.post("/substitute", summary="Take other numbers, or not")
async def substitute(principal: Caller, view: Own, services: Work, once: Once, body: SubstituteBody) -> OnboardingStatus:
    """For an order whose named number somebody else got first: one of its grade is held at the same price (`GET .../status`
    tells which). Accepted, the order goes on; declined, it ends and everything is undone."""
    need_of_seller(principal, Right.OPERATE)
    answer = SubstituteAnswer(
        actor=principal.actor,
        person=principal.person,
        accept=body.accept,
        reason=body.reason,
        fingerprint=once.fingerprint,
    )
    return await services.onboardings.steer(view.id, "substitute", answer, _update_id(principal, "substitute", once))


@router.post("/resend-activation", summary="Send a new activation link")
async def resend_activation(principal: Caller, view: Own, services: Work, once: Once, body: Why = None) -> OnboardingStatus:
    """The links sent before stop working."""
    need_of_seller(principal, Right.OPERATE)
    return await _decide(services, principal, view, "resend_activation", body, once)


@router.post("/correct", summary="Correct contact data")
async def correct(principal: Caller, view: Own, services: Work, once: Once, body: CorrectBody) -> OnboardingStatus:
    """Corrects what an onboarding is held for; the step that failed is tried again."""
    need_of_seller(principal, Right.OPERATE)
    _may_say_who_administers(principal, view)
    correction = Correction(actor=principal.actor, reason=body.reason, email=body.email, fingerprint=once.fingerprint)
    return await services.onboardings.steer(view.id, "correct", correction, _update_id(principal, "correct", once))


@router.post("/take-over", summary="Take over from the customer")
async def take_over(
    request: Request, principal: Caller, view: Own, services: Work, once: Once, body: TakeOverBody
) -> OnboardingStatus:
    """For an order whose customer was to activate it and cannot: you administer it, the white label pays, the link is void."""
    need_of_seller(principal, Right.OPERATE)
    _may_say_who_administers(principal, view)
    tenant = await quoted_terms(services.prices, await services.catalogue.tenant(view.tenant_id), view)
    address = request.client.host if request.client else None
    terms = on_behalf(principal, tenant, datetime.now(UTC), address)
    decision = TakeOver(
        actor=principal.actor, person=principal.person, consent=body.consent, terms=terms, fingerprint=once.fingerprint
    )
    return await services.onboardings.steer(view.id, "take_over", decision, _update_id(principal, "take_over", once))


@router.post("/retry", summary="Try again")
async def retry(principal: Caller, view: Own, services: Work, once: Once, body: Why = None) -> OnboardingStatus:
    """Tries the step again that an onboarding is held for."""
    need_of_seller(principal, Right.OPERATE)
    return await _decide(services, principal, view, "retry", body, once)


@router.post("/give-up", summary="Give up")
async def give_up(principal: Caller, view: Own, services: Work, once: Once, body: Why = None) -> OnboardingStatus:
    """Ends a held onboarding; everything is undone."""
    need_of_seller(principal, Right.OPERATE)
    return await _decide(services, principal, view, "give_up", body, once)


@router.post("/resolve-undo", summary="Resolve a stuck undo")
async def resolve_undo(principal: Caller, view: Own, services: Work, once: Once, body: ResolveUndoBody) -> OnboardingStatus:
    """For an effect that could not be undone: it was dealt with by hand, or shall be tried again now."""
    need_of_seller(principal, Right.OPERATE)
    resolution = UndoResolution(
        actor=principal.actor, undo=body.undo, resolved=body.resolved, reason=body.reason, fingerprint=once.fingerprint
    )
    return await services.onboardings.steer(view.id, "resolve_undo", resolution, _update_id(principal, "resolve_undo", once))


class CredentialList(Listing[Credentials]):
    """One entry per line of the order."""


@router.post("/credentials", summary="Show the telephones' passwords")
async def show_credentials(principal: Caller, view: Own, services: Work, response: Response) -> CredentialList:
    """The SIP user name and password of every line. A POST, so that no cache or history keeps the answer."""
    need(principal, Right.OPERATE)
    response.headers["Cache-Control"] = "no-store"
    return CredentialList(items=await lines.credentials(services, view))
