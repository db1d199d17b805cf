"""Connected accounts: whose an object is, as the header ``Stripe-Account`` asks (https://docs.stripe.com/connect/authentication).

Everything that this gateway keeps hangs on a customer, so it belongs to the account that its customer was created for.
"""

import re
from typing import Any

from aiohttp import web

from starter.local.stripe_edge.errors import Refusal, missing
from starter.local.stripe_edge.records import Records

HEADER = "Stripe-Account"
_ACCOUNT = re.compile(r"acct_[A-Za-z0-9]+")


def account_of(request: web.Request) -> str | None:
    """The account that a request is for, ``None`` for the platform itself. Raises ``Refusal``.

    Stripe answers 403 for an account that is not connected to the platform. Here nobody connects any, so each is taken.
    """
    account = request.headers.get(HEADER)
    if account is not None and not _ACCOUNT.fullmatch(account):
        message = f"The provided key does not have access to account '{account}' (or that account does not exist)."
        raise Refusal(403, message, code="account_invalid")
    return account


class Accounts:
    """Tells the accounts apart: what is one's own can be seen, everything else does not exist."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def owner(self, customer: str | None) -> str | None:
        return self._records.owner(customer)

    def keep(self, customer: dict[str, Any], account: str | None) -> None:
        """A new customer is this account's."""
        if account is not None:
            self._records.keep_owner(customer["id"], account)

    def require(
        self, customer: str | None, account: str | None, what: str = "customer", param: str = "customer", status: int = 404
    ) -> None:
        """Raises ``Refusal``, as for what was never there, unless the customer is this account's."""
        if self._records.owner(customer) != account:
            raise missing(what, param, status)
