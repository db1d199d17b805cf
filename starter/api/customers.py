"""The customer behind an account: looked at and changed (S3-61, S5-24, S5-26)."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Response, status

from domain import customers
from domain.access import Principal, Right, member_of
from domain.customers import CustomerChange
from domain.errors import Refused
from domain.existing import AccountRecord
from domain.onboarding import Decision
from domain.rules import Finding, Severity
from starter import problems
from starter.api.access import AccountId, Authenticated, Caller, DecisionKey, Fingerprint, Strict, Work, act_key, need
from starter.api.described import problems as declared
from starter.problems import Problem, ProblemError
from starter.schemas.customers import ChangeCustomer, CustomerAnswer
from starter.services import Services

router = APIRouter(prefix="/v1/accounts", tags=["Accounts"], route_class=Authenticated, dependencies=[Strict])

IfMatch = Annotated[
    str | None,
    Header(
        max_length=200,
        pattern=r"^[\x20-\x7e]+$",
        description="The ETag that you have seen: the change is refused if it is another one now. Without it, the last one wins",
    ),
]
ETAG: dict[str, Any] = {"ETag": {"schema": {"type": "string"}, "description": "Tells this state from others"}}
_OF_THE_OPERATOR = ("credit_limit_minor", "late_payment_exempt", "currency")
_POINTERS = {"name_taken": "/name", "credit_limit_needs_approval": "/credit_limit_minor"}


async def record_of(services: Services, principal: Principal, account_id: str) -> AccountRecord:
    """The account, if it is in the caller's scope and active. Raises ``NotFound`` and ``Refused``."""
    # By the tree first: what is not the caller's is not there, whatever state it is in.
    await services.accounts.get(account_id, principal.scope)
    return await services.existing.record(account_id, principal.scope)


def seen(if_match: str | None) -> str | None:
    """The tag of an ``If-Match`` header; ``*`` and no header ask for nothing."""
    return None if if_match is None or if_match.strip() == "*" else if_match.strip().removeprefix("W/").strip('"')


@router.get(
    "/{account_id}/customer",
    summary="Look at the customer",
    responses={200: {"description": "The customer as it stands", "headers": ETAG}, **declared(403, 404, 409)},
)
async def get_customer(account_id: AccountId, principal: Caller, services: Work, response: Response) -> CustomerAnswer:
    """Who it is, how it is reached, what it may spend. Of an identity number the last two characters are shown."""
    account = await record_of(services, principal, account_id)
    need(principal, Right.READ)
    return _answer(account, response)


@router.patch(
    "/{account_id}/customer",
    summary="Change the customer",
    responses={
        200: {"description": "The customer after the change", "headers": ETAG},
        202: {"model": CustomerAnswer, "description": "Kept, and carried out as soon as it can be; this is how it stands"},
        **declared(400, 403, 404, 409, 412, 413),
    },
)
async def change_customer(
    account_id: AccountId,
    body: ChangeCustomer,
    principal: Caller,
    services: Work,
    key: DecisionKey,
    fingerprint: Fingerprint,
    response: Response,
    if_match: IfMatch = None,
) -> CustomerAnswer:
    """A JSON merge patch (RFC 7396), as `application/merge-patch+json` or `application/json`. All of it is saved, or nothing.

    The credit limit and the exemption from suspension for late payment are for the white label, not for the customer's own people.
    A limit above the white label's threshold waits, with the rest of the act, until another person has approved it.
    """
    account = await record_of(services, principal, account_id)
    need(principal, Right.OPERATE)
    unique = act_key(principal, f"customer:{account_id}", key)
    if key and (first := await services.changes.before("customer", CustomerChange, account_id, unique, fingerprint)):
        return await _again(services, principal, first, response)
    tenant = await services.catalogue.tenant(account.tenant_id)
    patch, found = body.patch(account, tenant.country)
    _for_the_operator(principal, account, patch)
    after, invalid = customers.patched(customers.document(account), patch)
    found += invalid
    about = customers.findings(account, after, tenant) if after else []
    found += [finding for finding in about if finding.severity is Severity.ERROR]
    waits = {finding.code for finding in found} == {"credit_limit_needs_approval"}
    if found and not waits:
        raise problems.of_findings(found)
    change = CustomerChange(
        key=unique,
        account_id=account_id,
        tenant_id=account.tenant_id,
        actor=principal.actor,
        at=datetime.now(UTC),
        patch=patch,
        if_match=seen(if_match),
        person=principal.person,
        needs_approval=waits,
    )
    if waits:
        await services.changes.start("customer", change, fingerprint)
        return _waiting(change, account, response)
    try:
        done = await services.changes.carry_out("customer", change, fingerprint)
    except Refused as refused:
        raise _at_its_place(refused) from refused
    if not done:
        response.status_code = status.HTTP_202_ACCEPTED
    return _answer(await services.existing.record(account_id, principal.scope), response, about)


async def _again(services: Services, principal: Principal, first: CustomerChange, response: Response) -> CustomerAnswer:
    """A change that was asked for before: whether it waits still, or how it ended, and the customer as it is by now."""
    account_id = first.account_id
    if first.needs_approval and (await services.changes.look(account_id, first.key)).waits:
        return _waiting(first, await services.existing.record(account_id, principal.scope), response)
    try:
        done = await services.changes.finished("customer", account_id, first.key)
    except Refused as refused:
        raise _at_its_place(refused) from refused
    if not done:
        response.status_code = status.HTTP_202_ACCEPTED
    return _answer(await services.existing.record(account_id, principal.scope), response)


def _waiting(change: CustomerChange, account: AccountRecord, response: Response) -> CustomerAnswer:
    response.status_code = status.HTTP_202_ACCEPTED
    response.headers["Location"] = f"/v1/accounts/{change.account_id}/customer/changes/{change.key}"
    return _answer(account, response).model_copy(update={"waits_for_approval": change.key})


ChangeId = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        description="`waits_for_approval` of the answer to the change",
        examples=["2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11"],
    ),
]
_DECIDED: dict[int | str, dict[str, Any]] = {
    202: {"model": CustomerAnswer, "description": "Decided, and carried out as soon as it can be"},
    **declared(400, 403, 404, 409, 412, 413),
}


@router.post("/{account_id}/customer/changes/{change_id}/approve", summary="Approve a change", responses=_DECIDED)
async def approve_change(
    account_id: AccountId, change_id: ChangeId, principal: Caller, services: Work, response: Response
) -> CustomerAnswer:
    """Lets a change be made that waits for a second person. Not for the one who asked for it."""
    return await _decide(services, principal, account_id, change_id, "approve", response)


@router.post("/{account_id}/customer/changes/{change_id}/reject", summary="Reject a change", responses=_DECIDED)
async def reject_change(
    account_id: AccountId, change_id: ChangeId, principal: Caller, services: Work, response: Response
) -> CustomerAnswer:
    """The change is not made. Whoever asked for it may do this too."""
    return await _decide(services, principal, account_id, change_id, "reject", response)


async def _decide(
    services: Services,
    principal: Principal,
    account_id: str,
    change_id: str,
    verdict: Literal["approve", "reject"],
    response: Response,
) -> CustomerAnswer:
    await record_of(services, principal, account_id)
    need(principal, Right.APPROVE)
    if principal.scope == account_id:  # a reseller's approvers decide about its customers
        raise Problem("not_allowed", "What an account may spend is approved by the one above it, not by its own people.")
    if verdict == "approve":
        requester = member_of(await services.changes.asked_by("customer", account_id, change_id) or principal.id)
        # The workflow itself refuses the requester, and whoever else is the same person by name.
        if requester != principal.id and await services.people.may_be_one(principal.id, requester):
            raise Problem(
                "approver_is_requester",
                "One person may know the passwords of whoever asked for this change and of whoever approves it here. Choose a "
                "password of your own by the link of a new invitation, or ask another approver.",
            )
    decision = Decision(actor=principal.actor, person=principal.person)
    try:
        done = await services.changes.decide("customer", account_id, change_id, verdict, decision)
    except Refused as refused:
        raise _at_its_place(refused) from refused
    if not done:
        response.status_code = status.HTTP_202_ACCEPTED
    return _answer(await services.existing.record(account_id, principal.scope), response)


def _for_the_operator(principal: Principal, account: AccountRecord, patch: dict[str, Any]) -> None:
    if principal.scope == account.account_id and any(name in patch for name in _OF_THE_OPERATOR):
        raise Problem(
            "not_allowed", "What the customer may spend is decided by the white label. Leave it out, or ask your provider."
        )


def _answer(account: AccountRecord, response: Response, about: list[Finding] | None = None) -> CustomerAnswer:
    response.headers["ETag"] = f'"{customers.tag(account)}"'
    return CustomerAnswer.of(account, [problems.of_finding(finding) for finding in about or ()])


def _at_its_place(refused: Refused) -> Problem:
    problem = problems.of_error(refused)
    if refused.code in _POINTERS:
        problem.errors.append(ProblemError(code=refused.code, detail=refused.message, pointer=_POINTERS[refused.code]))
    return problem
