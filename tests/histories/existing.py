"""What changes of customers and services ask of the outside, for the plays of ``others``."""

from collections.abc import Callable
from typing import Any

from activities.customers import CustomerActivities
from activities.letters import LetterActivities
from activities.registry import methods_of
from activities.services import ServiceActivities
from activities.transfers import TransferActivities
from domain.calling import Calling, CallingWrite
from domain.customers import CustomerChange, CustomerWrite
from domain.letters import LetterAct, LetterEnd, LetterTaken
from domain.mails import MailKind, MailOrder
from domain.services import ServiceChange, ServiceRecord, ServiceSettings
from domain.transfers import Transfer
from domain.voice import LineSetup

_WRITE = CallingWrite(calling=Calling(account_id="account", version=1))


class Customers:
    def __init__(self, called: Callable[[str], None]) -> None:
        self._called = called

    async def change(self, change: CustomerChange) -> CustomerWrite:
        self._called("customer")
        return CustomerWrite(fields=("late_payment_exempt",), calling=_WRITE)


class Lines:
    """Services in our records, and their lines on the switch."""

    def __init__(self, called: Callable[[str], None]) -> None:
        self._called = called

    async def services(self, account_id: str) -> tuple[ServiceRecord, ...]:
        raise NotImplementedError

    async def change(self, change: ServiceChange) -> ServiceRecord:
        self._called("service")
        settings = ServiceSettings(label="Front desk", max_channels=2)
        return ServiceRecord(
            line=change.line, account_id="account", onboarding_id="onboarding", numbers=(), settings=settings, version=1
        )

    async def confirm(self, line: str, version: int) -> None:
        self._called("confirm")

    async def configure(self, setup: LineSetup) -> None:
        self._called("configure")


class Transfers:
    def __init__(self, called: Callable[[str], None]) -> None:
        self._called = called

    async def transfer(self, transfer: Transfer) -> CallingWrite:
        self._called("transfer")
        return _WRITE


class Letters:
    def __init__(self, called: Callable[[str], None]) -> None:
        self._called = called

    async def take_up(self, act: LetterAct) -> LetterTaken:
        self._called("letter")
        letter = MailOrder(key="letter", kind=MailKind.NOTIFICATION, onboarding_id=act.onboarding_id, notification=act.place)
        return LetterTaken(letter=letter if act.act == "resend" else None)

    async def close(self, end: LetterEnd) -> None:
        self._called("close letter")


def activities(called: Callable[[str], None]) -> list[Callable[..., Any]]:
    """``called`` is told of every call, and raises for one that shall fail."""
    lines = Lines(called)
    return methods_of(
        CustomerActivities(Customers(called)),
        ServiceActivities(lines, lines),
        TransferActivities(Transfers(called)),
        LetterActivities(Letters(called)),
    )
