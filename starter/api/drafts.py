"""Drafts: an order put together section by section, by anybody who may place it, on any device."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response, status

from domain.access import Right
from domain.catalogue import Tenant
from domain.drafts import DraftChanged, DraftState, Kept, order_body
from domain.errors import NotFound, NumberUnavailable
from domain.sections import Form, form_named
from starter import problems
from starter.api.access import Authenticated, Caller, DecisionKey, IdempotencyKey, Strict, Work, need, own_tenant, page_tokens
from starter.api.baskets import body_of_basket
from starter.api.described import problems as declared
from starter.api.numbers import Number, taken
from starter.api.onboardings import MOST_PER_PAGE
from starter.draft_entries import readable
from starter.draft_findings import Assessed
from starter.drafts import Drafting
from starter.problems import Problem, ProblemError
from starter.schemas.base import WhiteLabel
from starter.schemas.drafts import ChosenNumbers, DraftBody, DraftPage, DraftSummary, Going, NewDraft, SectionName, SubmitDraft
from starter.submissions import Submission

router = APIRouter(prefix="/v1/drafts", tags=["Drafts"], route_class=Authenticated, dependencies=[Strict])

DraftId = Annotated[
    str,
    Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", examples=["2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11"]),
]
SeenHeader = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=40,
        pattern=r'^(\*|(W/)?"?[0-9]{1,15}"?)$',
        description="The `ETag` that you have seen. If what you change was changed since, nothing is done and the answer is 412",
        examples=['"7"'],
    ),
]


async def _seen(value: SeenHeader = None) -> int | None:
    return None if value is None or value == "*" else int(value.removeprefix("W/").strip('"'))


Seen = Annotated[int | None, Depends(_seen)]


async def _drafting(principal: Caller, services: Work) -> Drafting:
    return Drafting(services.drafts, services.accounts, services.existing, services.catalogue, principal)


Mine = Annotated[Drafting, Depends(_drafting)]
_ETAG: dict[str, Any] = {"ETag": {"schema": {"type": "string"}, "required": True, "description": "The revision"}}
_LOCATION: dict[str, Any] = {"Location": {"schema": {"type": "string"}, "required": True}}
_SHOWN: dict[int | str, dict[str, Any]] = {200: {"headers": _ETAG}}
_EXAMPLES = [
    {"customer": {"name": "Harbour Books Ltd", "contact": {"full_name": "Ada Reed"}}},
    {"services": [{"label": "Front desk"}, {"label": "Back office", "max_channels": 4}]},
    {"only_account": True},
    {"plan": "office-20"},
]


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Begin a draft",
    responses={201: {"headers": _LOCATION | _ETAG}, **declared(400, 403, 404, 413)},
)
async def begin_draft(
    principal: Caller, body: NewDraft, services: Work, drafting: Mine, key: DecisionKey, response: Response
) -> DraftBody:
    """An empty draft. Everybody who may place orders here sees it and can continue it."""
    need(principal, Right.ONBOARD)
    tenant = await own_tenant(services, principal, body.white_label)
    kept = await drafting.open(tenant, key)
    response.headers["Location"] = f"/v1/drafts/{kept.draft.id}"
    return await _shown(drafting, kept, tenant, response)


@router.get("", summary="List drafts, the last changed first", responses=declared(400, 403, 404))
async def list_drafts(
    principal: Caller,
    services: Work,
    mine: Annotated[bool, Query(description="Only those that you have begun, with whatever key or session")] = False,
    state: Annotated[DraftState | None, Query(description="Only those in this state")] = None,
    page_size: Annotated[int, Query(ge=1, le=2**31 - 1, description=f"Coerced to {MOST_PER_PAGE}")] = 20,
    page_token: Annotated[str | None, Query(max_length=500)] = None,
    white_label: Annotated[WhiteLabel | None, Query()] = None,
) -> DraftPage:
    """Those of your account, whoever began them; or of one white label below it that you name."""
    need(principal, Right.ONBOARD)
    tenant = await own_tenant(services, principal, white_label)
    person = principal.person if mine else None
    with page_tokens():
        page = await services.drafts.page(tenant.id, person, state, min(page_size, MOST_PER_PAGE), page_token)
    form = form_named(tenant.form.name)
    return DraftPage(items=[DraftSummary.of(draft, form) for draft in page.items], next_page_token=page.next_page_token)


@router.get("/{draft_id}", summary="Look at a draft", responses=_SHOWN | declared(404))
async def get_draft(draft_id: DraftId, drafting: Mine, response: Response) -> DraftBody:
    """Its sections with what was entered and what is found, the price so far, what is held. Looking changes nothing."""
    kept, tenant = await drafting.get(draft_id)
    return await _shown(drafting, kept, tenant, response)


@router.put(
    "/{draft_id}/sections/{section}",
    summary="Save a section",
    responses=_SHOWN | declared(400, 404, 409, 412, 413),
)
async def save_section(
    draft_id: DraftId,
    section: Annotated[SectionName, Path()],
    body: Annotated[dict[str, Any], Body(examples=_EXAMPLES)],
    drafting: Mine,
    response: Response,
    seen: Seen,
) -> DraftBody:
    """Replaces what was entered in one section, complete or not, right or wrong; the others stay as they are.

    The body is the part of an order that belongs to the section. Without `If-Match` the last one who saves it wins.
    """
    kept, tenant = await drafting.get(draft_id)
    form = form_named(tenant.form.name)
    if section not in form:
        raise NotFound(f"There is no such section. This form has: {', '.join(form)}.")
    flat = readable(body, form, section)
    try:
        kept = await drafting.save(kept.draft, form, section, flat, seen)
    except DraftChanged as error:
        raise _changed(error) from error
    return await _shown(drafting, kept, tenant, response)


@router.post("/{draft_id}/numbers", summary="Add numbers to a draft", responses=_SHOWN | declared(400, 404, 409, 412, 413))
async def add_draft_numbers(
    draft_id: DraftId, body: ChosenNumbers, drafting: Mine, response: Response, seen: Seen
) -> DraftBody:
    """Adds one number, several, or all of a search, and holds them: all or none. What was picked before stays."""
    kept, tenant = await drafting.get(draft_id)
    numbers, found = body.e164s()
    if found:
        raise problems.of_findings(found)
    try:
        kept = await drafting.add_numbers(kept.draft, _form(tenant), body.service, list(numbers), body.pool, seen)
    except NumberUnavailable as error:
        raise taken(error, numbers) from error
    except DraftChanged as error:
        raise _changed(error) from error
    return await _shown(drafting, kept, tenant, response)


@router.delete("/{draft_id}/numbers/{e164}", summary="Remove a number from a draft", responses=_SHOWN | declared(404, 409, 412))
async def remove_draft_number(draft_id: DraftId, e164: Number, drafting: Mine, response: Response, seen: Seen) -> DraftBody:
    """Others can have it at once. A number that is not in the draft is no error."""
    kept, tenant = await drafting.get(draft_id)
    try:
        kept = await drafting.remove_number(kept.draft, _form(tenant), e164, seen)
    except DraftChanged as error:
        raise _changed(error) from error
    return await _shown(drafting, kept, tenant, response)


@router.post("/{draft_id}/next", summary="Go to the next section", responses=_SHOWN | declared(400, 404, 409, 413))
async def next_section(draft_id: DraftId, drafting: Mine, response: Response, body: Going | None = None) -> DraftBody:
    """Or to a later one that is named. Sections that have no meaning are passed over."""
    kept, tenant = await drafting.get(draft_id)
    kept = await drafting.next(kept.draft, tenant, body.to if body else None)
    return await _shown(drafting, kept, tenant, response)


@router.post("/{draft_id}/back", summary="Go back to an earlier section", responses=_SHOWN | declared(400, 404, 409, 413))
async def previous_section(draft_id: DraftId, drafting: Mine, response: Response, body: Going | None = None) -> DraftBody:
    """The one before, or any earlier one that is named, at any time. Nothing entered is lost."""
    kept, tenant = await drafting.get(draft_id)
    kept = await drafting.back(kept.draft, tenant, body.to if body else None)
    return await _shown(drafting, kept, tenant, response)


@router.post(
    "/{draft_id}/submit",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Create services: submit a draft",
    responses={202: {"headers": _LOCATION | _ETAG}, **declared(400, 404, 409, 412, 413)},
)
async def submit_draft(
    request: Request,
    draft_id: DraftId,
    principal: Caller,
    drafting: Mine,
    services: Work,
    response: Response,
    seen: Seen,
    key: IdempotencyKey,
    body: SubmitDraft | None = None,
) -> DraftBody:
    """Places the order, by the checks of every order. A draft becomes one onboarding, however often it is submitted.

    A password or PIN that was made is in the answer, and once more in that to the very same request with the same key.
    """
    kept, tenant = await drafting.get(draft_id)
    fingerprint = services.secrets.fingerprint(f"draft {draft_id}".encode())
    address = request.client.host if request.client else None
    again = kept.draft.state is DraftState.SUBMITTED
    submission = Submission(services.drafts, services.onboardings, drafting, principal, tenant, kept.draft, key, fingerprint)
    try:
        kept, shown = await submission.submit(seen, address, body.given() if body else {})
    except DraftChanged as error:
        raise _changed(error) from error
    response.headers["Location"] = f"/v1/onboardings/{kept.draft.onboarding_id}"
    if again:
        response.headers["Idempotent-Replayed"] = "true"
    answer = await _shown(drafting, kept, tenant, response)
    return answer.model_copy(update={"password": shown.password, "pin": shown.pin})


@router.delete(
    "/{draft_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Discard a draft",
    responses=declared(404, 409),
)
async def discard_draft(draft_id: DraftId, drafting: Mine) -> None:
    """Lets go of all its numbers. May be repeated. It can be looked at for 30 days more, and is deleted then."""
    kept, _ = await drafting.get(draft_id)
    await drafting.discard(kept.draft)


def _form(tenant: Tenant) -> Form:
    return form_named(tenant.form.name)


async def _shown(drafting: Drafting, kept: Kept, tenant: Tenant, response: Response) -> DraftBody:
    response.headers["ETag"] = f'"{kept.draft.revision}"'
    assessed = await drafting.assess(kept, tenant)
    basket = kept.basket.model_copy(update=_sold_on(kept, assessed)) if kept.basket else None
    return DraftBody.of(kept, tenant, assessed, body_of_basket(basket, tenant) if basket else None)


def _sold_on(kept: Kept, assessed: Assessed) -> dict[str, str | None]:
    """The plan and the price list of the draft's own price; of what was chosen where it cannot be priced yet."""
    if assessed.price is not None:
        return {"plan": assessed.price.plan, "price_list": assessed.price.price_list_code}
    body = order_body(kept.draft)
    return {name: body[name] if isinstance(body.get(name), str) else None for name in ("plan", "price_list")}


def _changed(error: DraftChanged) -> Problem:
    errors = [
        ProblemError(
            code="section_changed",
            detail=f"Changed by {touch.by} at {touch.at.isoformat(timespec='seconds')}; it is revision {touch.revision} now.",
            section=section,
        )
        for section, touch in error.touched.items()
    ]
    return Problem("draft_changed", error.message, errors=errors)
