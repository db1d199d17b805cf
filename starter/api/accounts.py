"""The tree of accounts below the caller, and who does what in each."""

import contextlib
from collections.abc import Iterator
from typing import Annotated, cast

from fastapi import APIRouter, Path, Query, Request, Response, status

from domain.access import ROLES_AT, Principal, Right, Role
from domain.accounts import Account, AccountKind
from domain.errors import Refused
from domain.users import Grant, Member
from starter import problems
from starter.api.access import AccountId, Authenticated, Caller, OwnAccount, Strict, Work, need, page_tokens
from starter.api.described import problems as declared
from starter.api.onboardings import MOST_PER_PAGE
from starter.people import TooManyInvitations
from starter.problems import ProblemError
from starter.remember import RememberedKeys
from starter.schemas.base import Listing
from starter.schemas.people import AddUser, CreateUser, InviteUser, MemberAnswer, TokenAnswer, UserActs

router = APIRouter(prefix="/v1/accounts", tags=["Accounts"], route_class=Authenticated, dependencies=[Strict])


class AccountPage(Listing[Account]):
    """One page of accounts: customers, then resellers, each by id."""


@router.get("", summary="List accounts", responses=declared(400, 403, 404))
async def list_accounts(
    principal: Caller,
    services: Work,
    parent: Annotated[
        str | None,
        Query(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="Right below this account; below your own if left out"),
    ] = None,
    kind: Annotated[AccountKind | None, Query(description="Only customers, or only resellers")] = None,
    page_size: Annotated[int, Query(ge=1, le=2**31 - 1, description=f"Coerced to {MOST_PER_PAGE}")] = 20,
    page_token: Annotated[str | None, Query(max_length=500)] = None,
) -> AccountPage:
    """One level of the tree."""
    need(principal, Right.READ)
    of = parent or principal.scope
    with page_tokens():
        page = await services.accounts.children(of, principal.scope, kind, min(page_size, MOST_PER_PAGE), page_token)
    return AccountPage(items=list(page.items), next_page_token=page.next_page_token)


@router.get("/{account_id}", summary="Look at one account", responses=declared(403, 404))  # noqa: FAST003 - OwnAccount takes it
async def get_account(principal: Caller, account: OwnAccount) -> Account:
    """As its row has it: `pending` until its customer or its operator has activated it."""
    need(principal, Right.READ)
    return account


class Members(Listing[Member]):
    """Everybody with a role in this very account, oldest first."""


@router.get("/{account_id}/users", summary="Who does what here", responses=declared(403, 404))  # noqa: FAST003
async def list_users(principal: Caller, account: OwnAccount, services: Work) -> Members:
    """Administrators of an account above act here as well, and are not listed."""
    need(principal, Right.READ)
    return Members(items=list(await services.people.users.members(account.id)))


@router.post(
    "/{account_id}/users",  # noqa: FAST003 - OwnAccount takes it
    status_code=status.HTTP_201_CREATED,
    summary="Create, add or invite a user",
    responses=declared(400, 403, 404, 409, 413, 429),
)
async def give_access(request: Request, principal: Caller, account: OwnAccount, body: UserActs, services: Work) -> MemberAnswer:
    """`create` makes a user with a password, `add` gives a user whom the white label has a role here: both are for administrators
    of the white label. `invite` writes to somebody who then chooses a password. Nobody gives more rights than they have.

    A user who is added and has a password that somebody else chose is written to as well: it ends, and the link sets a new one.
    Whoever an account administrator invites becomes a member by opening the link, and is `invited` until then. A generated password is in the answer, this once. No password is ever mailed.
    """
    need(principal, Right.MANAGE_USERS)
    own_only = principal.role is Role.ACCOUNT_ADMINISTRATOR
    if own_only and not isinstance(body, InviteUser):
        # A user belongs to the whole white label. Whoever sets a password knows it; whoever adds learns who is one.
        raise problems.Problem(
            "not_allowed", "Only administrators of the white label create and add its users. Invite this one instead."
        )
    if account.status != "active":
        raise Refused("The account is not active, so nobody can work in it yet.", code="account_not_active")
    grant = Grant(role=body.role, rights=frozenset(body.rights))
    _check_grant(principal, account, grant)
    people, actor = services.people, principal.actor
    match body:
        case AddUser():
            try:
                with _limited():
                    member, sent = await people.add(actor, account, body.email, grant)
            finally:
                # The user's sessions may have ended.
                cast("RememberedKeys", request.app.state.keys).forget()
            return MemberAnswer.of(member, invited_until=sent.until if sent else None)
        case InviteUser():
            with _limited():
                member, invitation = await people.invite(actor, account, body.email, body.name, grant, discreet=own_only)
            return MemberAnswer.of(member, invited_until=invitation.until)
        case CreateUser():
            try:
                member, password = await people.create(
                    actor, account, body.email, body.name, grant, body.password.get_secret_value() if body.password else None
                )
            except Refused as refused:
                if not refused.code.startswith("password_"):
                    raise
                raise _invalid(ProblemError(code=refused.code, detail=refused.message, pointer="/password")) from refused
            return MemberAnswer.of(member, password=password)


@router.delete(
    "/{account_id}/users/{member_id}",  # noqa: FAST003 - OwnAccount takes the account's id
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Take a role away",
    responses=declared(403, 404, 409),
)
async def take_access(
    request: Request,
    principal: Caller,
    account: OwnAccount,
    member_id: Annotated[str, Path(pattern=r"^[!-~]{1,64}$", description="As the list of users has it")],
    services: Work,
) -> Response:
    """Their sessions in this account end with it; roles in other accounts stay."""
    need(principal, Right.MANAGE_USERS)
    await services.people.users.remove(account.id, member_id, principal.allowed)
    cast("RememberedKeys", request.app.state.keys).forget()
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.post(
    "/{account_id}/switch",
    status_code=status.HTTP_201_CREATED,
    summary="Switch to this account",
    responses=declared(400, 404, 413),
)
async def switch(principal: Caller, account_id: AccountId, services: Work) -> TokenAnswer:
    """A token that acts in this account and below it, and nowhere else, with no more rights than you have there.

    What is done with it is recorded as yours, as this account. It ends after an hour, or with the session it came from.
    """
    session, token = await services.people.switch(principal, account_id)
    return TokenAnswer(token=token, expires_at=session.expires_at, account_id=session.account_id)


def _check_grant(principal: Principal, account: Account, grant: Grant) -> None:
    found = []
    if grant.role not in ROLES_AT[account.kind]:
        here = ", ".join(sorted(ROLES_AT[account.kind]))
        detail = f"Roles in this kind of account are: {here}."
        found.append(ProblemError(code="role_not_here", detail=detail, pointer="/role"))
    if (grant.role is Role.SUB_ADMIN) != bool(grant.rights):
        detail = "A sub-admin has exactly the rights that are granted here, at least one; other roles bring their own."
        found.append(ProblemError(code="rights_do_not_fit", detail=detail, pointer="/rights"))
    if found:
        raise _invalid(*found)
    if not grant.allowed <= principal.allowed:
        raise problems.Problem("not_allowed", "Nobody can give more rights than they have. Ask somebody who has them.")


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    try:
        yield
    except TooManyInvitations as error:
        raise problems.Problem(error.code, error.message, headers={"Retry-After": str(error.wait)}) from error


def _invalid(*errors: ProblemError) -> problems.Problem:
    return problems.Problem("invalid_request", "Every entry of errors says where and how to mend it.", errors=errors)
