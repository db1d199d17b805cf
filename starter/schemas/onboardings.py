"""What is decided about an onboarding, and how it is shown."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, EmailStr, Field, StrictBool

from domain.access import Principal
from domain.customer import LongText, masked
from domain.keys import account_id
from domain.notifications import Afterwards
from domain.onboarding import Outcome, State
from domain.orders import Administration, Order, TermsAcceptance
from domain.quotes import Quote
from domain.views import OnboardingView
from starter.first_access import Shown
from starter.messages import message
from starter.schemas.base import Body, Links, Listing, Reason


class RejectBody(Body):
    """Why the order is not approved. The requester reads it."""

    reason: LongText = Field(examples=["The credit limit is too high for a new customer"])


class TakeOverBody(Body):
    """Why the operator may do what the customer was to do."""

    consent: LongText = Field(
        description="How the customer agreed to it. It is kept in the timeline, so leave personal data out",
        examples=["Asked for it on the telephone, 22 November"],
    )
    terms_accepted: Literal[True] = Field(description="That the customer has accepted the terms, attested by you")


class CorrectBody(Reason):
    """What is corrected; fields left out stay as they are."""

    email: EmailStr | None = Field(default=None, description="The contact's e-mail address", examples=["ada@example.com"])


class ResolveUndoBody(RejectBody):
    """What became of an undo that did not succeed by itself."""

    undo: Annotated[str, Field(max_length=200, pattern=r"^[\x21-\x7e]+$")] = Field(
        description="Which one: an entry of stuck_undos", examples=["release_payment"]
    )
    resolved: StrictBool = Field(description="True: done by hand. False: try again now")


class Accepted(BaseModel):
    """The order is accepted and cannot be lost any more. Follow ``links.events`` to see it proceed."""

    id: str
    state: State
    links: Links
    account_administrator: Literal["you", "customer"] = Field(
        description="Who administers the account once it is active: you, who ordered it, or the customer who activates it"
    )

    password: str | None = Field(
        default=None,
        description="Made for the contact, who can sign in once the state is active. In no other answer and in no letter",
    )
    pin: str | None = Field(default=None, description="The account's PIN, if it was made here. In no other answer")

    @classmethod
    def of(cls, onboarding_id: str, state: State, administration: Administration, afterwards: Afterwards, shown: Shown) -> Self:
        return cls(
            id=onboarding_id,
            state=state,
            links=_links(onboarding_id, afterwards),
            password=shown.password,
            pin=shown.pin,
            account_administrator="you" if administration is Administration.OPERATOR else "customer",
        )


class SubstituteBody(Body):
    """Whether the numbers that are held in place of lost ones are taken."""

    accept: StrictBool
    reason: LongText | None = Field(default=None, examples=["The customer agreed on the telephone"])


class Onboarding(BaseModel):
    """One onboarding as it stands. Amounts are minor units of the quote's currency; times are UTC."""

    id: str
    tenant_id: str
    account_id: str
    account_number: str | None = Field(description="For people; set once the account is opened")
    state: State
    message: str = Field(description="Where it stands, as a sentence for people")
    tm_forum_state: str = Field(description="The same as a TMF622 product order state")
    waits_for: str | None
    deadline: datetime | None
    generation: int
    needs_attention: str | None
    outcome: Outcome | None
    requested_by: str
    created_at: datetime
    updated_at: datetime
    order: Order
    quote: Quote
    approval_reasons: tuple[str, ...]
    terms: TermsAcceptance | None
    numbers: tuple[str, ...]
    charged_minor: int
    refunded_minor: int
    links: Links

    @classmethod
    def of(cls, view: OnboardingView, principal: Principal) -> Self:
        """As the caller may see it: where an operator sat who accepted the terms is no business of the customer's people."""
        links = _links(view.id, view.order.afterwards)
        facts: dict[str, Any] = {name: getattr(view, name) for name in cls.model_fields if name in type(view).model_fields}
        facts["order"] = _discreet(view.order)
        if view.terms is not None and principal.tenant_id == view.account_id:
            who = "customer" if view.terms.capacity == "self" else "operator"
            facts["terms"] = view.terms.model_copy(update={"accepted_by": who, "address": None})
        return cls(message=message(view), tm_forum_state=view.state.tm_forum, links=links, **facts)


def _links(onboarding_id: str, afterwards: Afterwards) -> Links:
    path = f"/v1/onboardings/{onboarding_id}"
    pages = {
        Afterwards.SERVICE_SUMMARY: path,
        Afterwards.CUSTOMER_SUMMARY: f"/v1/accounts/{account_id(onboarding_id)}",
        Afterwards.START_AGAIN: "/v1/onboardings",
    }
    return Links(self=path, events=f"{path}/events", next=pages[afterwards])


def _discreet(order: Order) -> Order:
    """The order without what nobody needs to read again: of an identity number the last two characters are left."""
    number = masked(order.customer.identity_number)
    return order.model_copy(update={"customer": order.customer.model_copy(update={"identity_number": number})})


class OnboardingPage(Listing[Onboarding]):
    """One page of onboardings, newest first."""
