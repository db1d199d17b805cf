"""Sending letters. The key is recorded after the relay took the letter: at worst a copy with the same Message-ID."""

from temporalio import activity

from activities.failures import translated
from domain.mails import MailOrder
from domain.ports import MailDesk, Mailer


class MailActivities:
    def __init__(self, mailer: Mailer, desk: MailDesk) -> None:
        self._mailer = mailer
        self._desk = desk

    @activity.defn(name="send_mail")
    @translated
    async def send_mail(self, order: MailOrder) -> None:
        mail = await self._desk.address(order)
        if mail is None:
            return
        await self._mailer.send(mail)
        await self._desk.sent(order)
