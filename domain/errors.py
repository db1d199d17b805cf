"""What can go wrong, in the words of the product.

    DialtoneError
    ├── Refused            an answer: it will not change by asking again, wakes nobody, and is shown to the person who asked
    │   ├── PaymentDeclined    the bank or the ledger said no
    │   ├── NameTaken          another open account has this name
    │   ├── AccountNumberTaken another account has this number
    │   ├── NumberUnavailable  the number, or enough numbers of that kind, cannot be had
    │   ├── RecipientRefused   the mail relay refuses this address for good
    │   ├── ProvisioningRefused the switch refuses the service as ordered
    │   └── KeyClosed          the step arrives after its own undo
    └── Unavailable        not an answer: the outside is down, slow or contradicting itself; ask again later

Adapters translate their vendor's errors into these; ``activities/failures.py`` translates these into Temporal's;
``starter/problems.py`` into HTTP's. Messages are sentences and carry no personal data: they end in histories and logs.
"""


class DialtoneError(Exception):
    """Base of all errors of the product. ``code`` is stable and may be matched on; the message is for people."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class Refused(DialtoneError):
    """An answer, and it is no."""

    code = "refused"


class PaymentDeclined(Refused):
    """The means of payment was asked and said no. ``code`` is the reason in lower case, e.g. ``card_declined``."""

    code = "payment_declined"


class NameTaken(Refused):
    """The customer's name belongs to another open account (S2-12). The message never says whose (C4)."""

    code = "name_taken"


class AccountNumberTaken(Refused):
    """The account number that was asked for belongs to another account of the platform (S4-04)."""

    code = "account_number_taken"


class NumberUnavailable(Refused):
    """A number asked for by name is taken, or fewer are free than a criterion asks for.

    ``numbers`` are the taken ones, where they are told apart; they are not in the message, which ends in logs.
    """

    code = "number_unavailable"

    def __init__(self, message: str, *, code: str | None = None, numbers: tuple[str, ...] = ()) -> None:
        super().__init__(message, code=code)
        self.numbers = numbers


class RecipientRefused(Refused):
    """The relay answered 5yz for the recipient (RFC 5321 section 4.2.1): this address does not work."""

    code = "recipient_refused"


class ProvisioningRefused(Refused):
    """The switch will not take the service as ordered; an operator must correct the order or give up."""

    code = "provisioning_refused"


class KeyClosed(Refused):
    """The step's key was closed by its undo: the effect must not happen any more (late landing)."""

    code = "key_closed"


class Unavailable(DialtoneError):
    """Something outside is not answering as it should; the same request may succeed later.

    ``retry_after`` is in seconds, where the other side named it.
    """

    code = "unavailable"

    def __init__(self, message: str, *, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class NotFound(DialtoneError):
    """No such thing, or not one this caller may know of: the two are deliberately the same answer."""

    code = "not_found"
