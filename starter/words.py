"""What customers read instead of codes. Every sentence says what happened and what to do."""

from domain.base import Value
from domain.views import OnboardingView

DECLINES = {
    "card_declined": "Your bank did not accept the payment and gave no reason. Try another card, or ask your bank.",
    "insufficient_funds": "There was not enough money on the card. Try another card.",
    "expired_card": "The card has expired. Use one that is still valid.",
    "incorrect_cvc": "The security code was not right. Enter the card again.",
    "incorrect_number": "The card number was not right. Enter the card again.",
    "authentication_required": "Your bank wanted you to confirm the payment and that did not happen. Enter the card again.",
    "processing_error": "Your bank could not process the payment just then. Enter the card again.",
}
DECLINED = "The card was not accepted. Try another card, or ask your bank."


class Notice(Value):
    """A page that only says something: the heading, what it means, what to do."""

    title: str
    meaning: str
    advice: str


FORGED = Notice(
    title="This link does not work",
    meaning="The address is not complete, or it is not one of ours.",
    advice="Open the message again and press its button, or copy the whole link into the address bar.",
)
SUPERSEDED = Notice(
    title="This link has been replaced",
    meaning="A newer one was sent, or the contact's address has changed since. Your order is not affected.",
    advice="Look for the newest message in your inbox, in the spam folder too, and use the link in it. If there is none, ask us.",
)
FOREIGN = Notice(
    title="That did not come from our page",
    meaning="Your browser says that another site sent this form, so nothing was done.",
    advice="Open the link from your message and press the button there.",
)
TOO_BUSY = Notice(
    title="We cannot do that right now",
    meaning="A part of our system does not answer. Nothing was lost and nothing was charged twice.",
    advice="Wait a minute, then try again. Your order stays as it is.",
)
BROKEN = Notice(
    title="Something went wrong on our side",
    meaning="We have noted it. Your order stays as it is.",
    advice="Try again in a few minutes. If it happens again, reply to the message that brought you here.",
)
TOO_LATE_FOR_PASSWORDS = Notice(
    title="The passwords are no longer shown here",
    meaning="For your safety this page shows them for seven days after the start of the service.",
    advice="Ask us for them.",
)
INVITATION_OVER = Notice(
    title="This link does not work any more",
    meaning="It was used already, a newer one has been sent since, or its three days are over.",
    advice="If you have no password yet, ask whoever invited you to send the invitation again.",
)
PASSWORD_SET = Notice(
    title="Your password is set",
    meaning="From now on you sign in with your e-mail address and this password.",
    advice="You can close this page.",
)

_CLOSED = {
    "activation_expired": Notice(
        title="This link has expired",
        meaning="It was not used in time. The order was closed, its numbers were released, and nothing was charged.",
        advice="If you still want the service, ask us and we will send you a new order.",
    ),
    "payment_expired": Notice(
        title="This order has expired",
        meaning="No payment was made in time. The numbers were released and nothing was charged.",
        advice="If you still want the service, ask us and we will send you a new order.",
    ),
    "approval_rejected": Notice(
        title="This order was not accepted",
        meaning="It was looked at and could not be approved. Nothing was charged.",
        advice="Ask us if you would like to know more.",
    ),
    "cancelled": Notice(
        title="This order was cancelled",
        meaning="Everything that was reserved for it has been released. If something had been charged, it is paid back.",
        advice="If that is a surprise, ask us.",
    ),
}
_CLOSED_BY_STATE = {
    "rejected": Notice(
        title="This order was not accepted",
        meaning="It could not be carried out. Nothing was charged.",
        advice="Ask us what can be done.",
    ),
    "expired": _CLOSED["payment_expired"],
    "declined": Notice(
        title="The order could not be paid",
        meaning="None of the payments was accepted, so the order was closed and its numbers were released.",
        advice="If you still want the service, ask us and we will send you a new order.",
    ),
    "cancelled": _CLOSED["cancelled"],
    "failed": Notice(
        title="We could not set up your service",
        meaning="A technical problem stopped us. Everything was undone, and what had been charged is paid back.",
        advice="We are sorry. Ask us to try again.",
    ),
}


def closed(view: OnboardingView) -> Notice:
    """Why an order has ended."""
    code = view.outcome.code if view.outcome else None
    return _CLOSED.get(code or "") or _CLOSED_BY_STATE[view.state.value]


PROGRESS = {
    "opening": Notice(title="Your order is being prepared", meaning="We are opening your account.", advice=""),
    "reserving": Notice(title="Your order is being prepared", meaning="We are reserving your numbers.", advice=""),
    "awaiting_approval": Notice(
        title="Your order is being looked at",
        meaning="Somebody has to approve it first. We will write to you then.",
        advice="You can close this page.",
    ),
    "awaiting_activation": Notice(title="One moment", meaning="We are taking note of your acceptance.", advice=""),
    "awaiting_payment": Notice(
        title="We are asking your bank", meaning="This takes a few seconds.", advice="Please do not enter the card again."
    ),
    "provisioning": Notice(
        title="We are setting up your telephones",
        meaning="The payment is approved. Money moves only when everything works.",
        advice="This usually takes a few seconds. You can close this page: we will write to you.",
    ),
    "held": Notice(
        title="This takes longer than usual",
        meaning="Something did not work at once, and one of our people is looking at it. You are not charged meanwhile.",
        advice="You need not do anything. We will write to you.",
    ),
    "compensating": Notice(
        title="This order is being closed",
        meaning="We are releasing everything that was reserved for it.",
        advice="",
    ),
}
