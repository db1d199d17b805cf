"""What the API takes and gives about users and sessions."""

import re
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, EmailStr, Field, SecretStr

from domain.access import Right, Role
from domain.credentials import MOST_PIN
from domain.customer import Text
from domain.users import MOST_PASSWORD, Member, Membership
from starter.schemas.base import Body, WhiteLabel

Password = Annotated[SecretStr, Field(max_length=MOST_PASSWORD, examples=["correct horse battery staple"])]
Pin = Annotated[SecretStr, Field(max_length=MOST_PIN, examples=["482915"])]
AccountName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="Id of an account")]


# What mail clients make a link of, wherever it stands in a letter of ours: "://", "www.", and "evil.example", but not "St.John".
_LINK = re.compile(r"://|www\.|\w\.(?:[a-z]{2}|[A-Z]{2,}(?![a-z]))")


def _no_link(name: str) -> str:
    if _LINK.search(name):
        raise ValueError("is in letters that we send, and looks like the address of a page; leave that out")
    return name


PersonName = Annotated[Text, AfterValidator(_no_link)]


class _Grant(Body):
    email: EmailStr = Field(examples=["grace@example.com"])
    role: Role = Field(examples=["account_administrator"])
    rights: Annotated[tuple[Right, ...], Field(max_length=20)] = Field(
        default=(), description="For a sub_admin: exactly these", examples=[[]]
    )


class CreateUser(_Grant):
    """A new user who has a password at once. Left out or empty, it is generated and answered this once."""

    act: Literal["create"] = Field(examples=["create"])
    name: PersonName = Field(examples=["Grace Hopper"])
    password: Password | None = None


class AddUser(_Grant):
    """A user whom the white label has already gets a role in this account too."""

    act: Literal["add"]


class InviteUser(_Grant):
    """Somebody new is written to, and sets a password by the link; again, to send a new link."""

    act: Literal["invite"]
    name: PersonName = Field(examples=["Grace Hopper"])


UserActs = Annotated[CreateUser | AddUser | InviteUser, Field(discriminator="act")]


class MemberAnswer(Member):
    """Somebody with a role in the account."""

    password: str | None = Field(default=None, description="Generated for them. It is shown this once and stored nowhere")
    invited_until: datetime | None = Field(default=None, description="Until when the link in the letter works")

    @classmethod
    def of(cls, member: Member, *, password: str | None = None, invited_until: datetime | None = None) -> Self:
        return cls(**member.model_dump(), password=password, invited_until=invited_until)


class SignInBody(Body):
    """Who signs in, and where."""

    email: EmailStr = Field(examples=["grace@example.com"])
    password: Password
    white_label: WhiteLabel | None = Field(
        default=None, description="Slug or id of the white label, or `platform`. Needed by whoever is a user of several"
    )
    account_id: AccountName | None = Field(default=None, description="Where to act; the widest of your accounts if left out")


class TokenAnswer(BaseModel):
    """A token for the Authorization header. It is shown this once."""

    token: str
    expires_at: datetime
    account_id: str


class SessionAnswer(TokenAnswer):
    """``memberships`` is everywhere that you have a role of your own: switch to the others."""

    memberships: tuple[Membership, ...]


class Caller(BaseModel):
    """Who is calling. ``rights`` count in the account and everything below it."""

    id: str
    name: str
    account_id: str
    role: Role
    rights: tuple[Right, ...]
    acting_as: str | None
    memberships: tuple[Membership, ...]
