"""The services that a customer has: looked at and changed (S3-60)."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response, status

from domain import services as rules
from domain.access import Principal, Right
from domain.errors import NotFound
from domain.existing import AccountRecord
from domain.services import ServiceChange, ServiceRecord
from starter import problems
from starter.api.access import AccountId, Authenticated, Caller, DecisionKey, Fingerprint, Strict, Work, act_key, need
from starter.api.customers import ETAG, IfMatch, record_of, seen
from starter.api.described import problems as declared
from starter.schemas.services import ChangeService, ServiceAnswer, ServiceList
from starter.services import Services

router = APIRouter(
    prefix="/v1/accounts/{account_id}/services", tags=["Accounts"], route_class=Authenticated, dependencies=[Strict]
)

ServiceId = Annotated[
    str,
    Path(pattern=r"^d[0-9a-f]{20}$", description="As the list of services has it", examples=["d0123456789abcdef0123"]),
]


@router.get("", summary="List the services", responses=declared(403, 404, 409))
async def list_services(account_id: AccountId, principal: Caller, services: Work) -> ServiceList:
    """Those of the first order, and those that were added since."""
    await record_of(services, principal, account_id)
    need(principal, Right.READ)
    return ServiceList(items=[ServiceAnswer.of(service) for service in await services.lines.services(account_id)])


@router.get(
    "/{service_id}",
    summary="Look at a service",
    responses={200: {"description": "The service as it stands", "headers": ETAG}, **declared(403, 404, 409)},
)
async def get_service(
    account_id: AccountId, service_id: ServiceId, principal: Caller, services: Work, response: Response
) -> ServiceAnswer:
    """How it is called, how many calls it makes at once, which number it shows, and how each of its numbers behaves."""
    _, _, service = await _own(services, principal, account_id, service_id)
    need(principal, Right.READ)
    return _answer(service, response)


@router.patch(
    "/{service_id}",
    summary="Change a service",
    responses={
        200: {"description": "The service after the change", "headers": ETAG},
        202: {"model": ServiceAnswer, "description": "Kept, and carried out as soon as a worker and the switch can"},
        **declared(400, 403, 404, 409, 412, 413),
    },
)
async def change_service(
    account_id: AccountId,
    service_id: ServiceId,
    body: ChangeService,
    principal: Caller,
    services: Work,
    key: DecisionKey,
    fingerprint: Fingerprint,
    response: Response,
    if_match: IfMatch = None,
) -> ServiceAnswer:
    """A JSON merge patch (RFC 7396), as `application/merge-patch+json` or `application/json`. Works at once; calls under way go on."""
    account, found, service = await _own(services, principal, account_id, service_id)
    need(principal, Right.OPERATE)
    unique = act_key(principal, f"service:{service_id}", key)
    if key and await services.changes.before("service", ServiceChange, account_id, unique, fingerprint):
        if not await services.changes.finished("service", account_id, unique):
            response.status_code = status.HTTP_202_ACCEPTED
        _, _, service = await _own(services, principal, account_id, service_id)
        return _answer(service, response)
    tenant = await services.catalogue.tenant(account.tenant_id)
    at = account.customer.service_address
    patch, wrong = body.patch(at.country if at else account.customer.home or tenant.country)
    after, invalid = rules.patched(service.document, patch)
    wrong += invalid
    if after is not None and not wrong:
        wrong += rules.findings(account, found, service_id, after, tenant)
    if wrong:
        raise problems.of_findings(wrong)
    change = ServiceChange(
        key=unique,
        account_id=account_id,
        tenant_id=account.tenant_id,
        line=service_id,
        actor=principal.actor,
        at=datetime.now(UTC),
        patch=patch,
        if_match=seen(if_match),
    )
    if not await services.changes.carry_out("service", change, fingerprint):
        response.status_code = status.HTTP_202_ACCEPTED
    _, _, service = await _own(services, principal, account_id, service_id)
    return _answer(service, response)


async def _own(
    services: Services, principal: Principal, account_id: str, service_id: str
) -> tuple[AccountRecord, tuple[ServiceRecord, ...], ServiceRecord]:
    account = await record_of(services, principal, account_id)
    found = await services.lines.services(account_id)
    service = next((service for service in found if service.line == service_id), None)
    if service is None:
        raise NotFound("The account has no such service.")
    return account, found, service


def _answer(service: ServiceRecord, response: Response) -> ServiceAnswer:
    response.headers["ETag"] = f'"{rules.tag(service.document)}"'
    return ServiceAnswer.of(service)
