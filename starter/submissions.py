"""How a draft becomes an order: once, however often, by whomever and from wherever it is submitted."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import ValidationError

from domain import keys, rules
from domain.access import Principal
from domain.catalogue import Tenant
from domain.drafts import Draft, Drafts, DraftState, Kept, Wish, frozen, order_body, thawed, unseen
from domain.errors import NotFound, Refused
from starter import problems
from starter.draft_findings import of_validation
from starter.drafts import Drafting, wanted
from starter.first_access import Shown
from starter.onboardings import Onboardings
from starter.problems import Problem
from starter.schemas.orders import CreateOnboarding


class Submission:
    """One request to submit one draft.

    While it is under way nothing in the draft can be changed. If it dies half-way the draft stays so, and the next submission
    finds the onboarding that was started, or starts it.
    """

    def __init__(
        self,
        drafts: Drafts,
        onboardings: Onboardings,
        drafting: Drafting,
        principal: Principal,
        tenant: Tenant,
        draft: Draft,
        idempotency_key: str,
        fingerprint: str,
    ) -> None:
        self._drafts = drafts
        self._onboardings = onboardings
        self._drafting = drafting
        self._principal = principal
        self._tenant = tenant
        self._draft_id = draft.id
        self._onboarding_id = keys.draft_onboarding_id(draft.id, draft.created_at)
        self._fingerprint = fingerprint
        # Who repeats the request is told the passwords again; two that run at once are still told apart.
        self._request = keys.update_id(principal.id, f"submit {draft.id}", idempotency_key)
        self._token = f"{self._request}/{uuid.uuid4()}"
        self._alone = True

    async def submit(self, seen: int | None, address: str | None, secrets: Mapping[str, str]) -> tuple[Kept, Shown]:
        """Start the one onboarding of this draft, by the checks of every order. Raises as ``Onboardings.start``.

        ``seen`` is the revision that was looked at: raises ``DraftChanged`` if there is a later one. ``secrets`` are the fields of
        the order that no draft keeps; returned are those that were made, to whoever placed the order and to nobody else; again
        only for the same ``idempotency_key``.
        """
        kept = await self._frozen(seen)
        if kept.draft.state is DraftState.SUBMITTED:
            return kept, await self._shown_again(kept.draft)
        if not self._alone:
            earlier = await self._onboardings.repeated(self._onboarding_id, self._principal, self._tenant, self._fingerprint)
            if earlier is not None:
                return await self._settled(), earlier.shown
            # Only now: an order that was started before may be about to take what the basket holds.
            kept = await self._drafts.change(self._draft_id, lambda now: Wish(draft=now, numbers=wanted(now)))
            if kept.draft.state is DraftState.SUBMITTED:
                return kept, Shown()
        try:
            shown = await self._start(kept, address, secrets)
        except (Problem, Refused):
            settled = await self._thawed()
            if settled is None:
                raise
            return settled, Shown()
        return await self._settled(), shown

    async def _frozen(self, seen: int | None) -> Kept:
        def freeze(now: Draft) -> Wish:
            if now.state is DraftState.SUBMITTED:
                return Wish(draft=now)
            self._alone = not now.submitting
            unseen(now, seen, now.touched)
            begun = frozen(now, self._token, datetime.now(UTC))
            return Wish(draft=begun, numbers=wanted(begun) if self._alone else None)

        return await self._drafts.change(self._draft_id, freeze)

    async def _shown_again(self, draft: Draft) -> Shown:
        """What was made, if this request is the repetition of one that led to the order, and its answer may be lost."""
        if draft.onboarding_id is None or not any(mark.startswith(f"{self._request}/") for mark in draft.submitting):
            return Shown()
        earlier = await self._onboardings.repeated(draft.onboarding_id, self._principal, self._tenant, self._fingerprint)
        return earlier.shown if earlier else Shown()

    async def _start(self, kept: Kept, address: str | None, secrets: Mapping[str, str]) -> Shown:
        body = order_body(kept.draft) | dict(secrets)
        found = (await self._drafting.assess(kept, self._tenant)).findings
        codes = body.get("acknowledged_warnings", ())
        blocking = rules.blocking(found, codes if isinstance(codes, list) else ())
        try:
            parsed = CreateOnboarding.model_validate(body)
        except ValidationError as error:
            parsed = None
            # What is in the draft was told with its findings; this is about the secrets.
            blocking += [
                of_validation(item["type"], item["loc"], item["msg"])
                for item in error.errors(include_url=False, include_input=False)
                if item["loc"] and item["loc"][0] in secrets
            ]
        adds_to, _ = await self._drafting.account(kept.draft)
        order = parsed.order(kept.draft.country, adds_to)[0] if parsed else None
        if blocking or parsed is None or order is None:
            raise problems.of_findings(blocking)
        if kept.basket is not None and kept.basket.numbers and not kept.draft.only_account:
            order = order.model_copy(update={"basket": kept.basket.id})
        started = await self._onboardings.start(
            self._principal,
            self._tenant,
            order,
            idempotency_key=self._draft_id,
            onboarding_id=self._onboarding_id,
            fingerprint=self._fingerprint,
            terms_accepted=parsed.terms_accepted,
            address=address,
            wanted=parsed.wanted,
            adds_to=adds_to,
        )
        return started.shown

    async def _thawed(self) -> Kept | None:
        """After a no: let the draft be changed again. But if another submission of it was a yes, that one counts."""

        def thaw(now: Draft) -> Wish:
            return Wish(draft=thawed(now, self._token, datetime.now(UTC)))

        if not self._alone and await self._started():
            return await self._settled()
        kept = await self._drafts.change(self._draft_id, thaw)
        if kept.draft.submitting and await self._started():
            return await self._settled()
        return kept if kept.draft.state is DraftState.SUBMITTED else None

    async def _settled(self) -> Kept:
        def settle(now: Draft) -> Wish:
            if now.state is DraftState.SUBMITTED:
                return Wish(draft=now)
            what = {"state": DraftState.SUBMITTED, "onboarding_id": self._onboarding_id}
            who = {"revision": now.revision + 1, "changed_by": self._principal.actor, "changed_at": datetime.now(UTC)}
            return Wish(draft=now.model_copy(update=what | who))

        return await self._drafts.change(self._draft_id, settle)

    async def _started(self) -> bool:
        try:
            await self._onboardings.view(self._onboarding_id, self._tenant.id)
        except NotFound:
            return False
        return True
