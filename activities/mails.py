"""Sending letters. The key is recorded after the relay took the letter: at worst a copy with the same Message-ID."""

from temporalio import activity

from activities.failures import translated
from domain.mails import MailOrder
from domain.ports import MailDesk, Mailer


class MailActivities:
    def __init__(self, mailer: Mailer, desk: MailDesk) -> None:
        self._mailer = mailer
        self._desk = desk
        # What the relay has taken and our records could not note: while they are out of order, no attempt sends it again.
        self._unnoted: set[str] = set()

    @activity.defn(name="send_mail")
    @translated
    async def send_mail(self, order: MailOrder) -> None:
        if order.key not in self._unnoted:
            mail = await self._desk.address(order)
            if mail is None:
                return
            await self._mailer.send(mail)
            self._unnoted.add(order.key)
        await self._desk.sent(order)
        self._unnoted.discard(order.key)
