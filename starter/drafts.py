"""What can be done with a draft: looked at, changed, walked through. How it becomes an order: ``starter.submissions``.

Every change is one transaction that also lets the draft's basket hold what the order names now (``domain.drafts.Wish``).
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from domain import keys
from domain.access import Principal, Right
from domain.accounts import Accounts
from domain.catalogue import Tenant
from domain.drafts import (
    Draft,
    Drafts,
    DraftState,
    Kept,
    Touch,
    Wish,
    around,
    changeable,
    changed,
    order_body,
    place_of,
    saved,
    unseen,
    way,
)
from domain.errors import NotFound, Refused
from domain.existing import AccountBook, AccountRecord
from domain.forms import Stage
from domain.numbers import PUBLIC
from domain.ports import Catalogue
from domain.rules import Finding
from domain.sections import Form, field_of, form_named
from starter import problems
from starter.additions import account_for
from starter.draft_entries import bounded, unshown, with_numbers, without_number
from starter.draft_findings import Assessed, assess_draft, named_numbers

_POOL_OF_ANOTHER = Finding(
    code="pool_of_another",
    pointer="/pool",
    message="These numbers are kept for a customer whom this draft adds nothing to.",
    fix="Choose from the public pool, or name that customer as account_id first.",
)


class Drafting:
    """The drafts that one caller may see: those of every account in which they may create onboardings."""

    def __init__(
        self,
        drafts: Drafts,
        accounts: Accounts,
        existing: AccountBook,
        catalogue: Catalogue,
        principal: Principal,
    ) -> None:
        self._drafts = drafts
        self._accounts = accounts
        self._existing = existing
        self._catalogue = catalogue
        self._principal = principal

    # Looking

    async def open(self, tenant: Tenant, idempotency_key: str | None) -> Kept:
        """An empty draft; the same key again is the same draft."""
        caller, now = self._principal, datetime.now(UTC)
        return await self._drafts.open(
            Draft(
                id=keys.draft_id(tenant.id, caller.id, idempotency_key or str(uuid.uuid4())),
                tenant_id=tenant.id,
                person=caller.person,
                country=tenant.country,
                created_by=caller.actor,
                created_at=now,
                changed_by=caller.actor,
                changed_at=now,
            )
        )

    async def get(self, draft_id: str) -> tuple[Kept, Tenant]:
        """One draft and its white label. Raises ``NotFound`` unless the caller may continue it."""
        kept = await self._drafts.get(draft_id, named_numbers)
        draft, caller = kept.draft, self._principal
        seen = caller.tenant_id is None or await self._accounts.covers(caller.tenant_id, draft.tenant_id)
        if not seen or not caller.may(Right.ONBOARD):
            raise NotFound("There is no such draft, or it is not yours to see.")
        return kept, await self._catalogue.tenant(draft.tenant_id)

    async def assess(self, kept: Kept, tenant: Tenant) -> Assessed:
        """What is found about it now, and today's price. Of one that has ended nothing is."""
        if kept.draft.state is not DraftState.OPEN:
            return Assessed(findings=())
        adds_to, found = await self.account(kept.draft)
        if found is not None:
            return Assessed(findings=(found,))
        return await assess_draft(self._catalogue, self._principal, tenant, kept, datetime.now(UTC), adds_to)

    async def account(self, draft: Draft) -> tuple[AccountRecord | None, Finding | None]:
        """The account that the draft adds to if it names one (S3-08), or why nothing can be added to it."""
        if draft.account_id is None:
            return None, None
        fix = "Name another customer, or leave it out to create a new one."
        try:
            account = await account_for(self._accounts, self._existing, self._principal, draft.account_id)
        except (NotFound, Refused) as error:
            return None, Finding(code=error.code, pointer="/account_id", message=error.message, fix=fix)
        if account.tenant_id != draft.tenant_id:
            message = "This customer is another white label's, and the draft is not."
            return None, Finding(code="other_white_label", pointer="/account_id", message=message, fix=fix)
        return account, None

    # Changing

    async def save(self, draft: Draft, form: Form, section: str, flat: Mapping[str, Any], seen: int | None) -> Kept:
        """Replace one section. Raises ``DraftChanged`` if it was changed after the revision ``seen``."""

        def edit(now: Draft, at: datetime) -> Draft:
            unseen(now, seen, [section])
            return bounded(saved(now, section, form[section], unshown(now, flat), self._principal.actor, at))

        return await self._change(draft.id, edit)

    async def add_numbers(
        self, draft: Draft, form: Form, service: int, numbers: Sequence[str], pool: str | None, seen: int | None
    ) -> Kept:
        """Add numbers (E.164) to a service, all or none. Raises ``NumberUnavailable`` with those that cannot be had.

        ``pool`` may only be the public one or the draft's own customer's: the order could take them from no other.
        """

        def edit(now: Draft, at: datetime) -> Draft:
            if pool not in {None, PUBLIC, now.account_id}:
                raise problems.of_findings([_POOL_OF_ANOTHER])
            section = _home(form, "services.numbers")
            unseen(now, seen, [section])
            return bounded(self._entered(now, section, with_numbers(now, service, numbers), at))

        return await self._change(draft.id, edit, must=numbers)

    async def remove_number(self, draft: Draft, form: Form, number: str, seen: int | None) -> Kept:
        """Take a number (E.164) out; one that is not in it is no error."""

        def edit(now: Draft, at: datetime) -> Draft:
            section = _home(form, "services.numbers")
            unseen(now, seen, [section])
            return self._entered(now, section, without_number(now, number), at)

        return await self._change(draft.id, edit)

    async def next(self, draft: Draft, tenant: Tenant, to: str | None) -> Kept:
        """Go on. Raises the ``Problem`` that names what this form asks for before (S3-11), ``Refused`` at the last section."""
        form = form_named(tenant.form.name)

        def edit(now: Draft, at: datetime) -> Draft:
            here, (_, after) = place_of(form, now), around(form, now)
            target = to or after
            if target is None:
                raise Refused("This is the last section. Submit the draft, or go back.", code="last_section")
            walked = _target(form, now, target)
            if list(form).index(target) <= list(form).index(here):
                raise Refused("This section lies behind. Go back to it.", code="not_ahead")
            names = list(form)[list(form).index(here) : list(form).index(target)]
            _filled_in(tenant, form, now, [name for name in names if name in walked])
            return changed(now, self._principal.actor, at, place=target)

        return await self._change(draft.id, edit)

    async def back(self, draft: Draft, tenant: Tenant, to: str | None) -> Kept:
        """Go back, to any earlier section. Nothing is asked and nothing is lost (S3-07)."""
        form = form_named(tenant.form.name)

        def edit(now: Draft, at: datetime) -> Draft:
            here, (before, _) = place_of(form, now), around(form, now)
            target = to or before
            if target is None:
                raise Refused("This is the first section.", code="first_section")
            _target(form, now, target)
            if list(form).index(target) >= list(form).index(here):
                raise Refused("This section lies ahead. Go on to it.", code="not_behind")
            return changed(now, self._principal.actor, at, place=target)

        return await self._change(draft.id, edit)

    async def discard(self, draft: Draft) -> None:
        """End it: its numbers are free at once. Repeated, it is the same act. Raises ``Refused`` for one that was submitted."""

        def wished(now: Draft) -> Wish:
            if now.state is DraftState.DISCARDED:
                return Wish(draft=now)
            return Wish(draft=changed(now, self._principal.actor, datetime.now(UTC), state=DraftState.DISCARDED))

        await self._drafts.change(draft.id, wished)

    # Parts

    async def _change(
        self,
        draft_id: str,
        edit: Callable[[Draft, datetime], Draft],
        must: Sequence[str] = (),
    ) -> Kept:
        def wished(now: Draft) -> Wish:
            after = edit(changeable(now), datetime.now(UTC))
            return Wish(draft=after, numbers=wanted(after), must=tuple(must))

        return await self._drafts.change(draft_id, wished)

    def _entered(self, draft: Draft, section: str, entered: Mapping[str, Any], at: datetime) -> Draft:
        if entered == draft.entered:
            return draft
        touched = {**draft.touched, section: Touch(revision=draft.revision + 1, by=self._principal.actor, at=at)}
        return changed(draft, self._principal.actor, at, entered=entered, touched=touched)


def wanted(draft: Draft) -> tuple[str, ...] | None:
    """What the basket shall hold. While only an account is created it is left alone: its time runs, or its numbers come back."""
    return None if draft.only_account or draft.state is not DraftState.OPEN else tuple(named_numbers(draft))


def _home(form: Form, field: str) -> str:
    return next(name for name, fields in form.items() if field in fields)


def _target(form: Form, draft: Draft, target: str) -> Collection[str]:
    walked = way(form, draft)
    if target not in form:
        raise NotFound(f"There is no such section. This form has: {', '.join(form)}.")
    if target not in walked:
        raise Refused(
            "This section is passed over, because only an account is created. Undo that choice first.",
            code="section_passed_over",
        )
    return walked


def _filled_in(tenant: Tenant, form: Form, draft: Draft, names: Collection[str]) -> None:
    """Raises the 422 ``Problem`` if a field is empty that the form asks for before one goes on."""
    if draft.account_id is not None:
        return  # the account has been asked already
    fields = {field for name in names for field in form[name]}
    found = [
        Finding(
            code="field_required",
            pointer=place,
            message=f"The form of this white label ({tenant.form.name}) asks for this before you go on.",
            fix="Fill it in.",
        )
        for place in tenant.form.missing(order_body(draft), Stage.DRAFT)
        if field_of(place) in fields
    ]
    if found:
        raise problems.of_findings(found)
