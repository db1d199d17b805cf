"""What is wrong with the letters that an order wants sent at its end."""

from collections.abc import Iterator

from domain.notifications import MOST_OTHERS, Notification, Placeholder, Recipient, unknown_placeholders
from domain.orders import Order
from domain.rules import Finding


def notification_findings(order: Order) -> Iterator[Finding]:
    """Findings about ``/notifications``, each with a pointer to what is to be mended."""
    seen = set[tuple[Recipient, str | None]]()
    for place, one in enumerate(order.notifications):
        base = f"/notifications/{place}"
        who = (one.to, one.email.casefold() if one.email else None)
        if who in seen:
            message = "This recipient is named twice."
            yield Finding(code="recipient_twice", pointer=f"{base}/to", message=message, fix="Remove one of the two.")
        seen.add(who)
        yield from _address(one, base)
        yield from _words(one, base)
    others = sum(one.to is Recipient.OTHER for one in order.notifications)
    if others > MOST_OTHERS:
        message = f"At most {MOST_OTHERS} other recipients can be written to."
        yield Finding(code="too_many_recipients", pointer="/notifications", message=message, fix="Name fewer.")


def _address(one: Notification, base: str) -> Iterator[Finding]:
    if one.to is Recipient.OTHER and one.email is None:
        message = "Whoever is neither customer nor reseller is written to at an address."
        yield Finding(code="recipient_without_address", pointer=f"{base}/email", message=message, fix="Add it.")
    if one.to is not Recipient.OTHER and one.email is not None:
        message = f"The {one.to} is written to at the address on record."
        yield Finding(
            code="recipient_has_address",
            pointer=f"{base}/email",
            message=message,
            fix="Leave it out, or make the recipient other.",
        )


def _words(one: Notification, base: str) -> Iterator[Finding]:
    for name in ("subject", "body"):
        text: str | None = getattr(one, name)
        for word in unknown_placeholders(text or ""):
            known = ", ".join(f"{{{placeholder}}}" for placeholder in Placeholder)
            message = f"Nothing can be put in the place of {{{word}}}."
            yield Finding(code="unknown_placeholder", pointer=f"{base}/{name}", message=message, fix=f"Choose from: {known}.")
