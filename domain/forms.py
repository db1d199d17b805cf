"""Form profiles: which part of an order must be filled in, and by when. Every white label has one (C6).

Five are shipped, one for each of the guides that the requirements come from. A field is named by its JSON pointer.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from domain.base import Value
from domain.credentials import Credential
from domain.customer import Text

Pointer = Annotated[str, StringConstraints(pattern=r"^(/[a-z_]+)+$")]


class Stage(StrEnum):
    """When a field must be filled in at the latest."""

    DRAFT = "draft"
    SUBMIT = "submit"
    NEVER = "never"


class FormProfile(Value):
    """What must be filled in. A field that is not named is optional."""

    name: Text
    required_at: Mapping[Pointer, Stage] = Field(default_factory=dict)
    credential: Credential | None = Field(
        default=None,
        description="How the contact of an account that the operator administers comes to a password if the order does not say; "
        "unset: the contact does not become a user",
    )
    pin: bool = Field(default=False, description="Whether an account has a PIN: one is made where it is left out (C11)")

    def missing(self, order: Mapping[str, Any], stage: Stage) -> list[str]:
        """Pointers of the fields that this order, as plain data, lacks at this stage."""
        stages = list(Stage)
        due = stages[: stages.index(stage) + 1] if stage is not Stage.NEVER else []
        return [pointer for pointer, at in self.required_at.items() if at in due and not _filled(order, pointer)]


def _filled(order: Mapping[str, Any], pointer: str) -> bool:
    value: Any = order
    for part in pointer[1:].split("/"):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value not in (None, "", (), [], 0)


_S = Stage.SUBMIT

WHITE_LABEL = FormProfile(name="white-label", required_at={"/customer/billing_address": _S})
"""S1: business, address, plan and payment. Who pays and which plan have defaults."""
RESELLER = FormProfile(name="reseller", required_at={"/customer/billing_email": _S, "/credit_limit_minor": _S})
"""S2: a credit limit (S2-21), and of the address the billing e-mail alone (S2-27)."""
WIZARD = FormProfile(
    name="wizard",
    required_at={
        "/customer/given_name": Stage.DRAFT,
        "/customer/family_name": Stage.DRAFT,
        "/customer/contact/telephone": _S,
        "/customer/billing_address": _S,
    },
    pin=True,
)
"""S3: whoever is signed up, before going on to the next section."""
BILLING = FormProfile(
    name="billing",
    required_at={"/customer/given_name": _S, "/customer/country": _S},
    credential=Credential.GENERATE,
)
"""S4: the account form of a billing system; its numbers and passwords are made where they are left out."""
ISP = FormProfile(name="isp", credential=Credential.GENERATE)
"""S5: name and e-mail, everything else later."""

PROFILES = {profile.name: profile for profile in (WHITE_LABEL, RESELLER, WIZARD, BILLING, ISP)}
