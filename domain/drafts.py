"""Drafts: orders that are being put together, section by section, by one person or several, on one device or another.

What is entered is kept as it was entered, also when it is incomplete or wrong: ``Draft.entered`` holds it by field
(``domain.sections``), so that a section can be saved by itself and every view of the form shows the same. Of ``services`` it
holds how many there are, of each field of theirs a value by position: numbers of a service that is taken away come back
with it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator

from domain.additions import OF_THE_ORDER
from domain.base import Value
from domain.baskets import Basket
from domain.customer import Country
from domain.errors import Refused
from domain.numbers import PUBLIC, Pool
from domain.quarantine import Swept
from domain.sections import DRAFT_ONLY, FIELDS, MANAGED, PASSED_OVER, Form, Section
from domain.views import Page

OPEN_FOR = timedelta(days=30)
"""How long after its last change a draft is kept open."""
KEPT_FOR = timedelta(days=30)
"""How long a draft that has ended can still be looked at, before it is deleted with everything personal in it."""
SUBMITTED_WITHIN = timedelta(minutes=1)
"""How long a submission may take. One that takes longer has died: a refusal of another one lets the draft be changed again."""
MOST_SERVICES = 50
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_BESIDE_THE_ORDER = frozenset({"white_label", "terms_accepted", "create_sip_device"})


class DraftState(StrEnum):
    """Open drafts can be changed. The others only tell how they ended, until they are deleted."""

    OPEN = "open"
    SUBMITTED = "submitted"
    DISCARDED = "discarded"
    EXPIRED = "expired"


class SectionState(StrEnum):
    """How far a section is. Passed over is what the other choices leave without a meaning (S3-16)."""

    EMPTY = "empty"
    INCOMPLETE = "incomplete"
    HAS_ERRORS = "has_errors"
    DONE = "done"
    PASSED_OVER = "passed_over"


class Touch(Value):
    """The last change of a section: the draft's revision after it, who, and when (UTC)."""

    revision: int
    by: str
    at: datetime


def _submissions(stored: object) -> object:
    # Rows of before kept the newest submission only, without its time; whether it lives nobody knows any more.
    return {} if stored is None else {stored: _LONG_AGO} if isinstance(stored, str) else stored


class Draft(Value):
    """An order-to-be. Times are UTC. ``person`` is whose it is, ``created_by`` and ``changed_by`` are recorded actors.

    ``country`` is where national telephone numbers are dialled if the order says nothing. ``place`` is the section at which the
    person stands. ``submitting`` are the submissions that have begun and whose end is not recorded yet, each with when it
    began: while there is one nothing can be changed, so that what is ordered is what the draft says. Of a draft that was submitted
    they are those that led to it.
    """

    id: str
    tenant_id: str
    person: str
    country: Country = "GB"
    created_by: str
    created_at: datetime
    changed_by: str
    changed_at: datetime
    state: DraftState = DraftState.OPEN
    revision: int = 1
    place: str = ""
    entered: Mapping[str, Any] = {}
    touched: Mapping[str, Touch] = {}
    basket_id: str | None = None
    pool: Pool = PUBLIC
    onboarding_id: str | None = None
    submitting: Annotated[Mapping[str, datetime], BeforeValidator(_submissions)] = {}

    @property
    def expires_at(self) -> datetime:
        """When it expires if nobody changes it; once it has ended, when it is deleted."""
        return self.changed_at + (OPEN_FOR if self.state is DraftState.OPEN else KEPT_FOR)

    @property
    def only_account(self) -> bool:
        """Whether only an account is created (S3-15)."""
        return self.entered.get("only_account") is True

    @property
    def account_id(self) -> str | None:
        """The account that the services are added to; ``None`` for a new customer (S3-08)."""
        named = self.entered.get("account_id")
        return named if isinstance(named, str) and named else None

    @property
    def services(self) -> int:
        """How many services the order has."""
        return 0 if self.only_account else _count(self.entered)


class Kept(Value):
    """A draft as it is kept, with its basket if that still holds, and which other numbers it named are free at this moment."""

    draft: Draft
    basket: Basket | None = None
    free: frozenset[str] = frozenset()

    @property
    def held(self) -> frozenset[str]:
        return frozenset(number.e164 for number in self.basket.numbers) if self.basket else frozenset()


class Wish(Value):
    """What a change makes of a draft. ``numbers`` (E.164) are what its basket shall hold; ``None`` leaves the basket alone.

    ``must`` are those of them that have to be had: if one cannot, nothing is changed.
    """

    draft: Draft
    numbers: tuple[str, ...] | None = None
    must: tuple[str, ...] = ()


Edit = Callable[[Draft], Wish]
"""A change, as a function of the draft as it stands: run while nobody else can change it. Raises ``Refused`` to change nothing."""


class DraftChanged(Refused):
    """Somebody else has changed what this caller had seen (RFC 9110, 13.1.1). ``touched`` says which sections, by whom."""

    code = "draft_changed"

    def __init__(self, touched: Mapping[str, Touch]) -> None:
        super().__init__("The draft was changed since you looked at it. Nothing was saved. Look at it again, then repeat.")
        self.touched = touched


class Drafts(Protocol):
    """Where drafts are kept. Each call is one transaction; raises ``NotFound`` for a draft that does not exist."""

    async def open(self, draft: Draft) -> Kept:
        """Keep a new draft; the same id again is the same draft."""

    async def get(self, draft_id: str, named: Callable[[Draft], Collection[str]]) -> Kept:
        """The draft as it stands. ``named`` tells the numbers in E.164 that it names."""

    async def change(self, draft_id: str, edit: Edit) -> Kept:
        """Change it. Raises what ``edit`` raises, and ``NumberUnavailable`` for numbers that must be had and cannot."""

    async def page(
        self, tenant_id: str, person: str | None, state: DraftState | None, page_size: int, page_token: str | None
    ) -> Page[Draft]:
        """Drafts of an account, the last changed first. Raises ``ValueError`` for a wrong token."""


class DraftReaper(Protocol):
    """Ends drafts that nobody changes any more, and deletes those that have ended long ago."""

    async def sweep_drafts(self, most: int) -> Swept:
        """At most ``most`` at a time, those that are due longest first. Frees what expired ones hold."""


# What is entered: from and to the body of an order


def _count(entered: Mapping[str, Any]) -> int:
    count = entered.get("services", 0)
    return count if isinstance(count, int) else 0


def spread(body: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Pointer, field and value of everything in a part of an order's body. Raises ``ValueError`` with the pointer of a wrong shape.

    Only the shape is looked at: ``customer`` is an object, ``services`` a list of objects.
    """
    for name, value in body.items():
        if name == "customer":
            if not isinstance(value, dict):
                raise ValueError("/customer")
            yield from ((f"/customer/{key}", f"customer.{key}", inner) for key, inner in value.items())
        elif name == "services":
            if not isinstance(value, list) or len(value) > MOST_SERVICES:
                raise ValueError("/services")
            yield "/services", "services", len(value)
            for position, service in enumerate(value):
                if not isinstance(service, dict):
                    raise ValueError(f"/services/{position}")  # noqa: TRY004
                for key, inner in service.items():
                    yield f"/services/{position}/{key}", f"services.{key}", inner
        else:
            yield f"/{name}", name, value


def flattened(body: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """A section's body by field. ``fields`` are the section's. Raises ``ValueError`` as ``spread``."""
    flat = dict[str, Any]()
    for pointer, field, value in spread(body):
        if field.startswith("services."):
            flat.setdefault(field, {})[pointer.split("/")[2]] = value
        elif field in fields:
            flat[field] = value
    return flat


def body_of(entered: Mapping[str, Any], fields: Collection[str] = tuple(FIELDS)) -> dict[str, Any]:
    """What was entered in these fields, in the shape of an order's body."""
    body = dict[str, Any]()
    services = list[dict[str, Any]]()

    def service(position: int) -> dict[str, Any]:
        services.extend({} for _ in range(position + 1 - len(services)))
        return services[position]

    for field in fields:
        if field not in entered:
            continue
        group, _, name = field.partition(".")
        if field == "services":
            services.extend({} for _ in range(_count(entered) - len(services)))
            body["services"] = services
        elif group == "services":
            for position, value in entered[field].items():
                service(int(position))[name] = value
            body["services"] = services
        elif group == "customer":
            body.setdefault("customer", {})[name] = entered[field]
        else:
            body[field] = entered[field]
    return body


def order_body(draft: Draft) -> dict[str, Any]:
    """The body of the order as it stands: without what is passed over, and without services that are not there any more."""
    left_out = DRAFT_ONLY | MANAGED
    if draft.only_account:
        left_out |= {field for field, section in FIELDS.items() if section in PASSED_OVER | {Section.SERVICE}}
    if draft.account_id is not None:
        # What the account decides is kept and not ordered: it comes back if a new customer is chosen after all.
        left_out |= {field for field in FIELDS if field.partition(".")[0] not in OF_THE_ORDER | _BESIDE_THE_ORDER}
    body = body_of(draft.entered, [field for field in FIELDS if field not in left_out])
    services = body.pop("services", [])[: draft.services]
    if draft.services:
        body["services"] = services + [{} for _ in range(draft.services - len(services))]
    return body


# Changes


def changeable(draft: Draft) -> Draft:
    """The draft, if it can be changed. Raises ``Refused`` for one that has ended or is being submitted."""
    if draft.state is not DraftState.OPEN:
        message = {
            DraftState.SUBMITTED: "This draft was submitted; its order goes on without it. Look at the onboarding.",
            DraftState.DISCARDED: "This draft was discarded. Begin a new one.",
            DraftState.EXPIRED: "Nobody changed this draft for 30 days, so it has expired. Begin a new one.",
        }[draft.state]
        raise Refused(message, code=f"draft_{draft.state.value}")
    if draft.submitting:
        raise Refused(
            "This draft is being submitted, so it cannot be changed. Submit it again: that tells how it ended.",
            code="draft_submitting",
        )
    return draft


def changed(draft: Draft, by: str, at: datetime, **changes: Any) -> Draft:
    """The next revision of a draft that can be changed. Raises ``Refused`` as ``changeable``."""
    changeable(draft)
    return draft.model_copy(update={"revision": draft.revision + 1, "changed_by": by, "changed_at": at, **changes})


def frozen(draft: Draft, submission: str, at: datetime) -> Draft:
    """The draft while this submission is under way, beside those that are already. Raises ``Refused`` for one that has ended."""
    changeable(draft.model_copy(update={"submitting": {}}))
    return draft.model_copy(update={"submitting": {**draft.submitting, submission: at}})


def thawed(draft: Draft, submission: str, at: datetime) -> Draft:
    """The draft after this submission came to nothing. As long as another one may still succeed, it stays as it is."""
    others = {
        other: begun for other, begun in draft.submitting.items() if other != submission and at - begun < SUBMITTED_WITHIN
    }
    return draft.model_copy(update={"submitting": others})


def unseen(draft: Draft, seen: int | None, sections: Collection[str]) -> None:
    """Raises ``DraftChanged`` if one of the sections was changed after the revision that the caller has seen."""
    after = {
        name: draft.touched[name]
        for name in sections
        if seen is not None and name in draft.touched and draft.touched[name].revision > seen
    }
    if after:
        raise DraftChanged(after)


def saved(draft: Draft, section: str, fields: Collection[str], flat: Mapping[str, Any], by: str, at: datetime) -> Draft:
    """The draft with this section replaced; every other section is untouched."""
    entered = {field: value for field, value in draft.entered.items() if field not in fields} | dict(flat)
    touched = {**draft.touched, section: Touch(revision=draft.revision + 1, by=by, at=at)}
    return changed(draft, by, at, entered=entered, touched=touched)


def way(form: Form, draft: Draft) -> list[str]:
    """The sections that are walked through: all but those passed over."""
    if not draft.only_account:
        return list(form)
    return [name for name, fields in form.items() if not passed_over(fields)]


def passed_over(fields: Collection[str]) -> bool:
    """Whether a section of these fields has no meaning while only an account is created."""
    return bool(fields) and all(FIELDS[field] in PASSED_OVER for field in fields)


def place_of(form: Form, draft: Draft) -> str:
    """Where the person stands: the first section before anybody went anywhere."""
    return draft.place if draft.place in form else next(iter(form))


def around(form: Form, draft: Draft) -> tuple[str | None, str | None]:
    """Where back and next lead from here (S3-06, S3-07)."""
    names, here = list(form), list(form).index(place_of(form, draft))
    walked = way(form, draft)
    before = [name for name in walked if names.index(name) < here]
    after = [name for name in walked if names.index(name) > here]
    return (before[-1] if before else None), (after[0] if after else None)
