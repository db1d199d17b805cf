"""People beside API keys: users, what they may do in which account, how they sign in."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from domain.access import Principal, Right, Role, rights_of
from domain.base import Value
from domain.errors import Refused

INVITATION_LASTS = timedelta(hours=72)
SESSION_LASTS = timedelta(hours=1)
MOST_PASSWORD = 128
"""Characters. More costs the hash nothing, but a body must end somewhere (ASVS 6.2.9 asks for 64 at least)."""
LEAST_FLOOR = 6
"""The shortest length that an installation may be configured to accept (S5-03, C5)."""


def email_key(email: str) -> str:
    """Two addresses with the same key are one user. Only ASCII letters are folded: folding all of Unicode would make one
    mailbox of two that belong to different people (the Kelvin sign and k)."""
    return "".join(char.lower() if char.isascii() else char for char in unicodedata.normalize("NFC", email.strip()))


def normal_password(password: str) -> str:
    """The password as it is hashed and compared, however the keyboard wrote it (NFKC, as NIST SP 800-63B asks)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, email: str, least: int) -> str:
    """The normal form of a new password. ``least`` is the configured length, in characters.

    Raises ``Refused``: ``password_too_short``, ``password_too_long`` or ``password_is_the_address``.
    """
    normal = normal_password(password)
    if len(normal) < least:
        raise Refused(f"The password is too short: use at least {least} characters.", code="password_too_short")
    if len(normal) > MOST_PASSWORD:
        raise Refused(f"The password is too long: use at most {MOST_PASSWORD} characters.", code="password_too_long")
    if normal.casefold() in {email.casefold(), email.partition("@")[0].casefold()}:
        raise Refused("The password is the e-mail address. Choose another one.", code="password_is_the_address")
    return normal


def email_in_use() -> Refused:
    """Such a user is added, not created again."""
    return Refused(
        "This white label has a user with this e-mail address. Add that user to the account instead.", code="email_in_use"
    )


class MemberState(StrEnum):
    """``invited``: no password has been set yet."""

    INVITED = "invited"
    ACTIVE = "active"


class Grant(Value):
    """What somebody gets to do in an account. ``rights`` counts for a sub-admin only."""

    role: Role
    rights: frozenset[Right] = frozenset()

    @property
    def allowed(self) -> frozenset[Right]:
        return rights_of(self.role, self.rights)


class Member(Value):
    """Somebody with a role in an account: a user, or an API key that created the account (S1-28, then without address)."""

    id: str
    name: str
    email: str | None
    role: Role
    rights: frozenset[Right]
    state: MemberState
    since: datetime


class Membership(Value):
    """The same from the user's side: one person may administer several accounts."""

    account_id: str
    account_name: str
    role: Role
    rights: frozenset[Right]


class NewUser(Value):
    """Somebody who becomes a user of a tenant and a member of one of its accounts at once.

    ``password_hash`` is unset for somebody who is invited. ``actor`` is who does it.
    """

    tenant_id: str
    account_id: str
    email: str
    name: str
    grant: Grant
    actor: str
    password_hash: str | None = None


class Invitation(Value):
    """A link to set a password with: of this user and generation, good until then (UTC). Older generations are dead."""

    user_id: str
    generation: int
    until: datetime
    email: str
    name: str
    tenant_id: str


class SignIn(Value):
    """What a password is compared with. The user has none yet if ``password_hash`` is unset."""

    user_id: str
    password_hash: str | None


class Users(Protocol):
    """Users and their memberships. An e-mail address is one user per tenant (C4)."""

    async def create(self, new: NewUser) -> Member:
        """A user with a password. Raises ``Refused`` (``email_in_use``): such a user is added, not created again."""

    async def add(
        self, account_id: str, tenant_id: str, email: str, grant: Grant, actor: str
    ) -> tuple[Member, Invitation | None]:
        """A membership for a user whom the tenant has. Raises ``Refused``: ``no_such_user``, ``already_member``.

        A password that somebody other than the actor has set, for a mailbox that nobody has proven, ends with every session:
        whoever knows it would get the new role. Its owner sets one by the link of the invitation that is returned then.
        """

    async def invite(self, new: NewUser) -> tuple[Member, Invitation]:
        """A user without a password, and the link's content. Repeated for a member of the account it gives a new link, and
        keeps name and role. Raises ``Refused`` (``email_in_use``)."""

    async def offer(self, new: NewUser) -> tuple[Member, Invitation]:
        """As ``invite``, but the same for somebody whom the tenant has already: they become a member by opening the link, and are
        shown as ``new`` wrote them until then."""

    async def members(self, account_id: str) -> Sequence[Member]:
        """Everybody with a role in this very account, oldest first."""

    async def remove(self, account_id: str, member_id: str, allowed: frozenset[Right]) -> None:
        """End a membership; sessions that hang on it end with it. Raises ``NotFound``, and ``Refused`` (``more_rights``) for a
        member who may do more than ``allowed``."""

    async def invitation(self, user_id: str, generation: int) -> Invitation | None:
        """The invitation behind a link, ``None`` if it was used, replaced, or is too old."""

    async def accept(self, user_id: str, generation: int, password_hash: str) -> bool:
        """Set the password, once. Whoever was signed in as this user is signed out. False if the link does not work (any more)."""

    async def knowers(self, member_id: str) -> frozenset[str]:
        """Everybody who may act as this member: themselves; whoever set their password, while nobody has proven the mailbox;
        and whoever may act as those."""

    async def sign_in(self, email: str, tenant_id: str | None) -> SignIn | None:
        """The user of this address, in this tenant or, with none named, in the only one that has it."""

    async def memberships(self, user_id: str) -> Sequence[Membership]:
        """Where the user has a role; the widest account first."""

    async def attempt(self, counters: dict[str, int]) -> timedelta | None:
        """Count one attempt under each of these names, in this order, before it is made. The time to wait if one is over its limit;
        the names after it are not counted then."""

    async def give_back(self, counters: Sequence[str]) -> None:
        """Count one attempt less under these names."""

    async def taken(self, tenant_id: str, email: str) -> bool:
        """Whether the tenant has a user of this address."""

    async def forget_attempts(self, counter: str) -> None:
        """Begin counting anew: the attempt succeeded."""


class Session(Value):
    """A token's side of the story; the token itself is shown once and stored as a hash."""

    id: str
    account_id: str
    expires_at: datetime


class Sessions(Protocol):
    """Short-lived tokens. Rights are looked up with every use, so a membership that ends takes them at once."""

    async def open(self, user_id: str, account_id: str, verified: str) -> tuple[Session, str]:
        """A session in an account where the user is a member, with its token. ``verified`` is the hash that the password was compared
        with. Raises ``NotFound``, also if the user has another password by now."""

    async def switch(self, principal: Principal, account_id: str) -> tuple[Session, str]:
        """A token that acts in this account and below it, never with more than the caller has there (S2-32). Ends with the
        session that it came from. Raises ``NotFound`` for an account that the caller does not reach."""

    async def end(self, session_id: str) -> None:
        """Sign out: the session and everything that was switched from it."""


class Passwords(Protocol):
    """A slow, memory-hard hash."""

    async def hash(self, password: str) -> str:
        """With its salt and parameters, in the PHC string format."""

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether they belong together. Takes as long without a hash: nobody can tell who is a user."""
