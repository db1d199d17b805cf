"""What the API takes and gives about drafts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, SecretStr

from domain.catalogue import Tenant
from domain.drafts import (
    Draft,
    DraftState,
    Kept,
    SectionState,
    around,
    body_of,
    passed_over,
    place_of,
)
from domain.numbers import Pool
from domain.quotes import Quote
from domain.rules import Finding, Severity, blocking
from domain.sections import Form, field_of, form_named
from starter.draft_entries import shown
from starter.draft_findings import Assessed
from starter.problems import ProblemError, of_finding
from starter.schemas.base import Body, Links, Listing, WhiteLabel
from starter.schemas.numbers import BasketBody, NamedNumbers

SectionName = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$", description="One of the draft's sections", examples=["billing"])]


class NewDraft(Body):
    """An empty draft."""

    white_label: WhiteLabel | None = None


class ChosenNumbers(NamedNumbers):
    """Numbers for a service of the draft."""

    service: Annotated[int, Field(strict=True, ge=0, le=49, description="Which of the draft's services, from 0")] = 0
    pool: Pool | None = Field(default=None, description="`public`, or the customer whom the draft adds to, as it is if unset")


class SubmitDraft(Body):
    """What a draft does not keep."""

    password: SecretStr | None = Field(default=None, description="As in an order", max_length=200)
    pin: SecretStr | None = Field(default=None, description="As in an order", max_length=40)

    def given(self) -> dict[str, str]:
        """The secrets that were given, by field."""
        secrets = {"password": self.password, "pin": self.pin}
        return {name: value.get_secret_value() for name, value in secrets.items() if value is not None}


class Going(Body):
    """Where to. The next section, or the one before, if unset."""

    to: SectionName | None = None


class DraftSection(BaseModel):
    """One section: what was entered, as it was entered (but for an identity number), and what is found about it."""

    name: str
    state: SectionState
    entered: dict[str, Any]
    findings: list[ProblemError]
    revision: int = Field(description="The draft's revision when it was last saved; 0 if it never was. Send it as `If-Match`")
    changed_by: str | None
    changed_at: datetime | None


class DraftBody(BaseModel):
    """A draft as it stands. Amounts are minor units; times are UTC."""

    id: str
    state: DraftState
    white_label: str
    revision: int
    created_by: str
    created_at: datetime
    changed_by: str
    changed_at: datetime
    expires_at: datetime = Field(description="When it expires unless it is changed; after its end, when it is deleted")
    submitting: bool = Field(description="A submission has begun whose end is not known: submit again to learn it")
    place: str = Field(description="The section at which the person stands, on whatever device")
    next: str | None
    back: str | None
    valid: bool = Field(description="Whether it could be submitted as it is")
    sections: list[DraftSection]
    price: Quote | None = Field(description="Of what is there so far, on today's price list; null where there can be none")
    needs_approval: tuple[str, ...]
    basket: BasketBody | None = Field(description="What is held for the draft, and how long; null if nothing is")
    onboarding_id: str | None
    onboarding: Links | None
    password: str | None = Field(
        default=None, description="The contact's, if it was made on this submission. In no other answer"
    )
    pin: str | None = Field(default=None, description="The account's, if it was made on this submission. In no other answer")

    @classmethod
    def of(cls, kept: Kept, tenant: Tenant, assessed: Assessed, basket: BasketBody | None) -> Self:
        draft, form = kept.draft, form_named(tenant.form.name)
        before, after = around(form, draft)
        path = f"/v1/onboardings/{draft.onboarding_id}"
        acknowledged = draft.entered.get("acknowledged_warnings")
        codes = [code for code in acknowledged if isinstance(code, str)] if isinstance(acknowledged, list) else []
        return cls(
            id=draft.id,
            state=draft.state,
            white_label=tenant.slug,
            revision=draft.revision,
            created_by=draft.created_by,
            created_at=draft.created_at,
            changed_by=draft.changed_by,
            changed_at=draft.changed_at,
            expires_at=draft.expires_at,
            submitting=draft.state is DraftState.OPEN and bool(draft.submitting),
            place=place_of(form, draft),
            next=after,
            back=before,
            valid=assessed.price is not None and not blocking(assessed.findings, codes),
            sections=_sections(form, draft, assessed.findings),
            price=assessed.price,
            needs_approval=assessed.approval_reasons,
            basket=basket,
            onboarding_id=draft.onboarding_id,
            onboarding=Links(self=path, events=f"{path}/events") if draft.onboarding_id else None,
        )


def section_for(form: Form, pointer: str) -> str:
    """The section of this view of the form that a pointer is about; the first for what is about none."""
    field = field_of(pointer)
    whole = field.partition(".")[0]
    return next(
        (name for wanted in (field, whole) for name, fields in form.items() if wanted in fields),
        next(iter(form)),
    )


def _sections(form: Form, draft: Draft, findings: Sequence[Finding]) -> list[DraftSection]:
    found: dict[str, list[Finding]] = {name: [] for name in form}
    for finding in findings:
        found[section_for(form, finding.pointer)].append(finding)
    whole = body_of(draft.entered)
    answer = []
    for name, fields in form.items():
        touch = draft.touched.get(name)
        answer.append(
            DraftSection(
                name=name,
                state=_state(draft, fields, found[name], whole),
                entered=body_of(shown(draft.entered), fields),
                findings=[of_finding(item).model_copy(update={"section": name}) for item in found[name]],
                revision=touch.revision if touch else 0,
                changed_by=touch.by if touch else None,
                changed_at=touch.at if touch else None,
            )
        )
    return answer


def _state(draft: Draft, fields: Sequence[str], found: Sequence[Finding], whole: Mapping[str, Any]) -> SectionState:
    if draft.only_account and passed_over(fields):
        return SectionState.PASSED_OVER
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    # An error about what is there is another thing than one about what is not there yet.
    if any(_entered(whole, finding.pointer) for finding in errors):
        return SectionState.HAS_ERRORS
    if not any(field in draft.entered for field in fields):
        return SectionState.EMPTY
    return SectionState.INCOMPLETE if errors else SectionState.DONE


def _entered(whole: Any, pointer: str) -> bool:
    for part in pointer.removeprefix("/").split("/"):
        if isinstance(whole, list) and part.isdecimal() and int(part) < len(whole):
            whole = whole[int(part)]
        elif isinstance(whole, dict) and part in whole:
            whole = whole[part]
        else:
            return False
    return whole not in (None, "", [], {}, False)


class DraftSummary(BaseModel):
    """A draft in a list."""

    id: str
    state: DraftState
    customer: str | None = Field(description="The customer's name as it was entered")
    place: str
    revision: int
    created_by: str
    changed_by: str
    changed_at: datetime
    expires_at: datetime
    onboarding_id: str | None

    @classmethod
    def of(cls, draft: Draft, form: Form) -> Self:
        name = draft.entered.get("customer.name")
        return cls(
            id=draft.id,
            state=draft.state,
            customer=name if isinstance(name, str) else None,
            place=place_of(form, draft),
            revision=draft.revision,
            created_by=draft.created_by,
            changed_by=draft.changed_by,
            changed_at=draft.changed_at,
            expires_at=draft.expires_at,
            onboarding_id=draft.onboarding_id,
        )


class DraftPage(Listing[DraftSummary]):
    """One page of drafts, the last changed first."""
