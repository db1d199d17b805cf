"""Refusals in the form in which Stripe gives them."""

from typing import Any


class Refusal(Exception):
    """An answer that is no; becomes Stripe's error body."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error", **fields: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {
            "error": {"type": kind, "message": message, **{name: value for name, value in fields.items() if value}}
        }


def declined(charge: str | None = None, decline_code: str = "generic_decline") -> Refusal:
    return Refusal(402, "Your card was declined.", "card_error", code="card_declined", decline_code=decline_code, charge=charge)


def missing(what: str, param: str, status: int = 404) -> Refusal:
    return Refusal(status, f"No such {what}.", code="resource_missing", param=param)


def unexpected_state(what: str, status: str) -> Refusal:
    return Refusal(400, f"This payment is {status}, so {what} is not possible.", code="payment_intent_unexpected_state")
