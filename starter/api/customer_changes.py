"""Changes of customers that wait for a second person: looked at, before they are decided (S2-26)."""

from typing import Annotated

from fastapi import APIRouter, Query

from domain.access import Right
from domain.errors import NotFound, Refused
from starter.api.access import AccountId, Authenticated, Caller, Strict, Work, need, own_tenant
from starter.api.customers import ChangeId, record_of
from starter.api.described import problems as declared
from starter.schemas.base import WhiteLabel
from starter.schemas.customers import WaitingChange, WaitingChanges

router = APIRouter(prefix="/v1", tags=["Accounts"], route_class=Authenticated, dependencies=[Strict])


@router.get("/customer-changes", summary="List changes that wait for approval", responses=declared(400, 403, 404))
async def list_changes(
    principal: Caller, services: Work, white_label: Annotated[WhiteLabel | None, Query()] = None
) -> WaitingChanges:
    """Those of the customers of your white label, or of the one below it that you name: a hundred at most, the oldest first."""
    need(principal, Right.READ)
    tenant = await own_tenant(services, principal, white_label)
    shown = []
    for asked in await services.changes.waiting(tenant.id):
        try:
            account = await record_of(services, principal, asked.change.account_id)
        except (NotFound, Refused):
            continue  # closed, or moved to another white label since
        shown.append(WaitingChange.of(asked, account))
    return WaitingChanges(items=shown)


@router.get(
    "/accounts/{account_id}/customer/changes/{change_id}",
    summary="Look at a change that waits for approval",
    responses=declared(400, 403, 404, 409),
)
async def get_change(account_id: AccountId, change_id: ChangeId, principal: Caller, services: Work) -> WaitingChange:
    """Who asked for it and when, what it changes from what to what, until when it waits, and afterwards what became of it."""
    account = await record_of(services, principal, account_id)
    need(principal, Right.READ)
    return WaitingChange.of(await services.changes.look(account_id, change_id), account)
