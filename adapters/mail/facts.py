"""What a template may speak of: the mail's facts, checked once, with the words that people read instead of codes."""

import re
from datetime import UTC, datetime

import phonenumbers

from domain.base import Value
from domain.notifications import Placeholder, filled

_CUSTOMER_WORDS = {
    # the bank's or the ledger's no
    "card_declined": "Your bank declined the payment and gave no reason. Only your bank can tell you more.",
    "insufficient_funds": "Your bank says there is not enough money available on the card.",
    "expired_card": "The card has expired.",
    "incorrect_cvc": "The security code of the card was not right.",
    "incorrect_number": "The number of the card was not right.",
    "authentication_required": "Your bank wants you to confirm the payment, and that did not happen.",
    "processing_error": "Your bank could not process the payment just then.",
    "card_not_supported": "The card cannot be used for this kind of payment.",
    "currency_not_supported": "The card cannot be charged in the currency of this order.",
    "card_velocity_exceeded": "The card has reached a limit that your bank set.",
    "withdrawal_count_limit_exceeded": "The card has reached a limit that your bank set.",
    "payment_declined": "The payment was declined.",
    "insufficient_headroom": "The account that was to pay does not have enough credit left.",
    # how an order ends
    "activation_expired": "The activation link was not used in time.",
    "approval_expired": "The order had to be approved first, and nobody decided in time.",
    "approval_rejected": "The order was looked at and could not be approved.",
    "payment_expired": "No payment was made in time.",
    "payment_attempts_used_up": "None of the cards that were tried could be charged.",
    "name_taken": "There is already an account with this customer name. If it is yours, sign in there or write to us.",
    "number_unavailable": "A telephone number of the order is no longer available.",
    "substitute_declined": "A telephone number of the order was lost to somebody else, and another one was not wanted.",
    "substitute_expired": "A telephone number of the order was lost to somebody else, and nobody answered for another one.",
    "provisioning_refused": "The telephone service could not be set up as ordered.",
    "recipient_refused": "Our messages to the contact's e-mail address were returned.",
    "held_too_long": "A technical problem could not be solved in time.",
    "gave_up": "A technical problem kept us from setting up the service.",
    "cancelled": "The order was cancelled.",
}

_CLOSED_WORDS = {
    "rejected": "The order could not be accepted.",
    "expired": "The order was not completed in time.",
    "declined": "The order could not be paid.",
    "cancelled": "The order was cancelled.",
    "failed": "A technical problem kept us from setting up the service.",
}

_OPERATOR_WORDS = {
    "recipient_refused": "The mail relay refuses the contact's address for good. Correct the address, then it is sent again.",
    "provisioning_refused": "The switch refuses the service as ordered. Correct the cause and retry, or give up.",
    "substitute_offered": "Somebody else was faster with a number of this order. Another one of the same grade is held for it at "
    "the same price: accept or decline it with dialtone substitute.",
    "undo_stuck": "Something could not be undone. Deal with it by hand and mark it resolved, or have it tried again.",
    "mail_header_refused": "A mail could not be written: a name holds a character that no mail header can. Correct the name.",
    "relay_misconfigured": "The mail relay cannot be used as it is configured. Mend the settings, then retry.",
    "unavailable": "A system outside did not answer for too long. Retry when it is back, or give up.",
    "timed_out": "A system outside did not answer for too long. Retry when it is back, or give up.",
    "broken": "A step failed in a way that it should not. Look at the worker's log, then retry or give up.",
}

_REASON_WORDS = {
    "total": "The total is above the limit that needs no approval.",
    "credit_limit": "The credit limit is above the limit that needs no approval.",
    "number_grade": "The order holds numbers of a grade that needs approval.",
}

_ENDINGS = {
    "rejected": "was not accepted",
    "expired": "has expired",
    "declined": "could not be paid",
    "cancelled": "was cancelled",
    "failed": "could not be completed",
}


def _spoken(code: str) -> str:
    return code.replace("_", " ").strip()


def _written(e164: str) -> str:
    try:
        return phonenumbers.format_number(phonenumbers.parse(e164), phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    except phonenumbers.NumberParseException:
        return e164


def when(moment: datetime) -> str:
    """A moment as a person reads it: ``6 December 2026, 14:00 UTC``."""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


class QuoteLine(Value):
    """One line of the price, amounts written out (``£12.00``)."""

    text: str
    quantity: int
    total: str


class LogLine(Value):
    """One entry of the creation log. Who did it is left out: that is for the white label to know."""

    at: datetime
    event: str

    @property
    def written(self) -> str:
        return f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    @property
    def spoken(self) -> str:
        return _spoken(self.event)


class NumberSheet(Value):
    """A number and where its calls go."""

    e164: str
    destination: str
    forward_to: str | None = None

    @property
    def number(self) -> str:
        return _written(self.e164)

    @property
    def goes_to(self) -> str:
        ways = {"device": "rings the telephones", "voicemail": "goes to the mailbox"}
        return (
            f"goes on to {_written(self.forward_to)}" if self.forward_to else ways.get(self.destination, "rings the telephones")
        )


class ServiceSheet(Value):
    """The settings of one line: everything to set a telephone up with, but its password."""

    label: str
    username: str
    max_channels: int
    shown: str | None = None
    numbers: tuple[NumberSheet, ...] = ()

    @property
    def channels(self) -> str:
        return str(self.max_channels) if self.max_channels else "without limit"

    @property
    def caller_id(self) -> str | None:
        return _written(self.shown) if self.shown else None


class Facts(Value):
    """The facts of one letter. Whoever gathers them may leave out what the order does not have."""

    onboarding_id: str = ""
    tenant_name: str
    support_email: str
    customer_name: str
    contact_name: str = ""
    generation: int = 1
    code: str | None = None
    lines: tuple[QuoteLine, ...] = ()
    total: str | None = None
    tax_name: str | None = None
    tax: str | None = None
    numbers: tuple[str, ...] = ()
    deadline: datetime | None = None
    waits_for: str | None = None
    state: str | None = None
    approval_reasons: tuple[str, ...] = ()
    administration: str = "customer"
    needs_attention: str | None = None
    account_kind: str = "customer"
    adds: bool = False
    user_id: str | None = None
    invitation: int = 0
    invited_until: datetime | None = None
    own_subject: str | None = None
    own_body: str | None = None
    to_customer: bool = True
    attachments: tuple[str, ...] = ()
    account_number: str | None = None
    plan_name: str | None = None
    billing_address: tuple[str, ...] = ()
    payer: str = "self"
    account_type: str = "prepaid"
    terms_version: str | None = None
    terms_sha256: str | None = None
    terms_capacity: str | None = None
    terms_at: datetime | None = None
    sip_domain: str = ""
    log: tuple[LogLine, ...] = ()
    services: tuple[ServiceSheet, ...] = ()
    balance: str | None = None
    below: str | None = None
    crossed_at: datetime | None = None

    @property
    def crossed(self) -> str | None:
        """When the balance fell below the mark, written out."""
        return when(self.crossed_at) if self.crossed_at else None

    @property
    def subject(self) -> str:
        """The subject in somebody's own words, its placeholders filled in."""
        return filled(self.own_subject or "", self._values)

    @property
    def body(self) -> str:
        """As ``subject``. Filled in after the text was taken apart would be the same: no value holds a line's end."""
        return filled(self.own_body or "", self._values)

    @property
    def paragraphs(self) -> tuple[tuple[str, ...], ...]:
        """The body, by paragraphs and lines."""
        return tuple(tuple(part.split("\n")) for part in re.split(r"\n\n+", self.body) if part)

    @property
    def attached(self) -> tuple[str, ...]:
        """What is attached, in words."""
        return tuple(_spoken(name) for name in self.attachments)

    @property
    def terms_accepted(self) -> str | None:
        return when(self.terms_at) if self.terms_at else None

    @property
    def _values(self) -> dict[Placeholder, str]:
        return {
            Placeholder.CUSTOMER_NAME: self.customer_name,
            Placeholder.CONTACT_NAME: self.greeting,
            Placeholder.ACCOUNT_NUMBER: self.account_number or "none",
            Placeholder.NUMBERS: ", ".join(self.telephone_numbers) or "none",
            Placeholder.PLAN: self.plan_name or "none",
            Placeholder.TOTAL: self.total or "nothing",
            Placeholder.WHITE_LABEL: self.tenant_name,
            Placeholder.SUPPORT_EMAIL: self.support_email,
        }

    @property
    def greeting(self) -> str:
        return self.contact_name or self.customer_name

    @property
    def until(self) -> str | None:
        """When the waiting ends, written out."""
        return when(self.deadline) if self.deadline else None

    @property
    def invited(self) -> str | None:
        """When the link to set a password with ends, written out."""
        return when(self.invited_until) if self.invited_until else None

    @property
    def telephone_numbers(self) -> tuple[str, ...]:
        """The numbers as they are written for people: ``+44 121 496 0123``."""
        return tuple(_written(number) for number in self.numbers)

    @property
    def why(self) -> str:
        """The reason, to the customer. Of a code we do not know only what the state says, never the code itself."""
        fallback = _CLOSED_WORDS.get(self.state or "", "The payment did not go through.")
        return _CUSTOMER_WORDS.get(self.code or "", fallback)

    @property
    def ending(self) -> str:
        """How the order ended, to be put after "Your order"."""
        return _ENDINGS.get(self.state or "", "was closed")

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why an approver is asked, one sentence each."""
        return tuple(
            _REASON_WORDS.get(reason, f"The approval policy asks for it: {_spoken(reason)}.")
            for reason in self.approval_reasons
        )

    @property
    def trouble(self) -> str:
        """What an operator has to know, as a sentence."""
        for word in (self.code, self.needs_attention):
            # An attention note is a code, with what it is about after a colon.
            if word and (sentence := _OPERATOR_WORDS.get(word.partition(":")[0])):
                return sentence
        said = f": {_spoken(self.code)}" if self.code else ""
        return f"The onboarding cannot go on by itself{said}. Look at its timeline, then retry, correct or give up."

    @property
    def standing(self) -> str:
        """The state as it is spoken of."""
        return _spoken(self.state) if self.state else "held"
