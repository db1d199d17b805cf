"""What an order says of its account's first user and PIN: looked at, made where it is left out, hashed before it goes on."""

from typing import Protocol

from pydantic import Field

from domain.base import Value
from domain.catalogue import Tenant
from domain.credentials import Credential, Credentials, is_weak_pin
from domain.errors import Refused
from domain.orders import Administration, Order
from domain.rules import Finding
from domain.users import Passwords, Users, check_password


class Derived(Protocol):
    """What is derived from the installation's secret."""

    def portal_password(self, onboarding_id: str, least: int) -> str:
        """The password that was made for an onboarding's contact."""

    def pin(self, onboarding_id: str, length: int) -> str:
        """The PIN that was made for an onboarding's account."""

    def seal_password(self, onboarding_id: str, password: str) -> str:
        """What is kept of a password until this onboarding is started, and it is hashed."""

    def pin_digest(self, account_id: str, pin: str) -> str:
        """What is kept of an account's PIN."""


class Wanted(Value):
    """The part of a request that goes no further than the door, in clear."""

    password: str | None = Field(default=None, repr=False)
    pin: str | None = Field(default=None, repr=False)


class Shown(Value):
    """What was made for the caller, who is the only one to see it."""

    password: str | None = Field(default=None, repr=False)
    pin: str | None = Field(default=None, repr=False)


class FirstAccess:
    """Passwords and PINs of new accounts. ``least`` is the configured length of a password."""

    def __init__(self, users: Users, passwords: Passwords, secrets: Derived, least: int) -> None:
        self._users = users
        self._passwords = passwords
        self._secrets = secrets
        self._least = least

    async def credential(self, order: Order, tenant: Tenant, wanted: Wanted) -> Credential | None:
        """What the order comes to. Blank: a customer who administers is invited; for others the form says (C5).

        Somebody who is a user already keeps the password that they have.
        """
        if order.account_id is not None:
            return None  # the account has its people already
        if order.credential is not None:
            return order.credential
        if wanted.password is not None:
            return Credential.SET
        if order.administration is Administration.CUSTOMER or tenant.form.credential is None:
            return None
        known = await self._is_user(order, tenant)
        return Credential.INVITE if known else tenant.form.credential

    async def findings(self, order: Order, tenant: Tenant, wanted: Wanted) -> list[Finding]:
        """What is wrong about password and PIN."""
        credential = await self.credential(order, tenant, wanted)
        found = [*self._about_password(order, credential, wanted.password), *about_pin(wanted.pin, tenant.pin_length)]
        if credential in {Credential.SET, Credential.GENERATE} and await self._is_user(order, tenant):
            found.append(
                Finding(
                    code="email_in_use",
                    pointer="/customer/contact/email",
                    message="This white label has a user with this address, whose password is not to be changed.",
                    fix="Leave credential and password out, or name another contact.",
                )
            )
        return found

    async def prepare(
        self,
        order: Order,
        tenant: Tenant,
        wanted: Wanted,
        onboarding_id: str,
        account_id: str,
        *,
        hash_later: bool = False,
    ) -> Credentials:
        """What goes on. What has to be made is made from the onboarding's id: the same again, and stored nowhere (``shown``).

        ``hash_later``: of ten thousand passwords at once none is hashed; they are sealed, and hashed one by one.
        """
        credential = await self.credential(order, tenant, wanted)
        makes_pin = wanted.pin is None and tenant.form.pin and order.account_id is None
        length = tenant.pin_length if makes_pin else None
        made = self.shown(Credentials(credential=credential, pin_length=length), onboarding_id)
        password, pin = wanted.password or made.password, wanted.pin or made.pin
        sealed = self._secrets.seal_password(onboarding_id, password) if password and hash_later else None
        return Credentials(
            credential=credential,
            password_hash=await self._hash(password, order) if password and not hash_later else None,
            sealed_password=sealed,
            pin=self._secrets.pin_digest(account_id, pin) if pin else None,
            pin_length=length,
        )

    def shown(self, credentials: Credentials, onboarding_id: str) -> Shown:
        """What was made for this onboarding, for whoever repeats the very request."""
        generated = credentials.credential is Credential.GENERATE
        length = credentials.pin_length
        return Shown(
            password=self._secrets.portal_password(onboarding_id, self._least) if generated else None,
            pin=self._secrets.pin(onboarding_id, length) if length else None,
        )

    async def _hash(self, password: str, order: Order) -> str:
        return await self._passwords.hash(check_password(password, order.customer.contact.email, self._least))

    async def _is_user(self, order: Order, tenant: Tenant) -> bool:
        # A reseller's people are users of its own white label, which begins without any.
        if order.account_kind == "reseller":
            return False
        return await self._users.sign_in(order.customer.contact.email, tenant.id) is not None

    def _about_password(self, order: Order, credential: Credential | None, password: str | None) -> list[Finding]:
        def said(code: str, message: str, fix: str) -> list[Finding]:
            return [Finding(code=code, pointer="/password", message=message, fix=fix)]

        if password is None:
            if credential is Credential.SET:
                return said("password_missing", "There is no password to be set.", "Add it, or have one made: generate.")
            return []
        if credential is not Credential.SET:
            return said("password_not_wanted", f"With {credential} no password is given.", "Leave one of the two out.")
        try:
            check_password(password, order.customer.contact.email, self._least)
        except Refused as refused:
            return said(refused.code, refused.message, "Or leave it out.")
        return []


def about_pin(pin: str | None, length: int) -> list[Finding]:
    """What is wrong about a PIN that somebody chose, for a white label whose PINs have this many digits (S4-09)."""
    if pin is None:
        return []
    if not (pin.isascii() and pin.isdigit() and len(pin) == length):
        message, fix = f"A PIN has {length} digits here.", "Write as many, or leave it out."
        return [Finding(code="pin_shape", pointer="/pin", message=message, fix=fix)]
    if is_weak_pin(pin):
        message, fix = "This PIN is among the first that anybody tries.", "Choose digits that are not in a row or repeated."
        return [Finding(code="pin_weak", pointer="/pin", message=message, fix=fix)]
    return []
