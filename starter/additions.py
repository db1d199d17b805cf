"""The order that a body describes: for a new customer, or for an account that is there already (S3-08)."""

from domain.access import Principal
from domain.accounts import Accounts
from domain.catalogue import Tenant
from domain.errors import NotFound
from domain.existing import AccountBook, AccountRecord, may_be_added_to
from domain.orders import Order
from starter import problems
from starter.api.access import own_tenant
from starter.schemas.orders import CreateOnboarding
from starter.services import Services


async def account_for(accounts: Accounts, book: AccountBook, principal: Principal, account_id: str) -> AccountRecord:
    """The account that something is to be added to. Raises ``NotFound``, and ``Refused`` for one that nothing can be added to."""
    # The kind and the state first: what is known of an account that is not active is not for orders.
    seen = await accounts.get(account_id, principal.scope)
    if refused := may_be_added_to(seen.kind, seen.status, ()):
        raise refused
    account = await book.record(account_id, principal.scope)
    if refused := may_be_added_to(account.kind, account.status, account.calling.suspended_for):
        raise refused
    return account


async def read(services: Services, principal: Principal, body: CreateOnboarding) -> tuple[Tenant, Order, AccountRecord | None]:
    """Whose order it is, the order, and the account that it adds to if it names one.

    Raises ``NotFound`` for a white label or an account that is not the caller's, ``Refused`` for an account to which nothing
    can be added, and a ``Problem`` for what cannot be read.
    """
    account = None
    if body.account_id is None:
        tenant = await own_tenant(services, principal, body.white_label)
    else:
        account = await account_for(services.accounts, services.existing, principal, body.account_id)
        tenant = await services.catalogue.tenant(account.tenant_id)
        if body.white_label is not None and (await own_tenant(services, principal, body.white_label)).id != tenant.id:
            raise NotFound("There is no such account, or it is not yours to see.")
    order, found = body.order(tenant.country, account)
    if order is None:
        raise problems.of_findings(found)
    return tenant, order, account
