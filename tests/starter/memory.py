"""The web process's ports in memory, and an onboarding office that decides by itself what Temporal would."""

import base64
import json
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from domain import keys
from domain.access import Principal, Right, Role
from domain.account_plans import AccountPlan, PlanAssignment, arranged, may_follow
from domain.accounts import PLATFORM, Account, AccountKind
from domain.base import Value
from domain.baskets import HOLD, Basket, NewBasket
from domain.billing import Tax
from domain.bulk import BulkProgress, BulkRow, BulkRun, NewRow, RowProblem, RowState, RunState
from domain.call_records import CallRecord
from domain.calling import Calling, CallingChange, RateGroup, changed
from domain.catalogue import PriceList, Tenant, Terms
from domain.credits import Credit, Credited
from domain.drafts import Draft, DraftState, Edit, Kept
from domain.errors import NotFound, NumberUnavailable, Refused, Unavailable
from domain.mails import Mail, MailKind
from domain.numbers import PUBLIC, Assignment, Grade, GradedNumber, NumberRecord, NumberSearch, NumberState, grade_of
from domain.onboarding import Activation, CardPresented, OnboardingInput, OnboardingStatus, Outcome, State
from domain.payments import CardVisit, MeansKind, PaymentMeans
from domain.pins import NewPin
from domain.price_lists import PriceListVersion
from domain.users import Grant, Invitation, Member, Membership, MemberState, NewUser, Session, SignIn
from domain.views import OnboardingView, Page, TimelineEvent
from starter.bulk.files import RawRow
from starter.bulk.office import Asked


def view_of(begin: OnboardingInput, **changes: Any) -> OnboardingView:
    return OnboardingView(
        **{
            "id": begin.id,
            "tenant_id": begin.tenant_id,
            "account_id": keys.account_id(begin.id),
            "state": State.AWAITING_ACTIVATION,
            "waits_for": "customer",
            "deadline": datetime(2026, 12, 6, 14, 0, tzinfo=UTC),
            "generation": 1,
            "needs_attention": None,
            "outcome": None,
            "requested_by": begin.requested_by,
            "created_at": begin.submitted_at,
            "updated_at": begin.submitted_at,
            "fingerprint": begin.fingerprint,
            "order": begin.order,
            "quote": begin.quote,
            "approval_reasons": begin.approval_reasons,
            "terms": begin.terms,
            "numbers": ("+441214960000",),
            "service_numbers": (("+441214960000",), *[()] * len(begin.order.services))[: len(begin.order.services)],
            "charged_minor": 0,
            "refunded_minor": 0,
            **changes,
        }
    )


@dataclass
class Reader:
    """Rows and timeline. A page token holds the filters that it was made with, as the real one does."""

    rows: dict[str, OnboardingView] = field(default_factory=dict)
    events: list[TimelineEvent] = field(default_factory=list)
    numbers: list[NumberRecord] = field(default_factory=list)
    looks: int = 0

    def put(self, view: OnboardingView) -> OnboardingView:
        self.rows[view.id] = view
        return view

    def change(self, onboarding_id: str, **changes: Any) -> None:
        self.put(self.rows[onboarding_id].model_copy(update=changes))

    def note(self, onboarding_id: str, event: str, state: State, **detail: str) -> TimelineEvent:
        entry = TimelineEvent(
            sequence=len(self.events) + 1,
            onboarding_id=onboarding_id,
            at=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
            state=state,
            event=event,
            actor="system",
            detail=detail,
        )
        self.events.append(entry)
        return entry

    async def get(self, onboarding_id: str, tenant_id: str | None = None) -> OnboardingView:
        view = self.rows.get(onboarding_id)
        if view is None or tenant_id not in {None, view.tenant_id}:
            raise NotFound("There is no such onboarding.")
        return view

    async def list(
        self, tenant_id: str | None, state: State | None, page_size: int, page_token: str | None
    ) -> Page[OnboardingView]:
        found = [row for row in self.rows.values() if tenant_id in {None, row.tenant_id} and state in {None, row.state}]
        return _page(found, page_size, page_token, [tenant_id, state])

    async def timeline(self, onboarding_id: str, after: int = 0) -> Sequence[TimelineEvent]:
        self.looks += 1
        return [event for event in self.events if event.onboarding_id == onboarding_id and event.sequence > after]

    async def search_numbers(
        self, tenant_id: str, prefix: str | None, state: NumberState | None, page_size: int, page_token: str | None
    ) -> Page[NumberRecord]:
        found = [n for n in self.numbers if n.e164.startswith(prefix or "") and state in {None, n.state}]
        return _page(found, page_size, page_token, [tenant_id, prefix, state])

    async def mails(self, onboarding_id: str) -> Sequence[tuple[MailKind, datetime]]:
        return []


def _page(found: list[Any], page_size: int, token: str | None, filters: list[Any]) -> Page[Any]:
    start = 0
    if token is not None:
        try:
            made_with, start = json.loads(base64.urlsafe_b64decode(token.encode()))
        except (ValueError, TypeError) as error:
            raise ValueError("not ours") from error
        if made_with != filters:
            raise ValueError("made with other filters")
    end = start + page_size
    more = base64.urlsafe_b64encode(json.dumps([filters, end]).encode()).decode() if end < len(found) else None
    return Page(items=tuple(found[start:end]), next_page_token=more)


@dataclass
class Catalogue:
    tenants: list[Tenant]
    imported: dict[str, set[str]] = field(default_factory=dict)
    asked: int = 0

    async def tenant(self, tenant_id: str) -> Tenant:
        self.asked += 1
        for tenant in self.tenants:
            if tenant_id in {tenant.id, tenant.slug}:
                return tenant
        raise NotFound("There is no such white label.")

    async def grades(self, tenant_id: str, numbers: Sequence[str]) -> dict[str, Grade]:
        return {number: grade_of(number) for number in numbers if number in self.imported.get(tenant_id, ())}


@dataclass
class Identities:
    known: dict[str, Principal] = field(default_factory=dict)
    asked: int = 0

    def add(self, tenant_id: str | None, role: Role, person: str | None = None) -> str:
        key, place = f"dt_{uuid.uuid4().hex}", len(self.known)
        self.known[key] = Principal(
            id=f"key:{place}", name=role.value, person=person or f"person:{place}", tenant_id=tenant_id, role=role
        )
        return key

    async def authenticate(self, api_key: str) -> Principal | None:
        self.asked += 1
        return self.known.get(api_key)

    async def issue(self, name: str, tenant_id: str | None, role: Role, person: str | None = None) -> tuple[Principal, str]:
        key = self.add(tenant_id, role, person or name)
        return self.known[key], key

    async def revoke(self, principal_id: str) -> None:
        self.known = {key: principal for key, principal in self.known.items() if principal.id != principal_id}

    async def all(self, tenant_id: str | None) -> tuple[Principal, ...]:
        return tuple(self.known.values())


@dataclass
class Inventory:
    """Numbers by owner: a number has one."""

    imported: dict[str, set[str]] = field(default_factory=dict)

    async def import_numbers(
        self, tenant_id: str, numbers: Sequence[str], grades: Mapping[str, Grade] | None = None, pool: str = PUBLIC
    ) -> int:
        known = self.imported.setdefault(tenant_id, set())
        new = set(numbers).difference(*self.imported.values())
        known |= new
        return len(new)


@dataclass
class RateGroups:
    """Rate groups in the settings of the white labels."""

    catalogue: Catalogue

    async def rate_groups(self, tenant_id: str) -> tuple[RateGroup, ...]:
        return (await self.catalogue.tenant(tenant_id)).rate_groups

    async def put_rate_group(self, tenant_id: str, group: RateGroup) -> None:
        tenant = await self.catalogue.tenant(tenant_id)
        groups = {one.code: one for one in tenant.rate_groups} | {group.code: group}
        changed = tenant.model_copy(update={"rate_groups": tuple(groups.values())})
        self.catalogue.tenants = [changed if one.id == tenant_id else one for one in self.catalogue.tenants]


@dataclass
class Prices:
    """Price lists and taxes in the settings of the white labels; one version of each."""

    catalogue: Catalogue

    async def tenant(self, tenant_id: str) -> Tenant:
        return await self.catalogue.tenant(tenant_id)

    async def version(self, tenant_id: str, code: str, version: str | None) -> PriceListVersion | None:
        prices = (await self.tenant(tenant_id)).list_for(code)
        if prices is None:
            raise NotFound("There is no such price list.")
        return PriceListVersion(price_list=prices) if version in {None, prices.version} else None

    async def put_price_list(self, tenant_id: str, prices: PriceList, actor: str) -> PriceList:
        self._put((await self.tenant(tenant_id)).with_price_list(prices))
        return prices

    async def create_tax(self, tenant_id: str, tax: Tax) -> Tax:
        tenant = await self.tenant(tenant_id)
        if any(one.code == tax.code and one != tax for one in tenant.taxes):
            raise Refused("There is another tax of this code. Choose another code.", code="tax_exists")
        taxes = {one.code: one for one in tenant.taxes} | {tax.code: tax}
        self._put(tenant.model_copy(update={"taxes": tuple(taxes.values())}))
        return tax

    async def terms(self, tenant_id: str, sha256: str) -> Terms | None:
        terms = (await self.tenant(tenant_id)).terms
        return terms if terms.sha256 == sha256 else None

    def _put(self, tenant: Tenant) -> None:
        self.catalogue.tenants = [tenant if one.id == tenant.id else one for one in self.catalogue.tenants]


@dataclass
class CallLog:
    """Call records, as the switch would have them."""

    records: list[CallRecord] = field(default_factory=list)

    async def call_records(
        self, account_id: str, begin: datetime, end: datetime, after: tuple[int, int] | None, most: int
    ) -> Sequence[CallRecord]:
        mine = [one for one in self.records if one.account_id == account_id and begin <= one.began_at < end]
        behind = (one for one in sorted(mine, key=lambda one: one.position) if after is None or one.position > after)
        return [one for one, _ in zip(behind, range(most), strict=False)]


@dataclass
class Plans:
    """The plan of every account that an onboarding has made active, and what was assigned since."""

    reader: Reader
    assigned: dict[str, list[PlanAssignment]] = field(default_factory=dict)

    async def get(self, account_id: str) -> AccountPlan:
        view = next((one for one in self.reader.rows.values() if one.account_id == account_id), None)
        if view is None:
            raise NotFound("There is no such account, or it is not yours to see.")
        if view.state is not State.ACTIVE:
            raise Refused("The account is not active, so no plan is in force yet.", code="not_active")
        first = PlanAssignment(
            id=view.id,
            plan=view.quote.plan,
            price_list=view.quote.price_list_code or "standard",
            effective_from=view.created_at,
            assigned_by=view.requested_by,
            assigned_at=view.created_at,
        )
        history = (first, *self.assigned.get(account_id, []))
        in_force, pending = arranged(history, datetime.now(UTC))
        return AccountPlan(
            account_id=account_id,
            tenant_id=view.tenant_id,
            currency=view.quote.currency,
            order=view.order,
            in_force=in_force,
            pending=pending,
            history=history,
        )

    async def assign(self, account_id: str, tenant_id: str, wanted: PlanAssignment) -> AccountPlan:
        if may_follow(await self.get(account_id), wanted, datetime.now(UTC)):
            self.assigned.setdefault(account_id, []).append(wanted)
        return await self.get(account_id)

    async def cancel_pending(self, account_id: str, tenant_id: str, actor: str) -> AccountPlan:
        pending = (await self.get(account_id)).pending
        if pending is not None:
            self.assigned[account_id].remove(pending)
        return await self.get(account_id)


@dataclass
class CallingOffice:
    """Changes at once what the workflow and the switch would. ``absent``: it is kept, and nobody carries it out yet."""

    reader: Reader
    rows: dict[str, Calling] = field(default_factory=dict)
    used: dict[str, datetime] = field(default_factory=dict)
    absent: bool = False

    async def get(self, account_id: str, tenant_id: str | None) -> Calling:
        for view in self.reader.rows.values():
            if view.account_id == account_id and tenant_id in {None, view.tenant_id}:
                if view.state is not State.ACTIVE:
                    raise Refused("The account is not active.", code="not_active")
                return self.rows.setdefault(account_id, Calling(account_id=account_id, onboarding_id=view.id))
        raise NotFound("There is no such account.")

    async def first_call(self, account_id: str) -> datetime | None:
        return self.used.get(account_id)

    async def change(self, change: CallingChange) -> Calling | None:
        if self.absent:
            return None
        after = changed(self.rows[change.account_id], change)
        self.rows[change.account_id] = after.model_copy(update={"switch_version": after.version})
        return self.rows[change.account_id]


@dataclass
class Stock:
    """Free numbers, found by looking at each; the real one is tested over both databases in tests/numbers."""

    free: list[GradedNumber] = field(default_factory=list)

    async def search(self, tenant_id: str, wish: NumberSearch) -> Sequence[GradedNumber]:
        return [number for number in self.free if number.e164.startswith(wish.prefix or "+")][: wish.count]

    async def keep(self, tenant_id: str, pool: str, numbers: Sequence[str]) -> None:
        raise NumberUnavailable("Not every one of these numbers is free.", numbers=tuple(numbers))

    async def assignment(self, tenant_id: str, e164: str) -> Assignment:
        raise Refused("Nobody has this number.", code="number_not_assigned")

    async def former(self, tenant_id: str, e164: str, account_id: str) -> Assignment:
        raise NotFound("There is no such number.")


@dataclass
class BasketShelf:
    """Baskets that never expire."""

    baskets: dict[str, Basket] = field(default_factory=dict)

    async def open(self, new: NewBasket) -> Basket:
        now = datetime.now(UTC)
        fresh = Basket(
            id=new.id,
            tenant_id=new.tenant_id,
            pool=new.pool,
            plan=new.plan,
            price_list=new.price_list,
            created_at=now,
            expires_at=now + HOLD,
        )
        return self.baskets.setdefault(new.id, fresh)

    async def get(self, tenant_id: str, basket_id: str) -> Basket:
        if basket_id not in self.baskets:
            raise NotFound("There is no such basket.")
        return self.baskets[basket_id]

    async def add(self, tenant_id: str, basket_id: str, numbers: Sequence[str]) -> Basket:
        basket = await self.get(tenant_id, basket_id)
        graded = {number.e164: number for number in basket.numbers}
        graded |= {e164: GradedNumber(e164=e164, grade=grade_of(e164)) for e164 in numbers}
        return self._put(basket, numbers=tuple(graded[e164] for e164 in sorted(graded)))

    async def remove(self, tenant_id: str, basket_id: str, e164: str) -> Basket:
        basket = await self.get(tenant_id, basket_id)
        return self._put(basket, numbers=tuple(number for number in basket.numbers if number.e164 != e164))

    async def choose_plan(self, tenant_id: str, basket_id: str, plan: str | None, price_list: str | None = None) -> Basket:
        return self._put(await self.get(tenant_id, basket_id), plan=plan, price_list=price_list)

    async def discard(self, tenant_id: str, basket_id: str) -> None:
        await self.get(tenant_id, basket_id)
        del self.baskets[basket_id]

    def _put(self, basket: Basket, **changes: Any) -> Basket:
        self.baskets[basket.id] = basket.model_copy(update=changes)
        return self.baskets[basket.id]


@dataclass
class DraftShelf:
    """Drafts that hold no numbers."""

    drafts: dict[str, Draft] = field(default_factory=dict)

    async def open(self, draft: Draft) -> Kept:
        return Kept(draft=self.drafts.setdefault(draft.id, draft))

    async def get(self, draft_id: str, named: Callable[[Draft], Collection[str]]) -> Kept:
        if draft_id not in self.drafts:
            raise NotFound("There is no such draft.")
        return Kept(draft=self.drafts[draft_id], free=frozenset(named(self.drafts[draft_id])))

    async def change(self, draft_id: str, edit: Edit) -> Kept:
        wish = edit(self.drafts[draft_id])
        self.drafts[draft_id] = wish.draft
        return Kept(draft=wish.draft, free=frozenset(wish.numbers or ()))

    async def page(
        self, tenant_id: str, person: str | None, state: DraftState | None, page_size: int, page_token: str | None
    ) -> Page[Draft]:
        chosen = [draft for draft in self.drafts.values() if draft.tenant_id == tenant_id and state in {None, draft.state}]
        return _page(chosen, page_size, page_token, [tenant_id, person, state])


class NumberActs:
    """Does at once whatever is asked."""

    async def release(self, number: Assignment, days: int, actor: str, reason: str | None) -> bool:
        return True

    async def reclaim(self, number: Assignment, actor: str) -> bool:
        return True


@dataclass
class CardPage:
    """The gateway's page: ``cards`` are the visits that left a card."""

    origin: str
    begun: list[tuple[str, int, str, str]] = field(default_factory=list)
    merchants: list[str | None] = field(default_factory=list)
    cards: dict[str, tuple[str, PaymentMeans]] = field(default_factory=dict)

    async def begin(
        self, onboarding_id: str, generation: int, return_url: str, cancel_url: str, merchant: str | None = None
    ) -> str:
        self.begun.append((onboarding_id, generation, return_url, cancel_url))
        self.merchants.append(merchant)
        return f"{self.origin}/pay/cs_{generation}"

    async def finished(self, session: str, onboarding_id: str, merchant: str | None = None) -> PaymentMeans | None:
        owner, means = self.cards.get(session, ("", None))
        return means if means is not None and (owner, means.merchant) == (onboarding_id, merchant) else None

    def leave(self, session: str, onboarding_id: str, merchant: str | None = None) -> None:
        means = PaymentMeans(kind=MeansKind.CARD, reference=f"pm_{session}", customer="cus_1", merchant=merchant)
        self.cards[session] = (onboarding_id, means)


class Webhooks:
    """Reports that say what they are about, signed with the word "signed"."""

    def visit(self, body: bytes, signature: str) -> CardVisit | None:
        if signature != "signed":
            raise Refused("This report does not carry a signature of the card gateway.", code="bad_signature")
        event = json.loads(body)
        return CardVisit(**event["visit"]) if "visit" in event else None


class Office:
    """Answers as the workflow does. ``absent``: nobody answers."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.absent = False
        self.attempts: dict[str, int] = {}
        self.sessions: list[str] = []
        self.told: list[tuple[str, Any]] = []
        self.accepted: dict[str, Activation] = {}
        self.refuse: Refused | None = None

    async def view(self, onboarding_id: str, tenant_id: str | None) -> OnboardingView:
        return await self._reader.get(onboarding_id, tenant_id)

    async def status(self, onboarding_id: str, patience: float = 5.0) -> OnboardingStatus:
        self._there()
        row = await self._reader.get(onboarding_id)
        return OnboardingStatus(
            id=row.id,
            state=row.state,
            waits_for=row.waits_for,
            generation=row.generation,
            payment_attempt=self.attempts.get(row.id, 1),
            outcome=row.outcome,
        )

    async def steer(self, onboarding_id: str, update: str, value: Any, update_id: str | None = None) -> OnboardingStatus:
        self._there()
        row = await self._reader.get(onboarding_id)
        if self.refuse:
            raise self.refuse
        if row.state.is_final:
            raise Refused("This onboarding has ended.", code="already_finished")
        if update == "activate":
            if row.state is not State.AWAITING_ACTIVATION:
                raise Refused("This link has been used already.", code="already_activated")
            if value.generation != row.generation:
                raise Refused("A newer link has been sent since.", code="link_superseded")
            self.accepted[onboarding_id] = value
            self._reader.change(onboarding_id, state=State.AWAITING_PAYMENT)
        if update == "pay":
            assert isinstance(value, CardPresented)
            if value.session in self.sessions:
                raise Refused("This card has been taken note of already.", code="card_already_presented")
            self.sessions.append(value.session)
            self._reader.change(onboarding_id, state=State.PROVISIONING, waits_for="voice switch")
        if update in {"cancel", "give_up"}:
            self._reader.change(onboarding_id, state=State.CANCELLED, outcome=Outcome(state=State.CANCELLED, code="cancelled"))
        self.told.append((update, value))
        return await self.status(onboarding_id)

    def _there(self) -> None:
        if self.absent:
            raise Unavailable("Nobody answered in time.", code="worker_unavailable", retry_after=5)


@dataclass
class Accounts:
    """The white labels, each alone, with nothing below; and the platform above them."""

    catalogue: Catalogue

    async def covers(self, scope: str, account_id: str) -> bool:
        return scope in {PLATFORM, account_id}

    async def get(self, account_id: str, scope: str) -> Account:
        tenant = next((tenant for tenant in self.catalogue.tenants if tenant.id == account_id), None)
        if tenant is None or not await self.covers(scope, account_id):
            raise NotFound("There is no such account, or it is not yours to see.")
        now = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
        return Account(
            id=tenant.id,
            parent_id=PLATFORM,
            kind=AccountKind.RESELLER,
            name=tenant.name,
            status="active",
            currency=tenant.currency,
            opened_at=now,
            activated_at=now,
        )

    async def children(
        self, account_id: str, scope: str, kind: AccountKind | None, page_size: int, page_token: str | None
    ) -> Page[Account]:
        await self.get(account_id, scope)
        return _page([], page_size, page_token, [account_id, kind])


@dataclass
class Users:
    """Users of one account, by address; and every other port that people need, of which nothing is kept."""

    known: dict[str, Member] = field(default_factory=dict)

    async def create(self, new: NewUser) -> Member:
        if new.email in self.known:
            raise Refused("There is such a user.", code="email_in_use")
        member = Member(
            id=f"user-{len(self.known)}",
            name=new.name,
            email=new.email,
            role=new.grant.role,
            rights=new.grant.rights,
            state=MemberState.ACTIVE if new.password_hash else MemberState.INVITED,
            since=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
        )
        self.known[new.email] = member
        return member

    async def add(
        self, account_id: str, tenant_id: str, email: str, grant: Grant, actor: str
    ) -> tuple[Member, Invitation | None]:
        if email not in self.known:
            raise Refused("There is no such user.", code="no_such_user")
        return self.known[email], None

    async def invite(self, new: NewUser) -> tuple[Member, Invitation]:
        member = self.known.get(new.email) or await self.create(new)
        until = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
        invitation = Invitation(
            user_id=member.id, generation=1, until=until, email=new.email, name=new.name, tenant_id=new.tenant_id
        )
        return member, invitation

    async def offer(self, new: NewUser) -> tuple[Member, Invitation]:
        return await self.invite(new)

    async def members(self, account_id: str) -> Sequence[Member]:
        return tuple(self.known.values())

    async def remove(self, account_id: str, member_id: str, allowed: frozenset[Right]) -> None:
        raise NotFound("This account has no such member.")

    async def invitation(self, user_id: str, generation: int) -> Invitation | None:
        return None

    async def accept(self, user_id: str, generation: int, password_hash: str) -> bool:
        return False

    async def knowers(self, member_id: str) -> frozenset[str]:
        return frozenset({member_id})

    async def sign_in(self, email: str, tenant_id: str | None) -> SignIn | None:
        return SignIn(user_id="user-0", password_hash="hash")

    async def memberships(self, user_id: str) -> Sequence[Membership]:
        return (Membership(account_id=PLATFORM, account_name="Platform", role=Role.AUDITOR, rights=frozenset()),)

    async def attempt(self, counters: dict[str, int]) -> timedelta | None:
        return None

    async def give_back(self, counters: Sequence[str]) -> None:
        return None

    async def taken(self, tenant_id: str, email: str) -> bool:
        return False

    async def forget_attempts(self, counter: str) -> None:
        return None

    async def open(self, user_id: str, account_id: str, verified: str) -> tuple[Session, str]:
        return Session(id="session-0", account_id=account_id, expires_at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC)), "ds_0"

    async def switch(self, principal: Principal, account_id: str) -> tuple[Session, str]:
        if principal.tenant_id not in {None, account_id}:
            raise NotFound("There is no such account, or it is not yours to see.")
        return Session(id="session-1", account_id=account_id, expires_at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC)), "ds_1"

    async def end(self, session_id: str) -> None:
        return None

    async def hash(self, password: str) -> str:
        return f"hash of {len(password)}"

    async def verify(self, password_hash: str | None, password: str) -> bool:
        return True

    async def send(self, mail: Mail) -> None:
        return None


@dataclass
class Pins:
    """Digests by account."""

    kept: dict[str, str] = field(default_factory=dict)

    async def digest(self, account_id: str) -> str | None:
        return self.kept.get(account_id)

    async def put(self, new: NewPin) -> None:
        self.kept[new.account_id] = new.digest


@dataclass
class Till:
    """Payments by key."""

    paid: dict[str, Credit] = field(default_factory=dict)

    async def pay_in(self, credit: Credit) -> Credited:
        replayed = credit.key in self.paid
        self.paid.setdefault(credit.key, credit)
        minor = credit.amount_minor
        return Credited(
            account_id=credit.account_id, amount_minor=minor, balance_minor=minor, currency="GBP", replayed=replayed
        )


class BulkDesk:
    """One bulk run of the first white label, with one row."""

    KNOWN = "2b1c7c0e-8d5b-5f0e-9d43-0f3f1f3f4a11"

    def __init__(self) -> None:
        self.run = BulkRun(
            id=self.KNOWN,
            tenant_id="5f0c5f0e-0000-4000-8000-000000000001",
            fingerprint="f",
            state=RunState.RUNNING,
            rate=120,
            at_once=20,
            created_by="key-0",
            created_at=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
            rows={RowState.WAITING: 1},
        )
        problem = RowProblem(code="missing", detail="This is missing. Add it.", pointer="/customer", column="customer.name")
        self.of_row = BulkRow(number=1, line=2, state=RowState.REFUSED, onboarding_id=self.KNOWN, problems=(problem,))

    async def check(self, principal: Principal, tenant: Tenant, rows: Iterable[RawRow], asked: Asked) -> list[NewRow]:
        return [NewRow(number=row.number, line=row.line, problems=tuple(row.problems)) for row in rows]

    async def start(
        self, principal: Principal, tenant: Tenant, rows: Iterable[RawRow], asked: Asked, key: str
    ) -> tuple[BulkRun, bool]:
        list(rows)
        return self.run, False

    async def get(self, run_id: str, scope: str) -> BulkRun:
        if run_id != self.KNOWN or scope not in {PLATFORM, self.run.tenant_id}:
            raise NotFound("There is no such bulk run, or it is not yours to see.")
        return self.run

    async def steer(self, run: BulkRun, update: str, value: Value, update_id: str | None) -> BulkProgress:
        return BulkProgress(run_id=run.id, state=run.state, rate=run.rate, at_once=run.at_once, started=0)

    async def undo(self, *_: Any) -> BulkRow:
        raise Refused("Nothing of this row was started, so there is nothing to undo.", code="nothing_to_undo")

    async def correct(self, *_: Any) -> BulkRow:
        return self.of_row

    async def list(self, tenant_id: str, page_size: int, page_token: str | None) -> Page[BulkRun]:
        return _page([self.run], page_size, page_token, [tenant_id])

    async def rows(self, run_id: str, state: RowState | None, page_size: int, page_token: str | None) -> Page[BulkRow]:
        return _page([self.of_row], page_size, page_token, [run_id, state])
