"""Reading: the rows that the records wrote, as values. Every page is found by its key, never by counting rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, literal, or_, select, tuple_

from adapters.database import page_tokens, service_numbers, tree
from adapters.database.service_numbers import OrderNumbers
from adapters.database.shelf import beyond
from adapters.database.tables import accounts, ledger_entries, mail_log, numbers, onboardings, timeline
from adapters.transactions import Transactions
from domain.errors import NotFound
from domain.mails import MailKind
from domain.numbers import NumberRecord, NumberState
from domain.onboarding import State
from domain.views import OnboardingView, Page, TimelineEvent

_a, _o, _n, _t, _e = accounts.c, onboardings.c, numbers.c, timeline.c, ledger_entries.c
_LARGEST_PAGE = 500
# Without an account where the name, or the account number, was another's.
_ONBOARDINGS = select(onboardings, accounts.c.number).outerjoin(accounts, accounts.c.id == _o.account_id)


class Reader:
    """``domain.views.OnboardingReader``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def get(self, onboarding_id: str, tenant_id: str | None = None) -> OnboardingView:
        query = _ONBOARDINGS.where(_o.id == onboarding_id)
        if tenant_id is not None:
            # The white label that it belongs to, and all above it; or the customer's account itself.
            above = tree.ancestors(
                select(_a.id, _a.parent_id).join(onboardings, _o.tenant_id == _a.id).where(_o.id == onboarding_id)
            )
            query = query.where(or_(_o.account_id == tenant_id, select(above.c.id).where(above.c.id == tenant_id).exists()))

        def work(connection: Connection) -> Sequence[OnboardingView]:
            return _views(connection, connection.execute(query).all())

        found = await self._transactions.read(work)
        if not found:
            raise NotFound("There is no such onboarding, or it is not yours to see.")
        return found[0]

    async def list(
        self, tenant_id: str | None, state: State | None, page_size: int, page_token: str | None
    ) -> Page[OnboardingView]:
        filters = ("onboardings", tenant_id, state)
        size = _size(page_size)
        query = _ONBOARDINGS.order_by(_o.created_at.desc(), _o.id.desc()).limit(size + 1)
        if state is not None:
            query = query.where(_o.state == state)
        if page_token is not None:
            created_at, last = page_tokens.read(filters, page_token, 2)
            position = tuple_(_o.created_at, _o.id)
            query = query.where(
                position < tuple_(literal(page_tokens.moment(created_at), _o.created_at.type), literal(last, _o.id.type))
            )

        def work(connection: Connection) -> tuple[Sequence[OnboardingView], str | None]:
            rows = connection.execute(query.where(*_within(connection, tenant_id))).all()
            more = len(rows) > size
            shown = rows[:size]
            after = (shown[-1].created_at.isoformat(), shown[-1].id) if more else None
            return _views(connection, shown), page_tokens.make(filters, after) if after else None

        items, token = await self._transactions.read(work)
        return Page[OnboardingView](items=tuple(items), next_page_token=token)

    async def timeline(self, onboarding_id: str, after: int = 0) -> Sequence[TimelineEvent]:
        query = select(timeline).where(_t.onboarding_id == onboarding_id, _t.sequence > after).order_by(_t.sequence)

        def work(connection: Connection) -> Sequence[TimelineEvent]:
            return [
                TimelineEvent(
                    sequence=row.sequence,
                    onboarding_id=row.onboarding_id,
                    at=row.at,
                    state=State(row.state),
                    event=row.event,
                    actor=row.actor,
                    detail=row.detail,
                )
                for row in connection.execute(query)
            ]

        return await self._transactions.read(work)

    async def search_numbers(
        self, tenant_id: str, prefix: str | None, state: NumberState | None, page_size: int, page_token: str | None
    ) -> Page[NumberRecord]:
        filters = ("numbers", tenant_id, prefix, state)
        size = _size(page_size)
        query = select(numbers).where(_n.tenant_id == tenant_id).order_by(_n.e164).limit(size + 1)
        if prefix:
            query = query.where(_n.e164 >= prefix, _n.e164 < beyond(prefix))
        if state is not None:
            query = query.where(_n.state == state)
        if page_token is not None:
            query = query.where(_n.e164 > page_tokens.read(filters, page_token, 1)[0])
        rows = await self._transactions.read(lambda connection: connection.execute(query).all())
        shown = rows[:size]
        token = page_tokens.make(filters, (shown[-1].e164,)) if len(rows) > size else None
        return Page[NumberRecord](items=tuple(_number(row) for row in shown), next_page_token=token)

    async def mails(self, onboarding_id: str) -> Sequence[tuple[MailKind, datetime]]:
        query = (
            select(mail_log.c.kind, mail_log.c.sent_at)
            .where(mail_log.c.onboarding_id == onboarding_id)
            .order_by(mail_log.c.sent_at, mail_log.c.key)
        )
        rows = await self._transactions.read(lambda connection: connection.execute(query).all())
        return [(MailKind(row.kind), row.sent_at) for row in rows]


def _within(connection: Connection, scope: str | None) -> tuple[ColumnElement[bool], ...]:
    """What confines a list to a scope's subtree. One white label alone is an equality, which its index is in the order of."""
    if scope is None:
        return ()
    found = tree.white_labels(connection, scope)
    if not found:
        return (_o.account_id == scope,)
    return (_o.tenant_id == found[0] if len(found) == 1 else _o.tenant_id.in_(found),)


def _size(page_size: int) -> int:
    if page_size < 1:
        raise ValueError("A page has at least one item.")
    return min(page_size, _LARGEST_PAGE)


def _number(row: Row[Any]) -> NumberRecord:
    state = NumberState(row.state)
    return NumberRecord(
        e164=row.e164,
        grade=row.grade,
        state=state,
        held_until=row.held_until if state is NumberState.HELD else None,
        quarantined_until=row.quarantined_until,
        pool=row.pool,
    )


def _views(connection: Connection, rows: Sequence[Row[Any]]) -> list[OnboardingView]:
    """The rows with their numbers and their money, in two or three statements however many rows there are."""
    ids = [row.id for row in rows]
    if not ids:
        return []
    held = service_numbers.of_orders(connection, {row.id: row.order for row in rows})
    charged = func.sum(case((_e.kind == "charge", -_e.amount_minor), else_=0))
    refunded = func.sum(case((_e.kind == "refund", _e.amount_minor), else_=0))
    sums = select(_e.onboarding_id, charged, refunded).where(_e.onboarding_id.in_(ids)).group_by(_e.onboarding_id)
    money = {onboarding: (int(out), int(back)) for onboarding, out, back in connection.execute(sums)}
    return [_view(row, held[row.id], *money.get(row.id, (0, 0))) for row in rows]


def _view(row: Row[Any], held: OrderNumbers, charged: int, refunded: int) -> OnboardingView:
    return OnboardingView(
        id=row.id,
        tenant_id=row.tenant_id,
        account_id=row.account_id,
        account_number=row.number,
        sip_domain=row.sip_domain,
        state=State(row.state),
        waits_for=row.waits_for,
        deadline=row.deadline,
        generation=row.generation,
        needs_attention=row.needs_attention,
        outcome=row.outcome,
        requested_by=row.requested_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
        fingerprint=row.fingerprint,
        order=row.order,
        quote=row.quote,
        approval_reasons=row.approval_reasons,
        terms=row.terms,
        numbers=held.has,
        service_numbers=tuple(held.now(position) for position in range(len(row.order.services))),
        charged_minor=charged,
        refunded_minor=refunded,
    )
