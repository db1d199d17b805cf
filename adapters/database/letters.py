"""Letters of active orders that were refused: what was decided about them. The onboarding's row is held first."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from adapters.database import progress, step_keys
from adapters.database.statements import now
from adapters.database.tables import customers, onboardings
from adapters.transactions import Transactions
from domain.customers import CustomerDetails
from domain.errors import NotFound, Refused
from domain.letters import LetterAct, LetterEnd, LetterTaken, refused_places, without
from domain.mails import MailKind, MailOrder
from domain.notifications import Notification, Recipient
from domain.onboarding import Entry, State
from domain.orders import Order

_o = onboardings.c
_HELD = (
    select(_o.id, _o.account_id, _o.state, _o.generation, _o.needs_attention, _o.order)
    .where(_o.id == bindparam("of"))
    .with_for_update(key_share=True)
)
_DETAILS = select(customers.c.details).where(customers.c.account_id == bindparam("of"))


class LetterStore:
    """``domain.letters.LetterRecords``."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def take_up(self, act: LetterAct) -> LetterTaken:
        return await self._transactions.write(lambda connection: _take_up(connection, act))

    async def close(self, end: LetterEnd) -> None:
        await self._transactions.write(lambda connection: _close(connection, end))


def _take_up(connection: Connection, act: LetterAct) -> LetterTaken:
    acts = step_keys.begin(connection, act.key)
    row = connection.execute(_HELD, {"of": act.onboarding_id}).first()
    if row is None:
        raise NotFound("There is no such onboarding, so it has no letters.")
    if acts and (row.state != State.ACTIVE or act.place not in refused_places(row.needs_attention)):
        raise Refused(
            "This letter does not ask for attention: it was sent, or somebody has dealt with it.", code="letter_not_refused"
        )
    chosen = row.order.notifications[act.place]
    if acts:
        _decided(connection, act, row, chosen)
    if act.act == "dismiss":
        return LetterTaken()
    kind = MailKind.WELCOME if chosen.to is Recipient.CUSTOMER else MailKind.NOTIFICATION
    letter = MailOrder(
        key=f"{act.onboarding_id}:letter:{act.key}",
        kind=kind,
        onboarding_id=act.onboarding_id,
        generation=row.generation,
        notification=act.place,
    )
    return LetterTaken(letter=letter)


def _decided(connection: Connection, act: LetterAct, row: Any, chosen: Notification) -> None:
    detail = {"notification": str(act.place)} | ({"reason": act.reason} if act.reason else {})
    if act.act == "dismiss":
        _tell(connection, act, "notification_dismissed", act.at, detail, actor=act.actor)
        _unmark(connection, row, act.place)
        return
    order = _readdressed(connection, act, row.order, chosen, row.account_id)
    detail["address"] = "as it was" if order == row.order else "corrected"
    connection.execute(update(onboardings).where(_o.id == row.id).values(order=order))
    _tell(connection, act, "notification_sent_again", act.at, detail, actor=act.actor)


def _readdressed(connection: Connection, act: LetterAct, order: Order, chosen: Notification, account: str) -> Order:
    """The order with the address that its letter goes to now; the customer's is the one that the customer has by now."""
    if chosen.to is Recipient.OTHER:
        corrected = chosen.model_copy(update={"email": act.email or chosen.email})
        letters = (*order.notifications[: act.place], corrected, *order.notifications[act.place + 1 :])
        return order.model_copy(update={"notifications": letters})
    if act.email is not None:
        whose = "customer's contact" if chosen.to is Recipient.CUSTOMER else "white label's operators"
        raise Refused(
            f"This letter goes to the {whose}. Correct the address there, then send it again without one.",
            code="letter_address_fixed",
        )
    details: CustomerDetails | None = connection.execute(_DETAILS, {"of": account}).scalar_one_or_none()
    if chosen.to is not Recipient.CUSTOMER or details is None:
        return order
    contact = order.customer.contact.model_copy(update={"email": details.customer.contact.email})
    return order.model_copy(update={"customer": order.customer.model_copy(update={"contact": contact})})


def _close(connection: Connection, end: LetterEnd) -> None:
    act = end.act
    row = connection.execute(_HELD, {"of": act.onboarding_id}).first()
    if row is None:
        return
    if end.code is None:
        _unmark(connection, row, act.place)
    else:
        detail = {"mail": end.letter.kind.value, "code": end.code, "notification": str(act.place)}
        _tell(connection, act, "mail_failed", now(), detail)


def _unmark(connection: Connection, row: Any, place: int) -> None:
    if place in refused_places(row.needs_attention):
        left = without(row.needs_attention, place)
        connection.execute(update(onboardings).where(_o.id == row.id).values(needs_attention=left, updated_at=now()))


def _tell(
    connection: Connection, act: LetterAct, event: str, at: datetime, detail: dict[str, str], actor: str = "system"
) -> None:
    entry = Entry(key=f"{event}:{act.key}", at=at, event=event, actor=actor, detail=detail)
    progress.append(connection, act.onboarding_id, State.ACTIVE, (entry,))
