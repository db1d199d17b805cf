"""What people beside API keys do: are created, added, invited; set a password, sign in, switch. Nothing here knows of HTTP."""

import contextlib
import ipaddress
import math
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from domain.access import Principal, member_of
from domain.accounts import PLATFORM, Account, Accounts
from domain.base import Value
from domain.catalogue import Tenant
from domain.errors import DialtoneError, NotFound, Refused, Unavailable
from domain.mails import Mail, MailKind
from domain.ports import Catalogue, Mailer
from domain.users import (
    Grant,
    Invitation,
    Member,
    Membership,
    NewUser,
    Passwords,
    Session,
    Sessions,
    Users,
    check_password,
    email_in_use,
    email_key,
    normal_password,
)

MOST_PER_USER = 10
"""Attempts to sign in with one e-mail address at one white label in a quarter of an hour, right ones not counted; whoever it is, or nobody."""
MOST_PER_ADDRESS = 50
"""Attempts from one IP address (IPv6: one /64) in a quarter of an hour, right ones not counted."""
MOST_AT_ONCE = 8
"""Passwords from one IP address, or by one user or API key, that wait for their turn in one process."""
MOST_PER_INVITED = 5
"""Letters to one e-mail address in a quarter of an hour."""
MOST_PER_INVITER = 100
"""Letters that one user or API key has sent in a quarter of an hour."""
# Without characters that are mistaken for each other.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GENERATED = 20


class TooManyAttempts(Refused):
    """Nobody is let try for ``wait`` seconds, whether they know the password or not."""

    code = "too_many_attempts"

    def __init__(self, wait: int) -> None:
        super().__init__("There were too many attempts to sign in. Wait, then try again.")
        self.wait = wait


class TooManyInvitations(Refused):
    """Nobody writes to this address, or for this inviter, for ``wait`` seconds."""

    code = "too_many_invitations"

    def __init__(self, wait: int) -> None:
        super().__init__("Too many invitations were sent, to this address or by you. Wait, then invite again.")
        self.wait = wait


class SignedIn(Value):
    """A session with its token, which is shown this once, and everywhere the user may act."""

    session: Session
    token: str
    memberships: tuple[Membership, ...]


class People:
    """Users, their passwords and their sessions."""

    def __init__(
        self,
        users: Users,
        sessions: Sessions,
        passwords: Passwords,
        mailer: Mailer,
        catalogue: Catalogue,
        accounts: Accounts,
        *,
        least_password: int,
        support_email: str,
    ) -> None:
        """``support_email`` is for letters of the platform itself, which has no white label."""
        self.users = users
        self.sessions = sessions
        self.accounts = accounts
        self._passwords = passwords
        self._mailer = mailer
        self._catalogue = catalogue
        self.least_password = least_password
        self._support_email = support_email
        self._waiting = Counter[str]()

    async def create(
        self, actor: str, account: Account, email: str, name: str, grant: Grant, password: str | None
    ) -> tuple[Member, str | None]:
        """A user with this password, or with a generated one, which is returned and stored nowhere (C5).

        Raises ``Refused`` for a password against the policy, and as ``Users.create``.
        """
        generated = None if password else self._generate()
        chosen = check_password(generated or password or "", email, self.least_password)
        if await self.users.taken(account.tenant_id, email):
            # Asked before the hash is made, which is dear. Whoever else creates this user meanwhile is met by ``Users.create``.
            raise email_in_use()
        with self._in_line(member_of(actor)):
            password_hash = await self._passwords.hash(chosen)
        new = NewUser(
            tenant_id=account.tenant_id,
            account_id=account.id,
            email=email,
            name=name,
            grant=grant,
            actor=actor,
            password_hash=password_hash,
        )
        return await self.users.create(new), generated

    async def invite(
        self, actor: str, account: Account, email: str, name: str, grant: Grant, *, discreet: bool = False
    ) -> tuple[Member, Invitation]:
        """Write to somebody who then sets a password. Repeated, it sends a new link and the older ones stop working.

        ``discreet`` is for an inviter who may not learn who is a user already: then whoever is one is invited alike. Raises
        ``TooManyInvitations``, and as ``Users.invite`` and ``Mailer.send``; a letter that could not be sent is sent by the repetition.
        """
        new = NewUser(tenant_id=account.tenant_id, account_id=account.id, email=email, name=name, grant=grant, actor=actor)
        async with self._counted(actor, account, email):
            member, invitation = await (self.users.offer(new) if discreet else self.users.invite(new))
            await self._write_to(account, invitation)
        return member, invitation

    async def add(self, actor: str, account: Account, email: str, grant: Grant) -> tuple[Member, Invitation | None]:
        """A role for a user whom the white label has, who is written to if the password was somebody else's and has ended.

        Raises ``TooManyInvitations``, and as ``Users.add`` and ``Mailer.send``; a letter that could not be sent is sent by inviting them.
        """
        async with self._counted(actor, account, email) as give_back:
            member, invitation = await self.users.add(account.id, account.tenant_id, email, grant, actor)
            if invitation is not None:
                await self._write_to(account, invitation)
            else:
                await give_back()
        return member, invitation

    @contextlib.asynccontextmanager
    async def _counted(self, actor: str, account: Account, email: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Strangers are not to be flooded in our name. What is not written is not counted."""
        inviter, invited = f"inviter:{member_of(actor)}", f"invited:{account.tenant_id}:{email_key(email)}"
        wait = await self.users.attempt({inviter: MOST_PER_INVITER, invited: MOST_PER_INVITED})
        if wait is not None:
            raise TooManyInvitations(math.ceil(wait.total_seconds()))

        async def give_back() -> None:
            await self.users.give_back((inviter, invited))

        try:
            yield give_back
        except DialtoneError:
            await give_back()
            raise

    async def _write_to(self, account: Account, invitation: Invitation) -> None:
        tenant = await self.white_label(account.tenant_id)
        facts: dict[str, object] = {
            "tenant_name": tenant.name if tenant else "Dialtone",
            "support_email": tenant.support_email if tenant else self._support_email,
            "customer_name": account.name,
            "contact_name": invitation.name,
            "user_id": invitation.user_id,
            "invitation": invitation.generation,
            "invited_until": invitation.until.isoformat(),
        }
        key = f"{invitation.user_id}:invitation:{invitation.generation}"
        await self._mailer.send(Mail(key=key, kind=MailKind.INVITATION, recipients=(invitation.email,), facts=facts))

    async def accept(self, invitation: Invitation, password: str) -> bool:
        """Set the password that the invited person chose. False if somebody was faster, or the link is too old now.

        Raises ``Refused`` for a password against the policy.
        """
        chosen = check_password(password, invitation.email, self.least_password)
        with self._in_line(invitation.user_id):
            password_hash = await self._passwords.hash(chosen)
        return await self.users.accept(invitation.user_id, invitation.generation, password_hash)

    async def may_be_one(self, one: str, other: str) -> bool:
        """Whether somebody may know the passwords of both members: then it does not take two to order and approve."""
        return bool(await self.users.knowers(one) & await self.users.knowers(other))

    async def white_label(self, tenant_id: str) -> Tenant | None:
        """In whose name a user is written to; ``None`` for the platform's own."""
        return None if tenant_id == PLATFORM else await self._catalogue.tenant(tenant_id)

    async def sign_in(
        self, email: str, password: str, white_label: str | None, account_id: str | None, address: str | None
    ) -> SignedIn:
        """A session for whoever knows the password, in the account named, or else in the widest that they administer.

        One comparison whatever is wrong, and one sentence: nobody learns who is a user. Raises ``Refused``
        (``sign_in_refused``) and ``TooManyAttempts``.
        """
        network, tenant_id = _network(address), await self._tenant_id(white_label)
        # Of this white label, named as it was: an address has other users elsewhere, whose success says nothing here. Nor is it looked
        # up first whose user it is: that would tell whether there is one.
        user, origin = f"user:{tenant_id or white_label or '*'}:{email_key(email)}", f"address:{network}"
        wait = await self.users.attempt({origin: MOST_PER_ADDRESS, user: MOST_PER_USER})
        if wait is not None:
            raise TooManyAttempts(math.ceil(wait.total_seconds()))
        known = await self.users.sign_in(email, tenant_id)
        try:
            with self._in_line(network):
                right = await self._passwords.verify(known.password_hash if known else None, normal_password(password))
        except Unavailable:
            # Nothing was compared, so nothing was learned.
            await self.users.give_back((origin, user))
            raise
        memberships = await self.users.memberships(known.user_id) if known and right else ()
        wanted = next((m.account_id for m in memberships if account_id in {None, m.account_id}), None)
        if known is None or known.password_hash is None or wanted is None:
            raise _sign_in_refused()
        try:
            session, token = await self.sessions.open(known.user_id, wanted, known.password_hash)
        except NotFound as error:  # the password or the role has gone meanwhile
            raise _sign_in_refused() from error
        await self.users.forget_attempts(user)
        await self.users.give_back((origin,))
        return SignedIn(session=session, token=token, memberships=tuple(memberships))

    @contextlib.contextmanager
    def _in_line(self, whose: str) -> Iterator[None]:
        """One address, inviter or link takes so many places in the line and leaves the others to everybody else."""
        if self._waiting[whose] >= MOST_AT_ONCE:
            raise Unavailable(
                "Too many passwords of yours, or of your network, are waiting. Nothing was done with this one: try again in a moment.",
                retry_after=1,
            )
        self._waiting[whose] += 1
        try:
            yield
        finally:
            self._waiting[whose] -= 1
            if not self._waiting[whose]:
                del self._waiting[whose]

    async def switch(self, principal: Principal, account_id: str) -> tuple[Session, str]:
        """As ``Sessions.switch``."""
        return await self.sessions.switch(principal, account_id)

    async def memberships(self, principal: Principal) -> Sequence[Membership]:
        """Where the caller has a role of their own."""
        return await self.users.memberships(principal.id)

    async def _tenant_id(self, white_label: str | None) -> str | None:
        if white_label is None or white_label == PLATFORM:
            return white_label
        try:
            return (await self._catalogue.tenant(white_label)).id
        except NotFound:
            return ""  # nobody's, and compared all the same

    def _generate(self) -> str:
        letters = "".join(secrets.choice(_LETTERS) for _ in range(max(_GENERATED, self.least_password)))
        return "-".join(letters[at : at + 5] for at in range(0, len(letters), 5))


def _sign_in_refused() -> Refused:
    return Refused(
        "The e-mail address and the password do not belong together here. Check both, and name the white label if "
        "you have users with several.",
        code="sign_in_refused",
    )


def _network(address: str | None) -> str:
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    # Whoever has one IPv6 address has 2**64 of them.
    return str(ipaddress.ip_network((ip, 64), strict=False) if ip.version == 6 else ip)
