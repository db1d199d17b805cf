"""Paying: authorise, capture, void, refund, find. Charge last: authorise, provision, capture."""

from enum import StrEnum

from domain.base import Value
from domain.money import Money


class MeansKind(StrEnum):
    """Where the money comes from."""

    CARD = "card"
    PARENT_ACCOUNT = "parent_account"
    OWN_ACCOUNT = "own_account"

    @property
    def is_ledger(self) -> bool:
        """Whether it is a ledger of ours, and not something outside."""
        return self is not MeansKind.CARD


class PaymentMeans(Value):
    """A means of payment by reference. Card data never reaches us: ``reference`` is the gateway's token for a card, or
    the id of the account whose ledger pays; ``customer`` is the gateway's customer that holds the card. ``merchant`` is the
    account at the gateway on which the card was left and is charged, the installation's own if unset (S1-12)."""

    kind: MeansKind
    reference: str
    customer: str | None = None
    merchant: str | None = None


class PaymentOrder(Value):
    """One intent to take money. Same key, same money: however often it is sent, it happens once."""

    key: str
    onboarding_id: str
    amount: Money
    means: PaymentMeans


class PaymentState(StrEnum):
    AUTHORISED = "authorised"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"


class Payment(Value):
    """What the gateway or the ledger holds under a key. ``reference`` is theirs."""

    key: str
    reference: str
    amount: Money
    state: PaymentState


class CardVisit(Value):
    """A visit to the gateway's hosted card page that the customer has completed, as the gateway reports it."""

    session: str
    onboarding_id: str
